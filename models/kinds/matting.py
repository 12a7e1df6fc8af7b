"""Matting models find the main object of an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import SingleFile

if TYPE_CHECKING:
    from models.vision.matting import Matting

MATTING: ModelKind[Matting] = ModelKind(
    "matting model", "cut out an object", named_by_callers=True, default_names=frozenset({"matting"})
)
FAMILY = ModelFamily(
    name="matting",
    kind=MATTING,
    loader="models.vision.matting:load",
    layout=SingleFile(".onnx"),
)

"""Erasers fill a masked area from its surroundings, without a prompt."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.files.vision_keys import eraser_fields
from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import SingleFile

if TYPE_CHECKING:
    from models.vision.eraser import Eraser

ERASER: ModelKind[Eraser] = ModelKind("eraser", "erase", named_by_callers=True, default_names=frozenset({"lama"}))
FAMILY = ModelFamily(
    name="lama",
    kind=ERASER,
    loader="models.vision.eraser:load",
    layout=SingleFile(),
    recognise=eraser_fields,
)

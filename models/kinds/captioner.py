"""Captioners describe an image in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import PretrainedFolder

if TYPE_CHECKING:
    from models.language.captioner import Captioner

CAPTIONER: ModelKind[Captioner] = ModelKind(
    "captioner", "describe an image", named_by_callers=True, default_names=frozenset({"captioner"})
)
FAMILY = ModelFamily(
    name="captioner",
    kind=CAPTIONER,
    loader="models.language.captioner:load",
    layout=PretrainedFolder(),
    folder_classes=frozenset({"BlipForConditionalGeneration"}),
)

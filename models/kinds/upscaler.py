"""Upscalers enlarge an image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.files.upscaler_keys import upscaler_fields
from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import FileOrNcnnPair

if TYPE_CHECKING:
    from models.vision.upscaler import Upscaler

UPSCALER: ModelKind[Upscaler] = ModelKind(
    "upscaler", "enlarge an image", named_by_callers=True, default_names=frozenset({"esr", "esr_anime"})
)
FAMILY = ModelFamily(
    name="upscaler",
    kind=UPSCALER,
    loader="models.vision.upscaler:load",
    layout=FileOrNcnnPair(),
    recognise=upscaler_fields,
)

"""Stable Diffusion XL checkpoints."""

from __future__ import annotations

from functools import partial

from models.files.checkpoint_keys import checkpoint_fields
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelFamily
from models.kinds.layout import FolderOrFile

FAMILY = ModelFamily(
    name="sdxl",
    kind=CHECKPOINT,
    loader="models.diffusion.sdxl:load",
    layout=FolderOrFile(),
    recognise=partial(checkpoint_fields, family="sdxl"),
    unused_text_layers=1,
)

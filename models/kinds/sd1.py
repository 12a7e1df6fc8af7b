"""Stable Diffusion 1.x and 2.x checkpoints."""

from __future__ import annotations

from functools import partial

from models.files.checkpoint_keys import checkpoint_fields
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelFamily
from models.kinds.layout import FolderOrFile

SD1 = ModelFamily(
    name="sd1",
    kind=CHECKPOINT,
    loader="models.diffusion.sd1:load",
    layout=FolderOrFile(),
    recognise=partial(checkpoint_fields, family="sd1"),
)
SD2 = ModelFamily(
    name="sd2",
    kind=CHECKPOINT,
    loader="models.diffusion.sd1:load",
    layout=FolderOrFile(),
    recognise=partial(checkpoint_fields, family="sd2"),
)

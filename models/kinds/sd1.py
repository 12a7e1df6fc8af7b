"""Stable Diffusion 1.x and 2.x checkpoints."""

from __future__ import annotations

from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelFamily
from models.kinds.layout import FolderOrFile

SD1 = ModelFamily(name="sd1", kind=CHECKPOINT, loader="models.diffusion.sd1:load", layout=FolderOrFile())
SD2 = ModelFamily(
    name="sd2",
    kind=CHECKPOINT,
    loader="models.diffusion.sd1:load",
    layout=FolderOrFile(),
    required_of_files={
        "prediction": "a single file does not say what it predicts; add `prediction: v_prediction` (models of 768 "
        "pixels) or `prediction: epsilon` (those of 512)"
    },
)

"""Checkpoints generate images from a prompt. Their families are declared in the modules beside this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from models.kinds.kind import ModelKind

if TYPE_CHECKING:
    from models.diffusion.checkpoint import Checkpoint

CHECKPOINT: ModelKind[Checkpoint] = ModelKind(
    "checkpoint", "generate images from a prompt", named_by_callers=True, default_names=frozenset({"v1.5"})
)

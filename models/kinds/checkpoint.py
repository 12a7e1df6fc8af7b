"""Checkpoints generate images from a prompt. Their families are declared in the modules beside this one."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from models.files.checkpoint_keys import checkpoint_fields
from models.kinds.kind import ModelFamily, ModelKind
from models.kinds.layout import FolderOrFile

if TYPE_CHECKING:
    from models.diffusion.checkpoint import Checkpoint

CHECKPOINT: ModelKind[Checkpoint] = ModelKind(
    "checkpoint", "generate images from a prompt", named_by_callers=True, default_names=frozenset({"v1.5"})
)


def checkpoint_family(name: str, loader: str, unused_text_layers: int = 0) -> ModelFamily:
    """The arguments are those of ModelFamily."""
    return ModelFamily(
        name=name,
        kind=CHECKPOINT,
        loader=loader,
        layout=FolderOrFile(),
        recognise=partial(checkpoint_fields, family=name),
        unused_text_layers=unused_text_layers,
    )

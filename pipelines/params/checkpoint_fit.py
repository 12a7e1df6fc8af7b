"""Whether a task's parameters fit its checkpoint, as far as the checkpoint's files tell before it is loaded."""

from __future__ import annotations

from models.catalog.catalog import MisfitError
from models.catalog.entry import ModelEntry
from models.diffusion.word_match import any_of
from models.kinds import FAMILIES
from pipelines.params.image import ImageParams


def refuse_text_misfits(params: ImageParams, checkpoint: ModelEntry) -> None:
    """Raises MisfitError for a `clip_skip` or for vectors that a text encoder of the checkpoint cannot take."""
    skip = checkpoint.clip_skip if params.clip_skip == -1 else params.clip_skip
    for encoder in checkpoint.shape.text_encoders:
        most = encoder.layers - FAMILIES[checkpoint.family].unused_text_layers - 1
        if skip > most:
            raise MisfitError(
                f"clip_skip {skip} leaves no layer of a text encoder of model {checkpoint.name!r}; set it to at most "
                f"{most}"
            )
        for word, vectors in params.custom_embeddings.items():
            length = len(vectors[0])
            if length != encoder.width and any_of([word]).search(f"{params.text}\n{params.negative or ''}"):
                raise MisfitError(
                    f"custom_embeddings: the vectors of {word!r} have {length} numbers each, but a text encoder of "
                    f"model {checkpoint.name!r} takes {encoder.width}; use an embedding for this family of models"
                )


def refuse_without_mask(checkpoint: ModelEntry) -> None:
    """Raises MisfitError for a checkpoint that only paints inside a mask, which the task does not have."""
    if checkpoint.shape.only_inpaints:
        raise MisfitError(
            f"model {checkpoint.name!r} is for inpainting and paints masked areas only; use a plain model here, or one "
            "of the inpainting tasks"
        )

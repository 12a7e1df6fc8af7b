"""Whether a task's parameters fit its models, as far as the catalog tells before they are loaded."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from models.adapters.lora_tags import MAX_SCALE, Scales
from models.catalog.catalog import Catalog, MisfitError
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


def refuse_mixed_families(checkpoints: Sequence[ModelEntry]) -> None:
    """Raises MisfitError unless the checkpoints of all passes are of one family, and so have the same latents."""
    for first, other in pairwise(checkpoints):
        if other.family != first.family:
            raise MisfitError(
                f"model {other.name!r} of highres_info is of family {other.family}, but {first.name!r} is of family "
                f"{first.family}; name one of the same family, or leave it out"
            )


def refuse_large_lora_sums(params: ImageParams, catalog: Catalog) -> None:
    """Raises MisfitError for a LoRA that the task names by several of its names, with scales that add up to too much.

    Raises UnknownModelError as well.
    """
    sums: dict[str, Scales] = {}
    for name, scales in params.loras.items():
        lora = catalog.find(name).name
        sums[lora] = sums.get(lora, Scales(0, 0)) + scales
    for lora, scales in sums.items():
        if max(map(abs, scales)) > MAX_SCALE:
            raise MisfitError(
                f"LoRA {lora!r} is used under several names, and its scales add up to {max(scales, key=abs):g}; their "
                f"sum may be from {-MAX_SCALE:g} to {MAX_SCALE:g}"
            )

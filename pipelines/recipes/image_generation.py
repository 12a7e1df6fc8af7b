"""The base of task types that generate images with a diffusion model, and the two ways to start: noise or an image."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from models.catalog.names import tag_name
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import AnyModelRef
from pipelines.params.checkpoint_fit import (
    refuse_large_lora_sums,
    refuse_mixed_families,
    refuse_text_misfits,
    refuse_without_mask,
)
from pipelines.params.image import ImageParams, strength_of
from pipelines.pipeline import ControlInput, Pipeline, Steps

if TYPE_CHECKING:
    import numpy as np

    from models.catalog.catalog import Catalog
    from models.diffusion.checkpoint import Checkpoint

I = TypeVar("I", bound=ImageParams)  # noqa: E741


class ImageGeneration(Pipeline[I]):
    """A task type that runs on a checkpoint with its adapters and draws a random seed if none is set."""

    def needs(self, params: I) -> tuple[AnyModelRef, ...]:
        return (params.checkpoint_ref, *params.extra_models)

    def has_mask(self, params: I) -> bool:
        """Whether the task paints inside a mask alone."""
        return False

    def resolve_names(self, params: I, catalog: Catalog) -> I:
        """Raises MisfitError as well, if the parameters do not fit the checkpoint."""
        # Workers do not know the hashes of files, so that they need the names of LoRAs.
        by_hash = {name: entry for name in params.loras if (entry := catalog.find_hash(name))}
        params = params.with_lora_names({name: tag_name(entry) for name, entry in by_hash.items()})
        resolved = super().resolve_names(params, catalog)
        checkpoints = [catalog.find(ref) for ref in self.needs(resolved) if ref.kind is CHECKPOINT]
        refuse_mixed_families(checkpoints)
        for checkpoint in checkpoints:
            refuse_text_misfits(resolved, checkpoint)
            refuse_large_lora_sums(resolved, catalog)
            if not self.has_mask(resolved):
                refuse_without_mask(checkpoint)
        return resolved.with_checkpoints([checkpoint.name for checkpoint in checkpoints])

    def resolve(self, params: I) -> I:
        return params.with_seed()


def generate_from_noise(
    params: ImageParams, checkpoint: Checkpoint, width: int, height: int, controls: tuple[ControlInput, ...] = ()
) -> Steps[list[np.ndarray]]:
    """Images of `width` × `height` pixels, from noise alone."""
    requests = [params.denoise_request(checkpoint, noise, width, height) for noise in params.noises()]
    latents = yield [replace(request, controls=controls) for request in requests]
    return params.decode(checkpoint, latents)


def generate_from_image(
    params: ImageParams,
    checkpoint: Checkpoint,
    source: np.ndarray,
    fidelity: float,
    controls: tuple[ControlInput, ...] = (),
    size: tuple[int, int] | None = None,
) -> Steps[list[np.ndarray]]:
    """Images of the size of `source`, which follow it as closely as `fidelity`, 0 to 1.

    `source` is uint8 RGB [height, width, 3] with sides that can be generated.
    `size`: width and height of the images, to which the latents of `source` are stretched.
    """
    width, height = size or (source.shape[1], source.shape[0])
    requests = [
        params.denoise_request(
            checkpoint,
            noise,
            width,
            height,
            source=params.encode(checkpoint, source, noise, (width, height)),
            strength=strength_of(fidelity),
        )
        for noise in params.noises()
    ]
    latents = yield [replace(request, controls=controls) for request in requests]
    return params.decode(checkpoint, latents)

"""Images in two passes: painted, enlarged, and refined at the larger size ("hires fix")."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from models.kinds.kind import ModelRef
from models.kinds.upscaler import UPSCALER
from pipelines.params.high_res import HighRes
from pipelines.params.image import strength_of
from pipelines.params.second_pass import SecondPassParams
from pipelines.pipeline import ControlInput, Denoise, Models, Steps

if TYPE_CHECKING:
    import numpy as np
    import torch

    from models.diffusion.checkpoint import Checkpoint
    from models.noise import SeededNoise


def generate_in_two_passes(
    params: SecondPassParams,
    highres: HighRes,
    checkpoint: Checkpoint,
    models: Models,
    first_controls: tuple[ControlInput, ...] = (),
    second_controls: tuple[ControlInput, ...] = (),
) -> Steps[list[np.ndarray]]:
    """Images from noise alone, as large as `params.size`. `highres` is that of `params`."""
    noises, first_size = params.noises(), params.first_size
    requests = [params.denoise_request(checkpoint, noise, *first_size) for noise in noises]
    latents = yield [replace(request, controls=first_controls) for request in requests]
    larger = yield from _enlarged(params, highres, checkpoint, models, noises, latents)
    requests = _second_requests(params, highres, checkpoint, noises, larger)
    latents = yield [replace(request, controls=second_controls) for request in requests]
    return params.decode(checkpoint, latents)


def _enlarged(
    params: SecondPassParams,
    highres: HighRes,
    checkpoint: Checkpoint,
    models: Models,
    noises: list[SeededNoise],
    latents: list[torch.Tensor],
) -> Steps[list[torch.Tensor]]:
    """The latents of the first pass at the size of the second."""
    from models.imaging.resize_modes import resize_to

    (width, height), factor = params.size, checkpoint.vae_scale_factor
    if not highres.enlarges_pixels:
        return [highres.enlarge(latent, width // factor, height // factor) for latent in latents]
    upscaler = models.get(ModelRef(UPSCALER, highres.upscaler)) if highres.upscaler else None
    results = []
    for noise, pixels in zip(noises, params.decode(checkpoint, latents), strict=True):
        canvas = pixels
        if upscaler is not None:
            canvas = upscaler.canvas(pixels)
            for _ in upscaler.enlarge(pixels, canvas):
                yield []
        results.append(params.encode(checkpoint, resize_to(canvas, width, height, "cover"), noise))
    return results


def _second_requests(
    params: SecondPassParams,
    highres: HighRes,
    checkpoint: Checkpoint,
    noises: list[SeededNoise],
    latents: list[torch.Tensor],
) -> list[Denoise]:
    """The requests that refine the enlarged `latents`, one per noise."""
    (width, height), second = params.size, params.second_pass
    return [
        second.denoise_request(
            checkpoint,
            noise,
            width,
            height,
            source=latent,
            strength=strength_of(highres.fidelity),
            steps=highres.steps(second.num_steps),
        )
        for noise, latent in zip(noises, latents, strict=True)
    ]

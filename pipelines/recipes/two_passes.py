"""Images in two passes: painted, enlarged, and refined at the larger size ("hires fix")."""

from __future__ import annotations

from collections.abc import Mapping
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


FIRST_PICTURE = "highres_info.first_url"
"""The path of the picture that takes the place of the first pass."""


def generate_in_two_passes(
    params: SecondPassParams,
    highres: HighRes,
    checkpoint: Checkpoint,
    models: Models,
    images: Mapping[str, np.ndarray],
    first_controls: tuple[ControlInput, ...] = (),
    second_controls: tuple[ControlInput, ...] = (),
) -> Steps[list[np.ndarray]]:
    """Images as large as `params.size`. `highres` is that of `params`.

    They start from noise alone, or from a picture among `images` in place of the first pass.
    """
    noises, first_size, picture = params.noises(), params.first_size, images.get(FIRST_PICTURE)
    second = checkpoint if highres.model is None else params.second_pass.load_checkpoint(models, images)
    if picture is None:
        requests = [params.denoise_request(checkpoint, noise, *first_size) for noise in noises]
        latents = yield [replace(request, controls=first_controls) for request in requests]
        larger = yield from _enlarged(params, highres, (checkpoint, second), models, noises, latents)
    else:
        larger = yield from _enlarged_picture(params, highres, second, models, noises, picture)
    requests = _second_requests(params, highres, second, noises, larger)
    latents = yield [replace(request, controls=second_controls) for request in requests]
    return params.decode(second, latents)


def _enlarged(
    params: SecondPassParams,
    highres: HighRes,
    checkpoints: tuple[Checkpoint, Checkpoint],
    models: Models,
    noises: list[SeededNoise],
    latents: list[torch.Tensor],
) -> Steps[list[torch.Tensor]]:
    """The latents of the first pass at the size of the second. `checkpoints` are those of both."""
    first, second = checkpoints
    if not highres.enlarges_pixels:
        return _enlarged_latents(params, highres, second, latents)
    pictures = params.decode(first, latents)
    return (yield from _enlarged_pixels(params, highres, second, models, noises, pictures))


def _enlarged_picture(
    params: SecondPassParams,
    highres: HighRes,
    checkpoint: Checkpoint,
    models: Models,
    noises: list[SeededNoise],
    picture: np.ndarray,
) -> Steps[list[torch.Tensor]]:
    """The same of a picture that takes the place of what the first pass paints."""
    from models.imaging.pixels import flatten_alpha
    from models.imaging.resize_modes import resize_to

    pixels = resize_to(flatten_alpha(picture)[0], *params.first_size, "cover")
    if not highres.enlarges_pixels:
        latents = [params.encode(checkpoint, pixels, noise) for noise in noises]
        return _enlarged_latents(params, highres, checkpoint, latents)
    return (yield from _enlarged_pixels(params, highres, checkpoint, models, noises, [pixels] * len(noises)))


def _enlarged_latents(
    params: SecondPassParams, highres: HighRes, checkpoint: Checkpoint, latents: list[torch.Tensor]
) -> list[torch.Tensor]:
    width, height = (side // checkpoint.vae_scale_factor for side in params.size)
    return [highres.enlarge(latent, width, height) for latent in latents]


def _enlarged_pixels(
    params: SecondPassParams,
    highres: HighRes,
    checkpoint: Checkpoint,
    models: Models,
    noises: list[SeededNoise],
    pictures: list[np.ndarray],
) -> Steps[list[torch.Tensor]]:
    """The latents of uint8 RGB pictures at the size of the second pass."""
    from models.imaging.resize_modes import resize_to

    upscaler = models.get(ModelRef(UPSCALER, highres.upscaler)) if highres.upscaler else None
    results = []
    for noise, pixels in zip(noises, pictures, strict=True):
        canvas = pixels
        if upscaler is not None:
            canvas = upscaler.canvas(pixels)
            for _ in upscaler.enlarge(pixels, canvas):
                yield []
        results.append(params.encode(checkpoint, resize_to(canvas, *params.size, "cover"), noise))
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

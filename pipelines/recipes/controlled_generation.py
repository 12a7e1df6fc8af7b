"""Painting under the guidance of maps: from noise alone, or over a picture."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from pipelines.params.image import ImageParams, strength_of
from pipelines.pipeline import ControlInput, Steps

if TYPE_CHECKING:
    import numpy as np

    from models.diffusion.checkpoint import Checkpoint


def painted(
    params: ImageParams, checkpoint: Checkpoint, width: int, height: int, controls: tuple[ControlInput, ...]
) -> Steps[list[np.ndarray]]:
    """Images of `width` × `height` pixels, from noise alone."""
    wishes = [params.denoise(checkpoint, noise, width, height) for noise in params.noises()]
    latents = yield [replace(wish, controls=controls) for wish in wishes]
    return [image for latent in latents for image in checkpoint.decode(latent, circular=params.use_circular)]


def repainted(
    params: ImageParams,
    checkpoint: Checkpoint,
    picture: np.ndarray,
    fidelity: float,
    controls: tuple[ControlInput, ...],
) -> Steps[list[np.ndarray]]:
    """Images as close to a picture, RGB of a size that can be generated, as `fidelity` says."""
    height, width = picture.shape[:2]
    noises, strength = params.noises(), strength_of(fidelity)
    sources = [checkpoint.encode(picture, noise, circular=params.use_circular) for noise in noises]
    wishes = [
        params.denoise(checkpoint, noise, width, height, source=source, strength=strength)
        for noise, source in zip(noises, sources, strict=True)
    ]
    latents = yield [replace(wish, controls=controls) for wish in wishes]
    return [image for latent in latents for image in checkpoint.decode(latent, circular=params.use_circular)]

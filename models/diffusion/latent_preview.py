"""A preview of latents at almost no cost: a linear map of their channels to colour."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.diffusion.autoencoder import Autoencoder

CELLS, CELL, ROWS = 8, 4, 4
"""The map is fitted to ROWS images of CELLS × CELLS patches, each CELL × CELL latents of one random value."""


@torch.inference_mode()
def fit_preview(autoencoder: Autoencoder) -> Tensor:
    """The least-squares map [channels + 1, 3] from a latent (and a one) to its mean colour in 0..1.

    Fitted to this decoder's images of random patches, so it works for any autoencoder. Takes a few milliseconds.
    """
    net = autoencoder.net
    draw = torch.Generator().manual_seed(0)
    patches = torch.randn(ROWS, autoencoder.channels, CELLS, CELLS, generator=draw)
    latents = F.interpolate(patches, scale_factor=CELL).to(net.device)
    images = np.stack(autoencoder.decode(latents, circular=False))
    pixels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    colours = F.avg_pool2d(pixels, CELL * autoencoder.scale_factor).permute(0, 2, 3, 1).reshape(-1, 3)
    features = _with_ones(patches.permute(0, 2, 3, 1).flatten(0, 2))
    to_rgb: Tensor = torch.linalg.lstsq(features, colours).solution
    return to_rgb.to(net.device)


@torch.inference_mode()
def to_rgb_image(latents: Tensor, to_rgb: Tensor) -> np.ndarray:
    """uint8 RGB [h, w, 3] of one row of latents [1, channels, h, w]."""
    colours = _with_ones(latents[0].float().permute(1, 2, 0)) @ to_rgb
    image: np.ndarray = (colours.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
    return image


def _with_ones(values: Tensor) -> Tensor:
    return F.pad(values, (0, 1), value=1.0)

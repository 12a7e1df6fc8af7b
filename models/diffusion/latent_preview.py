"""A preview of latents at almost no cost: a linear map of their channels to colour."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from models.diffusion.autoencoder import Autoencoder

CELL, SPREAD = 4, 0.7
"""The map is fitted to patches of CELL × CELL latents, whose channels are SPREAD or -SPREAD. Larger values saturate
decoders, and then the colours of pictures come out too pale."""


class LatentPreview:
    """The map of one autoencoder, fitted when it is first used: decoding takes long on a CPU."""

    def __init__(self, autoencoder: Autoencoder) -> None:
        self._autoencoder = autoencoder
        self._to_rgb: Tensor | None = None

    @torch.inference_mode()
    def image(self, latents: Tensor) -> np.ndarray:
        """uint8 RGB [h, w, 3] of one row of latents [1, channels, h, w]."""
        if self._to_rgb is None:
            self._to_rgb = fit_preview(self._autoencoder)
        colours = _with_ones(latents[0].float().permute(1, 2, 0)) @ self._to_rgb.to(latents.device)
        image: np.ndarray = (colours.clamp(0, 1) * 255).round().to(torch.uint8).cpu().numpy()
        return image


@torch.inference_mode()
def fit_preview(autoencoder: Autoencoder) -> Tensor:
    """The least-squares map [channels + 1, 3] from a latent (and a one) to its mean colour in 0..1, on the CPU.

    Fitted to this decoder's image of one patch for each combination of signs of the channels, so it works for any
    autoencoder of few channels. With all combinations no two channels are confused, and 16 small patches are enough.
    """
    signs = torch.cartesian_prod(*[torch.tensor([-SPREAD, SPREAD])] * autoencoder.channels)
    side = 2 ** (autoencoder.channels // 2)
    patches = signs.T.reshape(1, autoencoder.channels, side, -1)
    (image,) = autoencoder.decode(F.interpolate(patches, scale_factor=CELL), circular=False)
    pixels = torch.from_numpy(image).permute(2, 0, 1).float() / 255
    colours = F.avg_pool2d(pixels, CELL * autoencoder.scale_factor).flatten(1).T
    to_rgb: Tensor = torch.linalg.lstsq(_with_ones(signs), colours).solution
    return to_rgb


def _with_ones(values: Tensor) -> Tensor:
    return F.pad(values, (0, 1), value=1.0)

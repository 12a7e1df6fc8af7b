"""Pixels to latents and back: the variational autoencoder of latent diffusion (Rombach et al., 2022)."""

from __future__ import annotations

import numpy as np
import torch
from diffusers import AutoencoderKL
from torch import Tensor

from models import circular as circularly
from models.checkpoint import Noise

PIXELS_AT_ONCE = 1024 * 1024
"""Images are decoded together up to this many pixels: a decoder needs one to three kilobytes for each."""


class Autoencoder:
    def __init__(self, net: AutoencoderKL) -> None:
        self.net = net
        self.factor = int(2 ** (len(net.config.block_out_channels) - 1))
        self.channels = int(net.config.latent_channels)

    @torch.inference_mode()
    def encode(self, pixels: np.ndarray, noise: Noise, *, hole: np.ndarray | None = None, circular: bool) -> Tensor:
        """Latents [1, channels, h, w], scaled, float32, of uint8 RGB pixels [height, width, 3]; grey in the hole."""
        image = torch.from_numpy(pixels[None].astype(np.float32) / 255.0).permute(0, 3, 1, 2)
        image = (2.0 * image - 1.0).to(self.net.device, self.net.dtype)
        if hole is not None:
            image = image.masked_fill(torch.from_numpy(hole).to(image.device), 0.0)
        with circularly.padding(self.net, circular):
            posterior = self.net.encode(image).latent_dist
        drawn = noise.gaussian(posterior.mean.shape).to(posterior.mean)
        mean, scale = self._affine(posterior.mean)
        latents: Tensor = (posterior.mean + posterior.std * drawn - mean) * scale
        return latents.float()

    @torch.inference_mode()
    def decode(self, latents: Tensor, *, circular: bool) -> list[np.ndarray]:
        """uint8 RGB pixels [height, width, 3], one per row of scaled latents."""
        mean, scale = self._affine(latents)
        raw = (latents / scale + mean).to(self.net.device, self.net.dtype)
        rows = max(1, PIXELS_AT_ONCE // (raw.shape[2] * raw.shape[3] * self.factor**2))
        with circularly.padding(self.net, circular):
            return [image for part in torch.split(raw, rows) for image in _to_uint8(self.net.decode(part).sample)]

    def _affine(self, like: Tensor) -> tuple[Tensor | float, Tensor | float]:
        """(mean, scale) such that scaled = (raw - mean) · scale; per channel where the config says so."""
        config = self.net.config
        if config.latents_mean is None or config.latents_std is None:
            return config.shift_factor or 0.0, config.scaling_factor
        mean, deviation = (
            torch.tensor(values, device=like.device, dtype=like.dtype).view(1, -1, 1, 1)
            for values in (config.latents_mean, config.latents_std)
        )
        return mean, config.scaling_factor / deviation


def _to_uint8(images: Tensor) -> np.ndarray:
    """[rows, height, width, 3] of decoded images [rows, 3, height, width] in -1..1; little leaves the device."""
    scaled = (images.float() / 2 + 0.5).clamp(0, 1) * 255
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

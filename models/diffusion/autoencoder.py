"""Pixels to latents and back: the variational autoencoder of latent diffusion (Rombach et al., 2022)."""

from __future__ import annotations

import logging

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import Tensor
from torch.nn.functional import pad

from models.imaging.tiles import Canvas, split_tiles
from models.noise import GaussianNoise
from models.patches.circular_padding import circular_padding

log = logging.getLogger(__name__)

PIXELS_AT_ONCE = 1024 * 1024
"""Images are decoded together up to this many pixels: a decoder needs one to three kilobytes for each."""
TILED_ABOVE = 2048 * 2048
"""Larger ones are decoded by tiles, as are those that the device has no room for: all at once is truer, for the decoder
looks at the whole picture to find its contrast."""
TILE, MARGIN = 96, 16
"""Side of a tile, and by how much of each it overlaps with the next one, in latents."""


class Autoencoder:
    """Of a tiny one, only the decoder is of use: its encoder says nothing of how sure it is."""

    def __init__(self, net: AutoencoderKL | AutoencoderTiny) -> None:
        self.net = net
        self.factor = int(2 ** (len(net.config.block_out_channels) - 1))
        self.channels = int(net.config.latent_channels)

    @torch.inference_mode()
    def encode(
        self, pixels: np.ndarray, noise: GaussianNoise, *, mask: np.ndarray | None = None, circular: bool
    ) -> Tensor:
        """Scaled latents, float32 [1, channels, h, w], of uint8 RGB pixels [height, width, 3].

        `noise` samples the posterior. Where `mask` (bool [height, width]) is true, pixels count as mid-grey.
        """
        image = torch.from_numpy(pixels[None].astype(np.float32) / 255.0).permute(0, 3, 1, 2)
        image = (2.0 * image - 1.0).to(self.net.device, self.net.dtype)
        if mask is not None:
            image = image.masked_fill(torch.from_numpy(mask).to(image.device), 0.0)
        with circular_padding(self.net, circular):
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
        pixels = raw.shape[2] * raw.shape[3] * self.factor**2
        if pixels <= TILED_ABOVE:
            try:
                with circular_padding(self.net, circular):
                    parts = torch.split(raw, max(1, PIXELS_AT_ONCE // pixels))
                    return [image for part in parts for image in self._decoded(part)]
            except torch.OutOfMemoryError:
                log.warning("decoding %d pixels at once does not fit the device; it goes on by tiles", pixels)
        return [self._by_tiles(one, circular) for one in torch.split(raw, 1)]

    def _decoded(self, raw: Tensor) -> np.ndarray:
        """uint8 [rows, height, width, 3]. Half precision that overflowed, as it does in some decoders, is redone in
        single."""
        images = self.net.decode(raw).sample
        pixels, finite = _to_uint8(images), bool(images.isfinite().all())
        if finite or self.net.dtype == torch.float32:
            return pixels
        log.warning("the decoder overflows in half precision; this picture is decoded in single")
        dtype = self.net.dtype
        try:
            return _to_uint8(self.net.float().decode(raw.float()).sample)
        finally:
            self.net.to(dtype)

    def _by_tiles(self, raw: Tensor, circular: bool) -> np.ndarray:
        """uint8 [height, width, 3] of latents [1, channels, h, w]; a circular picture goes on beyond its edges."""
        height, width = (side * self.factor for side in raw.shape[2:])
        beyond = min(MARGIN, *raw.shape[2:]) if circular else 0
        padded = pad(raw, (beyond,) * 4, mode="circular") if circular else raw
        canvas = Canvas(padded.shape[3] * self.factor, padded.shape[2] * self.factor, MARGIN * self.factor)
        for tile in split_tiles(padded.shape[3], padded.shape[2], TILE, MARGIN):
            rows, columns = tile.rows, tile.columns
            seen = padded[:, :, rows.begin : rows.end, columns.begin : columns.end]
            canvas.add(tile.times(self.factor), self._decoded(seen)[0])
        edge = beyond * self.factor
        return canvas.pixels[edge : edge + height, edge : edge + width]

    def _affine(self, like: Tensor) -> tuple[Tensor | float, Tensor | float]:
        """(mean, scale) such that scaled = (raw - mean) · scale; per channel where the config says so."""
        config = self.net.config
        by_channel = config.get("latents_mean"), config.get("latents_std")
        if None in by_channel:
            return config.shift_factor or 0.0, config.scaling_factor
        mean, deviation = (
            torch.tensor(values, device=like.device, dtype=like.dtype).view(1, -1, 1, 1) for values in by_channel
        )
        return mean, config.scaling_factor / deviation


def _to_uint8(images: Tensor) -> np.ndarray:
    """[rows, height, width, 3] of decoded images [rows, 3, height, width] in -1..1; little leaves the device."""
    scaled = (images.float() / 2 + 0.5).clamp(0, 1) * 255
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

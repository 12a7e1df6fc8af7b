"""Pixels to latents and back: the variational autoencoder of latent diffusion (Rombach et al., 2022)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from diffusers.models.autoencoders.vae import DiagonalGaussianDistribution
from torch import Tensor
from torch.nn.functional import pad

from models.finite import require_finite
from models.imaging.tiles import Canvas, split_tiles
from models.noise import GaussianNoise
from models.patches.circular_padding import circular_padding

log = logging.getLogger(__name__)

PIXELS_AT_ONCE = 1024 * 1024
"""Images are decoded together up to this many pixels: a decoder needs one to three kilobytes for each."""
TILED_ABOVE = 2048 * 2048
"""Images of more pixels are decoded by tiles, and so are those that the device has no memory for. Decoding at once is
more exact: the decoder normalises over the whole image."""
TILE, MARGIN = 96, 16
"""Width and height of a tile, and its overlap with the next one, in latents."""

SD_SCALE = 0.18215
"""Of Stable Diffusion 1 and 2, whose first configs do not say it."""


class Autoencoder:
    """Of an AutoencoderTiny only the decoder can be used: its encoder returns no posterior to sample from."""

    def __init__(self, net: AutoencoderKL | AutoencoderTiny, config: Mapping[str, Any] | None = None) -> None:
        """`config` has the scale of the latents, in the names of diffusers; None: that of the net."""
        self.net = net
        self.config = net.config if config is None else config
        self.scale_factor = int(2 ** (len(net.config.block_out_channels) - 1))
        self.channels = int(net.config.latent_channels)

    def scaled_as(self, other: Autoencoder) -> Autoencoder:
        """The same net for the latents of another one: their scale depends on the denoiser, not on the decoder."""
        return Autoencoder(self.net, other.config)

    @torch.inference_mode()
    def encode(
        self, pixels: np.ndarray, noise: GaussianNoise, *, mask: np.ndarray | None = None, circular: bool
    ) -> Tensor:
        """Scaled latents, float32 [1, channels, h, w], of uint8 RGB pixels [height, width, 3]. Raises NotFiniteError.

        `noise` samples the posterior. Where `mask` (bool [height, width]) is true, pixels count as mid-grey.
        """
        image = torch.from_numpy(pixels[None].astype(np.float32) / 255.0).permute(0, 3, 1, 2)
        image = (2.0 * image - 1.0).to(self.net.device)
        if mask is not None:
            image = image.masked_fill(torch.from_numpy(mask).to(image.device), 0.0)
        with circular_padding(self.net, circular):
            posterior = DiagonalGaussianDistribution(self._compute("encoder", self._encode_moments, image))
        sample = noise.gaussian(posterior.mean.shape).to(posterior.mean)
        mean, scale = self._normalisation(posterior.mean)
        latents: Tensor = (posterior.mean + posterior.std * sample - mean) * scale
        return latents.float()

    @torch.inference_mode()
    def decode(self, latents: Tensor, *, circular: bool) -> list[np.ndarray]:
        """uint8 RGB pixels [height, width, 3], one per row of scaled latents. Raises NotFiniteError."""
        mean, scale = self._normalisation(latents)
        raw = (latents / scale + mean).to(self.net.device)
        pixels = raw.shape[2] * raw.shape[3] * self.scale_factor**2
        if pixels <= TILED_ABOVE:
            try:
                with circular_padding(self.net, circular):
                    groups = torch.split(raw, max(1, PIXELS_AT_ONCE // pixels))
                    return [image for group in groups for image in self._decode_rows(group)]
            except torch.OutOfMemoryError:
                log.warning("decoding %d pixels at once does not fit the device; they are decoded by tiles", pixels)
        return [self._decode_by_tiles(one, circular) for one in torch.split(raw, 1)]

    def _decode_rows(self, raw: Tensor) -> np.ndarray:
        """uint8 [rows, height, width, 3]."""
        return _to_uint8(self._compute("decoder", lambda values: self.net.decode(values).sample, raw))

    def _encode_moments(self, image: Tensor) -> Tensor:
        """The parameters of the posterior."""
        moments: Tensor = self.net.encode(image).latent_dist.parameters
        return moments

    def _compute(self, part: str, run: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
        """What a part of the net makes of `values`. Some overflow in half precision; then it is done again in single.

        Raises NotFiniteError.
        """
        result, dtype = run(values.to(self.net.dtype)), self.net.dtype
        if result.isfinite().all():
            return result
        require_finite("the denoiser", values)
        if dtype != torch.float32:
            log.warning("the %s overflows in half precision; this image is computed in single precision", part)
            try:
                self.net.float()
                result = run(values.float())
            finally:
                self.net.to(dtype)
        require_finite(f"the {part} of the autoencoder (VAE), in single precision,", result)
        return result

    def _decode_by_tiles(self, raw: Tensor, circular: bool) -> np.ndarray:
        """uint8 [height, width, 3] of latents [1, channels, h, w]; a circular image is padded with its other edges."""
        height, width = (length * self.scale_factor for length in raw.shape[2:])
        padding = min(MARGIN, *raw.shape[2:]) if circular else 0
        padded = pad(raw, (padding,) * 4, mode="circular") if circular else raw
        scale = self.scale_factor
        canvas = Canvas(padded.shape[3] * scale, padded.shape[2] * scale, MARGIN * scale)
        for tile in split_tiles(padded.shape[3], padded.shape[2], TILE, MARGIN):
            rows, columns = tile.rows, tile.columns
            latents = padded[:, :, rows.begin : rows.end, columns.begin : columns.end]
            canvas.add(tile.times(scale), self._decode_rows(latents)[0])
        edge = padding * scale
        return canvas.pixels[edge : edge + height, edge : edge + width]

    def _normalisation(self, like: Tensor) -> tuple[Tensor | float, Tensor | float]:
        """(mean, scale) of scaled = (raw - mean) · scale; per channel if the config has them per channel."""
        by_channel = self.config.get("latents_mean"), self.config.get("latents_std")
        scale = self.config.get("scaling_factor", SD_SCALE)
        if None in by_channel:
            return self.config.get("shift_factor") or 0.0, scale
        mean, deviation = (
            torch.tensor(values, device=like.device, dtype=like.dtype).view(1, -1, 1, 1) for values in by_channel
        )
        return mean, scale / deviation


def _to_uint8(images: Tensor) -> np.ndarray:
    """[rows, height, width, 3] of decoded images [rows, 3, height, width] in -1..1.

    Converted on the device, so that few bytes are copied from it.
    """
    scaled = (images.float() / 2 + 0.5).clamp(0, 1) * 255
    return scaled.round().to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()

"""Trains the toy's VAE, whose latents are a thumbnail of the picture and one channel of whatever detail helps.

The first three of its four channels are held to the mean colour of each 8×8 pixels. Left to itself, an autoencoder this
small puts everything into two channels and leaves the others as noise that the UNet then must learn; a thumbnail has
full rank, and what a UNet paints in it is colour and shape at once.
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor

from models.toy.training.course import train
from models.toy.training.pictures import signal

FACTOR = 8
SPREAD = 0.6
"""Deviation of the pictures' colours in -1..1: thumbnails are divided by it."""
LOG_VARIANCE = -8.0
"""Of the posterior: an encoding is almost the same whatever noise it is sampled with."""
JITTER = 0.06
"""Noise on latents while the decoder learns, for it will be given a UNet's, which are not exact."""
CROP, BATCH = 64, 16


def train_autoencoder(vae: AutoencoderKL, pictures: Tensor, *, steps: int, state: Path) -> None:
    """Learns from crops of `pictures` [N, 3, H, W], bytes, and folds unit deviation into the convolutions around."""

    def loss(step: int) -> Tensor:
        crops = _crops(pictures)
        with torch.autocast("cpu", torch.bfloat16):
            moments = vae.quant_conv(vae.encoder(crops)).float()
            latents, log_variance = moments.chunk(2, dim=1)
            again = vae.decode(latents + JITTER * torch.randn_like(latents)).sample.float()
        thumbnail = F.avg_pool2d(crops, FACTOR) / SPREAD
        held = F.mse_loss(latents[:, :3], thumbnail) + 1e-3 * latents[:, 3:].square().mean()
        spread = F.mse_loss(log_variance, torch.full_like(log_variance, LOG_VARIANCE))
        whole: Tensor = restored(again, crops) + held + 1e-2 * spread
        return whole

    vae.train()
    train(vae, loss, steps=steps, rate=2e-3, state=state, average=0.995, level=0.3)
    vae.eval().requires_grad_(False)
    fold_scale(vae, pictures)


def restored(again: Tensor, crops: Tensor) -> Tensor:
    """How far a decoded picture is from the one encoded: in colour, and at edges."""
    difference = again - crops
    across, down = difference.diff(dim=3), difference.diff(dim=2)
    return difference.abs().mean() + difference.square().mean() + 0.5 * (across.abs().mean() + down.abs().mean())


@torch.no_grad()
def fold_scale(vae: AutoencoderKL, pictures: Tensor) -> None:
    """Gives latents, once scaled as the real ones are, zero mean and unit deviation in each channel."""
    latents = vae.encode(signal(pictures[:256])).latent_dist.mean
    mean = latents.mean(dim=(0, 2, 3))
    scale = 1 / (latents.std(dim=(0, 2, 3)) * vae.config.scaling_factor)
    into, out = vae.quant_conv, vae.post_quant_conv
    out.bias += out.weight[:, :, 0, 0] @ mean
    out.weight /= scale[None, :, None, None]
    channels = len(mean)
    into.weight[:channels] *= scale[:, None, None, None]
    into.bias[:channels] = (into.bias[:channels] - mean) * scale


@torch.no_grad()
def fidelity(vae: AutoencoderKL, pictures: Tensor) -> tuple[float, list[float]]:
    """PSNR in dB of pictures through the VAE, and the same with each channel of the latents put to zero in turn."""
    there = signal(pictures)
    latents = vae.encode(there).latent_dist.mean
    without = []
    for channel in range(latents.shape[1]):
        lacking = latents.clone()
        lacking[:, channel] = 0
        without.append(_psnr(vae.decode(lacking).sample, there))
    return _psnr(vae.decode(latents).sample, there), without


def _psnr(again: Tensor, there: Tensor) -> float:
    error = ((again.clamp(-1, 1) - there) / 2).square().mean(dim=(1, 2, 3))
    return float((-10 * error.clamp_min(1e-10).log10()).mean())


def _crops(pictures: Tensor) -> Tensor:
    chosen = torch.randint(len(pictures), (BATCH,))
    room = pictures.shape[-1] - CROP + 1
    corners = torch.randint(room, (BATCH, 2))
    return torch.stack(
        [
            signal(pictures[one, :, top : top + CROP, left : left + CROP])
            for one, (top, left) in zip(chosen, corners.tolist(), strict=True)
        ]
    )

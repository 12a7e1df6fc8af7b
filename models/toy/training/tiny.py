"""Trains the toy's tiny decoder: of the VAE's own latents it makes the picture that they were made of."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from torch import Tensor, nn

from models.toy.training.autoencoder import JITTER, restored
from models.toy.training.course import train
from models.toy.training.pictures import signal
from models.toy.training.upscaler import crops


def train_tiny(decoder: nn.Module, vae: AutoencoderKL, pictures: Tensor, *, steps: int, state: Path) -> None:
    """`decoder` is that of an AutoencoderTiny; `pictures` [N, 3, H, W] are bytes."""

    def loss(step: int) -> Tensor:
        there = 2 * crops(pictures) - 1
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                latents = vae.encode(there).latent_dist.mean * vae.config.scaling_factor
            again = decoder(latents + JITTER * torch.randn_like(latents))
        return restored(again.float(), there)

    train(decoder, loss, steps=steps, rate=2e-3, state=state, average=0.995, level=0.3)
    decoder.eval().requires_grad_(False)


@torch.no_grad()
def fidelity(tiny: AutoencoderTiny, vae: AutoencoderKL, pictures: Tensor) -> float:
    """PSNR in dB of pictures [N, 3, H, W], bytes, through the VAE's encoder and the tiny decoder."""
    there = signal(pictures)
    latents = vae.encode(there).latent_dist.mean * vae.config.scaling_factor
    error = ((tiny.decode(latents).sample.clamp(-1, 1) - there) / 2).square().mean(dim=(1, 2, 3))
    return float((-10 * error.clamp_min(1e-10).log10()).mean())

"""Trains the toy's UNet on latents of drawings and encoded captions (v-prediction: Salimans & Ho, 2022).

What a caption tells changes few of a picture's latents, so things weigh more than what is behind them; and what is
drawn is settled while there is much noise, so most steps are trained there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import DDPMScheduler, UNet2DConditionModel
from torch import Tensor, nn

from models.toy.training.course import train

BATCH = 32
UNTOLD = 0.1
"""Share of samples without a caption, for guidance needs them."""
MOSTLY_UNTOLD = 0.6
"""The same while a ControlNet learns: what a caption tells, it need not look for in the hint."""
NOISY = 0.6
"""Share of samples from the noisier part of the schedule."""
NOISIER = 400
WEIGHT = 4.0
"""How much more a thing's latents weigh than what is behind them."""


class Lessons:
    """Latents [N, 4, h, w] of pictures with the weight of each place [N, 1, h, w], and some captions of each
    [kinds, N, 77, width], of which each batch takes one kind."""

    def __init__(self, latents: Tensor, weights: Tensor, captions: Tensor, untold: Tensor) -> None:
        self.latents, self.captions, self.untold = latents, captions, untold
        self.weights = weights / weights.mean()

    def pick(self, share: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Which, clean latents, their weights and the encoded captions of one batch; `share` of them are empty."""
        chosen = torch.randint(len(self.latents), (BATCH,))
        kind = int(torch.randint(len(self.captions), ()))
        text = self.captions[kind, chosen].float()
        text[torch.rand(BATCH) < share] = self.untold
        return chosen, self.latents[chosen], self.weights[chosen], text


def timesteps() -> Tensor:
    early = torch.rand(BATCH) < NOISY
    return torch.where(early, torch.randint(NOISIER, 1000, (BATCH,)), torch.randint(1000, (BATCH,)))


def train_denoiser(
    unet: UNet2DConditionModel,
    lessons: Lessons,
    scheduler: Mapping[str, Any],
    *,
    steps: int,
    state: Path,
    rate: float = 1e-3,
    share: float = UNTOLD,
    beside: Callable[[Tensor, Tensor, Tensor, Tensor], tuple[Tensor, dict[str, Any]]] | None = None,
    learning: nn.Module | None = None,
) -> None:
    """`beside(chosen, noisy, timesteps, text)` gives the UNet's sample and further arguments: masks, residuals of a
    ControlNet. `share` of the samples have no caption. `learning` is what is trained, by default the UNet itself."""
    noising = DDPMScheduler.from_config({**scheduler, "prediction_type": "v_prediction"})

    def loss(step: int) -> Tensor:
        chosen, clean, weights, text = lessons.pick(share)
        noise, times = torch.randn_like(clean), timesteps()
        noisy = noising.add_noise(clean, noise, times)
        sample, further = beside(chosen, noisy, times, text) if beside else (noisy, {})
        with torch.autocast("cpu", torch.bfloat16):
            prediction = unet(sample, times, text, **further).sample
        error = F.mse_loss(prediction.float(), noising.get_velocity(clean, noise, times), reduction="none")
        return (error * weights).mean()

    train(learning or unet, loss, steps=steps, rate=rate, state=state, level=0.6)

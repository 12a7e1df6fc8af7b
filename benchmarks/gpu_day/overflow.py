"""An autoencoder that overflows in half precision: the image is computed again in single precision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from benchmarks.gpu_day.images import is_flat, mean_difference
from benchmarks.gpu_day.plan import DayPlan
from benchmarks.gpu_day.result import Check, Finding
from models import catalog
from models.diffusion.autoencoder import Autoencoder
from models.weights import open_weights
from server.commands.bench.plan import MAIN

LARGE_WEIGHT = 2e4
"""Half precision ends at 65504. The norms after this layer bring single precision back to normal numbers."""
LATENTS_SPREAD = 20


def decoder(plan: DayPlan) -> Iterator[Finding]:
    for folder in dict.fromkeys((plan.toy_models, plan.full_models)):
        yield from _decodes_again(folder, torch.device(plan.device))


def _decodes_again(folder: Path, device: torch.device) -> Iterator[Finding]:
    entry = catalog.read(folder).find(MAIN)
    half, single = (open_weights(entry).vae(torch.float16).to(device) for _ in range(2))
    for net in (half, single):
        weight = net.decoder.conv_in.weight.data
        weight.mul_(LARGE_WEIGHT / float(weight.abs().max()))
    latents = LATENTS_SPREAD * torch.randn(
        1, half.config.latent_channels, 8, 8, generator=torch.Generator().manual_seed(1)
    )
    latents = latents.to(device)
    scaled = latents / half.config.scaling_factor
    with torch.inference_mode():
        overflows = not bool(half.decode(scaled.half()).sample.isfinite().all())
    yield Check(title=f"{folder.name}: the decoder overflows in half precision", passed=overflows)
    (found,) = Autoencoder(half).decode(latents, circular=False)
    expected = _decode_single(single, scaled)
    difference = mean_difference(found, expected)
    right = not is_flat(found) and difference <= 1
    text = f"{folder.name}: {difference:.2f} levels from single precision"
    yield Check(title=f"{folder.name}: the image is that of single precision", passed=right, found=text)
    yield Check(title=f"{folder.name}: the net is in half precision again", passed=half.dtype == torch.float16)


@torch.inference_mode()
def _decode_single(net: torch.nn.Module, scaled: torch.Tensor) -> np.ndarray:
    image = net.float().decode(scaled.float()).sample  # type: ignore[operator]
    pixels = ((image / 2 + 0.5).clamp(0, 1) * 255).round().to(torch.uint8)
    return np.asarray(pixels[0].permute(1, 2, 0).cpu())

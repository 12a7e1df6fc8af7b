"""Trains the toy's Real-ESRGAN ×4 on drawings made smaller, and measures it against bicubic."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.toy.training.course import train
from models.toy.training.pictures import signal

FACTOR, CROP, BATCH = 4, 64, 16
SLOPE, SMALL = 0.2, 0.2
"""Of the leaky activations; and what a dense block's output is multiplied by before it is added."""


class Dense(nn.Module):
    """A residual dense block of five convolutions (Wang et al., ESRGAN, 2018)."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        for layer in range(5):
            out_channels = features if layer == 4 else growth
            self.add_module(f"conv{layer + 1}", nn.Conv2d(features + layer * growth, out_channels, 3, padding=1))

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = inputs
        for layer in range(4):
            hidden = torch.cat([hidden, F.leaky_relu(self.get_submodule(f"conv{layer + 1}")(hidden), SLOPE)], dim=1)
        last: Tensor = self.get_submodule("conv5")(hidden)
        return inputs + SMALL * last


class Residuals(nn.Module):
    """Three dense blocks in a row, around which goes a residual."""

    def __init__(self, features: int, growth: int) -> None:
        super().__init__()
        self.rdb1, self.rdb2, self.rdb3 = (Dense(features, growth) for _ in range(3))

    def forward(self, inputs: Tensor) -> Tensor:
        added: Tensor = self.rdb3(self.rdb2(self.rdb1(inputs)))
        return inputs + SMALL * added


class Enlarger(nn.Module):
    """Real-ESRGAN's net, by the names that its authors gave: [N, 3, h, w] in 0..1 to four times the size."""

    def __init__(self, features: int, growth: int, blocks: int) -> None:
        super().__init__()
        self.conv_first = nn.Conv2d(3, features, 3, padding=1)
        self.body = nn.Sequential(*(Residuals(features, growth) for _ in range(blocks)))
        self.conv_body, self.conv_up1, self.conv_up2, self.conv_hr = (
            nn.Conv2d(features, features, 3, padding=1) for _ in range(4)
        )
        self.conv_last = nn.Conv2d(features, 3, 3, padding=1)

    def forward(self, inputs: Tensor) -> Tensor:
        first = self.conv_first(inputs)
        hidden = first + self.conv_body(self.body(first))
        for up in (self.conv_up1, self.conv_up2):
            hidden = F.leaky_relu(up(F.interpolate(hidden, scale_factor=2)), SLOPE)
        enlarged: Tensor = self.conv_last(F.leaky_relu(self.conv_hr(hidden), SLOPE))
        return enlarged


def train_upscaler(net: nn.Module, pictures: Tensor, *, steps: int, state: Path) -> None:
    """`net` takes pictures [N, 3, h, w] in 0..1 and gives them four times as large; `pictures` are bytes."""

    def loss(step: int) -> Tensor:
        large = crops(pictures)
        with torch.autocast("cpu", torch.bfloat16):
            again = net(smaller(large)).float()
        missed: Tensor = again - large
        return missed.abs().mean() + 2 * missed.square().mean()

    train(net, loss, steps=steps, rate=1e-3, state=state, average=0.995, level=0.4)
    net.eval().requires_grad_(False)


@torch.no_grad()
def gain(net: nn.Module, pictures: Tensor) -> tuple[float, float]:
    """PSNR in dB of `pictures` made smaller and enlarged again: by the net, and by bicubic interpolation."""
    large = (signal(pictures) + 1) / 2
    small = smaller(large)
    bicubic = F.interpolate(small, scale_factor=FACTOR, mode="bicubic", antialias=False)
    return psnr(net(small), large), psnr(bicubic, large)


def psnr(again: Tensor, there: Tensor) -> float:
    error = (again.clamp(0, 1) - there).square().mean(dim=(1, 2, 3))
    return float((-10 * error.clamp_min(1e-10).log10()).mean())


def smaller(large: Tensor) -> Tensor:
    return F.interpolate(large, scale_factor=1 / FACTOR, mode="bicubic", antialias=True).clamp(0, 1)


def crops(pictures: Tensor) -> Tensor:
    """A batch of crops [BATCH, 3, CROP, CROP] in 0..1."""
    chosen = torch.randint(len(pictures), (BATCH,))
    corners = torch.randint(pictures.shape[-1] - CROP + 1, (BATCH, 2))
    cut = [
        pictures[one, :, top : top + CROP, left : left + CROP]
        for one, (top, left) in zip(chosen, corners.tolist(), strict=True)
    ]
    return torch.stack(cut).float() / 255

"""Trains the toy's matting net on silhouettes of the things drawn."""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.toy.training.course import train

BATCH = 32
MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet: the scale on which U²-Net and its kin take pictures."""


class Matting(nn.Module):
    """Pictures [N, 3, side, side] on ImageNet's scale → logits of being foreground [N, 1, side, side].

    A U-Net (Ronneberger et al., 2015) of three levels.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.fine = nn.Conv2d(3, width, 3, padding=1)
        self.middle = nn.Conv2d(width, 2 * width, 3, padding=1)
        self.coarse = nn.Conv2d(2 * width, 4 * width, 3, padding=1)
        self.wide = nn.Conv2d(4 * width, 4 * width, 3, padding=2, dilation=2)
        self.wider = nn.Conv2d(4 * width, 4 * width, 3, padding=4, dilation=4)
        self.up = nn.Conv2d(6 * width, 2 * width, 3, padding=1)
        self.last = nn.Conv2d(3 * width, width, 3, padding=1)
        self.logit = nn.Conv2d(width, 1, 1)

    def forward(self, pictures: Tensor) -> Tensor:
        fine = F.relu(self.fine(pictures))
        middle = F.relu(self.middle(F.max_pool2d(fine, 2)))
        coarse = F.relu(self.coarse(F.max_pool2d(middle, 2)))
        coarse = F.relu(self.wider(F.relu(self.wide(coarse))))
        up = F.relu(self.up(torch.cat([F.interpolate(coarse, scale_factor=2), middle], dim=1)))
        last = F.relu(self.last(torch.cat([F.interpolate(up, scale_factor=2), fine], dim=1)))
        return self.logit(last)  # type: ignore[no-any-return]


def train_matting(net: Matting, pictures: Tensor, shapes: Tensor, *, steps: int, state: Path) -> None:
    """`pictures` [N, 3, side, side] and `shapes` [N, 1, side, side], bytes."""

    def loss(step: int) -> Tensor:
        chosen = torch.randint(len(pictures), (BATCH,))
        return F.binary_cross_entropy_with_logits(net(normalised(pictures[chosen])), shapes[chosen].float() / 255)

    train(net, loss, steps=steps, rate=2e-3, state=state, average=0.995, level=0.4)
    net.eval().requires_grad_(False)


def normalised(pictures: Tensor) -> Tensor:
    """Bytes on ImageNet's scale."""
    mean, deviation = (torch.tensor(each).view(3, 1, 1) for each in (MEAN, DEVIATION))
    return (pictures.float() / 255 - mean) / deviation


@torch.no_grad()
def overlap(net: Matting, pictures: Tensor, shapes: Tensor) -> float:
    """Mean intersection over union of what the net finds and what is there."""
    found, there = net(normalised(pictures)) > 0, shapes > 127
    both, either = (found & there).sum(dim=(1, 2, 3)), (found | there).sum(dim=(1, 2, 3))
    return float((both / either.clamp_min(1)).mean())

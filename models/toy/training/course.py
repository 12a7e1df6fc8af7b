"""One course of training: seeded, resumable, with a cosine that ends at nothing and an average of the weights."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from math import cos, pi
from pathlib import Path

import torch
from torch import Tensor, nn

log = logging.getLogger(__name__)

EVERY = 200
"""Steps between two lines of the log, and two savings."""
CALM = 1.0
"""Largest norm of a gradient."""


def train(
    net: nn.Module,
    loss: Callable[[int], Tensor],
    *,
    steps: int,
    rate: float,
    state: Path,
    average: float = 0.999,
    warm_up: int = 200,
    level: float = 0.5,
) -> None:
    """Takes `steps` steps of AdamW down `loss(step)` and leaves the average of the weights in `net`.

    The rate rises over `warm_up` steps, stays `level` of the way, then falls to nothing as a cosine. `state` is a file
    that a later call goes on from; each step's chance is seeded by its number, so that what is resumed is the same.
    """
    parameters: list[Tensor] = [each for each in net.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=rate, betas=(0.9, 0.99), weight_decay=1e-4)
    mean = [each.detach().clone() for each in parameters]
    first = 0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        net.load_state_dict(saved["net"])
        optimizer.load_state_dict(saved["optimizer"])
        mean, first = saved["mean"], saved["step"]
    total, began = 0.0, time.monotonic()
    for step in range(first, steps):
        torch.manual_seed(step)
        for group in optimizer.param_groups:
            group["lr"] = rate * _share(step, steps, warm_up, level)
        total += _descend(optimizer, parameters, loss(step))
        with torch.no_grad():
            torch._foreach_lerp_(mean, parameters, 1 - min(average, (1 + step) / (10 + step)))
        if (step + 1) % EVERY == 0 or step + 1 == steps:
            log.info("%s %d/%d loss %.4f %.0f s", state.stem, step + 1, steps, total / EVERY, time.monotonic() - began)
            total = 0.0
            _save(state, {"net": net.state_dict(), "optimizer": optimizer.state_dict(), "mean": mean, "step": step + 1})
    with torch.no_grad():
        for parameter, averaged in zip(parameters, mean, strict=True):
            parameter.copy_(averaged)


def _descend(optimizer: torch.optim.Optimizer, parameters: Sequence[Tensor], loss: Tensor) -> float:
    """One step of the optimizer. Returns the loss before it."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(parameters, CALM)
    optimizer.step()
    return loss.item()


def _share(step: int, steps: int, warm_up: int, level: float) -> float:
    if step < warm_up:
        return (step + 1) / warm_up
    way = max(0.0, step / steps - level) / (1 - level)
    return (1 + cos(pi * way)) / 2


def _save(file: Path, content: dict[str, object]) -> None:
    part = file.with_suffix(".part")
    torch.save(content, part)
    part.rename(file)

"""Token merging: attention over fewer tokens, for which like ones are averaged before and spread again afterwards.

Bolya and Hoffman, "Token Merging for Fast Stable Diffusion", 2023.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn

_WORD = 0xFFFFFFFF


class TokenMerging(NamedTuple):
    """How tokens are merged: `ratio` of them, in windows of `sy` × `sx`, where the net works at no less than 1 /
    `max_downsample` of the latents' size."""

    ratio: float = 0.5
    max_downsample: int = 1
    sx: int = 2
    sy: int = 2
    seed: int | None = 0
    """Decides which token of a window the others may be merged into; None: the first."""
    attn: bool = True
    crossattn: bool = False
    mlp: bool = False


@contextmanager
def merging(unet: nn.Module, how: TokenMerging | None, size: tuple[int, int], timesteps: Tensor) -> Iterator[None]:
    """Within this block the transformer blocks of `unet` merge tokens; latents are of `size`, height and width.

    The choice in each window depends on the seed and the row's own timestep, so on nothing else of its batch.
    """
    with ExitStack() as hooks:
        if how is not None and how.ratio:
            for block in unet.modules():
                if isinstance(block, BasicTransformerBlock):
                    _hook(block, how, size, timesteps, hooks)
        yield


@dataclass(slots=True)
class Matching:
    """Which tokens are merged into which, by row: indices [rows, count, 1] into the tokens of a block.

    `merged` go into `into`, which counts through `kept`; `alone` stay as they are.
    """

    kept: Tensor
    alone: Tensor
    merged: Tensor
    into: Tensor

    def merge(self, tokens: Tensor) -> Tensor:
        """[rows, fewer, width]: those alone, then those kept with the mean of what goes into them."""
        kept, merged = _take(tokens, self.kept), _take(tokens, self.merged)
        means = kept.scatter_reduce(1, self.into.expand_as(merged), merged, "mean")
        return torch.cat([_take(tokens, self.alone), means], dim=1)

    def unmerge(self, tokens: Tensor) -> Tensor:
        """[rows, all, width]: each merged token gets what became of the one that it went into."""
        count = self.alone.shape[1]
        alone, kept = tokens[:, :count], tokens[:, count:]
        places = torch.cat([self.alone, self.kept, self.merged], dim=1)
        spread = torch.cat([alone, kept, _take(kept, self.into)], dim=1)
        return torch.empty_like(spread).scatter(1, places.expand_as(spread), spread)


def match(tokens: Tensor, height: int, width: int, how: TokenMerging, timesteps: Tensor) -> Matching:
    """Of tokens [rows, height · width, channels], `ratio` with the likeliest partner among the kept, by cosine."""
    chosen = _chosen(len(tokens), height, width, how, timesteps.to(tokens.device))
    order = chosen.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[..., None]
    count = (height // how.sy) * (width // how.sx)
    kept, others = order[:, :count], order[:, count:]
    directions = nn.functional.normalize(tokens, dim=-1)
    scores = _take(directions, others) @ _take(directions, kept).transpose(1, 2)
    best, partner = scores.max(dim=-1, keepdim=True)
    ranked = best.argsort(dim=1, descending=True)
    merged = min(int(height * width * how.ratio), others.shape[1])
    leaving, staying = ranked[:, :merged], ranked[:, merged:]
    return Matching(kept, others.gather(1, staying), others.gather(1, leaving), partner.gather(1, leaving))


def _hook(
    block: BasicTransformerBlock, how: TokenMerging, size: tuple[int, int], timesteps: Tensor, hooks: ExitStack
) -> None:
    current: list[Matching] = []

    def enter(_: nn.Module, given: tuple[Any, ...]) -> None:
        current.clear()
        tokens = given[0]
        down = math.ceil(math.sqrt(size[0] * size[1] / tokens.shape[1]))
        height, width = (math.ceil(side / down) for side in size)
        if down <= how.max_downsample and height * width == tokens.shape[1] and min(height // how.sy, width // how.sx):
            current.append(match(tokens, height, width, how, timesteps))

    def before(_: nn.Module, given: tuple[Any, ...]) -> tuple[Any, ...]:
        return (current[0].merge(given[0]), *given[1:]) if current else given

    def after(_: nn.Module, __: object, made: Tensor) -> Tensor:
        return current[0].unmerge(made) if current else made

    layers = ((block.attn1, how.attn), (block.attn2, how.crossattn), (block.ff, how.mlp))
    handles = [block.register_forward_pre_hook(enter)]
    for layer in (layer for layer, wanted in layers if wanted and layer is not None):
        handles += [layer.register_forward_pre_hook(before), layer.register_forward_hook(after)]
    for handle in handles:
        hooks.callback(handle.remove)


def _chosen(rows: int, height: int, width: int, how: TokenMerging, timesteps: Tensor) -> Tensor:
    """Bool [rows, height · width]: one token of each whole window."""
    down, across = height // how.sy, width // how.sx
    numbers = torch.arange(down * across, device=timesteps.device)[None]
    if how.seed is None:
        place = torch.zeros(rows, down * across, dtype=torch.int64, device=timesteps.device)
    else:
        steps = timesteps.expand(rows).to(torch.int64)[:, None]
        place = _hash(how.seed * 0x9E3779B1 + steps * 0x85EBCA77 + numbers * 0xC2B2AE3D) % (how.sy * how.sx)
    row = numbers // across * how.sy + place // how.sx
    column = numbers % across * how.sx + place % how.sx
    chosen = torch.zeros(rows, height * width, dtype=torch.bool, device=timesteps.device)
    return chosen.scatter_(1, row * width + column, True)


def _hash(numbers: Tensor) -> Tensor:
    """Scrambles the low 32 bits; on the device itself, where a generator would have to be waited for."""
    numbers = numbers & _WORD
    for factor in (0x7FEB352D, 0x846CA68B):
        numbers = ((numbers ^ (numbers >> 16)) * factor) & _WORD
    return numbers ^ (numbers >> 16)


def _take(tokens: Tensor, places: Tensor) -> Tensor:
    return tokens.gather(1, places.expand(-1, -1, tokens.shape[-1]))

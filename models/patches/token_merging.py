"""Token merging: similar tokens are averaged before a layer, and its results are spread to all of them afterwards.

Bolya and Hoffman, "Token Merging for Fast Stable Diffusion", 2023.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from diffusers.models.attention import BasicTransformerBlock
from torch import Tensor, nn

from models.patches.patch import DenoiserInputs, DenoiserPatch, PatchedRows

_WORD = 0xFFFFFFFF


@dataclass(frozen=True, slots=True)
class TokenMerging(DenoiserPatch):
    """Merges similar tokens before the layers of each transformer block, and spreads the results after them."""

    ratio: float = 0.5
    """Fraction of the tokens that are merged into others, 0 to 1; one token of each window always stays."""
    max_downsample: int = 1
    """Blocks merge that work at 1 / this of the latents' size, or at a larger one."""
    sx: int = 2
    """Width of the windows, in tokens."""
    sy: int = 2
    """Height of the windows, in tokens."""
    seed: int | None = 0
    """Decides which token of a window the others may be merged into; None: the first."""
    attn: bool = True
    """Merge before self-attention."""
    crossattn: bool = False
    """Merge before attention to the text."""
    mlp: bool = False
    """Merge before the feed-forward layer."""

    @property
    def batch_key(self) -> Hashable:
        return self

    @property
    def cost_key(self) -> Hashable:
        """A step takes as long as one that merges about as many tokens."""
        return replace(self, seed=None, ratio=round(self.ratio, 1))

    def apply(self, unet: Any, rows: PatchedRows, inputs: DenoiserInputs) -> AbstractContextManager[None]:
        return merge_tokens(unet, self, (inputs.latents.shape[2], inputs.latents.shape[3]), inputs.timesteps)


@contextmanager
def merge_tokens(unet: nn.Module, merging: TokenMerging, size: tuple[int, int], timesteps: Tensor) -> Iterator[None]:
    """Within this block the transformer blocks of `unet` merge tokens; `size` is the height and width of the latents.

    The choice in each window depends only on the seed and the row's own timestep, so not on the rest of its batch.
    """
    with ExitStack() as hooks:
        if merging.ratio:
            for block in unet.modules():
                if isinstance(block, BasicTransformerBlock):
                    _hook(block, merging, size, timesteps, hooks)
        yield


@dataclass(slots=True)
class Matching:
    """Which tokens are merged into which, by row: indices int64 [rows, count, 1] into the tokens of a block."""

    destinations: Tensor
    """Tokens that others are merged into, one of each window."""
    untouched: Tensor
    """Tokens that stay as they are."""
    merged: Tensor
    """Tokens that are merged into a destination."""
    partners: Tensor
    """The destination of each merged token, as an index into `destinations`."""

    def merge(self, tokens: Tensor) -> Tensor:
        """[rows, fewer, width]: the untouched ones, then each destination averaged with what is merged into it."""
        destinations, merged = _take(tokens, self.destinations), _take(tokens, self.merged)
        means = destinations.scatter_reduce(1, self.partners.expand_as(merged), merged, "mean")
        return torch.cat([_take(tokens, self.untouched), means], dim=1)

    def unmerge(self, tokens: Tensor) -> Tensor:
        """[rows, all, width]: each merged token gets the result of its destination."""
        count = self.untouched.shape[1]
        untouched, destinations = tokens[:, :count], tokens[:, count:]
        indices = torch.cat([self.untouched, self.destinations, self.merged], dim=1)
        spread = torch.cat([untouched, destinations, _take(destinations, self.partners)], dim=1)
        return torch.empty_like(spread).scatter(1, indices.expand_as(spread), spread)


def match(tokens: Tensor, height: int, width: int, merging: TokenMerging, timesteps: Tensor) -> Matching:
    """Matches the `ratio` of tokens [rows, height · width, width] that are most like a destination, by cosine."""
    is_destination = _choose_destinations(len(tokens), height, width, merging, timesteps.to(tokens.device))
    order = is_destination.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[..., None]
    count = (height // merging.sy) * (width // merging.sx)
    destinations, others = order[:, :count], order[:, count:]
    directions = nn.functional.normalize(tokens, dim=-1)
    scores = _take(directions, others) @ _take(directions, destinations).transpose(1, 2)
    best, partners = scores.max(dim=-1, keepdim=True)
    ranked = best.argsort(dim=1, descending=True)
    merged_count = min(int(height * width * merging.ratio), others.shape[1])
    merged, untouched = ranked[:, :merged_count], ranked[:, merged_count:]
    return Matching(destinations, others.gather(1, untouched), others.gather(1, merged), partners.gather(1, merged))


def _hook(
    block: BasicTransformerBlock, merging: TokenMerging, size: tuple[int, int], timesteps: Tensor, hooks: ExitStack
) -> None:
    current: list[Matching] = []

    def match_tokens(_: nn.Module, inputs: tuple[Any, ...]) -> None:
        current.clear()
        count = inputs[0].shape[1]
        down = math.ceil(math.sqrt(size[0] * size[1] / count))
        height, width = (math.ceil(length / down) for length in size)
        has_windows = min(height // merging.sy, width // merging.sx) > 0
        if down <= merging.max_downsample and height * width == count and has_windows:
            current.append(match(inputs[0], height, width, merging, timesteps))

    def merge(_: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        return (current[0].merge(inputs[0]), *inputs[1:]) if current else inputs

    def unmerge(_: nn.Module, __: object, output: Tensor) -> Tensor:
        return current[0].unmerge(output) if current else output

    layers = ((block.attn1, merging.attn), (block.attn2, merging.crossattn), (block.ff, merging.mlp))
    handles = [block.register_forward_pre_hook(match_tokens)]
    for layer in (layer for layer, enabled in layers if enabled and layer is not None):
        handles += [layer.register_forward_pre_hook(merge), layer.register_forward_hook(unmerge)]
    for handle in handles:
        hooks.callback(handle.remove)


def _choose_destinations(rows: int, height: int, width: int, merging: TokenMerging, timesteps: Tensor) -> Tensor:
    """bool [rows, height · width]: one token of each whole window."""
    down, across = height // merging.sy, width // merging.sx
    windows = torch.arange(down * across, device=timesteps.device)[None]
    if merging.seed is None:
        position = torch.zeros(rows, down * across, dtype=torch.int64, device=timesteps.device)
    else:
        steps = timesteps.expand(rows).to(torch.int64)[:, None]
        mixed = merging.seed * 0x9E3779B1 + steps * 0x85EBCA77 + windows * 0xC2B2AE3D
        position = _hash(mixed) % (merging.sy * merging.sx)
    row = windows // across * merging.sy + position // merging.sx
    column = windows % across * merging.sx + position % merging.sx
    chosen = torch.zeros(rows, height * width, dtype=torch.bool, device=timesteps.device)
    return chosen.scatter_(1, row * width + column, True)


def _hash(numbers: Tensor) -> Tensor:
    """Scrambles the low 32 bits. It runs on the device: a CPU generator would make the device wait."""
    numbers = numbers & _WORD
    for factor in (0x7FEB352D, 0x846CA68B):
        numbers = ((numbers ^ (numbers >> 16)) * factor) & _WORD
    return numbers ^ (numbers >> 16)


def _take(tokens: Tensor, indices: Tensor) -> Tensor:
    return tokens.gather(1, indices.expand(-1, -1, tokens.shape[-1]))

"""Style by reference: a picture is painted while the denoiser looks at another, noised as much, in its self-attention.

Reference-only control, L. Zhang, 2023: it needs no weights, for the keys and values of the other picture are the
denoiser's own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from models.imaging.pixels import cropped, fitted
from models.noise import GaussianNoise

Encode = Callable[[np.ndarray, GaussianNoise], Tensor]
"""Pixels, uint8 RGB [height, width, 3], to scaled latents [1, channels, h, w], as `Checkpoint.encode` does."""
Notes = dict[nn.Module, Tensor]
"""By layer of self-attention, the tokens that it was shown, [rows, tokens, width]."""


class ReferenceWeight(NamedTuple):
    """How a row looks at its reference: in `layers` of the layers, the widest first, by `share` of its attention; the
    rest is as without. From 0 to 1."""

    share: float
    layers: float


class References(NamedTuple):
    """What the rows of a forward pass look at: latents [rows, inputs, h, w], each as noisy as its row, and how."""

    latents: Tensor
    regards: Sequence[ReferenceWeight]


@dataclass(slots=True, eq=False)
class ReferenceStyle:
    """A picture, RGB pixels [height, width, 3], for others to be painted like.

    `fidelity` is how little the negative prompt's row looks at it: what that row leaves out, guidance makes stronger.
    """

    pixels: np.ndarray
    fidelity: float
    weight: float
    _seen: dict[tuple[int, int], Tensor] = field(default_factory=dict)

    def latents(self, encode: Encode, width: int, height: int) -> Tensor:
        """[1, channels, h, w] of the picture's middle, as large as the one to be painted; the same each time."""
        if (width, height) not in self._seen:
            middle = fitted(cropped(self.pixels, width, height), width, height)
            self._seen[width, height] = encode(middle, _Silence())
        return self._seen[width, height]

    def regard(self, *, prompted: bool) -> ReferenceWeight:
        """That of the row of the prompt, or of its negative."""
        return ReferenceWeight(1.0 if prompted else 1 - self.fidelity, self.weight)


class _Silence:
    """No noise: of what the encoder takes for possible, the mean."""

    def gaussian(self, shape: Sequence[int]) -> Tensor:
        return torch.zeros(tuple(shape))


@contextmanager
def reference_attention(
    unet: nn.Module, references: References | None, show: Callable[[Tensor], Any]
) -> Iterator[None]:
    """Within this block each row's self-attention in `unet` also has the tokens of its reference for keys and values.

    `show` puts the references' latents through the net, before; the net is as before when the block ends.
    """
    if references is None:
        yield
        return
    layers = _layers(unet)
    notes: Notes = {}
    with ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.register_forward_pre_hook(_noting(notes)).remove)
        show(references.latents)
    with ExitStack() as hooks:
        for place, layer in enumerate(layers):
            shares = [each.share if each.layers > place / len(layers) else 0.0 for each in references.regards]
            if any(shares):
                hooks.callback(layer.register_forward_hook(_mixing(notes.pop(layer), shares)).remove)
        yield


def _layers(unet: nn.Module) -> list[Attention]:
    """Those of self-attention, the widest first."""
    blocks = [module for module in unet.modules() if isinstance(module, BasicTransformerBlock)]
    blocks.sort(key=lambda block: -block.norm1.normalized_shape[0])
    return [block.attn1 for block in blocks]


def _noting(notes: Notes) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    def note(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        notes[layer] = given[0]

    return note


def _mixing(seen: Tensor, shares: Sequence[float]) -> Callable[[Attention, tuple[Tensor, ...], Tensor], Tensor]:
    """Attention to the row and its reference by the row's share, to the row alone by the rest."""
    rows = [row for row, share in enumerate(shares) if share]

    def mix(layer: Attention, given: tuple[Tensor, ...], alone: Tensor) -> Tensor:
        place = torch.tensor(rows).to(alone.device, non_blocking=True)
        tokens = given[0][place]
        both = layer.forward(tokens, encoder_hidden_states=torch.cat([tokens, seen[place]], dim=1))
        share = torch.tensor([shares[row] for row in rows]).to(alone, non_blocking=True)[:, None, None]
        return alone.index_copy(0, place, torch.lerp(alone[place], both, share))

    return mix

"""Style by reference: the denoiser's self-attention also sees another picture, noised as much as the image itself.

Reference-only control, L. Zhang, 2023: it needs no weights, for the keys and values of the other picture are the
denoiser's own.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.attention_processor import Attention
from torch import Tensor, nn

from models.imaging.pixels import crop_center, resize_area
from models.patches.patch import DenoiserInputs, DenoiserPatch, Encode, ImageContext, PatchedRows

REFERENCE = "reference"
"""Name of the reference's latents [rows, in_channels, h, w] among a patch's tensors."""


class ReferenceWeight(NamedTuple):
    """How strongly one row attends to its reference; both from 0 to 1."""

    attention: float
    """Fraction of the attention that also sees the reference; the rest is as without it."""
    layers: float
    """Fraction of the layers in which it does, the widest first."""


class _Reference(NamedTuple):
    """The reference of one image."""

    latents: Tensor
    """float32 [channels, h, w], clean."""
    noise: Tensor
    """float32 [channels, h, w], of unit variance."""
    inpaints: bool
    """Whether the checkpoint was trained for inpainting, and so takes a mask and masked latents too."""


@dataclass(slots=True, eq=False)
class ReferenceStyle(DenoiserPatch):
    """A picture whose style images take over. Rows with different pictures share a forward pass."""

    pixels: np.ndarray
    """uint8 RGB [height, width, 3]."""
    fidelity: float
    """0 to 1: how little the row of the negative prompt attends to the picture. What that row lacks, guidance
    strengthens."""
    weight: float
    """0 to 1: in which fraction of the layers the picture is attended to."""
    _latents: dict[tuple[int, int], Tensor] = field(default_factory=dict)
    """The encoded picture [1, channels, h, w], by width and height."""
    _reference: _Reference | None = None

    capturable = False  # which layers attend to the reference is decided in Python, row by row
    keeps_rows = False  # its attention runs again, for the rows that have a reference
    runs_unet = True

    @property
    def batch_key(self) -> Hashable:
        return ()

    def for_image(self, image: ImageContext) -> ReferenceStyle:
        """With the noise of the image turned around: the same noise would tie each position to the same position of
        the reference."""
        latents = self.latents(image.encode, image.width, image.height)[0]
        return replace(
            self, _reference=_Reference(latents, image.noise.flip(1, 2), image.inpainting_inputs is not None)
        )

    def latents(self, encode: Encode, width: int, height: int) -> Tensor:
        """[1, channels, h, w] of the picture's middle, as large as the image; encoded once for each size."""
        if (width, height) not in self._latents:
            middle = resize_area(crop_center(self.pixels, width, height), width, height)
            self._latents[width, height] = encode(middle, _NoNoise())
        return self._latents[width, height]

    def step_tensors(self, signal: float, sigma: float) -> Mapping[str, Tensor]:
        """The reference [in_channels, h, w], as noisy as the image is in this step."""
        assert self._reference is not None, "a patch is prepared for its image before its first step"  # noqa: S101
        latents, noise, inpaints = self._reference
        noisy = signal * latents + sigma * noise
        if inpaints:
            mask = torch.zeros_like(latents[:1])
            noisy = torch.cat([noisy, mask, latents])
        return {REFERENCE: noisy}

    def row_weight(self, *, prompted: bool) -> ReferenceWeight:
        """The weight in the row of the prompt, or of its negative."""
        return ReferenceWeight(1.0 if prompted else 1 - self.fidelity, self.weight)

    def apply(self, unet: Any, rows: PatchedRows, inputs: DenoiserInputs) -> AbstractContextManager[None]:
        styles = [(row.patch, row.prompted) for row in rows.rows]
        weights = [
            style.row_weight(prompted=prompted) for style, prompted in styles if isinstance(style, ReferenceStyle)
        ]
        return reference_attention(unet, rows.tensors[REFERENCE], weights, inputs.run_unet)


class _NoNoise:
    """The mean of the encoder's posterior."""

    def gaussian(self, shape: Sequence[int]) -> Tensor:
        return torch.zeros(tuple(shape))


@contextmanager
def reference_attention(
    unet: nn.Module, references: Tensor, weights: Sequence[ReferenceWeight], run_unet: Callable[[Tensor], Any]
) -> Iterator[None]:
    """Within this block each row's self-attention in `unet` also has the tokens of its reference for keys and values.

    `references` are latents [rows, in_channels, h, w], each as noisy as its row. `run_unet` runs the net on them first,
    to collect their tokens. The net is restored at the end, also after an exception.
    """
    layers = _self_attention_layers(unet)
    tokens: dict[nn.Module, Tensor] = {}
    with ExitStack() as hooks:
        for layer in layers:
            hooks.callback(layer.register_forward_pre_hook(_collect_into(tokens)).remove)
        run_unet(references)
    with ExitStack() as hooks:
        for index, layer in enumerate(layers):
            fractions = [each.attention if each.layers > index / len(layers) else 0.0 for each in weights]
            if any(fractions):
                hooks.callback(layer.register_forward_hook(_attend_to(tokens.pop(layer), fractions)).remove)
        yield


def _self_attention_layers(unet: nn.Module) -> list[Attention]:
    """The widest first."""
    blocks = [module for module in unet.modules() if isinstance(module, BasicTransformerBlock)]
    blocks.sort(key=lambda block: -block.norm1.normalized_shape[0])
    return [block.attn1 for block in blocks]


def _collect_into(tokens: dict[nn.Module, Tensor]) -> Callable[[nn.Module, tuple[Tensor, ...]], None]:
    """A hook that stores the input [rows, tokens, width] of each layer."""

    def collect(layer: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        tokens[layer] = inputs[0]

    return collect


def _attend_to(
    references: Tensor, fractions: Sequence[float]
) -> Callable[[Attention, tuple[Tensor, ...], Tensor], Tensor]:
    """A hook that mixes attention to the row alone with attention to the row and its reference, by the row's fraction;
    `references` are tokens [rows, tokens, width]."""
    rows = [row for row, fraction in enumerate(fractions) if fraction]

    def attend(layer: Attention, inputs: tuple[Tensor, ...], alone: Tensor) -> Tensor:
        index = torch.tensor(rows).to(alone.device, non_blocking=True)
        tokens = inputs[0][index]
        both = layer.forward(tokens, encoder_hidden_states=torch.cat([tokens, references[index]], dim=1))
        fraction = torch.tensor([fractions[row] for row in rows]).to(alone, non_blocking=True)[:, None, None]
        return alone.index_copy(0, index, torch.lerp(alone[index], both, fraction))

    return attend

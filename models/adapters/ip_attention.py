"""Attention to the tokens of an image besides those of the text: what an IP-Adapter adds to a layer of the denoiser."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

from diffusers.models.attention_processor import Attention
from torch import Tensor, nn
from torch.nn import functional

TOKENS, SCALE = "image_tokens", "image_scale"
"""Names in the extras of a conditioning: image tokens [rows, tokens, width], and the scale of each row [rows]."""


class IPAttentionLayer(NamedTuple):
    """A cross-attention layer of the denoiser, and the weights that project image tokens to keys and values for it."""

    attention: Attention
    to_k: Tensor
    to_v: Tensor


def image_keys_values(layers: Sequence[IPAttentionLayer], extras: Mapping[str, Tensor]) -> list[Tensor]:
    """The keys and values of the image tokens of each row, by layer: key, value, key, value…"""
    return [functional.linear(extras[TOKENS], weight) for layer in layers for weight in (layer.to_k, layer.to_v)]


@contextmanager
def ip_attention(
    layers: Sequence[IPAttentionLayer], extras: Mapping[str, Tensor], known: Sequence[Tensor] = ()
) -> Iterator[None]:
    """Within this block the layers also attend to the image tokens of each row, and add the result times the scale of
    the row (equation 5 of Ye et al., "IP-Adapter", 2023). `known` are the `image_keys_values` of these rows if they
    were computed before.

    The hooks are removed when the block ends, also after an error.
    """
    halves = known or image_keys_values(layers, extras)
    with ExitStack() as hooks:
        for layer, keys, values in zip(layers, halves[::2], halves[1::2], strict=True):
            _hook(layer.attention, keys, values, extras[SCALE][:, None, None], hooks)
        yield


def _hook(attention: Attention, keys: Tensor, values: Tensor, scales: Tensor, hooks: ExitStack) -> None:
    """Uses the queries of the text; the result is added before the output projection, which both share."""
    queries: list[Tensor] = []

    def store_query(_: nn.Module, __: object, query: Tensor) -> None:
        queries.append(query)

    def add_image_attention(_: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        query, key, value = (_by_head(each, attention.heads) for each in (queries.pop(), keys, values))
        attended = functional.scaled_dot_product_attention(query, key, value)
        return (inputs[0] + scales * attended.transpose(1, 2).flatten(2),)

    hooks.callback(attention.to_q.register_forward_hook(store_query).remove)
    hooks.callback(attention.to_out[0].register_forward_pre_hook(add_image_attention).remove)


def _by_head(tokens: Tensor, heads: int) -> Tensor:
    """[rows, tokens, width] as [rows, heads, tokens, width of a head]."""
    return tokens.view(*tokens.shape[:2], heads, -1).transpose(1, 2)

"""Keys and values of a denoiser's attention to text: the same at every step, so they are computed once for a request.

With what the text and the image prompts say fixed, attention's `to_k` and `to_v` have nothing new to work on (Rombach
et al. 2022, equation in 3.3); their products are kept as plain tensors, which batches can stack and graphs can read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial

from diffusers.models.attention_processor import Attention
from torch import Tensor, nn


def text_layers(net: nn.Module) -> list[Attention]:
    """The layers in which a net attends to the text, in the order in which it has them."""
    return [module for name, module in net.named_modules() if name.endswith(".attn2") and isinstance(module, Attention)]


def keys_and_values(layers: Sequence[Attention], embeds: Tensor) -> list[Tensor]:
    """What each layer makes of text [rows, tokens, width]: key, value, key, value…, each [rows, tokens, inner]."""
    return [half(embeds) for layer in layers for half in (layer.to_k, layer.to_v)]


@contextmanager
def cached_cross_attention(layers: Sequence[Attention], known: Sequence[Tensor]) -> Iterator[None]:
    """Within this block these layers take `known` for keys and values, as `keys_and_values` made them for the same
    rows; where nothing is known they compute them.

    They are as before when the block ends, however it ends. One thread at a time.
    """
    with ExitStack() as restored:
        if known:
            halves = [half for layer in layers for half in (layer.to_k, layer.to_v)]
            for half, tensor in zip(halves, known, strict=True):
                half.forward = partial(_known, tensor)
                restored.callback(delattr, half, "forward")
        yield


def _known(tensor: Tensor, _: Tensor) -> Tensor:
    return tensor

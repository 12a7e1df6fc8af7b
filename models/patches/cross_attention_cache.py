"""Keys and values of a net's cross-attention to the text: the same at every step, so they are computed once a request.

With the text fixed, attention's `to_k` and `to_v` have the same input at every step (Rombach et al. 2022, equation in
3.3). Their results are plain tensors, which batches can stack and CUDA graphs can read. This is no `DenoiserPatch`: it
is applied to every pass, changes no result, and ControlNets have it too.
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
    """Key, value, key, value… of the layers for text [rows, tokens, width], each [rows, tokens, inner]."""
    return [projection(embeds) for layer in layers for projection in (layer.to_k, layer.to_v)]


@contextmanager
def cached_cross_attention(layers: Sequence[Attention], cached_kv: Sequence[Tensor]) -> Iterator[None]:
    """Within this block these layers use `cached_kv`, which `keys_and_values` computed for the same rows. If it is
    empty, they compute keys and values themselves.

    The layers are restored at the end, also after an exception. One thread at a time.
    """
    with ExitStack() as restored:
        if cached_kv:
            projections = [projection for layer in layers for projection in (layer.to_k, layer.to_v)]
            for projection, tensor in zip(projections, cached_kv, strict=True):
                projection.forward = partial(_cached, tensor)
                restored.callback(delattr, projection, "forward")
        yield


def _cached(tensor: Tensor, _: Tensor) -> Tensor:
    return tensor

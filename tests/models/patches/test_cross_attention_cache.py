"""Cached keys and values against those that the net computes itself."""

from __future__ import annotations

import pytest
import torch

from models.patches.cross_attention_cache import cached_cross_attention, keys_and_values, text_layers
from tests.support.tiny import tiny_unet

STEPS = torch.tensor([900.0, 20.0])


@torch.inference_mode()
def test_cached_keys_and_values_replace_the_text() -> None:
    net, latents = tiny_unet(), torch.randn(2, 4, 8, 8)
    layers, (text, other) = text_layers(net), torch.randn(2, 2, 77, 128)
    expected = net(latents, STEPS, text).sample
    assert not torch.allclose(net(latents, STEPS, other).sample, expected, atol=1e-4)
    with cached_cross_attention(layers, keys_and_values(layers, text)):
        assert torch.equal(net(latents, STEPS, other).sample, expected)


@torch.inference_mode()
def test_layers_compute_again_after_the_block() -> None:
    net, latents, text = tiny_unet(), torch.randn(2, 4, 8, 8), torch.randn(2, 77, 128)
    layers = text_layers(net)
    plain = net(latents, STEPS, text).sample
    with cached_cross_attention(layers, ()):
        assert torch.equal(net(latents, STEPS, text).sample, plain)
    with pytest.raises(KeyError), cached_cross_attention(layers, keys_and_values(layers, 2 * text)):
        raise KeyError
    assert torch.equal(net(latents, STEPS, text).sample, plain)

"""Shallow passes compared with full passes whose deep features were replaced."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from models.loaded_model import LoadedModel
from models.patches.deep_cache import FEATURES, DeepCache
from models.patches.patch import PatchedRows
from tests.support.nets import unet_of

STEPS = torch.tensor([900.0, 20.0])


def make_inputs(toy: Any, seed: int) -> tuple[Tensor, Any]:
    conditioning, _ = toy.encode_prompt("a cat", None, clip_skip=-1, width=64, height=64)
    extras = {name: extra.expand(2, *extra.shape[1:]) for name, extra in conditioning.extras.items()}
    both = type(conditioning)(conditioning.embeds.expand(2, -1, -1), extras)
    return torch.randn(2, 4, 8, 16, generator=torch.Generator().manual_seed(seed)), both


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_cached_pass_equals_full_pass_with_exchanged_features(family: str, checkpoints: dict[str, LoadedModel]) -> None:
    toy: Any = checkpoints[family]
    (earlier, text), (later, _) = make_inputs(toy, 1), make_inputs(toy, 2)
    full = PatchedRows(DeepCache(cached=False))
    plain = toy.predict(earlier, STEPS, text)
    assert torch.equal(toy.predict(earlier, STEPS, text, patches=[full]), plain)
    features = full.outputs[FEATURES].clone()

    def exchange(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (torch.cat([features, args[0][:, features.shape[1] :]], dim=1), *args[1:])

    residuals = _residuals(toy, later)
    hook = unet_of(toy).up_blocks[-1].resnets[-1].register_forward_pre_hook(exchange)
    expected = toy.predict(later, STEPS, text, residuals=residuals)
    hook.remove()
    cached = PatchedRows(DeepCache(cached=True), tensors={FEATURES: features})
    found = toy.predict(later, STEPS, text, residuals=residuals, patches=[cached])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-6)
    assert (found - toy.predict(later, STEPS, text)).norm() > 1e-2 * found.norm()


def test_cached_pass_calls_few_layers(checkpoints: dict[str, LoadedModel]) -> None:
    toy: Any = checkpoints["sd1"]
    latents, text = make_inputs(toy, 1)
    full = PatchedRows(DeepCache(cached=False))
    all_calls = _called(toy, lambda: toy.predict(latents, STEPS, text, patches=[full]))
    cached = PatchedRows(DeepCache(cached=True), tensors=full.outputs)
    assert _called(toy, lambda: toy.predict(latents, STEPS, text, patches=[cached])) < all_calls / 4


def _residuals(toy: Any, latents: Tensor) -> list[Tensor]:
    """Random ControlNet residuals in the shapes of the skip connections and the middle block."""
    shapes: list[torch.Size] = []
    hooks = [
        block.register_forward_hook(lambda _, __, output: shapes.extend(each.shape for each in output[1]))
        for block in unet_of(toy).down_blocks
    ]
    hooks.append(unet_of(toy).conv_in.register_forward_hook(lambda _, __, output: shapes.append(output.shape)))
    hooks.append(unet_of(toy).mid_block.register_forward_hook(lambda _, __, output: shapes.append(output.shape)))
    toy.predict(latents, STEPS, make_inputs(toy, 1)[1])
    for hook in hooks:
        hook.remove()
    return [0.1 * torch.randn(shape) for shape in shapes]


def _called(toy: Any, pass_: Any) -> int:
    """The number of convolutions and linear layers that a pass calls."""
    calls: list[nn.Module] = []
    layers = [layer for layer in unet_of(toy).modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    hooks = [layer.register_forward_hook(lambda layer, *_: calls.append(layer)) for layer in layers]
    pass_()
    for hook in hooks:
        hook.remove()
    return len(calls)

"""Every algorithm of LoRA files against LyCORIS: its module beside a layer, and its file merged into the layer."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from lycoris import modules as lycoris
from safetensors.torch import save_file
from torch import Tensor, nn

from models.adapters.lora import Lora, read
from models.adapters.lora_beside import beside, lora_set
from models.adapters.lora_merge import MergedNet

LAYERS: dict[str, Callable[[], nn.Module]] = {
    "linear": lambda: nn.Linear(24, 32),
    "conv1": lambda: nn.Conv2d(16, 32, 1),
    "conv3": lambda: nn.Conv2d(16, 32, 3, padding=1),
}
DECOMPOSED = [{"weight_decompose": True}, {"weight_decompose": True, "wd_on_out": False}]
ALGORITHMS: list[tuple[Any, dict[str, Any]]] = [
    *((lycoris.LoConModule, options) for options in ({}, {"use_tucker": True}, {"use_scalar": True}, *DECOMPOSED)),
    *((lycoris.LohaModule, options) for options in ({}, {"use_tucker": True}, {"use_scalar": True}, *DECOMPOSED)),
    *(
        (lycoris.LokrModule, options)
        for options in (
            {"lora_dim": 1},
            {"lora_dim": 2, "use_tucker": True},
            {"lora_dim": 1, "decompose_both": True, "factor": 4},
            {"lora_dim": 1, "decompose_both": True, "factor": 4, "use_tucker": True},
            {"full_matrix": True},
            {"unbalanced_factorization": True},
            *DECOMPOSED,
        )
    ),
    (lycoris.GLoRAModule, {}),
    *((lycoris.IA3Module, {"train_on_input": on_input}) for on_input in (False, True)),
    *((lycoris.DiagOFTModule, options) for options in ({}, {"constraint": 0.05}, {"rescaled": True})),
    *((lycoris.ButterflyOFTModule, options) for options in ({}, {"constraint": 0.02}, {"rescaled": True})),
    (lycoris.FullModule, {}),
]
LAYERS_OF_NORMS: dict[str, Callable[[], nn.Module]] = {
    "layer": lambda: nn.LayerNorm(16),
    "group": lambda: nn.GroupNorm(4, 16),
}


def lora_of(module: nn.Module, folder: Path) -> Lora:
    """The LoRA in the file of the LyCORIS module, for the layer `conv_in`."""
    weights = {f"lora_unet_conv_in.{key}": tensor.detach().contiguous() for key, tensor in module.state_dict().items()}
    save_file({key: tensor.clone() for key, tensor in weights.items()}, folder / "x.safetensors")
    updates, skipped = read(folder / "x.safetensors")
    assert skipped == ()
    return Lora("x", updates)


def net_of(layer: nn.Module) -> MergedNet:
    return MergedNet(nn.ModuleDict({"conv_in": copy.deepcopy(layer)}).requires_grad_(False), "unet")


def merged(module: nn.Module, layer: nn.Module, folder: Path) -> nn.Module:
    """A copy of the layer with the LyCORIS module merged into it."""
    net = net_of(layer)
    net.switch([(lora_of(module, folder), 1.0)])
    return net.net.get_submodule("conv_in")


def trained(module: Any) -> Any:
    """Beside its layer, with random weights, since updates are zero before the training."""
    module.apply_to()
    for name, weight in module.named_parameters():
        weight.data.normal_(std=0.3)
        if "dora" in name or "rescale" in name:
            weight.data.abs_().add_(0.5)
    return module.eval()


def difference(algorithm: Any, layer: nn.Module, inputs: Tensor, folder: Path, **options: Any) -> float:
    """Of the outputs, relative to what the update changes."""
    reference = copy.deepcopy(layer)
    module = trained(algorithm("x", reference, **options))
    expected, plain, ours = reference(inputs), layer(inputs), merged(module, layer, folder)(inputs)
    assert not torch.allclose(expected, plain, atol=1e-3)
    return float((ours - expected).abs().max() / (expected - plain).abs().max())


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(
    ("algorithm", "options"), ALGORITHMS, ids=lambda value: getattr(value, "__name__", None) or str(value)
)
def test_merged_layer_equals_that_of_lycoris(
    kind: str, algorithm: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    layer = LAYERS[kind]().requires_grad_(False)
    inputs = torch.randn(2, 24) if kind == "linear" else torch.randn(2, 16, 5, 5)
    alpha = {} if "OFT" in algorithm.__name__ else {"alpha": 2.0}
    assert difference(algorithm, layer, inputs, tmp_path, **{"lora_dim": 4, **alpha, **options}) < 1e-4


@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(
    ("algorithm", "options", "is_sum"),
    [
        (lycoris.LoConModule, {}, True),
        (lycoris.LoConModule, {"use_tucker": True}, True),
        (lycoris.LohaModule, {}, True),
        (lycoris.LokrModule, {"lora_dim": 1}, True),
        (lycoris.LoConModule, {"weight_decompose": True}, False),
        (lycoris.GLoRAModule, {}, False),
        (lycoris.FullModule, {}, False),
        (lycoris.DiagOFTModule, {}, False),
    ],
    ids=str,
)
def test_layer_with_the_lora_beside_it_equals_the_merged_one(
    kind: str, algorithm: Any, options: dict[str, Any], is_sum: bool, tmp_path: Path
) -> None:
    layer = LAYERS[kind]().requires_grad_(False)
    inputs = torch.randn(2, 24) if kind == "linear" else torch.randn(2, 16, 5, 5)
    alpha = {} if "OFT" in algorithm.__name__ else {"alpha": 2.0}
    module = trained(algorithm("x", copy.deepcopy(layer), **{"lora_dim": 4, **alpha, **options}))
    net, lora = net_of(layer), lora_of(module, tmp_path)
    loras = lora_set(net, [(lora, 0.8)])
    assert (loras is not None) is is_sum
    if loras is None:
        return
    with beside(net.net, loras.layout, loras.packed(loras.layout, torch.float32)[None], None):
        found = net.net.get_submodule("conv_in")(inputs)
    net.switch([(lora, 0.8)])
    expected = net.net.get_submodule("conv_in")(inputs)
    assert float((found - expected).abs().max()) <= 1e-5 * float(expected.abs().max())


@pytest.mark.parametrize("kind", LAYERS_OF_NORMS)
def test_merged_norm_equals_that_of_lycoris(kind: str, tmp_path: Path) -> None:
    layer = LAYERS_OF_NORMS[kind]().requires_grad_(False)
    assert difference(lycoris.NormModule, layer, torch.randn(2, 16), tmp_path) < 1e-4

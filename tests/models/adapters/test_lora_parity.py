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
from models.adapters.lora_beside import beside
from models.adapters.lora_merge import MergedNet
from models.adapters.lora_packing import LoraSet
from models.adapters.lora_sets import lora_set

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


def name_of(value: Any) -> str:
    return getattr(value, "__name__", None) or str(value)


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
@pytest.mark.parametrize(("algorithm", "options"), ALGORITHMS, ids=name_of)
def test_merged_layer_equals_that_of_lycoris(
    kind: str, algorithm: Any, options: dict[str, Any], tmp_path: Path
) -> None:
    layer = LAYERS[kind]().requires_grad_(False)
    inputs = torch.randn(2, 24) if kind == "linear" else torch.randn(2, 16, 5, 5)
    alpha = {} if "OFT" in algorithm.__name__ else {"alpha": 2.0}
    assert difference(algorithm, layer, inputs, tmp_path, **{"lora_dim": 4, **alpha, **options}) < 1e-4


SUMS = lycoris.LoConModule, lycoris.LohaModule, lycoris.LokrModule, lycoris.FullModule


@pytest.mark.parametrize("rows", [None, torch.tensor([1, 0])], ids=["one set", "rows"])
@pytest.mark.parametrize("kind", LAYERS)
@pytest.mark.parametrize(("algorithm", "options"), ALGORITHMS, ids=name_of)
def test_layer_with_the_lora_beside_it_equals_the_merged_one(
    kind: str, algorithm: Any, options: dict[str, Any], rows: Tensor | None, tmp_path: Path
) -> None:
    layer = LAYERS[kind]().requires_grad_(False)
    inputs = torch.randn(2, 24) if kind == "linear" else torch.randn(2, 16, 5, 5)
    alpha = {} if "OFT" in algorithm.__name__ else {"alpha": 2.0}
    module = trained(algorithm("x", copy.deepcopy(layer), **{"lora_dim": 4, **alpha, **options}))
    net, lora = net_of(layer), lora_of(module, tmp_path)
    loras = lora_set(net, [(lora, 0.8)])
    assert (loras is not None) is (algorithm in SUMS and options not in DECOMPOSED)
    if loras is not None:
        assert misfit_beside(net, loras, lora, inputs, rows) <= 1e-5


def misfit_beside(net: MergedNet, loras: LoraSet, lora: Lora, inputs: Tensor, rows: Tensor | None) -> float:
    """The largest difference of the rows that have the LoRA from the merged layer, relative to the largest output."""
    own = loras.packed(loras.layout, torch.float32)
    sets = own[None] if rows is None else torch.stack([torch.zeros_like(own), own])
    layer = net.net.get_submodule("conv_in")
    with beside(net.net, loras.layout, sets, rows):
        found = layer(inputs)
    plain = layer(inputs)
    net.switch([(lora, 0.8)])
    expected = layer(inputs)
    if rows is not None:
        assert torch.equal(found[rows == 0], plain[rows == 0])
        found, expected = found[rows == 1], expected[rows == 1]
    return float((found - expected).abs().max() / expected.abs().max())


@pytest.mark.parametrize(
    "options",
    [
        {"full_matrix": True},
        {"full_matrix": True, "factor": 8},
        {"lora_dim": 64},
        {"lora_dim": 32, "use_tucker": True},
        {"lora_dim": 32, "decompose_both": True, "factor": 16},
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["linear", "conv3"])
def test_lokr_of_a_wide_layer_is_beside_it_as_a_kronecker_product(
    kind: str, options: dict[str, Any], tmp_path: Path
) -> None:
    """As a narrow product it would cost as much as the layer."""
    layer = nn.Linear(320, 320) if kind == "linear" else nn.Conv2d(320, 320, 3, stride=2, padding=1)
    layer.requires_grad_(False)
    module = trained(lycoris.LokrModule("x", copy.deepcopy(layer), **{"lora_dim": 4, "alpha": 2.0, **options}))
    net, lora = net_of(layer), lora_of(module, tmp_path)
    loras = lora_set(net, [(lora, 0.8)])
    assert loras is not None
    assert [each.kind for each in loras.layout.additions] == ["kronecker"]
    inputs = torch.randn(2, 7, 320) if kind == "linear" else torch.randn(2, 320, 6, 6)
    for rows in (None, torch.tensor([0, 1])):
        assert misfit_beside(net, loras, lora, inputs, rows) <= 1e-5
        net.restore()


@pytest.mark.parametrize("kind", LAYERS_OF_NORMS)
def test_norm_with_the_lora_beside_it_equals_the_merged_one(kind: str, tmp_path: Path) -> None:
    layer = LAYERS_OF_NORMS[kind]().requires_grad_(False)
    module = trained(lycoris.NormModule("x", copy.deepcopy(layer)))
    net, lora = net_of(layer), lora_of(module, tmp_path)
    loras = lora_set(net, [(lora, 0.8)])
    assert loras is not None
    assert {each.kind for each in loras.layout.additions} == {"norm", "bias"}
    assert misfit_beside(net, loras, lora, torch.randn(2, 16), torch.tensor([1, 0])) <= 1e-5


@pytest.mark.parametrize("kind", LAYERS_OF_NORMS)
def test_merged_norm_equals_that_of_lycoris(kind: str, tmp_path: Path) -> None:
    layer = LAYERS_OF_NORMS[kind]().requires_grad_(False)
    assert difference(lycoris.NormModule, layer, torch.randn(2, 16), tmp_path) < 1e-4

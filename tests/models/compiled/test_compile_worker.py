"""The compile process: its graph computes the pass, and an unwritable target is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import ControlNetModel
from torch import Tensor, nn
from torch._inductor.cpp_builder import cpp_compiler_search

from models.compiled.compile_worker import CompilingError, compile_pass, exported, refuse_matrix_products
from models.compiled.forward_pass import ForwardPassSpec, flatten_inputs, run_net
from models.compiled.static_weights import weights_of
from tests.support.tiny import make_inputs, run_uncompiled, stretched, tiny_unet


def traced(net: nn.Module, inputs: dict[str, Tensor], *, weights: nn.Module) -> tuple[Tensor, ...]:
    """The outputs of the graph traced from `net`, with other weights."""
    graph = exported(ForwardPassSpec.from_json(ForwardPassSpec.of(net, inputs).to_json())).module()
    outputs: tuple[Tensor, ...] = graph(*weights_of(weights).values(), *inputs.values())
    return outputs


@torch.no_grad()
def test_exported_graph_equals_the_net_with_other_weights() -> None:
    """The residuals of ControlNets, and keys and values, are inputs of the graph, not computed in it."""
    net, other = tiny_unet(), stretched(tiny_unet())
    inputs = {**make_inputs(net), **flatten_inputs(residuals=[torch.randn(2, 8, 8, 8) for _ in range(3)])}
    torch.testing.assert_close(traced(net, inputs, weights=other), run_uncompiled(other, inputs))


@torch.no_grad()
def test_exported_graph_of_a_controlnet_equals_the_net() -> None:
    level = {"block_out_channels": (8,), "layers_per_block": 1, "norm_num_groups": 4, "attention_head_dim": 4}
    blocks = {"down_block_types": ("CrossAttnDownBlock2D",), "mid_block_type": "UNetMidBlock2D"}
    wide = {"cross_attention_dim": 128, "conditioning_embedding_out_channels": (4, 4)}
    net = ControlNetModel(**level, **blocks, **wide).eval()
    for weight in net.parameters():
        if not weight.any():
            nn.init.normal_(weight, std=0.1)
    inputs = {**make_inputs(tiny_unet()), **flatten_inputs(hints=torch.rand(2, 3, 16, 16))}
    inputs = {name: tensor for name, tensor in inputs.items() if not name.startswith("known.")}
    spec = ForwardPassSpec.of(net, inputs)
    assert spec.name.startswith("controlnet-")
    torch.testing.assert_close(traced(net, inputs, weights=net), run_net(net, inputs))


def test_kernels_that_multiply_matrices_are_refused(tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text("tmp0 = tl.load(in_ptr0 + x0)")
    refuse_matrix_products(tmp_path)
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / "slow.py").write_text("acc = tl.dot(a, b, acc)")
    with pytest.raises(CompilingError, match=r"multiplies matrices \(slow.py\)"):
        refuse_matrix_products(tmp_path)


def test_missing_compiler_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    cpp_compiler_search.cache_clear()  # an earlier test in this process may have found one
    net = tiny_unet()
    with pytest.raises(CompilingError, match=r"install g\+\+, or fill the folder"):
        compile_pass(ForwardPassSpec.of(net, make_inputs(net)), tmp_path / "never.pt2")
    assert list(tmp_path.iterdir()) == []

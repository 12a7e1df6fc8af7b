from __future__ import annotations

import pytest
import torch
from torch import nn

from models.files.weights_error import WeightsError
from models.loading.fill import changes_of_weights, fill


def empty_net() -> nn.Module:
    with torch.device("meta"):
        return nn.Sequential(nn.Linear(2, 3))


def test_net_on_meta_is_filled_in_its_dtype() -> None:
    net = empty_net()
    fill(net, {"0.weight": torch.full((3, 2), 2.0).half(), "0.bias": torch.ones(3)}, torch.float32, "a file")
    assert torch.equal(net(torch.ones(1, 2)), torch.full((1, 3), 5.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"0.weight": None}, "a file is incomplete, it lacks 0.weight; copy .* or ask"),
        ({"0.weight": None, "0.bias": None}, "lacks 0.bias and 1 other;"),
        ({"0.weight": torch.ones(2, 3)}, "a file does not fit: 0.weight of another shape"),
        ({"0.factor": torch.ones(1)}, "a file has 0.factor, which this net does not know"),
        ({"0.weight": torch.ones(3, 2, dtype=torch.int8)}, r"a file has whole numbers \(torch.int8\) as 0.weight"),
    ],
)
def test_net_is_filled_whole_or_not_at_all(changes: dict[str, torch.Tensor | None], message: str) -> None:
    tensors = {"0.weight": torch.ones(3, 2), "0.bias": torch.ones(3), **changes}
    present = {name: tensor for name, tensor in tensors.items() if tensor is not None}
    with pytest.raises(WeightsError, match=message):
        fill(empty_net(), present, torch.float32, "a file", advice="ask")


def test_file_may_lack_what_matters_in_training_only() -> None:
    """Files of versions of torch before 0.4.1 do."""
    with torch.device("meta"):
        net = nn.Sequential(nn.BatchNorm1d(2)).eval()
    names = ("weight", "bias", "running_mean", "running_var")
    fill(net, {f"0.{name}": torch.ones(2) for name in names}, torch.float32, "a file")
    torch.testing.assert_close(net(torch.ones(1, 2)), torch.ones(1, 2))


def test_change_of_a_weight_stands_beside_or_below_it() -> None:
    names = {"layer.0.weight", "layer.0.bias"}
    unknown = ["layer.0.factor", "layer.0.weight.state", "layer.0.lora.weight", "layer.position_ids", "other.weight"]
    assert changes_of_weights(unknown, names) == unknown[:3]

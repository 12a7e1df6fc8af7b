from pathlib import Path

import torch
from torch import nn

from models.catalog.entry import ModelEntry
from models.loaded_model import TorchModel


def test_torch_model_has_the_size_of_its_nets_and_moves_them() -> None:
    nets = nn.Linear(3, 2), nn.BatchNorm1d(4)
    model = TorchModel(ModelEntry(name="esr", path=Path("esr"), family="upscaler"), *nets)
    assert (model.name, model.family, model.device) == ("esr", "upscaler", torch.device("cpu"))
    assert model.bytes == 4 * (3 * 2 + 2) + 4 * 4 * 4 + 8, "weights, statistics, and the int64 count of batches"
    assert not any(net.training or parameter.requires_grad for net in nets for parameter in net.parameters())
    model.to(torch.device("meta"))
    assert model.device.type == "meta"
    assert {parameter.device.type for net in nets for parameter in net.parameters()} == {"meta"}

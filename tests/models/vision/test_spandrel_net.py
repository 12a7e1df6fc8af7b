from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact

from models.catalog.entry import ModelEntry
from models.vision.spandrel_net import NetError, SpandrelNet, read_net, to_uint8


@pytest.fixture
def entry(tmp_path: Path) -> ModelEntry:
    net = Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=1, upscale=2)
    save_file(net.state_dict(), tmp_path / "net.safetensors")
    return ModelEntry(name="net", path=tmp_path / "net.safetensors", family="upscaler")


@pytest.mark.parametrize("supports_half", [True, False])
def test_half_precision_needs_the_support_of_the_net(entry: ModelEntry, supports_half: bool) -> None:
    net = read_net(entry)
    net.supports_half = supports_half
    loaded = SpandrelNet(entry, net, torch.float16)
    assert loaded.dtype == (torch.float16 if supports_half else torch.float32)
    assert {parameter.dtype for parameter in net.model.parameters()} == {loaded.dtype}


def test_read_net_refuses_unknown_weights(entry: ModelEntry) -> None:
    save_file({"conv.weight": torch.zeros(1)}, entry.path)
    with pytest.raises(NetError, match=r"net\.safetensors has no known architecture of family upscaler"):
        read_net(entry)


def test_to_uint8_rounds_and_moves_channels_last() -> None:
    planes = torch.tensor([0.0, 0.5, 1.0]).view(1, 3, 1, 1).half()
    assert to_uint8(planes).tolist() == [[[[0, 128, 255]]]]

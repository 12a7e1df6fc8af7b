import pytest
import torch
from safetensors.torch import load_file
from spandrel import MAIN_REGISTRY, UnsupportedModelError
from spandrel.architectures.LaMa import LaMa as PublishedLaMa

from models.catalog.catalog import Catalog
from models.vision.lama import read_lama


def test_read_lama_equals_spandrel_at_the_published_size() -> None:
    torch.manual_seed(0)
    state = {
        f"generator.{name.removeprefix('model.')}": weight
        for name, weight in PublishedLaMa(in_nc=4, out_nc=3).state_dict().items()
    }
    image, mask = torch.rand(1, 3, 32, 40), torch.zeros(1, 1, 32, 40)
    mask[:, :, 8:16, 10:20] = 1
    ours, reference = (read(dict(state)).eval()(image, mask) for read in (read_lama, MAIN_REGISTRY.load))
    assert torch.equal(ours, reference)


def test_read_lama_takes_the_size_from_the_weights(toys: Catalog) -> None:
    net = read_lama(load_file(toys.find("lama").path))
    image, mask = torch.rand(1, 3, 16, 24), torch.zeros(1, 1, 16, 24)
    mask[:, :, :8] = 1
    filled = net(image, mask)
    assert torch.equal(filled[:, :, 8:], image[:, :, 8:])
    assert not torch.equal(filled[:, :, :8], image[:, :, :8])


def test_read_lama_refuses_other_weights() -> None:
    with pytest.raises(UnsupportedModelError):
        read_lama({"conv.weight": torch.zeros(1)})

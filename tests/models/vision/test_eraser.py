from pathlib import Path

import numpy as np
import pytest
import torch
from spandrel import MAIN_REGISTRY
from spandrel.architectures.LaMa import LaMa as PublishedLaMa

from models.catalog.catalog import Catalog
from models.vision import eraser
from models.vision.eraser import Eraser
from models.vision.lama import read_lama
from models.vision.spandrel_net import NetError

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def lama(toys: Catalog) -> Eraser:
    return eraser.load(toys.find("lama"), CPU, torch.float32)


def image_and_mask(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((height, width), bool)
    mask[height // 4 : height // 2, width // 4 : width // 2] = True
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8), mask


@pytest.mark.parametrize("size", [(64, 48), (61, 45), (29, 21)])
def test_fill_changes_only_the_mask_and_ignores_its_content(lama: Eraser, size: tuple[int, int]) -> None:
    pixels, mask = image_and_mask(*size)
    filled = lama.fill(pixels, mask)
    assert np.array_equal(filled[~mask], pixels[~mask])
    assert (filled[mask] != pixels[mask]).any()
    other = pixels.copy()
    other[mask] = 255 - other[mask]
    assert np.array_equal(lama.fill(other, mask), filled)
    other[~mask] = 255 - other[~mask]
    assert not np.array_equal(lama.fill(other, mask)[mask], filled[mask])


def test_read_lama_equals_spandrel_at_the_published_size() -> None:
    torch.manual_seed(0)
    state = {
        f"generator.{name.removeprefix('model.')}": weight
        for name, weight in PublishedLaMa(in_nc=4, out_nc=3).state_dict().items()
    }
    pixels, mask = image_and_mask(40, 32)
    image = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2) / 255
    mask_input = torch.from_numpy(mask)[None, None].float()
    ours, reference = (read(dict(state)).eval()(image, mask_input) for read in (read_lama, MAIN_REGISTRY.load))
    assert torch.equal(ours, reference)


def test_eraser_stays_in_single_precision(toys: Catalog) -> None:
    assert eraser.load(toys.find("lama"), CPU, torch.float16).dtype == torch.float32


def test_load_refuses_other_architectures(toys: Catalog, tmp_path: Path) -> None:
    entry = toys.find("esr").model_copy(update={"family": "lama"})
    with pytest.raises(NetError, match="has no known architecture of family lama"):
        eraser.load(entry, CPU, torch.float32)

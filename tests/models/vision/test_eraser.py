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


def picture_and_mask(width: int, height: int) -> tuple[np.ndarray, np.ndarray]:
    mask = np.zeros((height, width), bool)
    mask[height // 4 : height // 2, width // 4 : width // 2] = True
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8), mask


@pytest.mark.parametrize("size", [(64, 48), (61, 45), (29, 21)])
def test_only_the_hole_changes_and_what_is_in_it_does_not_matter(lama: Eraser, size: tuple[int, int]) -> None:
    pixels, mask = picture_and_mask(*size)
    filled = lama.fill(pixels, mask)
    assert np.array_equal(filled[~mask], pixels[~mask])
    assert (filled[mask] != pixels[mask]).any()
    other = pixels.copy()
    other[mask] = 255 - other[mask]
    assert np.array_equal(lama.fill(other, mask), filled)
    other[~mask] = 255 - other[~mask]
    assert not np.array_equal(lama.fill(other, mask)[mask], filled[mask])


def test_the_published_size_is_as_spandrel_reads_it() -> None:
    torch.manual_seed(0)
    state = {
        f"generator.{name.removeprefix('model.')}": weight
        for name, weight in PublishedLaMa(in_nc=4, out_nc=3).state_dict().items()
    }
    pixels, mask = picture_and_mask(40, 32)
    image = torch.from_numpy(pixels)[None].permute(0, 3, 1, 2) / 255
    hole = torch.from_numpy(mask)[None, None].float()
    ours, reference = (read(dict(state)).eval()(image, hole) for read in (read_lama, MAIN_REGISTRY.load))
    assert torch.equal(ours, reference)


def test_it_stays_in_single_precision(toys: Catalog) -> None:
    assert eraser.load(toys.find("lama"), CPU, torch.float16).dtype == torch.float32


def test_what_is_no_lama_is_refused(toys: Catalog, tmp_path: Path) -> None:
    entry = toys.find("esr").model_copy(update={"family": "lama"})
    with pytest.raises(NetError, match="no architecture that is known for family lama"):
        eraser.load(entry, CPU, torch.float32)

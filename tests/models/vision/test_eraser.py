from pathlib import Path

import numpy as np
import pytest
import torch

from models.catalog.catalog import Catalog
from models.finite import NotFiniteError
from models.vision import eraser
from models.vision.eraser import Eraser
from models.vision.spandrel_net import NetError
from tests.support.nets import net_of, spoil

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


def test_eraser_stays_in_single_precision(toys: Catalog) -> None:
    assert eraser.load(toys.find("lama"), CPU, torch.float16).dtype == torch.float32


def test_load_refuses_other_architectures(toys: Catalog, tmp_path: Path) -> None:
    entry = toys.find("esr").model_copy(update={"family": "lama"})
    with pytest.raises(NetError, match="has no known architecture of family lama"):
        eraser.load(entry, CPU, torch.float32)


def test_fill_refuses_a_picture_of_nan(toys: Catalog) -> None:
    loaded = eraser.load(toys.find("lama"), CPU, torch.float32)
    spoil(net_of(loaded).model)
    with pytest.raises(NotFiniteError, match="model 'toy-lama' of family lama returned NaN or infinity"):
        loaded.fill(*image_and_mask(64, 48))

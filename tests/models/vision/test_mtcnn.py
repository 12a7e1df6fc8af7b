from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.catalog.entry import ModelEntry
from models.files.weights_error import WeightsError
from models.finite import NotFiniteError
from models.vision.mtcnn import Mtcnn
from tests.support.faces import mtcnn_weights


def mtcnn(folder: Path, weights: dict[str, torch.Tensor]) -> Mtcnn:
    file = folder / "mtcnn.safetensors"
    save_file(weights, file)
    return Mtcnn(ModelEntry(name="mtcnn", path=file, family="face", bytes=file.stat().st_size))


def squares(*boxes: tuple[int, int, int]) -> np.ndarray:
    """White squares, each of left, top and side, on black."""
    pixels = np.zeros((120, 160, 3), np.uint8)
    for left, top, side in boxes:
        pixels[top : top + side, left : left + side] = 255
    return pixels


def test_finds_what_the_first_net_proposes_and_the_others_accept(tmp_path: Path) -> None:
    found = mtcnn(tmp_path, mtcnn_weights()).boxes(squares((30, 40, 16), (110, 60, 16)))
    assert found.shape == (2, 5)
    centres = sorted(((box[0] + box[2]) / 2, (box[1] + box[3]) / 2) for box in found)
    assert centres == [pytest.approx((38, 48), abs=6), pytest.approx((118, 68), abs=6)]
    assert (found[:, 4] > 0.99).all()
    sides = found[:, 2:4] - found[:, :2]
    assert ((sides > 16) & (sides < 64)).all()


def test_last_net_moves_the_sides(tmp_path: Path) -> None:
    picture = squares((60, 40, 16))
    (before,), (after,) = (mtcnn(tmp_path, mtcnn_weights(each)).boxes(picture) for each in (0, 0.25))
    size = before[2] - before[0] + 1
    assert after[:4] - before[:4] == pytest.approx([size / 4] * 4, abs=0.01)


@pytest.mark.parametrize("size", [(120, 160), (8, 8), (1, 300)])
def test_finds_nothing_where_nothing_is(tmp_path: Path, size: tuple[int, int]) -> None:
    assert mtcnn(tmp_path, mtcnn_weights()).boxes(np.zeros((*size, 3), np.uint8)).shape == (0, 5)


def test_refuses_incomplete_weights(tmp_path: Path) -> None:
    weights = mtcnn_weights()
    del weights["onet.conv3.weight"]
    with pytest.raises(WeightsError, match=r"mtcnn\.safetensors is incomplete, it lacks onet\.conv3\.weight"):
        mtcnn(tmp_path, weights)


def test_refuses_nan(tmp_path: Path) -> None:
    weights = mtcnn_weights()
    weights["pnet.conv1.bias"][0] = torch.nan
    with pytest.raises(NotFiniteError, match="model 'mtcnn' of family face returned NaN"):
        mtcnn(tmp_path, weights).boxes(squares((60, 40, 16)))

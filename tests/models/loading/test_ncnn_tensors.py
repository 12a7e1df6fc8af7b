from pathlib import Path

import numpy as np
import pytest

from models.files.weights_error import WeightsError
from models.loading.ncnn_tensors import read_ncnn
from tests.support.ncnn_files import compact_weights, write_compact


@pytest.mark.parametrize(("half", "error"), [(True, 1e-3), (False, 1e-7)])
def test_tensors_are_those_of_the_file(tmp_path: Path, half: bool, error: float) -> None:
    weights = compact_weights(filters=3)
    _, tensors = read_ncnn(write_compact(tmp_path / "x.param", weights, half=half))
    assert tensors.keys() == weights.keys()
    for key, value in weights.items():
        np.testing.assert_allclose(tensors[key].numpy(), value, atol=error)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"cannot read .*x\.param \(No such file or directory\); put it there"):
        read_ncnn(tmp_path / "x.param")

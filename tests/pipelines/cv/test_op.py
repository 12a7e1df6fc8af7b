import numpy as np
import pytest
from pydantic import ValidationError

from tests.support.pictures import random_pixels

ONE, OTHER = random_pixels(8, 8, seed=1), random_pixels(8, 8, seed=2)
A, B = ONE.astype(float), OTHER.astype(float)
EXPECTED = {
    "add": np.minimum(A + B, 255),
    "subtract": np.maximum(A - B, 0),
    "multiply": np.rint(A * B / 255),
    "screen": 255 - np.rint((255 - A) * (255 - B) / 255),
    "average": np.floor((A + B + 1) / 2),
    "minimum": np.minimum(A, B),
    "maximum": np.maximum(A, B),
    "abs_diff": np.abs(A - B),
    "bitwise_and": ONE & OTHER,
    "bitwise_or": ONE | OTHER,
    "bitwise_xor": ONE ^ OTHER,
}


@pytest.mark.parametrize("operation", EXPECTED)
def test_op_computes_each_operation(run_task, operation: str) -> None:
    (result,) = run_task("cv.op", {"url": ONE, "url2": OTHER}, op=operation).images
    assert result.dtype == np.uint8
    assert np.array_equal(result, EXPECTED[operation])


@pytest.mark.parametrize("operation", ["load", "save", "fromfile", "__class__", "exp"])
def test_unknown_operation_is_refused(run_task, operation: str) -> None:
    with pytest.raises(ValidationError, match="Input should be 'add'"):
        run_task("cv.op", {"url": ONE, "url2": OTHER}, op=operation)


def test_picture_without_alpha_counts_as_opaque(run_task) -> None:
    clear = np.dstack([OTHER, np.full((8, 8), 9, np.uint8)])
    (result,) = run_task("cv.op", {"url": ONE, "url2": clear}, op="minimum").images
    assert (result[:, :, 3] == 9).all()


@pytest.mark.parametrize("hidden", [0, 255])
def test_average_shows_no_hidden_colours(run_task, hidden: int) -> None:
    clear = np.full((8, 8, 4), (hidden, hidden, hidden, 0), np.uint8)
    (result,) = run_task("cv.op", {"url": ONE, "url2": clear}, op="average").images
    assert np.array_equal(result, np.dstack([ONE, np.full((8, 8), 128, np.uint8)]))


def test_pictures_of_different_sizes_are_refused(error_of) -> None:
    message = error_of("cv.op", {"url": ONE, "url2": random_pixels(8, 9)}, op="add")
    assert message == "url is 8×8, but url2 is 9×8; resize one of them with cv.resize first"

import numpy as np
import pytest
from pydantic import ValidationError

from tests.pipelines.cv.conftest import noise

ONE, OTHER = noise(8, 8, seed=1), noise(8, 8, seed=2)
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
def test_an_operation(make, operation: str) -> None:
    (made,) = make("cv.op", {"url": ONE, "url2": OTHER}, op=operation).images
    assert made.dtype == np.uint8
    assert np.array_equal(made, EXPECTED[operation])


@pytest.mark.parametrize("operation", ["load", "save", "fromfile", "__class__", "exp"])
def test_only_these_operations_exist(make, operation: str) -> None:
    with pytest.raises(ValidationError, match="Input should be 'add'"):
        make("cv.op", {"url": ONE, "url2": OTHER}, op=operation)


def test_a_picture_without_alpha_is_opaque_beside_one_with_it(make) -> None:
    clear = np.dstack([OTHER, np.full((8, 8), 9, np.uint8)])
    (made,) = make("cv.op", {"url": ONE, "url2": clear}, op="minimum").images
    assert (made[:, :, 3] == 9).all()


def test_pictures_of_two_sizes_are_refused(refusal) -> None:
    said = refusal("cv.op", {"url": ONE, "url2": noise(8, 9)}, op="add")
    assert said == "url is 8×8 and url2 9×8; make them of one size by cv.resize first"

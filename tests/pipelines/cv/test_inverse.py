import numpy as np

from tests.pipelines.cv.conftest import noise


def test_twice_is_nothing(make) -> None:
    picture = noise(8, 8, 4)
    (made,) = make("cv.inverse", {"url": picture}).images
    assert np.array_equal(made, 255 - picture)
    assert np.array_equal(make("cv.inverse", {"url": made}).images[0], picture)

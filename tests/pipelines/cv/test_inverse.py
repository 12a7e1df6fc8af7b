import numpy as np

from tests.support.pictures import random_pixels


def test_inverse_applied_twice_restores_the_picture(run_task) -> None:
    picture = random_pixels(8, 8, 4)
    (result,) = run_task("cv.inverse", {"url": picture}).images
    assert np.array_equal(result, 255 - picture)
    assert np.array_equal(run_task("cv.inverse", {"url": result}).images[0], picture)

import numpy as np

from tests.support.pictures import random_pixels


def test_grayscale_removes_colours_and_keeps_alpha(run_task) -> None:
    picture = random_pixels(8, 8, 4)
    (result,) = run_task("cv.grayscale", {"url": picture}).images
    luma = picture[:, :, :3] @ np.array([0.299, 0.587, 0.114])
    assert np.abs(result[:, :, :3] - luma[:, :, None]).max() <= 1
    assert np.array_equal(result[:, :, 3], picture[:, :, 3])
    assert run_task("cv.grayscale", {"url": random_pixels(8, 8)}).images[0].shape == (8, 8, 3)

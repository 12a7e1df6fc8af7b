import numpy as np

from tests.pipelines.cv.conftest import noise


def test_colours_go_and_alpha_stays(make) -> None:
    picture = noise(8, 8, 4)
    (made,) = make("cv.grayscale", {"url": picture}).images
    luma = picture[:, :, :3] @ np.array([0.299, 0.587, 0.114])
    assert np.abs(made[:, :, :3] - luma[:, :, None]).max() <= 1
    assert np.array_equal(made[:, :, 3], picture[:, :, 3])
    assert make("cv.grayscale", {"url": noise(8, 8)}).images[0].shape == (8, 8, 3)

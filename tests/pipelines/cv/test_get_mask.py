import numpy as np

from tests.pipelines.cv.conftest import noise


def test_alpha_or_brightness(make) -> None:
    clear = noise(8, 8, 4)
    (mask,) = make("cv.get_mask", {"url": clear}).images
    assert np.array_equal(mask, np.dstack([clear[:, :, 3]] * 3))
    grey = np.dstack([noise(8, 8, 1)] * 3)
    assert np.array_equal(make("cv.get_mask", {"url": grey}).images[0], grey)


def test_inverse_and_hard(make) -> None:
    alpha = noise(8, 8, 4)[:, :, 3]
    (hard,) = make("cv.get_mask", {"url": noise(8, 8, 4)}, binarize_threshold=99, get_inverse=True).images
    assert np.array_equal(hard[:, :, 0], np.where(alpha > 99, 0, 255))

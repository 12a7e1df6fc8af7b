import numpy as np

from tests.support.pictures import random_pixels


def test_mask_is_alpha_or_brightness(run_task) -> None:
    clear = random_pixels(8, 8, 4)
    (mask,) = run_task("cv.get_mask", {"url": clear}).images
    assert np.array_equal(mask, np.dstack([clear[:, :, 3]] * 3))
    grey = np.dstack([random_pixels(8, 8, 1)] * 3)
    assert np.array_equal(run_task("cv.get_mask", {"url": grey}).images[0], grey)


def test_mask_can_be_binarized_and_inverted(run_task) -> None:
    alpha = random_pixels(8, 8, 4)[:, :, 3]
    (hard,) = run_task("cv.get_mask", {"url": random_pixels(8, 8, 4)}, binarize_threshold=99, get_inverse=True).images
    assert np.array_equal(hard[:, :, 0], np.where(alpha > 99, 0, 255))

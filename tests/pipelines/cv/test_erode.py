import numpy as np

from tests.support.pictures import random_pixels


def square() -> np.ndarray:
    picture = random_pixels(20, 20, 4)
    picture[:, :, 3] = 0
    picture[5:15, 5:15, 3] = 100
    return picture


def test_erode_shrinks_the_opaque_part_per_iteration(run_task) -> None:
    (once,) = run_task("cv.erode", {"url": square()}).images
    assert (once[:, :, 3] > 0).sum() == 64
    assert (once[6:14, 6:14, 3] == 255).all()
    assert np.array_equal(once[:, :, :3], square()[:, :, :3])
    (twice,) = run_task("cv.erode", {"url": square()}, n_iter=2).images
    (again,) = run_task("cv.erode", {"url": once}).images
    assert np.array_equal(twice, again)
    (large,) = run_task("cv.erode", {"url": square()}, kernel_size=5).images
    assert np.array_equal(large, twice)


def test_alpha_up_to_the_threshold_counts_as_transparent(run_task) -> None:
    assert not run_task("cv.erode", {"url": square()}, threshold=100).images[0][:, :, 3].any()


def test_picture_border_erodes_only_with_padding(run_task) -> None:
    assert (run_task("cv.erode", {"url": random_pixels(9, 9)}).images[0][:, :, 3] > 0).sum() == 49
    assert (run_task("cv.erode", {"url": random_pixels(9, 9)}, padding=0).images[0][:, :, 3] > 0).all()

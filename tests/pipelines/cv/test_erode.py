import numpy as np

from tests.pipelines.cv.conftest import noise


def square() -> np.ndarray:
    picture = noise(20, 20, 4)
    picture[:, :, 3] = 0
    picture[5:15, 5:15, 3] = 100
    return picture


def test_the_opaque_part_shrinks_by_a_pixel_a_time(make) -> None:
    (once,) = make("cv.erode", {"url": square()}).images
    assert (once[:, :, 3] > 0).sum() == 64
    assert (once[6:14, 6:14, 3] == 255).all()
    assert np.array_equal(once[:, :, :3], square()[:, :, :3])
    (twice,) = make("cv.erode", {"url": square()}, n_iter=2).images
    (again,) = make("cv.erode", {"url": once}).images
    assert np.array_equal(twice, again)
    (large,) = make("cv.erode", {"url": square()}, kernel_size=5).images
    assert np.array_equal(large, twice)


def test_what_is_fainter_than_the_threshold_is_not_there(make) -> None:
    assert not make("cv.erode", {"url": square()}, threshold=100).images[0][:, :, 3].any()


def test_the_edge_of_the_picture_erodes_only_with_padding(make) -> None:
    assert (make("cv.erode", {"url": noise(9, 9)}).images[0][:, :, 3] > 0).sum() == 49
    assert (make("cv.erode", {"url": noise(9, 9)}, padding=0).images[0][:, :, 3] > 0).all()

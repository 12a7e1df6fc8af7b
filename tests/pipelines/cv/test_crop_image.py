import numpy as np

from tests.support.pictures import random_pixels


def test_crop_is_limited_to_the_picture(run_task) -> None:
    picture = random_pixels(20, 30, 4)
    assert np.array_equal(
        run_task("cv.crop_image", {"url": picture}, lt_rb=[3, 4, 13, 9]).images[0], picture[4:9, 3:13]
    )
    assert np.array_equal(run_task("cv.crop_image", {"url": picture}, lt_rb=[-3, 15, 99, 99]).images[0], picture[15:])


def test_box_outside_the_picture_is_refused(error_of) -> None:
    assert "contains no pixel of the picture, which is 30×20" in error_of(
        "cv.crop_image", {"url": random_pixels(20, 30)}, lt_rb=[40, 0, 50, 10]
    )

import numpy as np

from tests.pipelines.cv.conftest import noise


def test_a_box_is_cut_out_as_far_as_the_picture_goes(make) -> None:
    picture = noise(20, 30, 4)
    assert np.array_equal(make("cv.crop_image", {"url": picture}, lt_rb=[3, 4, 13, 9]).images[0], picture[4:9, 3:13])
    assert np.array_equal(make("cv.crop_image", {"url": picture}, lt_rb=[-3, 15, 99, 99]).images[0], picture[15:])


def test_a_box_beside_the_picture_is_refused(refusal) -> None:
    assert "holds no pixel of the picture, which is 30×20" in refusal(
        "cv.crop_image", {"url": noise(20, 30)}, lt_rb=[40, 0, 50, 10]
    )

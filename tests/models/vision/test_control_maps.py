from __future__ import annotations

import numpy as np

from models.vision.control_maps import DrawOptions, binarize_map, canny, grey, limit_resolution, scribble, tile

IMAGE = np.zeros((96, 128, 3), np.uint8)
IMAGE[24:72, 32:96] = (200, 220, 180)


def test_canny_draws_the_outline() -> None:
    edges = canny(IMAGE, DrawOptions())
    assert edges.shape == IMAGE.shape
    assert set(np.unique(edges)) == {0, 255}
    rows, columns = np.nonzero(edges[:, :, 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (23, 71, 31, 95)
    assert edges[30:66, 40:90].max() == 0


def test_canny_thresholds_decide_what_is_an_edge() -> None:
    faint = IMAGE // 20
    assert canny(faint, DrawOptions()).max() == 0
    assert canny(faint, DrawOptions(low=10, high=20)).max() == 255


def test_resolution_decides_which_details_are_drawn() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, np.arange(512) % 16 < 8] = 255
    assert canny(stripes, DrawOptions()).mean() > 20
    assert canny(stripes, DrawOptions(resolution=128)).mean() < 5
    assert limit_resolution(stripes, 128).shape == (128, 128, 3)
    assert limit_resolution(IMAGE, 512) is IMAGE


def test_map_of_a_pattern_is_the_picture_in_grey() -> None:
    result = grey(IMAGE, DrawOptions())
    assert (result == result[:, :, :1]).all()
    assert np.abs(result[:, :, 0] - IMAGE @ [0.299, 0.587, 0.114]).max() <= 1


def test_scribble_is_broader_than_canny() -> None:
    strokes, edges = scribble(IMAGE, DrawOptions()), canny(IMAGE, DrawOptions())
    assert set(np.unique(strokes)) == {0, 255}
    assert strokes.mean() > 3 * edges.mean()
    assert strokes[40:56, 56:72].max() == 0


def test_binarize_map_and_tile() -> None:
    assert tile(IMAGE, DrawOptions()) is IMAGE
    assert np.array_equal(binarize_map(IMAGE, 100)[:, :, 0] > 0, IMAGE[:, :, 0] > 0)
    assert binarize_map(IMAGE, 220).max() == 0

from __future__ import annotations

import numpy as np

from models.vision.control_maps import Drawing, binarized, canny, scaled, scribble, tile

PICTURE = np.zeros((96, 128, 3), np.uint8)
PICTURE[24:72, 32:96] = (200, 220, 180)


def test_canny_draws_the_outline() -> None:
    edges = canny(PICTURE, Drawing())
    assert edges.shape == PICTURE.shape
    assert set(np.unique(edges)) == {0, 255}
    rows, columns = np.nonzero(edges[:, :, 0])
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (23, 71, 31, 95)
    assert edges[30:66, 40:90].max() == 0


def test_thresholds_decide_what_is_an_edge() -> None:
    faint = PICTURE // 20
    assert canny(faint, Drawing()).max() == 0
    assert canny(faint, Drawing(low=10, high=20)).max() == 255


def test_the_resolution_decides_what_is_seen() -> None:
    stripes = np.zeros((512, 512, 3), np.uint8)
    stripes[:, np.arange(512) % 16 < 8] = 255
    assert canny(stripes, Drawing()).mean() > 20
    assert canny(stripes, Drawing(resolution=128)).mean() < 5
    assert scaled(stripes, 128).shape == (128, 128, 3)
    assert scaled(PICTURE, 512) is PICTURE


def test_a_scribble_is_broader_than_an_edge() -> None:
    strokes, edges = scribble(PICTURE, Drawing()), canny(PICTURE, Drawing())
    assert set(np.unique(strokes)) == {0, 255}
    assert strokes.mean() > 3 * edges.mean()
    assert strokes[40:56, 56:72].max() == 0


def test_a_threshold_and_the_picture_itself() -> None:
    assert tile(PICTURE, Drawing()) is PICTURE
    assert np.array_equal(binarized(PICTURE, 100)[:, :, 0] > 0, PICTURE[:, :, 0] > 0)
    assert binarized(PICTURE, 220).max() == 0

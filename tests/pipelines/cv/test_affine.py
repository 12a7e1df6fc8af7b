import numpy as np

from tests.support.pictures import random_pixels

QUARTER_TURN = {"a": 0, "b": 1, "c": -1, "d": 0, "e": 20, "f": 0}
"""A clockwise quarter turn of a picture 20 pixels high, moved back onto the canvas."""


def test_quarter_turn_equals_rot90(run_task) -> None:
    picture = random_pixels(20, 30)
    (result,) = run_task("cv.affine", {"url": picture}, **QUARTER_TURN, w=20, h=30).images
    assert np.array_equal(result, np.rot90(picture, -1))


def test_empty_canvas_is_black_or_transparent(run_task) -> None:
    move = {"a": 1, "b": 0, "c": 0, "d": 1, "e": 10, "f": 5, "w": 50, "h": 40}
    picture = random_pixels(20, 30)
    (black,) = run_task("cv.affine", {"url": picture}, **move).images
    assert np.array_equal(black[5:25, 10:40], picture)
    assert (black.sum(), black.shape) == (picture.sum(), (40, 50, 3))
    (clear,) = run_task("cv.affine", {"url": picture}, **move, force_rgba=True).images
    assert (clear[:, :, 3] > 0).sum() == 20 * 30

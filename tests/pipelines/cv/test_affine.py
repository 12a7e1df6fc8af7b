import numpy as np

from tests.pipelines.cv.conftest import noise

TURN = {"a": 0, "b": 1, "c": -1, "d": 0, "e": 20, "f": 0}
"""A quarter turn clockwise of a picture 20 pixels high, back into view."""


def test_a_turn_moves_every_pixel_to_its_place(make) -> None:
    picture = noise(20, 30)
    (made,) = make("cv.affine", {"url": picture}, **TURN, w=20, h=30).images
    assert np.array_equal(made, np.rot90(picture, -1))


def test_the_rest_of_the_canvas_is_black_or_transparent(make) -> None:
    move = {"a": 1, "b": 0, "c": 0, "d": 1, "e": 10, "f": 5, "w": 50, "h": 40}
    picture = noise(20, 30)
    (black,) = make("cv.affine", {"url": picture}, **move).images
    assert np.array_equal(black[5:25, 10:40], picture)
    assert (black.sum(), black.shape) == (picture.sum(), (40, 50, 3))
    (clear,) = make("cv.affine", {"url": picture}, **move, force_rgba=True).images
    assert (clear[:, :, 3] > 0).sum() == 20 * 30

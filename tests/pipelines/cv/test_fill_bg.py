import numpy as np
import pytest

from tests.support.pictures import random_pixels


def disc(colour: int) -> np.ndarray:
    picture = np.zeros((20, 20, 4), np.uint8)
    picture[5:15, 5:15] = (colour, colour, colour, 255)
    return picture


@pytest.mark.parametrize(("bg", "background"), [(7, (7, 7, 7)), ((1, 2, 3), (1, 2, 3))])
def test_background_is_the_requested_colour(run_task, bg: object, background: tuple[int, ...]) -> None:
    (result,) = run_task("cv.fill_bg", {"url": disc(90)}, bg=bg).images
    assert tuple(result[0, 0]) == background
    assert (result[5:15, 5:15] == 90).all()


@pytest.mark.parametrize(("colour", "background"), [(80, 255), (180, 0), (5, 127), (250, 127)])
def test_default_background_contrasts_with_the_picture(run_task, colour: int, background: int) -> None:
    (result,) = run_task("cv.fill_bg", {"url": disc(colour)}).images
    assert (result[0, 0] == background).all()


def test_opaque_picture_is_unchanged(run_task) -> None:
    assert np.array_equal(run_task("cv.fill_bg", {"url": random_pixels(8, 8)}).images[0], random_pixels(8, 8))

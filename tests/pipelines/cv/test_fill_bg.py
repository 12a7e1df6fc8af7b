import numpy as np
import pytest

from tests.pipelines.cv.conftest import noise


def disc(colour: int) -> np.ndarray:
    picture = np.zeros((20, 20, 4), np.uint8)
    picture[5:15, 5:15] = (colour, colour, colour, 255)
    return picture


@pytest.mark.parametrize(("bg", "ground"), [(7, (7, 7, 7)), ((1, 2, 3), (1, 2, 3))])
def test_on_a_ground_of_choice(make, bg: object, ground: tuple[int, ...]) -> None:
    (made,) = make("cv.fill_bg", {"url": disc(90)}, bg=bg).images
    assert tuple(made[0, 0]) == ground
    assert (made[5:15, 5:15] == 90).all()


@pytest.mark.parametrize(("colour", "ground"), [(80, 255), (180, 0), (5, 127), (250, 127)])
def test_on_what_it_stands_out_from(make, colour: int, ground: int) -> None:
    (made,) = make("cv.fill_bg", {"url": disc(colour)}).images
    assert (made[0, 0] == ground).all()


def test_an_opaque_picture_stays(make) -> None:
    assert np.array_equal(make("cv.fill_bg", {"url": noise(8, 8)}).images[0], noise(8, 8))

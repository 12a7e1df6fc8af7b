"""Masks, on pictures small enough to see."""

from __future__ import annotations

import numpy as np
import pytest

from models.imaging.masks import Box, EmptyMaskError, binary, bounds, filled, fitted, grown, marked, pasted


def one_pixel(height: int, width: int, row: int, column: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[row, column] = True
    return mask


def test_alpha_marks_whatever_its_colour_and_brightness_marks_without() -> None:
    pixels = np.array([[[0, 0, 0, 1], [255, 255, 255, 0]]], np.uint8)
    assert marked(pixels).tolist() == [[255, 0]]
    assert marked(pixels[:, :, :3]).tolist() == [[0, 255]]


def test_alpha_that_hides_nothing_marks_nothing() -> None:
    pixels = np.array([[[0, 0, 0, 255], [255, 255, 255, 255]]], np.uint8)
    assert marked(pixels).tolist() == [[0, 255]]


def test_the_threshold_is_not_marked_itself() -> None:
    levels = np.array([[31, 32, 33]], np.uint8)
    assert binary(levels, 32).tolist() == [[False, False, True]]
    with pytest.raises(EmptyMaskError, match="mark them in white"):
        binary(levels, 33)


def test_a_blur_widens_a_mask_whose_threshold_is_low() -> None:
    levels = np.zeros((21, 21), np.uint8)
    levels[8:13, 8:13] = 255
    wide, narrow = binary(levels, 8, blur=2), binary(levels, 127, blur=2)
    assert wide.sum() > (levels > 0).sum() >= narrow.sum() > 0


def test_another_size_stays_hard() -> None:
    mask = one_pixel(2, 2, 0, 1)
    assert fitted(mask, 4, 4).tolist() == np.kron(mask, np.ones((2, 2), bool)).tolist()
    assert fitted(mask, 2, 2) is mask


@pytest.mark.parametrize("size", [(4, 4), (40, 4), (4, 40)])
def test_nothing_thin_is_lost_of_a_mask_that_is_reduced(size: tuple[int, int]) -> None:
    """A mask larger than its picture, of which one pixel is marked, is no empty one."""
    for column in range(19):
        assert fitted(one_pixel(19, 19, 0, column), *size).any()


def test_bounds_stop_at_the_edge() -> None:
    assert bounds(one_pixel(10, 20, 1, 5), 3) == Box(left=2, top=0, right=9, bottom=5)


@pytest.mark.parametrize(
    ("aspect", "expected"),
    [
        (1.0, Box(2, 0, 8, 6)),
        (2.0, Box(0, 0, 12, 6)),
        (0.5, Box(2, 0, 8, 10)),
        (5.0, Box(0, 0, 20, 6)),
    ],
)
def test_a_box_grows_on_one_side_and_stays_inside(aspect: float, expected: Box) -> None:
    assert grown(Box(2, 0, 8, 6), aspect, width=20, height=10) == expected


def test_a_paste_fades_and_then_ends() -> None:
    white, black = np.full((9, 9, 3), 255, np.uint8), np.zeros((9, 9, 3), np.uint8)
    row = pasted(white, black, one_pixel(9, 9, 4, 4), fade=2)[4, :, 0]
    assert row.tolist() == [0, 0, 85, 170, 255, 170, 85, 0, 0]
    assert pasted(white, black, one_pixel(9, 9, 4, 4), fade=0).sum() == 3 * 255


def test_a_hole_is_filled_from_its_rim() -> None:
    pixels = np.array([[[10], [0], [0], [0], [20]]], np.uint8)
    hole = np.array([[False, True, True, True, False]])
    assert filled(pixels, hole)[0, :, 0].tolist() in ([10, 10, 10, 20, 20], [10, 10, 20, 20, 20])
    assert filled(pixels, np.ones_like(hole)) is pixels

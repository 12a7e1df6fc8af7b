"""Masks of a few pixels."""

from __future__ import annotations

import numpy as np
import pytest

from models.imaging.masks import (
    Box,
    EmptyMaskError,
    binarize,
    bounding_box,
    fill_nearest,
    grow_box,
    latent_mask,
    mask_levels,
    paste_masked,
    resize_mask,
)


def one_pixel(height: int, width: int, row: int, column: int) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[row, column] = True
    return mask


def test_mask_levels_come_from_alpha_else_from_brightness() -> None:
    pixels = np.array([[[0, 0, 0, 1], [255, 255, 255, 0]]], np.uint8)
    assert mask_levels(pixels).tolist() == [[255, 0]]
    assert mask_levels(pixels[:, :, :3]).tolist() == [[0, 255]]


def test_mask_levels_ignore_an_opaque_alpha() -> None:
    pixels = np.array([[[0, 0, 0, 255], [255, 255, 255, 255]]], np.uint8)
    assert mask_levels(pixels).tolist() == [[0, 255]]


def test_mask_levels_of_alpha_alone_ignore_the_brightness() -> None:
    pixels = np.array([[[0, 0, 0, 255], [255, 255, 255, 0]]], np.uint8)
    assert mask_levels(pixels, only_alpha=True).tolist() == [[255, 0]]
    assert mask_levels(pixels[:, :1], only_alpha=True).tolist() == [[255]]
    assert mask_levels(pixels[:, :, :3], only_alpha=True).tolist() == [[255, 255]]


def test_binarize_excludes_the_threshold_itself() -> None:
    levels = np.array([[31, 32, 33]], np.uint8)
    assert binarize(levels, 32).tolist() == [[False, False, True]]
    with pytest.raises(EmptyMaskError, match="mark pixels in white"):
        binarize(levels, 33)


def test_binarize_blur_widens_the_mask_at_a_low_threshold() -> None:
    levels = np.zeros((21, 21), np.uint8)
    levels[8:13, 8:13] = 255
    wide, narrow = binarize(levels, 8, blur=2), binarize(levels, 127, blur=2)
    assert wide.sum() > (levels > 0).sum() >= narrow.sum() > 0


def test_binarize_blur_loses_no_thin_lines() -> None:
    levels = np.zeros((40, 40), np.uint8)
    levels[10] = 255  # blurred by 8 pixels it has no level above 13
    assert binarize(levels, 32, blur=8)[10].all()


def test_resize_mask_enlarges_to_nearest() -> None:
    mask = one_pixel(2, 2, 0, 1)
    assert resize_mask(mask, 4, 4).tolist() == np.kron(mask, np.ones((2, 2), bool)).tolist()
    assert resize_mask(mask, 2, 2) is mask


@pytest.mark.parametrize("size", [(4, 4), (40, 4), (4, 40)])
def test_resize_mask_loses_no_thin_lines(size: tuple[int, int]) -> None:
    """A mask with one True pixel does not become empty when it is reduced."""
    for column in range(19):
        assert resize_mask(one_pixel(19, 19, 0, column), *size).any()


@pytest.mark.parametrize("scale", [1, 4, 8])
def test_latent_mask_sees_every_pixel_of_a_latent_pixel(scale: int) -> None:
    for row in range(8):
        mask = latent_mask(one_pixel(16, 24, row, 8 + row), scale)
        assert mask.shape == (16 // scale, 24 // scale)
        assert np.argwhere(mask).tolist() == [[row // scale, (8 + row) // scale]]


def test_bounding_box_stops_at_the_edge() -> None:
    assert bounding_box(one_pixel(10, 20, 1, 5), 3) == Box(left=2, top=0, right=9, bottom=5)


@pytest.mark.parametrize(
    ("aspect", "expected"),
    [
        (1.0, Box(2, 0, 8, 6)),
        (2.0, Box(0, 0, 12, 6)),
        (0.5, Box(2, 0, 8, 10)),
        (5.0, Box(0, 0, 20, 6)),
    ],
)
def test_grow_box_grows_one_axis_and_stays_inside(aspect: float, expected: Box) -> None:
    assert grow_box(Box(2, 0, 8, 6), aspect, width=20, height=10) == expected


def test_paste_masked_fades_and_then_ends() -> None:
    white, black = np.full((9, 9, 3), 255, np.uint8), np.zeros((9, 9, 3), np.uint8)
    row = paste_masked(white, black, one_pixel(9, 9, 4, 4), fade=2)[4, :, 0]
    assert row.tolist() == [0, 0, 85, 170, 255, 170, 85, 0, 0]
    assert paste_masked(white, black, one_pixel(9, 9, 4, 4), fade=0).sum() == 3 * 255


def over_white(pixels: np.ndarray) -> np.ndarray:
    alpha = pixels[:, :, 3:] / 255
    composite: np.ndarray = pixels[:, :, :3] * alpha + 255 * (1 - alpha)
    return composite


def test_paste_masked_is_a_composite_by_alpha() -> None:
    generated = np.full((9, 9, 3), (250, 240, 230), np.uint8)
    original = np.random.default_rng(0).integers(0, 256, (9, 9, 4), dtype=np.uint8)
    mask = one_pixel(9, 9, 4, 4)
    opacity = (paste_masked(generated * 0 + 255, original[:, :, :3] * 0, mask, fade=3) / 255)[:, :, :1]
    result = paste_masked(generated, original, mask, fade=3)
    expected = generated * opacity + over_white(original) * (1 - opacity)
    assert np.abs(over_white(result) - expected).max() <= 2
    assert (result[opacity[:, :, 0] == 0] == original[opacity[:, :, 0] == 0]).all()


def test_paste_masked_shows_no_hidden_colours() -> None:
    generated, mask = np.full((9, 9, 3), 200, np.uint8), one_pixel(9, 9, 4, 4)
    black, white = np.zeros((9, 9, 4), np.uint8), np.full((9, 9, 4), (255, 255, 255, 0), np.uint8)
    results = [paste_masked(generated, original, mask, fade=2) for original in (black, white)]
    assert (over_white(results[0]) == over_white(results[1])).all()
    assert results[0][4, :, 3].tolist() == [0, 0, 85, 170, 255, 170, 85, 0, 0]
    assert set(results[0][4, 2:7, 0]) == {200}


def test_fill_nearest_fills_from_the_rim() -> None:
    pixels = np.array([[[10], [0], [0], [0], [20]]], np.uint8)
    mask = np.array([[False, True, True, True, False]])
    assert fill_nearest(pixels, mask)[0, :, 0].tolist() in ([10, 10, 10, 20, 20], [10, 10, 20, 20, 20])
    assert fill_nearest(pixels, np.ones_like(mask)) is pixels

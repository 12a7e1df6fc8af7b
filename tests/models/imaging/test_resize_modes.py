"""Pictures brought to a size of another shape."""

from __future__ import annotations

import numpy as np
import pytest

from models.imaging.resize_modes import ResizeMode, resize_to

COLUMNS = np.tile(np.repeat([0, 100, 200], 20).astype(np.uint8), (30, 1))
"""Three columns of 20 × 30 pixels."""


def levels(pixels: np.ndarray) -> list[int]:
    """The levels of a row in the middle, first, middle, and last, to the nearest hundred: filters ring."""
    row = pixels[len(pixels) // 2]
    return [round(int(level), -2) for level in (row[0], row[len(row) // 2], row[-1])]


@pytest.mark.parametrize(
    ("mode", "expected"), [("fill", [0, 100, 200]), ("cover", [100, 100, 100]), ("pad", [0, 100, 200])]
)
def test_modes_stretch_crop_or_pad(mode: ResizeMode, expected: list[int]) -> None:
    """A wide picture in a narrow size: `cover` leaves of it the middle alone."""
    resized = resize_to(COLUMNS, 10, 30, mode)
    assert resized.shape == (30, 10)
    assert levels(resized) == expected


def test_pad_repeats_the_edges() -> None:
    picture = np.dstack([COLUMNS] * 3)
    padded = resize_to(picture, 100, 30, "pad")
    assert padded.shape == (30, 100, 3)
    assert np.array_equal(padded[:, 20:80], picture)
    assert (padded[:, :20] == picture[:, :1]).all()
    assert (padded[:, 80:] == picture[:, -1:]).all()


@pytest.mark.parametrize("mode", ["fill", "cover", "pad"])
def test_one_pixel_and_thin_pictures_have_every_size(mode: ResizeMode) -> None:
    for shape in ((1, 1), (1, 900), (900, 1)):
        assert resize_to(np.full(shape, 7, np.uint8), 33, 20, mode).tolist() == [[7] * 33] * 20

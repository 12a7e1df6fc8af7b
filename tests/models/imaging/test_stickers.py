from __future__ import annotations

import numpy as np
import pytest

from models.imaging.stickers import NoStickerError, cut_stickers
from tests.support.pictures import random_pixels

PICTURE = random_pixels(64, 96)
ALPHA = np.zeros((64, 96), np.uint8)
ALPHA[10:30, 10:30] = 255  # a square with a hole
ALPHA[18:22, 18:22] = 0
ALPHA[40:50, 60:90] = 255  # a smaller bar
ALPHA[0, 0] = 255  # a speck


def cut(border: int = 4, least_share: float = 0.002, most: int = 16) -> list[np.ndarray]:
    return cut_stickers(PICTURE, ALPHA, border=border, colour=(255, 255, 255), least_share=least_share, most=most)


def test_each_thing_is_one_sticker_and_the_largest_is_first() -> None:
    square, bar = cut()
    assert square.shape[2] == bar.shape[2] == 4
    assert np.array_equal(square[5:13, 5:25, :3], PICTURE[10:18, 10:30])
    assert np.array_equal(bar[5:-5, 5:-5, :3], PICTURE[40:50, 60:90])
    assert (square[5:25, 5:25, 3] == 255).all()  # the border fills the hole
    assert (square[13:17, 13:17, :3] == 255).all()


def test_border_is_as_wide_as_asked_and_white() -> None:
    (_, bar) = cut(border=6)
    opaque = bar[:, :, 3] == 255
    assert (opaque.any(axis=1).sum(), opaque.any(axis=0).sum()) == (10 + 12, 30 + 12)
    assert (bar[opaque & (bar[:, :, :3] == 255).all(axis=2)].size) > 0
    assert tuple(bar[3, 20]) == (255, 255, 255, 255)
    assert bar[0, 0, 3] == 0


def test_without_a_border_only_the_thing_is_left() -> None:
    square = cut(border=0)[0]
    assert (square[:, :, 3] > 0).sum() == 20 * 20 - 4 * 4


def test_specks_and_more_than_the_most_are_left_out() -> None:
    assert len(cut(least_share=0)) == 3
    assert len(cut(most=1)) == 1
    with pytest.raises(NoStickerError, match="lower min_area"):
        cut(least_share=0.5)

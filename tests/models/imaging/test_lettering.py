from __future__ import annotations

import numpy as np
import pytest
from PIL import ImageFont

from models.imaging.lettering import MissingGlyphError, draw_words


def ink(plane: np.ndarray) -> tuple[int, int, int, int]:
    """Left, top, right and bottom of what is dark."""
    rows, columns = np.nonzero(plane < 128)
    return int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max())


@pytest.mark.parametrize(("words", "size"), [("A", (128, 128)), ("HELLO", (256, 128)), ("two\nlines", (128, 256))])
def test_words_fill_the_picture_and_stand_in_its_middle(words: str, size: tuple[int, int]) -> None:
    plane = draw_words(words, *size)
    assert plane.shape == size[::-1]
    left, top, right, bottom = ink(plane)
    assert abs(left + right - size[0]) <= 6
    assert abs(top + bottom - size[1]) <= 6
    margin = min(size) * 0.08
    assert min(left, top) >= margin - 3
    assert min(left - margin, top - margin) < 0.1 * max(size)


def test_font_of_the_operator_is_used() -> None:
    own = ImageFont.load_default(16).font_bytes
    one, other = draw_words("Ag", 64, 64, own) < 128, draw_words("Ag", 64, 64) < 128
    assert (one != other).mean() < 0.06 < one.mean()


def test_character_that_the_font_lacks_is_refused() -> None:
    with pytest.raises(MissingGlyphError, match="the font cannot draw '福'; use other words"):
        draw_words("a 福", 64, 64)

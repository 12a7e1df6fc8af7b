import numpy as np
import pytest

from models.imaging.face_crops import crop_padded, crop_square, paste_square
from models.imaging.masks import Box

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def test_crops_end_at_the_edge_or_go_on_with_it() -> None:
    square = Box(-10, 30, 30, 70)
    assert np.array_equal(crop_square(PIXELS, square), PIXELS[30:60, :30])
    padded = crop_padded(PIXELS, square)
    assert padded.shape == (40, 40, 3)
    assert np.array_equal(padded[:30, 10:], PIXELS[30:60, :30])
    assert (padded[:30, :10] == PIXELS[30:60, :1]).all()
    assert (padded[30:, 10:] == PIXELS[59, :30]).all()


@pytest.mark.parametrize("square", [Box(20, 10, 60, 50), Box(-10, 30, 30, 70), Box(-20, -20, 100, 100)])
def test_what_was_cut_out_and_pasted_changes_nothing(square: Box) -> None:
    assert np.array_equal(paste_square(PIXELS, square, crop_padded(PIXELS, square), 1), PIXELS)


def test_pasted_content_fades_into_the_picture_but_not_at_its_edge() -> None:
    black, white = np.zeros((60, 80, 3), np.uint8), np.full((40, 40, 3), 255, np.uint8)
    pasted = paste_square(black, Box(-10, 10, 30, 50), white, 1)[:, :, 0].astype(int)
    assert (pasted[30, 0], pasted[30, 25], pasted[30, 30]) == (255, 255, 0)
    assert list(np.sign(np.diff(pasted[30, 24:31]))) == [0, -1, -1, -1, -1, -1]
    assert not pasted[:10].any()
    assert not pasted[50:].any()
    half = paste_square(black, Box(-10, 10, 30, 50), white, 0.5)
    assert half.max() == 128

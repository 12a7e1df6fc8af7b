from __future__ import annotations

import numpy as np
import pytest

from models.imaging.qr import UnfitCodeError, draw_qr, reads_as
from tests.support.pictures import random_pixels


def rgb(plane: np.ndarray) -> np.ndarray:
    return np.dstack([plane] * 3)


@pytest.mark.parametrize("content", ["https://example.com/a?b=1", "扫一扫", "12345"])
def test_code_reads_as_its_content_alone(content: str) -> None:
    code = draw_qr(content, 256, 320)
    assert code.shape == (320, 256)
    assert reads_as(rgb(code), content)
    assert not reads_as(rgb(code), content + "x")
    assert not reads_as(rgb(code), "")


def test_code_reads_through_noise_and_colours() -> None:
    code = rgb(draw_qr("https://example.com", 256, 256))
    tinted = (code * 0.5 + np.array([40, 70, 30]) + random_pixels(256, 256) * 0.1).astype(np.uint8)
    assert reads_as(tinted, "https://example.com")


@pytest.mark.parametrize("picture", [np.zeros((64, 64, 3), np.uint8), random_pixels(256, 256), random_pixels(64, 64)])
def test_pictures_without_a_code_do_not_read(picture: np.ndarray) -> None:
    assert not reads_as(picture, "https://example.com")


def test_content_that_does_not_fit_is_refused_with_a_size_that_does() -> None:
    with pytest.raises(UnfitCodeError, match="set w and h to at least 344"):
        draw_qr("A" * 300, 128, 128)
    assert reads_as(rgb(draw_qr("A" * 300, 344, 344)), "A" * 300)

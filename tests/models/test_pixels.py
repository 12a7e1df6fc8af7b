import numpy as np
import pytest

from models.pixels import flattened, resized, snapped, with_alpha


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((512, 512), 1024, (512, 512)),
        ((515, 509), 1024, (512, 512)),
        ((2048, 1024), 1024, (1024, 512)),
        ((10, 10), 1024, (64, 64)),
        ((1000, 1000), 1020, (1000, 1000)),
        ((3000, 10), 1020, (1016, 64)),
    ],
)
def test_snapped_sizes_fit_and_are_multiples_of_8(
    size: tuple[int, int], longest: int, expected: tuple[int, int]
) -> None:
    assert snapped(*size, longest) == expected


def test_transparent_pixels_become_white_and_alpha_comes_back() -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2, :, 3] = 255
    rgb, alpha = flattened(pixels)
    assert alpha is not None
    assert (rgb[:2] == 0).all()
    assert (rgb[2:] == 255).all()
    assert np.array_equal(with_alpha(rgb, alpha)[:, :, 3], pixels[:, :, 3])


def test_opaque_pixels_are_left_alone() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    rgb, alpha = flattened(pixels)
    assert rgb is pixels
    assert alpha is None
    assert resized(rgb, 4, 4) is pixels

import numpy as np
import pytest

from models.imaging.pixels import (
    coverage,
    cropped,
    fitted,
    flattened,
    opaque,
    over,
    resized,
    shrunk,
    snapped,
    with_alpha,
    within,
)


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


def mean_by_area(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """By the book: every pixel is repeated until the new pixels are whole blocks of them."""
    fine = pixels.repeat(height, axis=0).repeat(width, axis=1).astype(np.float64)
    return fine.reshape(height, pixels.shape[0], width, pixels.shape[1], -1).mean(axis=(1, 3))


@pytest.mark.parametrize("size", [(12, 8), (9, 6), (8, 8), (5, 3), (1, 1), (12, 5)])
def test_a_smaller_picture_is_the_mean_of_the_area(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 4), dtype=np.uint8)
    assert np.abs(fitted(pixels, *size) - mean_by_area(pixels, *size)).max() <= 0.5 + 1e-4


def test_a_larger_picture_is_resized_by_lanczos() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    assert np.array_equal(fitted(pixels, 24, 9), resized(pixels, 24, 9))
    assert np.array_equal(fitted(pixels, 24, 4), resized(pixels, 24, 4))
    assert fitted(pixels, 12, 8) is pixels


def test_coverage_is_the_share_of_the_mask() -> None:
    mask = np.random.default_rng(0).random((8, 12)) > 0.7
    assert np.allclose(coverage(mask, 5, 3), mean_by_area(mask[:, :, None], 5, 3)[:, :, 0], atol=1e-6)


def test_over_a_colour_as_much_as_alpha_lets_through() -> None:
    pixels = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], np.uint8)
    assert over(pixels, (0, 50, 100)).tolist() == [[[200, 100, 0], [0, 50, 100], [40, 60, 80]]]
    rgb = pixels[:, :, :3]
    assert over(rgb, (0, 0, 0)) is rgb


def test_opaque_adds_alpha_where_there_is_none() -> None:
    rgb = np.full((2, 3, 3), 7, np.uint8)
    assert np.array_equal(opaque(rgb), with_alpha(rgb, np.full((2, 3), 255, np.uint8)))
    clear = np.zeros((2, 3, 4), np.uint8)
    assert opaque(clear) is clear


def test_shrunk_keeps_the_shape_and_what_is_small_already() -> None:
    pixels = np.zeros((90, 120, 3), np.uint8)
    assert shrunk(pixels, 60).shape == (45, 60, 3)
    assert shrunk(pixels, 120) is pixels
    assert shrunk(np.zeros((1, 500, 3), np.uint8), 50).shape == (1, 50, 3)


@pytest.mark.parametrize(
    ("asked", "left"), [((10, 10), (2, 6)), ((30, 15), (0, 8)), ((20, 10), (0, 8)), ((5, 20), (3, 4))]
)
def test_the_middle_of_a_shape_is_as_large_as_can_be(asked: tuple[int, int], left: tuple[int, int]) -> None:
    pixels = np.tile(np.arange(8, dtype=np.uint8)[None, :, None], (4, 1, 3))
    middle = cropped(pixels, *asked)
    assert (int(middle[0, 0, 0]), int(middle[0, -1, 0]) + 1) == left
    assert middle.shape[0] == 4


@pytest.mark.parametrize(
    ("size", "longest", "expected"),
    [
        ((100, 50), 100, (100, 50)),
        ((200, 50), 100, (100, 25)),
        ((5000, 20), 1024, (1024, 4)),
        ((1, 900), 100, (1, 100)),
    ],
)
def test_a_size_within_bounds_keeps_its_shape(size, longest, expected):
    assert within(*size, longest) == expected

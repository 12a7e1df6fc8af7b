from collections.abc import Callable

import numpy as np
import pytest

from models.imaging.pixels import (
    add_alpha,
    area_coverage,
    blend_over,
    crop_center,
    fit_within,
    flatten_alpha,
    resize,
    resize_area,
    shrink,
    snap_size,
    to_rgba,
)

Resize = Callable[[np.ndarray, int, int], np.ndarray]


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
def test_snap_size_fits_and_is_a_multiple_of_8(size: tuple[int, int], longest: int, expected: tuple[int, int]) -> None:
    assert snap_size(*size, longest) == expected


def test_flatten_alpha_makes_transparent_pixels_white() -> None:
    pixels = np.zeros((4, 4, 4), np.uint8)
    pixels[:2, :, 3] = 255
    rgb, alpha = flatten_alpha(pixels)
    assert alpha is not None
    assert (rgb[:2] == 0).all()
    assert (rgb[2:] == 255).all()
    assert np.array_equal(add_alpha(rgb, alpha)[:, :, 3], pixels[:, :, 3])


def test_flatten_alpha_returns_opaque_pixels_as_they_are() -> None:
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    rgb, alpha = flatten_alpha(pixels)
    assert rgb is pixels
    assert alpha is None
    assert resize(rgb, 4, 4) is pixels


def mean_by_area(pixels: np.ndarray, width: int, height: int) -> np.ndarray:
    """By definition: pixels are repeated until each new pixel is the mean of a whole block."""
    fine = pixels.repeat(height, axis=0).repeat(width, axis=1).astype(np.float64)
    return fine.reshape(height, pixels.shape[0], width, pixels.shape[1], -1).mean(axis=(1, 3))


@pytest.mark.parametrize("size", [(12, 8), (9, 6), (8, 8), (5, 3), (1, 1), (12, 5)])
def test_resize_area_reduces_to_the_mean_of_the_area(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    assert np.abs(resize_area(pixels, *size) - mean_by_area(pixels, *size)).max() <= 0.5 + 1e-4


@pytest.mark.parametrize("size", [(9, 6), (5, 3), (1, 1), (12, 5)])
def test_resize_area_weights_colours_by_alpha(size: tuple[int, int]) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 4), dtype=np.uint8)
    alpha = mean_by_area(pixels[:, :, 3:], *size)
    colours = mean_by_area(pixels[:, :, :3].astype(int) * pixels[:, :, 3:], *size) / alpha
    assert np.abs(resize_area(pixels, *size) - np.dstack([colours, alpha])).max() <= 0.5 + 1e-3


@pytest.mark.parametrize("size", [(5, 4), (20, 16), (5, 16)])
@pytest.mark.parametrize("resize_", [resize, resize_area])
def test_resizing_never_shows_hidden_colours(resize_: Resize, size: tuple[int, int]) -> None:
    results = []
    for hidden in (0, 255):
        pixels = np.full((8, 10, 4), (hidden, hidden, hidden, 0), np.uint8)
        pixels[:, 3:] = (200, 100, 50, 255)
        results.append(flatten_alpha(resize_(pixels, *size))[0])
    assert np.array_equal(*results)


def test_resize_area_enlarges_by_lanczos() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    assert np.array_equal(resize_area(pixels, 24, 9), resize(pixels, 24, 9))
    assert np.array_equal(resize_area(pixels, 24, 4), resize(pixels, 24, 4))
    assert resize_area(pixels, 12, 8) is pixels


def test_area_coverage_is_the_share_of_the_mask() -> None:
    mask = np.random.default_rng(0).random((8, 12)) > 0.7
    assert np.allclose(area_coverage(mask, 5, 3), mean_by_area(mask[:, :, None], 5, 3)[:, :, 0], atol=1e-6)


def test_blend_over_mixes_by_alpha() -> None:
    pixels = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], np.uint8)
    assert blend_over(pixels, (0, 50, 100)).tolist() == [[[200, 100, 0], [0, 50, 100], [40, 60, 80]]]
    rgb = pixels[:, :, :3]
    assert blend_over(rgb, (0, 0, 0)) is rgb


def test_to_rgba_adds_alpha_only_if_missing() -> None:
    rgb = np.full((2, 3, 3), 7, np.uint8)
    assert np.array_equal(to_rgba(rgb), add_alpha(rgb, np.full((2, 3), 255, np.uint8)))
    clear = np.zeros((2, 3, 4), np.uint8)
    assert to_rgba(clear) is clear


def test_shrink_keeps_aspect_and_small_images() -> None:
    pixels = np.zeros((90, 120, 3), np.uint8)
    assert shrink(pixels, 60).shape == (45, 60, 3)
    assert shrink(pixels, 120) is pixels
    assert shrink(np.zeros((1, 500, 3), np.uint8), 50).shape == (1, 50, 3)


@pytest.mark.parametrize(
    ("shape", "columns"), [((10, 10), (2, 6)), ((30, 15), (0, 8)), ((20, 10), (0, 8)), ((5, 20), (3, 4))]
)
def test_crop_center_is_as_large_as_possible(shape: tuple[int, int], columns: tuple[int, int]) -> None:
    pixels = np.tile(np.arange(8, dtype=np.uint8)[None, :, None], (4, 1, 3))
    middle = crop_center(pixels, *shape)
    assert (int(middle[0, 0, 0]), int(middle[0, -1, 0]) + 1) == columns
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
def test_fit_within_keeps_the_aspect_ratio(size, longest, expected):
    assert fit_within(*size, longest) == expected

from __future__ import annotations

import numpy as np
import pytest

from models.imaging.product import NoProductError, contact_shadow, harmonized, laid_over, placed, shaded
from tests.support.pictures import random_pixels


def cut_out(width: int, height: int, margin: int = 3) -> np.ndarray:
    """Random opaque pixels with a transparent margin."""
    alpha = np.pad(np.full((height, width), 255, np.uint8), margin)
    return np.dstack([random_pixels(height + 2 * margin, width + 2 * margin), alpha])


def test_visible_part_keeps_its_pixels_without_a_scale() -> None:
    product = cut_out(20, 10)
    canvas = placed(product, 64, 64, (0.5, 0.5), None)
    assert np.array_equal(canvas[27:37, 22:42], product[3:-3, 3:-3])
    assert (canvas[:, :, 3] > 0).sum() == 200


@pytest.mark.parametrize(("scale", "size"), [(1.0, (32, 64)), (0.5, (16, 32)), (None, (32, 64))])
def test_scale_is_the_share_of_the_tighter_side(scale: float | None, size: tuple[int, int]) -> None:
    visible = placed(cut_out(200, 100), 64, 96, (0.5, 0.5), scale)[:, :, 3] > 0
    assert (visible.any(axis=1).sum(), visible.any(axis=0).sum()) == size


@pytest.mark.parametrize(("centre", "corner"), [((0, 0), (0, 0)), ((1, 1), (54, 44)), ((0.2, 0.9), (53, 3))])
def test_product_is_always_seen_whole(centre: tuple[float, float], corner: tuple[int, int]) -> None:
    canvas = placed(cut_out(20, 10), 64, 64, centre, None)
    rows, columns = np.nonzero(canvas[:, :, 3])
    assert (rows.min(), columns.min()) == corner
    assert len(rows) == 200


def test_faint_remains_of_the_ground_are_no_product() -> None:
    product = cut_out(20, 10)
    product[0, :, 3] = 10
    assert (placed(product, 64, 64, (0.5, 0.5), None)[:, :, 3] > 0).sum() == 200
    product[:, :, 3] = 10
    with pytest.raises(NoProductError, match="no product was found"):
        placed(product, 64, 64, (0.5, 0.5), None)


def test_shadow_lies_at_the_base() -> None:
    alpha = placed(cut_out(40, 40), 128, 128, (0.5, 0.5), None)[:, :, 3]
    shadow = contact_shadow(alpha)
    assert shadow.shape == alpha.shape
    rows, columns = np.nonzero(shadow > 0.1)
    assert 79 < rows.min() + 4 < rows.max() < 88 + 4
    assert 42 < columns.min() < columns.max() < 86
    assert 0.3 < shadow.max() < 0.6
    ground = np.full((128, 128, 3), 200, np.uint8)
    assert np.array_equal(shaded(ground, shadow) < 200, np.repeat((shadow > 0.0026)[:, :, None], 3, axis=2))


def test_opaque_pixels_stay_and_half_transparent_ones_blend() -> None:
    product = placed(cut_out(20, 10), 64, 64, (0.5, 0.5), None)
    product[30, 30, 3] = 128
    ground = random_pixels(64, 64, seed=3)
    result = laid_over(product, ground)
    opaque = product[:, :, 3] == 255
    assert np.array_equal(result[opaque], product[opaque][:, :3])
    assert np.array_equal(result[product[:, :, 3] == 0], ground[product[:, :, 3] == 0])
    mean = (product[30, 30, :3].astype(int) + ground[30, 30]) / 2
    assert np.abs(result[30, 30] - mean).max() <= 2


def test_edge_takes_on_colours_of_the_ground_and_the_middle_does_not() -> None:
    product = placed(np.full((60, 60, 4), 255, np.uint8), 128, 128, (0.5, 0.5), None)
    product[:, :, :3] = np.where(product[:, :, 3:] > 0, (200, 40, 40), 0)
    ground = np.full((128, 128, 3), (20, 20, 120), np.uint8)
    assert harmonized(product, ground, 0) is product
    changed = harmonized(product, ground, 1.0)
    assert np.abs(changed[34, 64, :3].astype(int) - ground[34, 64]).max() < 30
    assert np.array_equal(changed[64, 64], product[64, 64])
    assert np.array_equal(changed[:, :, 3], product[:, :, 3])

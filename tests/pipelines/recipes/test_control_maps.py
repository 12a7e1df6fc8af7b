"""What a ControlNet gets of the maps of a task."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.imaging.masks import Box, EmptyMaskError
from models.imaging.resize_modes import ResizeMode, resize_to
from pipelines.params.limits import SizeMismatchError
from pipelines.recipes.control_guidance import ControlSpec
from pipelines.recipes.control_maps import ControlMaps, draw_control_maps
from tests.support.control_specs import EDGES, NoModels, spec

LEFT = np.zeros((32, 48, 3), np.uint8)
LEFT[:, :24] = 255
IMAGES = {"url": EDGES, "region_url": LEFT}


def drawn(size: tuple[int, int], *specs: ControlSpec, **images: np.ndarray) -> ControlMaps:
    return draw_control_maps(specs, "toy", NoModels(), IMAGES | images, size)


def test_inputs_have_the_size_of_the_image_and_levels_from_0_to_1() -> None:
    maps = drawn((96, 64), spec(strength=0.5, end=0.7, layer_weights=(0.1, 0.2)))
    assert maps.maps[0].shape == (64, 96, 3)
    (control,) = maps.inputs(72, 48)
    assert control.hint.shape == (1, 3, 48, 72)
    assert 0 <= float(control.hint.min()) < float(control.hint.max()) <= 1
    assert (control.strength, control.start, control.end) == (0.5, 0.0, 0.7)
    assert (control.region, control.layer_weights) == (None, (0.1, 0.2))


def test_each_map_gets_the_shape_of_the_image_in_its_own_way() -> None:
    modes: tuple[ResizeMode, ...] = ("fill", "cover", "pad")
    maps = drawn((40, 40), *(spec(resize_mode=mode) for mode in modes))
    for mode, pixels in zip(modes, maps.maps, strict=True):
        assert np.array_equal(pixels, resize_to(EDGES, 40, 40, mode))


def test_region_is_resized_like_its_map_and_cropped_with_it() -> None:
    region = np.zeros((32, 96, 3), np.uint8)
    region[:, 32:48] = 255  # the left half of the middle that `cover` leaves
    region[:16, 32:40] = 128
    maps = drawn((32, 32), spec(region="region_url", resize_mode="cover"), region_url=region)
    (control,) = maps.inputs(32, 32)
    expected = torch.zeros(1, 1, 32, 32)
    expected[..., :16] = 1
    expected[..., :16, :8] = 128 / 255
    assert control.region is not None
    assert torch.equal(control.region, expected)
    (cropped,) = maps.inputs(16, 16, Box(8, 0, 24, 16))
    assert cropped.region is not None
    assert torch.equal(cropped.region, expected[..., :16, 8:24])


def test_region_acts_in_both_passes() -> None:
    first, second = drawn((48, 32), spec(region="region_url")).inputs_of_passes((48, 32), (96, 64))
    for (control,), width in ((first, 48), (second, 96)):
        assert control.region is not None
        assert control.region.mean((0, 1, 2)).tolist() == [1] * (width // 2) + [0] * (width // 2)


def test_transparency_of_a_region_marks() -> None:
    transparent = np.dstack([np.zeros_like(LEFT), LEFT[:, :, 0]])
    (control,) = drawn((48, 32), spec(region="region_url"), region_url=transparent).inputs(48, 32)
    assert control.region is not None
    assert np.array_equal(control.region[0, 0].numpy() * 255, LEFT[:, :, 0])


def test_black_region_and_one_of_another_shape_are_refused() -> None:
    with pytest.raises(EmptyMaskError, match="region_url is black"):
        drawn((48, 32), spec(region="region_url"), region_url=np.zeros_like(LEFT))
    with pytest.raises(SizeMismatchError, match="region_url is 48×48, but the picture is 48×32"):
        drawn((48, 32), spec(region="region_url"), region_url=np.ones((48, 48, 3), np.uint8))

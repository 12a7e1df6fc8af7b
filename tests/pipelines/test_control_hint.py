"""Control maps alone."""

from __future__ import annotations

import numpy as np
import pytest

import pipelines
from models.catalog.catalog import UnknownModelError
from models.vision.control_maps import DrawOptions, canny
from tests.pipelines.conftest import Studio
from tests.pipelines.test_control import PICTURE


def test_the_map_is_as_large_as_the_picture(studio: Studio) -> None:
    for hint in ("canny", "depth", "scribble", "tile"):
        pipeline = pipelines.find(f"control.{hint}_hint")
        made = studio.image(pipeline, pipeline.Params(url="http://example.com/a.png"), {"url": PICTURE})
        assert made.shape == PICTURE.shape
        assert made.std() > 10


def test_parameters_reach_the_annotator(studio: Studio) -> None:
    pipeline = pipelines.find("control.canny_hint")
    wanted = pipeline.Params(url="http://example.com/a.png", low_threshold=1, high_threshold=2)
    made = studio.image(pipeline, wanted, {"url": PICTURE})
    assert np.array_equal(made, canny(PICTURE, DrawOptions(low=1, high=2)))
    assert not np.array_equal(made, canny(PICTURE, DrawOptions()))


def test_a_threshold_makes_black_and_white(studio: Studio) -> None:
    pipeline = pipelines.find("control.tile_hint")
    wanted = pipeline.Params(url="http://example.com/a.png", binarize_threshold=90)
    assert set(np.unique(studio.image(pipeline, wanted, {"url": PICTURE}))) == {0, 255}


def test_a_missing_annotator_is_refused_before_the_task_is_taken(studio: Studio) -> None:
    pipeline = pipelines.find("control.pose_hint")
    with pytest.raises(UnknownModelError, match=r"no annotator 'pose'.*send a finished map with bypass_annotator"):
        studio.registry.acquire(pipeline.needs(pipeline.Params(url="http://example.com/a.png")))

"""Control maps alone."""

from __future__ import annotations

import numpy as np
import pytest

import pipelines
from models.catalog.catalog import UnknownModelError
from models.vision.control_maps import DrawOptions, canny
from pipelines.recipes.control_guidance import annotator_models
from tests.pipelines.conftest import Studio
from tests.support.pictures import PICTURE


def test_map_has_the_size_of_the_picture(studio: Studio) -> None:
    for hint in ("canny", "depth", "scribble", "tile"):
        pipeline = pipelines.find(f"control.{hint}_hint")
        result = studio.image(pipeline, pipeline.Params(url="http://example.com/a.png"), {"url": PICTURE})
        assert result.shape == PICTURE.shape
        assert result.std() > 10


def test_annotator_params_change_the_map(studio: Studio) -> None:
    pipeline = pipelines.find("control.canny_hint")
    request = pipeline.Params(url="http://example.com/a.png", low_threshold=1, high_threshold=2)
    result = studio.image(pipeline, request, {"url": PICTURE})
    assert np.array_equal(result, canny(PICTURE, DrawOptions(low=1, high=2)))
    assert not np.array_equal(result, canny(PICTURE, DrawOptions()))


def test_binarize_threshold_makes_black_and_white(studio: Studio) -> None:
    pipeline = pipelines.find("control.tile_hint")
    request = pipeline.Params(url="http://example.com/a.png", binarize_threshold=90)
    assert set(np.unique(studio.image(pipeline, request, {"url": PICTURE}))) == {0, 255}


def test_missing_annotator_is_an_unknown_model(studio: Studio) -> None:
    with pytest.raises(UnknownModelError, match=r"no annotator 'seg'.*send a finished map with bypass_annotator"):
        studio.registry.acquire(annotator_models("seg"))

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import pipelines
from pipelines.engine.events import Failed, Finished
from tests.pipelines.conftest import Studio
from tests.support.pictures import random_pixels

PASTE = pipelines.find("pipeline.paste")
MOVE = {"a": 1, "b": 0, "c": 0, "d": 1, "e": 10, "f": 5}


def params(**changes: Any) -> Any:
    urls = {"url": "https://example.com/a.png", "bg_url": "https://example.com/b.png"}
    return PASTE.Params.model_validate({**urls, **MOVE, **changes})


def pasted(studio: Studio, picture: np.ndarray, background: np.ndarray, **changes: Any) -> list[np.ndarray]:
    finished = studio.run(PASTE, params(**changes), {"url": picture, "bg_url": background})
    assert isinstance(finished, Finished), finished
    return list(finished.result.images)


def test_paste_changes_only_the_pixels_under_the_picture(studio: Studio) -> None:
    picture, background = random_pixels(8, 12), random_pixels(40, 50, seed=1)
    (result,) = pasted(studio, picture, background)
    expected = background.copy()
    expected[5:13, 10:22] = picture
    assert np.array_equal(result, expected)


def test_paste_blends_by_alpha(studio: Studio) -> None:
    picture, background = random_pixels(8, 12, 4), random_pixels(40, 50, seed=1)
    result, mask = pasted(studio, picture, background, return_mask=True)
    opacity = picture[:, :, 3:] / 255
    expected = picture[:, :, :3] * opacity + background[5:13, 10:22] * (1 - opacity)
    assert np.abs(result[5:13, 10:22] - expected).max() < 2  # Pillow rounds to whole levels
    assert np.array_equal(mask[5:13, 10:22, 0], picture[:, :, 3])
    assert (mask > 0).any(axis=2).sum() == (picture[:, :, 3] > 0).sum()


def test_transparent_background_stays_so_unless_force_rgb(studio: Studio) -> None:
    background = np.zeros((40, 50, 4), np.uint8)
    (clear,) = pasted(studio, random_pixels(8, 12), background)
    assert (clear[:, :, 3] > 0).sum() == 8 * 12
    (white,) = pasted(studio, random_pixels(8, 12), background, force_rgb=True)
    assert white.shape == (40, 50, 3)
    assert (white[0, 0] == 255).all()


def test_too_large_scale_is_refused(studio: Studio) -> None:
    request = params(a=100, wh_limit=500)
    failed = studio.run(PASTE, request, {"url": random_pixels(8, 12), "bg_url": random_pixels(40, 50)})
    assert isinstance(failed, Failed)
    assert failed.code == "bad_input"
    assert "an image of 12×8 to 1200×8; a side may have 500 pixels" in failed.message


@pytest.mark.parametrize("wrong", [{"a": float("nan")}, {"e": float("inf")}, {"resampling": "best"}, {"wh_limit": 0}])
def test_invalid_params_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        params(**wrong)

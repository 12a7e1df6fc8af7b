from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import pipelines
from pipelines.engine.events import Failed, Finished
from tests.pipelines.conftest import Studio
from tests.pipelines.cv.conftest import noise

PASTE = pipelines.find("pipeline.paste")
MOVE = {"a": 1, "b": 0, "c": 0, "d": 1, "e": 10, "f": 5}


def params(**changes: Any) -> Any:
    urls = {"url": "https://example.com/a.png", "bg_url": "https://example.com/b.png"}
    return PASTE.Params.model_validate({**urls, **MOVE, **changes})


def pasted(studio: Studio, picture: np.ndarray, ground: np.ndarray, **changes: Any) -> list[np.ndarray]:
    finished = studio.run(PASTE, params(**changes), {"url": picture, "bg_url": ground})
    assert isinstance(finished, Finished), finished
    return list(finished.made.images)


def test_a_picture_lies_where_it_was_moved_and_nothing_else_changes(studio: Studio) -> None:
    picture, ground = noise(8, 12), noise(40, 50, seed=1)
    (made,) = pasted(studio, picture, ground)
    expected = ground.copy()
    expected[5:13, 10:22] = picture
    assert np.array_equal(made, expected)


def test_it_is_laid_over_as_densely_as_it_is_opaque(studio: Studio) -> None:
    picture, ground = noise(8, 12, 4), noise(40, 50, seed=1)
    made, mask = pasted(studio, picture, ground, return_mask=True)
    share = picture[:, :, 3:] / 255
    expected = picture[:, :, :3] * share + ground[5:13, 10:22] * (1 - share)
    assert np.abs(made[5:13, 10:22] - expected).max() < 2  # colours are weighed in whole levels
    assert np.array_equal(mask[5:13, 10:22, 0], picture[:, :, 3])
    assert (mask > 0).any(axis=2).sum() == (picture[:, :, 3] > 0).sum()


def test_a_transparent_ground_stays_so_unless_it_is_to_be_rgb(studio: Studio) -> None:
    ground = np.zeros((40, 50, 4), np.uint8)
    (clear,) = pasted(studio, noise(8, 12), ground)
    assert (clear[:, :, 3] > 0).sum() == 8 * 12
    (white,) = pasted(studio, noise(8, 12), ground, force_rgb=True)
    assert white.shape == (40, 50, 3)
    assert (white[0, 0] == 255).all()


@pytest.mark.parametrize(
    ("wrong", "says"),
    [({"a": 0}, "maps the picture onto a line"), ({"a": 100, "wh_limit": 500}, "500 is the longest side")],
)
def test_a_matrix_that_cannot_be_is_refused(studio: Studio, wrong: dict[str, Any], says: str) -> None:
    failed = studio.run(PASTE, params(**wrong), {"url": noise(8, 12), "bg_url": noise(40, 50)})
    assert isinstance(failed, Failed)
    assert (failed.code, says in failed.message) == ("bad_input", True)


@pytest.mark.parametrize("wrong", [{"a": float("nan")}, {"e": float("inf")}, {"resampling": "best"}, {"wh_limit": 0}])
def test_bad_parameters_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        params(**wrong)

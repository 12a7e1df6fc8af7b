from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import pipelines
from pipelines.engine.events import Failed, Finished
from tests.pipelines.conftest import Studio
from tests.support.pictures import random_pixels

GRID = pipelines.find("pipeline.grid")


def sheet(studio: Studio, pictures: list[np.ndarray], **options: Any) -> np.ndarray:
    params = GRID.Params.model_validate({"urls": ["x"] * len(pictures), **options})
    finished = studio.run(GRID, params, {f"urls.{index}": picture for index, picture in enumerate(pictures)})
    assert isinstance(finished, Finished), finished
    (result,) = finished.result.images
    return result


def test_pictures_stand_row_by_row(studio: Studio) -> None:
    pictures = [random_pixels(8, 12, seed=index) for index in range(4)]
    result = sheet(studio, pictures, columns=2)
    assert np.array_equal(result, np.vstack([np.hstack(pictures[:2]), np.hstack(pictures[2:])]))


def test_gap_and_missing_pictures_show_the_background(studio: Studio) -> None:
    pictures = [random_pixels(8, 12, seed=index) for index in range(3)]
    result = sheet(studio, pictures, gap=4, background="#ff8000")
    assert result.shape == (20, 28, 3)
    assert np.array_equal(result[12:, :12], pictures[2])
    assert (result[8:12] == (255, 128, 0)).all()
    assert (result[12:, 12:] == (255, 128, 0)).all()
    clear = sheet(studio, pictures, gap=4)
    assert clear.shape == (20, 28, 4)
    assert (clear[:, :, 3] == 255).sum() == 3 * 8 * 12


def test_smaller_picture_stands_in_the_middle_of_its_cell(studio: Studio) -> None:
    large, small = random_pixels(8, 12), random_pixels(4, 6, 4, seed=1)
    result = sheet(studio, [large, small], columns=1)
    assert result.shape == (16, 12, 4)
    assert np.array_equal(result[10:14, 3:9], small)


def test_too_large_sheet_is_refused(studio: Studio) -> None:
    params = GRID.Params.model_validate({"urls": ["x"] * 3, "columns": 1})
    failed = studio.run(GRID, params, {f"urls.{index}": random_pixels(3000, 8) for index in range(3)})
    assert isinstance(failed, Failed)
    assert (failed.code, "8×9000" in failed.message) == ("bad_input", True)


@pytest.mark.parametrize("options", [{"urls": []}, {"urls": ["x"] * 17}, {"columns": 17}, {"background": "red"}])
def test_what_makes_no_sheet_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        GRID.Params.model_validate({"urls": ["x"], **options})

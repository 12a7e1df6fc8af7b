from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pipelines
from models import catalog
from models.catalog.catalog import UnknownModelError
from models.toy.drawing import draw
from models.toy.world import Scene, Thing
from pipelines.cv.crop_faces import CropFaces
from pipelines.cv.faces import Faces
from pipelines.engine.events import Failed, Finished
from tests.pipelines.conftest import Studio
from tests.support.model_files import SD1, write_model

URL = "https://example.com/a.png"


def people(*places: tuple[float, float]) -> np.ndarray:
    things = [Thing("person", "red", "", "", x, 0.5, size) for x, size in places]
    return np.array(draw(Scene(things, "on the grass", "flat", 1), 128))


def answer(studio: Studio, picture: np.ndarray, **params: Any) -> list[list[float]]:
    finished = studio.run(Faces(), Faces.Params.model_validate({"url": URL, **params}), {"url": picture})
    assert isinstance(finished, Finished), finished
    assert finished.result.answer is not None
    return list(finished.result.answer["faces"])


def test_answer_is_boxes_and_scores(studio: Studio) -> None:
    two = people((0.22, 0.4), (0.72, 0.6))
    large, small = answer(studio, two)
    x, y, width, height, score = large
    assert (x + width / 2, y + height / 2) == pytest.approx((0.72 * 128, 64 - 0.7 * 0.3 * 128), abs=3)
    assert (width, height, 0.5 < score <= 1) == (pytest.approx(20, abs=2), pytest.approx(20, abs=2), True)
    assert answer(studio, two, count=1) == [large]
    assert answer(studio, two, min_score=1.0) == []
    assert answer(studio, np.dstack([two, np.full((128, 128), 255, np.uint8)])) == [large, small]


def test_crops_are_squares_around_faces(studio: Studio) -> None:
    two = people((0.22, 0.4), (0.72, 0.6))
    run = {"url": two}
    finished = studio.run(CropFaces(), CropFaces.Params(url=URL, count=8, scale=2), run)
    assert isinstance(finished, Finished), finished
    assert [image.shape for image in finished.result.images] == [(39, 39, 3), (25, 25, 3)]
    # The middle of a crop is the head.
    assert all(
        np.abs(image[10:12, 12].astype(int) - (236, 190, 152)).max() < 60 for image in finished.result.images[1:]
    )
    failed = studio.run(CropFaces(), CropFaces.Params(url=URL), {"url": np.zeros((64, 64, 3), np.uint8)})
    assert isinstance(failed, Failed)
    assert (failed.code, failed.message) == (
        "bad_input",
        "url shows no face that can be found; send a picture with a larger or clearer face",
    )


def test_crop_is_a_node_that_others_take_pictures_from(studio: Studio) -> None:
    workflow = pipelines.find("workflow")
    nodes = [
        {"key": "face", "endpoint": "cv.crop_faces", "data": {"url": URL}},
        {"key": "grey", "endpoint": "cv.grayscale", "injections": {"face": {"index": 0, "field": "url"}}, "data": {}},
        {"key": "all", "endpoint": "cv.faces", "data": {"url": URL}},
    ]
    params = workflow.Params.model_validate({"nodes": nodes, "target": "grey", "intermediate": ["all"]})
    picture = people((0.5, 0.6))
    finished = studio.run(workflow, params, {"nodes.0.data.url": picture, "nodes.2.data.url": picture})
    assert isinstance(finished, Finished), finished
    assert finished.result.answer is not None
    assert len(finished.result.answer["intermediate"]["all"]["answer"]["faces"]) == 1
    assert finished.result.images[0].shape[:2] == (29, 29)


def test_missing_detector_is_named(tmp_path: Path) -> None:
    write_model(tmp_path / "sd.safetensors", SD1)
    with pytest.raises(UnknownModelError, match=r"there is no face detector; .*hua models convert-face"):
        Faces().resolve_names(Faces.Params(url=URL), catalog.read(tmp_path))

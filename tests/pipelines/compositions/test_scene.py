"""Product scenes: the product's own pixels come back, and the ground is painted."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models import catalog
from models.toy.drawing import draw, silhouette
from models.toy.world import Scene, Thing
from pipelines.compositions.scene import MATTING_REF, SCENES, ProductScene
from pipelines.engine.events import Failed, Finished
from pipelines.pipeline import TaskResult
from tests.pipelines.conftest import Studio

SCENE = ProductScene()
HOUSE = Scene([Thing("house", "red", "", "", 0.5, 0.5, 0.6)], "on the grass", "flat", 1)
PICTURE = np.array(draw(HOUSE, 96))
CUT_OUT = np.dstack([PICTURE, np.array(silhouette(HOUSE, 96))])


@pytest.fixture(scope="module")
def toy_catalog(models_dir):
    return catalog.read(models_dir)


def params(**changes: Any) -> ProductScene.Params:
    request = {
        "url": "https://example.com/a.png",
        "text": "at night",
        "model": "toy-sd1",
        "w": 128,
        "h": 128,
        "num_steps": 6,
        "seed": 3,
    }
    return ProductScene.Params.model_validate({**request, **changes})


def run(studio: Studio, request: ProductScene.Params, picture: np.ndarray) -> TaskResult:
    finished = studio.run(SCENE, request, {"url": picture})
    assert isinstance(finished, Finished), finished
    return finished.result


def test_opaque_pixels_of_the_product_are_those_that_were_sent(studio: Studio) -> None:
    place = {"x": 0.5, "y": 0.5, "scale": None}
    result = run(studio, params(harmonize=0, place=place, num_samples=2), CUT_OUT)
    rows, columns = np.nonzero(CUT_OUT[:, :, 3])
    sent = CUT_OUT[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    opaque = sent[:, :, 3] == 255
    height, width = opaque.shape
    top, left = round(64 - height / 2), round(64 - width / 2)
    assert len(result.images) == 2
    for image in result.images:
        assert image.shape == (128, 128, 3)
        assert np.array_equal(image[top : top + height, left : left + width][opaque], sent[opaque][:, :3])
        assert image[:20].mean() < 90  # it is night
    assert result.answer == {"left_out": []}


def test_matting_finds_the_product_of_an_opaque_picture(studio: Studio) -> None:
    result = run(studio, params(), PICTURE)
    red = (result.images[0].astype(int) @ [1, -1, -1]) > 60
    rows, columns = np.nonzero(red)
    assert 40 < np.median(columns) < 88
    assert np.median(rows) > 64
    assert MATTING_REF in SCENE.needs(params())


def test_shadow_darkens_the_ground_below(studio: Studio) -> None:
    light, shaded = (run(studio, params(text="on the grass", shadow=on), CUT_OUT).images[0] for on in (False, True))
    darker = light.astype(int).sum(axis=2) - shaded.astype(int).sum(axis=2)
    rows, _ = np.nonzero(darker > 30)
    assert darker.min() >= 0
    assert np.median(rows) > 96


def test_without_matting_only_a_transparent_picture_is_taken(studio: Studio, toy_catalog) -> None:
    without = catalog.catalog.Catalog([each for each in toy_catalog if each.family != "matting"])
    request = SCENE.resolve_names(params(), without)
    assert request.left_out == ("cut_out",)
    assert SCENE.needs(request) == (request.checkpoint_ref,)
    failed = studio.run(SCENE, request, {"url": PICTURE})
    assert isinstance(failed, Failed)
    assert (failed.code, "send a picture that is transparent" in failed.message) == ("bad_input", True)
    finished = studio.run(SCENE, request, {"url": CUT_OUT})
    assert isinstance(finished, Finished)
    assert finished.result.answer == {"left_out": ["cut_out"]}


def test_picture_without_a_product_is_refused(studio: Studio) -> None:
    failed = studio.run(SCENE, params(), {"url": np.zeros((64, 64, 4), np.uint8)})
    assert isinstance(failed, Failed)
    assert (failed.code, "no product was found" in failed.message) == ("bad_input", True)


def test_scenes_have_words_of_their_own() -> None:
    assert len({style.full_prompt("") for style in SCENES.values()}) == len(SCENES) >= 10
    for style in SCENES.values():
        assert "a red bag" in style.full_prompt("a red bag")
        params(**style.params)


@pytest.mark.parametrize(
    "wrong",
    [
        {"text": ""},
        {"w": 100},
        {"h": 2056},
        {"place": {"scale": 0.05}},
        {"place": {"x": 1.1}},
        {"place": {"z": 1}},
        {"harmonize": 2},
    ],
)
def test_wrong_params_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        params(**wrong)


def test_scene_stands_in_for_the_text() -> None:
    assert params(text="", scene="beach").scene == "beach"

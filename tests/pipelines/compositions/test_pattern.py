"""Hidden patterns: what is drawn, what shows in the image, and that an image that does not read never says it does."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from models import catalog
from models.catalog.catalog import UnknownModelError
from models.kinds.controlnet import CONTROLNET
from models.kinds.kind import ModelRef
from pipelines.compositions.pattern import Pattern
from pipelines.engine.events import Failed, Finished
from pipelines.pipeline import TaskResult
from tests.pipelines.conftest import Studio
from tests.support.pictures import random_pixels

PATTERN = Pattern()


@pytest.fixture(scope="module")
def toy_catalog(models_dir):
    return catalog.read(models_dir)


def params(toy_catalog, **changes: Any) -> Pattern.Params:
    request = {"text": "at night", "model": "toy-sd1", "w": 128, "h": 128, "num_steps": 8, "seed": 3}
    return PATTERN.resolve_names(Pattern.Params.model_validate({**request, **changes}), toy_catalog)


def run(studio: Studio, request: Pattern.Params, images: dict[str, np.ndarray] | None = None) -> TaskResult:
    finished = studio.run(PATTERN, request, images or {})
    assert isinstance(finished, Finished), finished
    return finished.result


def test_letter_shows_in_the_image(studio: Studio, toy_catalog) -> None:
    result = run(studio, params(toy_catalog, words="A", invert=True))
    (image,), (pattern,) = result.images, result.hints
    assert image.shape == (128, 128, 3)
    light = image.mean(axis=2) > np.percentile(image.mean(axis=2), 75)
    assert np.corrcoef(light.ravel(), pattern[:, :, 0].ravel() > 127)[0, 1] > 0.4
    assert result.answer == {"left_out": ["font"]}


def test_picture_is_a_pattern_in_grey(studio: Studio, toy_catalog) -> None:
    picture = random_pixels(64, 128)
    result = run(studio, params(toy_catalog, url="https://example.com/a.png", num_steps=1), {"url": picture})
    assert result.hints[0].shape == (128, 128, 3)
    assert (result.hints[0] == result.hints[0][:, :, :1]).all()


def test_image_in_which_no_code_is_read_is_not_readable(studio: Studio, toy_catalog) -> None:
    request = params(toy_catalog, qr="HI", check=True, w=160, h=160, num_steps=1, num_samples=2)
    result = run(studio, request)
    assert result.answer == {"left_out": [], "readable": False}
    assert result.seeds == [3, 4]
    plain = run(studio, params(toy_catalog, qr="HI", w=160, h=160, num_steps=1, num_samples=2))
    assert "readable" not in plain.answer
    assert all(np.array_equal(one, other) for one, other in zip(result.images, plain.images, strict=True))


def test_first_hint_with_a_controlnet_is_followed(toy_catalog) -> None:
    assert params(toy_catalog, words="A").hints == ("qr",)
    bright = params(toy_catalog, words="A", hints=["brightness", "qr"])
    assert ModelRef(CONTROLNET, "brightness", base="toy-sd1") in PATTERN.needs(bright)
    with pytest.raises(UnknownModelError, match="there is no ControlNet 'qr' for 'toy-sd2'"):
        params(toy_catalog, words="A", model="toy-sd2")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"words": "福"}, "the font cannot draw '福'"), ({"qr": "A" * 300}, "too many for 128×128")],
)
def test_patterns_that_cannot_be_drawn_fail(studio: Studio, toy_catalog, changes, message: str) -> None:
    failed = studio.run(PATTERN, params(toy_catalog, **changes), {})
    assert isinstance(failed, Failed)
    assert (failed.code, message in failed.message) == ("bad_input", True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "set exactly one of them"),
        ({"words": "A", "qr": "B"}, "set exactly one of them"),
        ({"words": " "}, "set exactly one of them"),
        ({"words": "A", "check": True}, "check reads QR codes"),
        ({"words": "A", "w": 100}, "not a multiple of 8"),
        ({"words": "A", "start": 0.9}, "control_start 0.9 is not before control_end 0.9"),
        ({"words": "A", "strength": 3}, "less than or equal to 2"),
    ],
)
def test_wrong_params_are_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Pattern.Params.model_validate({"text": "at night", **wrong})

"""Outpainting: which pixels are painted and which are not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

import pipelines
from models.kinds.checkpoint import CHECKPOINT
from models.kinds.kind import ModelRef
from pipelines.engine.engine import Engine
from pipelines.engine.events import Failed
from pipelines.inpaint import Inpaint
from pipelines.outpaint import Outpaint
from tests.pipelines.conftest import images_of, run_dry

OUTPAINT = Outpaint()
PICTURE = np.random.default_rng(2).integers(0, 256, (64, 48, 3), np.uint8)


def params(**changes: Any) -> Outpaint.Params:
    request: dict[str, Any] = {
        "url": "http://example.com/canvas.png",
        "model": "toy-sd1",
        "text": "a wide beach",
        "seed": 5,
        "num_steps": 2,
        "keep_original": True,
        "keep_original_num_fade_pixels": None,
    }
    return Outpaint.Params(**request | changes)


def outpaint(engine: Engine, request: Outpaint.Params, picture: np.ndarray) -> np.ndarray:
    engine.add("task", OUTPAINT, request, {"url": picture})
    return images_of(run_dry(engine))["task"][0]


def error_of(engine: Engine, request: Outpaint.Params, picture: np.ndarray) -> str:
    engine.add("task", OUTPAINT, request, {"url": picture})
    (failure,) = run_dry(engine)
    assert isinstance(failure, Failed)
    assert failure.code == "bad_input"
    return failure.message


def test_outpaint_has_three_names() -> None:
    for name in ("txt2img.sd.outpainting", "img2img.outpainting", "scene-generation"):
        assert isinstance(pipelines.find(name), Outpaint)
    assert OUTPAINT.needs(params()) == (ModelRef(CHECKPOINT, "toy-sd1", inpainting=True),)


@pytest.mark.parametrize("raw", [True, False])
def test_only_transparent_pixels_are_outpaint(engine: Engine, raw: bool) -> None:
    alpha = np.full((64, 48), 255, np.uint8)
    alpha[:, :20] = 0
    alpha[:, 20] = 223  # opaque enough
    result = outpaint(engine, params(use_raw_inpainting=raw), np.dstack([PICTURE, alpha]))
    assert result.shape == (64, 48, 3)
    assert np.array_equal(result[:, 20:], PICTURE[:, 20:])
    assert (result[:, :20] != PICTURE[:, :20]).any(axis=2).mean() > 0.9


def test_colours_of_transparent_pixels_do_not_matter(engine: Engine) -> None:
    alpha = np.full((64, 48), 255, np.uint8)
    alpha[:, :20] = 0
    black, white = np.dstack([PICTURE, alpha]), np.dstack([PICTURE, alpha])
    black[:, :20, :3], white[:, :20, :3] = 0, 255
    request = params(use_raw_inpainting=True)
    assert np.array_equal(outpaint(engine, request, black), outpaint(engine, request, white))


def test_padding_enlarges_an_opaque_picture(engine: Engine) -> None:
    result = outpaint(engine, params(left=8, right=24, top=3, bottom=13), PICTURE)
    assert result.shape == (64 + 16, 48 + 32, 3)
    assert np.array_equal(result[3:67, 8:56], PICTURE)
    assert result[:, 56:].std() > 0


def test_padding_of_less_than_a_latent_pixel_is_painted(engine: Engine) -> None:
    result = outpaint(engine, params(right=4), PICTURE[:, :44])
    assert np.array_equal(result[:, :44], PICTURE[:, :44])
    nearest = np.repeat(PICTURE[:, 43:44], 4, axis=1)
    assert (result[:, 44:] != nearest).any(axis=2).mean() > 0.9


def test_outpainting_equals_inpainting_of_the_padded_picture(engine: Engine) -> None:
    request = params(left=16, keep_original=False)
    by_paddings = outpaint(engine, request, PICTURE)
    mask = np.zeros((64, 64, 3), np.uint8)
    mask[:, :16] = 255
    shared = request.model_dump(exclude={"left", "right", "top", "bottom"})
    canvas = np.pad(PICTURE, ((0, 0), (16, 0), (0, 0)))
    engine.add("task", Inpaint(), Inpaint.Params(**shared, mask_url="x"), {"url": canvas, "mask_url": mask})
    assert np.array_equal(images_of(run_dry(engine))["task"][0], by_paddings)


@pytest.mark.parametrize("alpha", [None, 255, 223])
def test_opaque_picture_without_padding_is_error_of(engine: Engine, alpha: int | None) -> None:
    picture = PICTURE if alpha is None else np.dstack([PICTURE, np.full(PICTURE.shape[:2], alpha, np.uint8)])
    assert "set left, right, top or bottom to the number of pixels to add" in error_of(engine, params(), picture)


def test_too_long_canvas_is_error_of(engine: Engine) -> None:
    assert "8193×64; the longest side may be 8192" in error_of(engine, params(left=8145), PICTURE)


def test_padding_is_limited() -> None:
    for wrong in ({"left": -1}, {"top": 8193}):
        with pytest.raises(ValidationError):
            params(**wrong)


def test_paddings_that_no_picture_can_take_are_refused() -> None:
    with pytest.raises(ValidationError, match="8193×1; the longest side may be 8192; lower left, right"):
        params(left=4096, right=4096)
    assert params(left=4096, right=4095, top=8191)

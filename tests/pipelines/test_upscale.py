from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from models.imaging.pixels import resize_area
from models.kinds.kind import ModelRef
from models.kinds.upscaler import UPSCALER
from pipelines.engine.events import Advanced, Failed, Finished
from pipelines.txt2img import Txt2Img
from pipelines.upscale import Upscale, _source
from tests.pipelines.conftest import Studio

UPSCALE = Upscale()


def params(**changes: Any) -> Upscale.Params:
    return Upscale.Params.model_validate({"url": "https://example.com/a.png", **changes})


def picture(width: int, height: int, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


def upscaled(studio: Studio, pixels: np.ndarray) -> np.ndarray:
    """The output of the network alone."""
    with studio.held("esr") as handle:
        upscaler = handle.get(ModelRef(UPSCALER, "esr"))
        canvas = upscaler.canvas(pixels)
        for _ in upscaler.enlarge(pixels, canvas):
            pass
    return canvas


def test_defaults_and_names_are_those_of_the_replaced_api() -> None:
    assert (params().upscaler, params(is_anime=True).upscaler) == ("esr", "esr_anime")
    assert params(version="ultrasharp", is_anime=True).upscaler == "ultrasharp"
    assert UPSCALE.needs(params(model="ultrasharp")) == (ModelRef(UPSCALER, "ultrasharp"),)
    assert UPSCALE.resolve(params(is_anime=True)).model == "esr_anime"


def test_default_scale_is_that_of_the_network(studio: Studio) -> None:
    pixels = picture(24, 20)
    assert np.array_equal(studio.image(UPSCALE, params(), {"url": pixels}), upscaled(studio, pixels))


@pytest.mark.parametrize(
    ("changes", "size"),
    [
        ({"scale": 2}, (48, 40)),
        ({"scale": 3}, (72, 60)),
        ({"scale": 4}, (96, 80)),
        ({"target_w": 72}, (72, 60)),
        ({"target_h": 120}, (144, 120)),
        ({"target_w": 100, "target_h": 50}, (100, 50)),
        ({"max_wh": 24}, (96, 80)),
        ({"max_wh": 1024}, (96, 80)),
    ],
)
def test_result_is_resized_to_the_target_after_the_network(
    studio: Studio, changes: dict[str, int], size: tuple[int, int]
) -> None:
    result = studio.image(UPSCALE, params(**changes), {"url": picture(24, 20)})
    assert np.array_equal(result, resize_area(upscaled(studio, picture(24, 20)), *size))
    assert result.shape == (size[1], size[0], 3)


@pytest.mark.parametrize(("changes", "size"), [({}, (72, 60)), ({"target_w": 96}, (96, 80))])
def test_max_wh_shrinks_the_picture_first(studio: Studio, changes: dict[str, int], size: tuple[int, int]) -> None:
    result = studio.image(UPSCALE, params(max_wh=18, **changes), {"url": picture(24, 20)})
    assert np.array_equal(result, resize_area(upscaled(studio, resize_area(picture(24, 20), 18, 15)), *size))


def test_alpha_is_kept_and_does_not_change_colours(studio: Studio) -> None:
    pixels = picture(24, 20, channels=4)
    pixels[:, :12, 3], pixels[:, 12:, 3] = 255, 40
    result = studio.image(UPSCALE, params(scale=2), {"url": pixels})
    opaque = studio.image(UPSCALE, params(scale=2), {"url": pixels[:, :, :3]})
    assert np.array_equal(result[:, :, :3], opaque)
    alpha = Image.fromarray(pixels[:, :, 3]).resize((48, 40), Image.Resampling.LANCZOS)
    assert np.array_equal(result[:, :, 3], np.asarray(alpha))
    assert (result[:, :18, 3] == 255).all()
    assert (result[:, 30:, 3] == 40).all()


def test_hidden_colours_do_not_show_at_the_rim(studio: Studio) -> None:
    results = []
    for hidden in (0, 255):
        pixels = picture(24, 20, channels=4)
        pixels[:, :12, 3], pixels[:, 12:] = 255, (hidden, hidden, hidden, 0)
        results.append(studio.image(UPSCALE, params(scale=2), {"url": pixels}))
    assert np.array_equal(*results)


@pytest.mark.filterwarnings(r"ignore:__array(_wrap)?__:DeprecationWarning")  # from diffusers
def test_other_tasks_step_between_tiles(studio: Studio) -> None:
    with studio.held("esr", "toy-sd1"):
        studio.engine.add("large", UPSCALE, params(), {"url": picture(300, 40)})
        txt2img = Txt2Img.Params(text="a lighthouse", model="toy-sd1", w=64, h=64, num_steps=4)
        studio.engine.add("small", Txt2Img(), txt2img, {})
        events = list(studio.events())
    finished = {event.attempt_id: index for index, event in enumerate(events) if isinstance(event, Finished)}
    advanced = [index for index, event in enumerate(events) if isinstance(event, Advanced)]
    assert finished.keys() == {"large", "small"}
    assert advanced[0] < finished["large"]


@pytest.mark.parametrize(
    ("size", "changes", "message"),
    [
        (
            (2049, 2048),
            {},
            "2049×2048 pixels; the limit is 4194304 pixels .*; send a smaller picture, or set",
        ),
        ((8, 1024), {"target_w": 1024}, "the result is 1024×131072 pixels; .* ask for a smaller result"),
    ],
)
def test_too_large_picture_or_result_is_refused(
    studio: Studio, size: tuple[int, int], changes: dict[str, int], message: str
) -> None:
    failed = studio.run(UPSCALE, params(**changes), {"url": np.zeros((size[1], size[0], 3), np.uint8)})
    assert isinstance(failed, Failed)
    assert failed.code == "bad_input"
    assert re.search(message, failed.message)


@pytest.mark.parametrize("side", [2048, 16])
def test_up_to_the_limit_it_is_left_as_it_is(side: int) -> None:
    pixels = np.broadcast_to(np.zeros((1, 1, 3), np.uint8), (side, side, 3))
    assert _source(pixels, None) is pixels
    assert _source(pixels, 2048) is pixels


def test_model_that_cannot_enlarge_is_refused(studio: Studio) -> None:
    failed = studio.run(UPSCALE, params(model="lama"), {"url": picture(8, 8)})
    assert isinstance(failed, Failed)
    assert (failed.code, "cannot enlarge" in failed.message) == ("bad_input", True)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"scale": 5}, "Input should be 2, 3 or 4"),
        ({"scale": 2, "target_w": 100}, "scale and target_w or target_h contradict each other"),
        ({"target_w": 9000}, "less than or equal to 8192"),
        ({"max_wh": 4096}, "less than or equal to 2048"),
        ({"text": "a cat"}, "Extra inputs are not permitted"),
    ],
)
def test_invalid_upscale_params_are_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        params(**wrong)
    assert message in str(caught.value)

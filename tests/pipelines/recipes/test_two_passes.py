"""Two passes of images that follow control maps. Plain ones are in tests/pipelines/test_txt2img.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError

import pipelines
from models.imaging.resize_modes import resize_to
from pipelines.pipeline import Denoise
from tests.pipelines.conftest import Studio
from tests.support.pictures import EDGES

MULTI = pipelines.find("control_new.multi")
CANNY: dict[str, Any] = {"hint_url": "http://example.com/c", "bypass_annotator": True, "control_strength": 0.8}
IMAGES = {"controls.0.data.hint_url": EDGES}


def params(**changes: Any) -> Any:
    data = {name: changes.pop(name) for name in ("only_pass", "fade_layers") if name in changes}
    values = {
        "prompt": "a house",
        "model": "toy-sd1",
        "seed": 7,
        "num_steps": 4,
        "wh": (64, 64),
        "controls": [{"type": "canny", "data": CANNY | data}],
        "highres_info": {"w": 96, "h": 72, "num_steps": 3, "fidelity": 0.5},
    }
    return MULTI.Params.model_validate(values | changes)


def passes(studio: Studio, request: Any) -> tuple[Denoise, Denoise]:
    """What the recipe asks for in each pass."""
    models = studio.held(*MULTI.needs(request))
    recipe = MULTI.run(request, models, IMAGES)
    with torch.inference_mode():
        (first,) = next(recipe)
        (second,) = recipe.send([torch.randn(1, 4, first.height // 8, first.width // 8)])
    models.release()
    return first, second


def test_maps_act_in_both_passes_at_their_sizes(studio: Studio) -> None:
    first, second = passes(studio, params())
    assert (first.width, first.height, second.width, second.height) == (64, 64, 96, 72)
    (one,), (other,) = first.controls, second.controls
    assert (one.strength, one.fades, other.strength, other.fades) == (0.8, False, 0.8, True)
    assert torch.equal(one.hint[0], torch.from_numpy(EDGES).permute(2, 0, 1) / 255)
    cropped = resize_to(EDGES, 96, 72, "cover")
    assert torch.equal(other.hint[0], torch.from_numpy(cropped.copy()).permute(2, 0, 1) / 255)


@pytest.mark.parametrize(("only", "counts"), [(None, (1, 1)), ("first", (1, 0)), ("second", (0, 1))])
def test_map_may_act_in_one_pass_alone(studio: Studio, only: str | None, counts: tuple[int, int]) -> None:
    first, second = passes(studio, params(only_pass=only))
    assert (len(first.controls), len(second.controls)) == counts


def test_image_has_the_size_of_the_second_pass_and_follows_the_map_in_each(studio: Studio) -> None:
    images = [studio.image(MULTI, params(only_pass=only), IMAGES) for only in (None, "first", "second")]
    assert [image.shape for image in images] == [(72, 96, 3)] * 3
    assert not any(np.array_equal(images[0], other) for other in images[1:])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "http://example.com/a.png"}, "leave url or highres_info out"),
        ({"wh": (0, 0)}, "set wh"),
        ({"wh": (70, 64)}, "a side of wh 70 is not a multiple of 8"),
        ({"highres_info": {"upscale_factor": 4, "max_wh": 128}}, "would make 256×256, above its max_wh 128"),
        ({"highres_info": {"sampler": "nobody"}}, "highres_info: "),
    ],
)
def test_second_passes_that_cannot_be_are_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        params(**changes)

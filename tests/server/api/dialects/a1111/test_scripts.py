"""The scripts of a request."""

from __future__ import annotations

from typing import Any

import pytest

from server.api.dialects.a1111.request import Txt2ImgRequest
from server.api.dialects.a1111.scripts import units_of
from server.tasks.submission import InvalidParamsError

UNIT: dict[str, Any] = {"module": "canny", "model": "canny", "image": "aGk="}


@pytest.mark.parametrize("name", ["controlnet", "ControlNet", "controlNet"])
def test_units_are_found_in_every_spelling(name: str) -> None:
    assert units_of({name: {"args": [UNIT]}}) == [UNIT]
    assert units_of({name: {"args": UNIT}}) == [UNIT]
    assert units_of({name: [True, False, UNIT]}) == [UNIT]


@pytest.mark.parametrize("nothing", [None, {}, [], {"args": []}, {"args": None}, False])
def test_controlnet_may_have_no_units(nothing: object) -> None:
    assert units_of({"controlnet": nothing}) == []


@pytest.mark.parametrize(
    "unit",
    [
        {**UNIT, "enabled": False},
        {**UNIT, "enabled": "false"},
        {**UNIT, "enabled": 0, "image": 5},
        {"module": "none", "model": "None"},
        {"module": None, "image": ""},
        {},
        None,
        False,
    ],
)
def test_units_that_are_off_or_empty_are_left_out(unit: object) -> None:
    assert units_of({"controlnet": {"args": [unit]}}) == []


@pytest.mark.parametrize("unit", ["canny", '{"module": "canny"}', 5, [UNIT]])
def test_what_is_no_unit_is_refused_by_its_place(unit: object) -> None:
    with pytest.raises(InvalidParamsError, match="unit 1 of ControlNet is no object; send an object"):
        units_of({"controlnet": {"args": [UNIT, unit]}})


def test_unit_without_list_of_arguments_is_refused() -> None:
    with pytest.raises(InvalidParamsError, match="send them as its `args`"):
        units_of({"ControlNet": UNIT})


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("ADetailer", [False, {"ad_model": "face_yolov8n.pt"}]),
        ("ADetailer", [{"ad_model": "None"}, {"ad_model": "face_yolov8n.pt", "ad_tab_enable": False}]),
        ("animatediff", [{"enable": False, "model": "mm_sd15_v3.safetensors"}]),
        ("roop", ["aGk=", False, "0"]),
        ("Refiner", [False, "", 0.8]),
        ("Soft Inpainting", [False, 1, 0.5, 4]),
        ("Extra options", ["any", True]),
        ("Comments", []),
        ("x", None),
        ("x", [0]),
        ("x", ["None"]),
    ],
)
def test_scripts_that_are_off_are_accepted(name: str, arguments: object) -> None:
    assert units_of({name: {"args": arguments}}) == []


@pytest.mark.parametrize(
    ("name", "arguments", "words"),
    [
        ("ADetailer", [True, {"ad_model": "face_yolov8n.pt"}], "no script 'ADetailer'; leave it out, or send it with"),
        ("ADetailer", [{"ad_model": "face_yolov8n.pt"}], "no script 'ADetailer'"),
        ("animatediff", [{"enable": True, "model": "mm_sd15_v3.safetensors"}], "no script 'animatediff'"),
        ("roop", ["aGk=", True, "0"], "no script 'roop'"),
        ("Refiner", [True, "sd_xl_refiner", 0.8], "no script 'Refiner'.*one checkpoint"),
        ("Soft Inpainting", [True, 1, 0.5, 4], "no script 'Soft Inpainting'.*mask_blur"),
        ("Hypertile", [True], "no script 'Hypertile'"),
        ("x", ["on"], "no script 'x'"),
    ],
)
def test_scripts_that_are_on_are_refused_by_name(name: str, arguments: object, words: str) -> None:
    with pytest.raises(InvalidParamsError, match=words):
        units_of({name: {"args": arguments}})


def test_sampler_and_seed_set_the_fields_of_the_request() -> None:
    scripts = {
        "Sampler": {"args": [30, "Heun", "Karras"]},
        "Seed": {"args": [7, True, 8, 0.25, 512, 768]},
    }
    request = Txt2ImgRequest.model_validate({"steps": 20, "seed": 1, "alwayson_scripts": scripts})
    assert (request.steps, request.sampler_name, request.scheduler) == (30, "Heun", "Karras")
    assert (request.seed, request.subseed, request.subseed_strength) == (7, 8, 0.25)
    assert (request.seed_resize_from_w, request.seed_resize_from_h) == (512, 768)


@pytest.mark.parametrize(
    "scripts", [{}, {"Sampler": {"args": []}}, {"Sampler": None, "Seed": {"args": [None, False, 5, 1]}}]
)
def test_scripts_that_set_nothing_leave_the_request_as_it_is(scripts: dict[str, Any]) -> None:
    request = Txt2ImgRequest.model_validate({"steps": 20, "seed": 1, "alwayson_scripts": scripts})
    assert (request.steps, request.sampler_name, request.seed, request.subseed_strength) == (20, "", 1, 0)

"""The units of ControlNet among the scripts of a request."""

from __future__ import annotations

from typing import Any

import pytest

from models.catalog.catalog import Catalog
from pipelines.control_new import ControlNewMultiParams
from pipelines.params.control import HINTS
from server.api.dialects.a1111.controlnet_units import Guides, guides, units_of
from server.api.dialects.preprocessors import PREPROCESSORS
from server.services import Services
from server.tasks.submission import InvalidParamsError

UNIT: dict[str, Any] = {"module": "canny", "model": "canny", "image": "aGk="}
SIZE = (512, 768)


@pytest.fixture
def catalog(services: Services) -> Catalog:
    return services.catalog


def found(catalog: Catalog, *units: dict[str, Any], has_picture: bool = False) -> Guides:
    return guides(units, catalog, SIZE, has_picture=has_picture)


@pytest.mark.parametrize("name", ["controlnet", "ControlNet", "controlNet"])
def test_units_are_found_in_every_spelling(name: str) -> None:
    assert units_of({name: {"args": [UNIT]}}) == [UNIT]
    assert units_of({name: {"args": []}}) == []


def test_units_that_are_off_or_empty_are_left_out() -> None:
    off = [{**UNIT, "enabled": False}, {"module": "none", "model": "None"}, {"image": "aGk="}, None, False]
    assert units_of({"controlnet": {"args": off}}) == []


def test_other_scripts_are_refused_only_if_they_are_on() -> None:
    off = {"ADetailer": {"args": [False]}, "Seed": {"args": [-1, True]}, "Extra options": {"args": []}, "x": {}}
    assert units_of(off) == []
    with pytest.raises(InvalidParamsError, match="no script 'ADetailer'"):
        units_of({"ADetailer": {"args": [True, {}]}})


@pytest.mark.parametrize("module", PREPROCESSORS)
def test_every_preprocessor_draws_a_map(catalog: Catalog, module: str) -> None:
    (control,) = found(catalog, {**UNIT, "module": module}).controls
    assert control["data"]["hint_annotator"] in HINTS
    assert control["data"]["bypass_annotator"] is False
    assert ControlNewMultiParams.model_validate({"text": "a", "controls": [control]}).controls


def test_all_fields_of_a_unit(catalog: Catalog) -> None:
    unit = UNIT | {
        "weight": 1.4,
        "resize_mode": "Resize and Fill",
        "processor_res": 640,
        "threshold_a": 50,
        "threshold_b": 150,
        "guidance_start": 0.1,
        "guidance_end": 0.7,
        "control_mode": 2,
        "low_vram": True,
    }
    result = found(catalog, unit)
    assert result.resize_mode == "pad"
    assert result.controls[0]["data"] == {
        "hint_url": "aGk=",
        "bypass_annotator": False,
        "hint_annotator": "canny",
        "control_strength": 1.4,
        "hint_start": 0.1,
        "hint_end": 0.7,
        "guess_mode": True,
        "detect_resolution": 640,
        "low_threshold": 50,
        "high_threshold": 150,
    }


def test_older_names_and_nulls(catalog: Catalog) -> None:
    unit = {"input_image": "aGk=", "module": "None", "model": "depth", "guidance": 0.5, "guessmode": True}
    nulls = dict.fromkeys(("processor_res", "threshold_a", "threshold_b", "control_mode", "resize_mode"))
    data = found(catalog, unit | nulls).controls[0]["data"]
    assert (data["hint_url"], data["bypass_annotator"], data["hint_end"], data["guess_mode"]) == (
        "aGk=",
        True,
        0.5,
        True,
    )
    assert "detect_resolution" not in data


def test_pixel_perfect_takes_the_size_of_the_result(catalog: Catalog) -> None:
    assert found(catalog, {**UNIT, "pixel_perfect": True}).controls[0]["data"]["detect_resolution"] == 512


def test_unit_without_image_takes_the_picture_of_img2img(catalog: Catalog) -> None:
    unit = {**UNIT, "image": ""}
    assert found(catalog, unit, has_picture=True).controls[0]["data"]["hint_url"] is None
    with pytest.raises(InvalidParamsError, match="has no image"):
        found(catalog, unit)


def test_reference_and_ip_adapter_are_no_controlnets(catalog: Catalog) -> None:
    reference = {"module": "reference_only", "image": "aGk=", "threshold_a": 0.7}
    adapter = {"module": "ip-adapter_clip_sd15", "model": "ip-adapter", "image": "aGk=", "weight": 0.6}
    assert found(catalog, reference, adapter).params == {
        "style_reference": {"url": "aGk=", "style_fidelity": 0.7},
        "ip_adapter": {"url": "aGk=", "scale": 0.6},
    }


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"module": "shuffle"}, "no preprocessor 'shuffle'"),
        ({"model": "nothing"}, "no ControlNet 'nothing'"),
        ({"control_mode": "My prompt is more important"}, "send 'Balanced'"),
        ({"control_mode": "both"}, "control_mode 'both' is unknown"),
        ({"mask": "aGk="}, "send it as `mask` to img2img"),
        ({"image": {"image": "aGk=", "mask": "aGk="}}, "send it as `mask` to img2img"),
        ({"weight": "much"}, "weight must be a number"),
        ({"threshold_a": 1e999}, "threshold_a must be a number"),
        ({"threshold_b": float("nan")}, "threshold_b must be a number"),
        ({"guidance_end": 10**400}, "guidance_end must be a number"),
    ],
)
def test_what_cannot_be_meant_is_refused(catalog: Catalog, change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParamsError, match=words):
        found(catalog, UNIT | change)


def test_units_of_different_resize_modes_are_refused(catalog: Catalog) -> None:
    with pytest.raises(InvalidParamsError, match="different resize_mode"):
        found(catalog, {**UNIT, "resize_mode": 0}, {**UNIT, "resize_mode": 2})

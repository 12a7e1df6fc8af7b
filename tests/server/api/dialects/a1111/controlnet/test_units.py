"""The units of ControlNet among the scripts of a request."""

from __future__ import annotations

from typing import Any

import pytest

from models.catalog.catalog import Catalog
from pipelines.control_new import ControlNewMultiParams
from pipelines.params.control import HINTS
from server.api.dialects.a1111.controlnet.units import Guides, guides
from server.api.dialects.preprocessors import PREPROCESSORS
from server.services import Services
from server.tasks.submission import InvalidParamsError

UNIT: dict[str, Any] = {"module": "canny", "model": "canny", "image": "aGk="}
SIZE = (512, 768)


@pytest.fixture
def catalog(services: Services) -> Catalog:
    return services.catalog


def found(catalog: Catalog, *units: dict[str, Any], picture: str | None = None) -> Guides:
    return guides(units, catalog, SIZE, picture)


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
        "hr_option": "High res only",
        "effective_region_mask": "bWFzaw==",
    }
    result = found(catalog, unit)
    assert result.controls[0]["data"] == {
        "hint_url": "aGk=",
        "bypass_annotator": False,
        "hint_annotator": "canny",
        "control_strength": 1.4,
        "hint_start": 0.1,
        "hint_end": 0.7,
        "guess_mode": True,
        "fade_layers": True,
        "only_pass": "second",
        "hint_resize_mode": "pad",
        "region_url": "bWFzaw==",
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


@pytest.mark.parametrize(
    ("mode", "guess", "fades"),
    [
        (None, False, False),
        ("Balanced", False, False),
        ("My prompt is more important", False, True),
        (1, False, True),
        ("ControlNet is more important", True, True),
        ("2", True, True),
    ],
)
def test_control_modes(catalog: Catalog, mode: object, guess: bool, fades: bool) -> None:
    data = found(catalog, {**UNIT, "control_mode": mode}).controls[0]["data"]
    assert (data["guess_mode"], data["fade_layers"]) == (guess, fades)


def test_fields_that_are_off_are_accepted(catalog: Catalog) -> None:
    off = {"advanced_weighting": None, "effective_region_mask": "", "use_preview_as_input": "false", "mask": ""}
    texts = {"pixel_perfect": "False", "guessmode": "0", "input_mode": "simple", "resize_mode": "", "control_mode": ""}
    data = found(catalog, UNIT | off | texts).controls[0]["data"]
    assert ("detect_resolution" in data, data["guess_mode"]) == (False, False)


def test_pixel_perfect_takes_the_size_of_the_result(catalog: Catalog) -> None:
    assert found(catalog, {**UNIT, "pixel_perfect": True}).controls[0]["data"]["detect_resolution"] == 512


def test_unit_without_image_takes_the_picture_of_img2img(catalog: Catalog) -> None:
    unit = {**UNIT, "image": ""}
    assert found(catalog, unit, picture="YQ==").controls[0]["data"]["hint_url"] is None
    reference = {"module": "reference_only"}
    assert found(catalog, reference, picture="YQ==").params["style_reference"]["url"] == "YQ=="
    with pytest.raises(InvalidParamsError, match="has no image"):
        found(catalog, unit)


REFERENCE = {"module": "reference_only", "image": "aGk="}
ADAPTER = {"module": "ip-adapter_clip_sd15", "image": "aGk="}
ADAPTERS = "\n  - {name: Plus, path: toy.safetensors, family: ip_adapter, for: sd1, encoder: toy.safetensors}\n"


def test_reference_and_ip_adapter_are_no_controlnets(catalog: Catalog) -> None:
    units = {**REFERENCE, "threshold_a": 0.7, "weight": 0.4}, {**ADAPTER, "weight": 0.6}
    assert found(catalog, *units).params == {
        "style_reference": {"url": "aGk=", "style_fidelity": 0.7, "reference_weight": 0.4},
        "ip_adapter": {"url": "aGk=", "scale": 0.6},
    }
    of_other_modules = {**REFERENCE, "threshold_a": 64, "guidance_start": 0, "guidance_end": 1.0, "control_mode": 0}
    assert found(catalog, of_other_modules).params["style_reference"]["style_fidelity"] == 0.5


@pytest.mark.parametrize("more_models", [ADAPTERS])
def test_ip_adapter_may_be_named(catalog: Catalog) -> None:
    assert found(catalog, {**ADAPTER, "model": "plus"}).params["ip_adapter"]["model"] == "Plus"
    with pytest.raises(InvalidParamsError, match="no IP-Adapter 'canny'; there are: Plus"):
        found(catalog, {**ADAPTER, "model": "canny"})


@pytest.mark.parametrize(
    ("units", "words"),
    [
        ([REFERENCE, REFERENCE], "several units have module 'reference_only'; send one"),
        ([ADAPTER, UNIT, {**ADAPTER, "module": "ip-adapter-auto"}], "several units have module 'ip-adapter-auto'"),
        ([{**ADAPTER, "weight": 1.5}], "weight 1.5 of module ip-adapter_clip_sd15 is not offered; send 0 to 1"),
        ([{**REFERENCE, "weight": 2}], "weight 2 of module reference_only is not offered; send 0 to 1"),
        ([{**REFERENCE, "weight": -1}], "weight -1 of module reference_only"),
        ([{**ADAPTER, "guidance_end": 0.5}], "guidance_end of module ip-adapter_clip_sd15 is not offered; send 1"),
        ([{**ADAPTER, "guidance": 0.5}], "guidance of module ip-adapter_clip_sd15"),
        ([{**REFERENCE, "guidance_start": 0.5}], "guidance_start of module reference_only is not offered; send 0"),
        ([{**ADAPTER, "hr_option": "High res only"}], "hr_option of module ip-adapter_clip_sd15 is not offered"),
        ([{**REFERENCE, "mask": "YQ=="}], "a mask of module reference_only is not offered; leave it out"),
        ([{**ADAPTER, "advanced_weighting": [1]}], "advanced_weighting of module ip-adapter_clip_sd15 is not offered"),
        ([{**REFERENCE, "control_mode": 2}], "control_mode of module reference_only is not offered; send Balanced"),
    ],
)
def test_no_image_prompt_is_left_out_silently(catalog: Catalog, units: list[dict[str, Any]], words: str) -> None:
    with pytest.raises(InvalidParamsError, match=words):
        found(catalog, *units)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"module": "shuffle"}, "no preprocessor 'shuffle'"),
        ({"model": "nothing"}, "no ControlNet 'nothing'"),
        ({"control_mode": "both"}, "control_mode 'both' is unknown"),
        ({"hr_option": "none of them"}, "hr_option 'none of them' is unknown; there are: both, low res only"),
        ({"mask": {"a": 1}}, "`mask` of a ControlNet unit must be a picture in base64"),
        ({"mask": "YQ==", "effective_region_mask": "Yg=="}, "both say where it acts; send one"),
        ({"image": 5}, "must be a picture in base64"),
        ({"image": {"image": ["aGk="]}}, "must be a picture in base64"),
        ({"advanced_weighting": 0.5}, "must be a list of numbers, one for each layer"),
        ({"advanced_weighting": [1.0, "much"]}, "advanced_weighting must be a number"),
        ({"advanced_weighting": [1.0, None]}, "advanced_weighting must be a number"),
        ({"effective_region_mask": 5}, "`effective_region_mask` of a ControlNet unit must be a picture in base64"),
        ({"ipadapter_input": ["gASV"]}, "leave it out, and send the picture"),
        ({"use_preview_as_input": True}, "leave it out, and send the map"),
        ({"input_mode": "InputMode.BATCH"}, "input_mode of a ControlNet unit must be simple"),
        ({"weight": "much"}, "weight must be a number"),
        ({"threshold_a": 1e999}, "threshold_a must be a number"),
        ({"threshold_b": float("nan")}, "threshold_b must be a number"),
        ({"guidance_end": 10**400}, "guidance_end must be a number"),
    ],
)
def test_what_cannot_be_meant_is_refused(catalog: Catalog, change: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidParamsError, match=words):
        found(catalog, UNIT | change)


def test_each_unit_is_resized_in_its_own_way(catalog: Catalog) -> None:
    """One that takes the picture of img2img is resized as that is."""
    units = [{**UNIT, "resize_mode": 0}, {**UNIT, "resize_mode": 2}, UNIT, {**UNIT, "image": "", "resize_mode": 2}]
    controls = found(catalog, *units, picture="YQ==").controls
    assert [each["data"].get("hint_resize_mode") for each in controls] == ["fill", "pad", "cover", None]


@pytest.mark.parametrize(
    "mask",
    [
        {"mask": "bWFzaw=="},
        {"mask_image": "bWFzaw=="},
        {"image": {"image": "aGk=", "mask": "bWFzaw=="}},
        {"effective_region_mask": "bWFzaw=="},
        {"effective_region_mask": "bWFzaw==", "mask": "bWFzaw=="},
    ],
)
def test_mask_of_a_unit_is_where_it_acts(catalog: Catalog, mask: dict[str, Any]) -> None:
    data = found(catalog, UNIT | mask).controls[0]["data"]
    assert (data["hint_url"], data["region_url"]) == ("aGk=", "bWFzaw==")


def test_advanced_weighting_takes_the_place_of_weight(catalog: Catalog) -> None:
    weights = [round(0.1 * index, 1) for index in range(13)]
    control = found(catalog, {**UNIT, "weight": 0.5, "advanced_weighting": weights}).controls[0]
    assert (control["data"]["layer_weights"], control["data"]["control_strength"]) == (weights, 1.0)
    assert ControlNewMultiParams.model_validate({"text": "a", "controls": [control]}).controls
    for empty in (None, []):
        assert "layer_weights" not in found(catalog, {**UNIT, "advanced_weighting": empty}).controls[0]["data"]

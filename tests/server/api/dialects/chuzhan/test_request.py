import pytest
from pydantic import ValidationError

from server.api.dialects.chuzhan.request import DetailRequest, DrawRequest

NUMBERS = {
    "modelStyleId": 2,
    "width": 768,
    "height": 640,
    "steps": 30,
    "cfgScale": 7.5,
    "seed": 9,
    "denoisingStrength": 0.55,
    "hrScale": 1.5,
    "hrSteps": 12,
    "upscale": 2,
    "batchSize": 3,
    "tiling": True,
    "detailsLevel": 7,
}


def request(**fields: object) -> DrawRequest:
    return DrawRequest.model_validate({"prompt": "x", "modelStyleId": 1} | fields)


def test_numbers_may_come_as_text():
    assert request(**{name: str(value) for name, value in NUMBERS.items()}) == request(**NUMBERS)
    unit = {"type": "canny", "controlMode": 2, "weight": 0.5, "controlStart": 0.1, "controlEnd": 0.9, "paramsA": 50}
    text = {name: str(value) for name, value in unit.items()}
    assert request(controlnet={"units": [text]}) == request(controlnet={"units": [unit]})


@pytest.mark.parametrize("empty", [None, ""])
def test_null_and_empty_text_are_not_set(empty):
    names = (*NUMBERS.keys() - {"modelStyleId"}, "img", "maskImg", "imgOptions", "controlnet", "callback", "nonce")
    assert request(**dict.fromkeys(names, empty)) == request()
    assert request(prompt="").prompt == ""


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("width", 64, 2048),
        ("height", 64, 2048),
        ("steps", 1, 50),
        ("cfgScale", 1, 30),
        ("denoisingStrength", 0, 1),
        ("hrScale", 0, 3),
        ("hrSteps", 1, 50),
        ("upscale", 0, 3),
        ("batchSize", 1, 6),
        ("detailsLevel", 1, 9),
    ],
)
def test_ranges(name, lowest, highest):
    for value in (lowest, highest):
        request(**{name: value})
    for value in (lowest - 1, highest + 1):
        with pytest.raises(ValidationError, match=name):
            request(**{name: value})


@pytest.mark.parametrize(
    "unit",
    [
        {"weight": 2.1},
        {"weight": -0.1},
        {"controlStart": -0.1},
        {"controlEnd": 1.1},
        {"controlMode": 3},
        {"type": ""},
        {"unknown": 1},
    ],
)
def test_units_have_ranges(unit):
    with pytest.raises(ValidationError):
        request(controlnet={"units": [{"type": "canny"} | unit]})


def test_lists_and_texts_have_limits():
    request(nonce="n" * 32, controlnet={"units": [{"type": "canny"}] * 3})
    for wrong in (
        {"nonce": "n" * 33},
        {"controlnet": {"units": [{"type": "canny"}] * 4}},
        {"imgOptions": {"mainObjectType": "Cat"}},
        {"imgOptions": {"facePreservationCount": 6}},
        {"promt": "x"},
    ):
        with pytest.raises(ValidationError):
            request(**wrong)


@pytest.mark.parametrize("name", ["nonce", "modelStyleId", "prompt"])
def test_text_that_is_no_unicode_is_refused(name):
    with pytest.raises(ValidationError):
        request(**{name: "\ud800"})


def test_second_pass_has_limits_and_acts_on_noise_alone():
    assert request(width=1024, height=1024, hrScale=2).second_pass_scale == 2
    for size in ({"width": 1032, "height": 512}, {"width": 512, "height": 1032}):
        with pytest.raises(ValidationError, match="lower hrScale"):
            request(**size, hrScale=2)
    assert request(width=1032, hrScale=2, img="x").second_pass_scale == 1
    assert request(hrScale=0).second_pass_scale == 1


def test_sides_are_rounded_to_what_models_paint():
    assert request(width=513, height=700).size == (512, 704)
    assert request(height=64).size == (512, 64)


def test_detail_has_formats_and_qualities():
    for image_format in ("jpeg", "png", None, ""):
        DetailRequest.model_validate({"taskId": "x", "imgFormat": image_format, "imgQuality": "1"})
    for wrong in ({"imgFormat": "webp"}, {"imgQuality": 0}, {"imgQuality": 101}, {"waitUntilEnd": True}):
        with pytest.raises(ValidationError):
            DetailRequest.model_validate({"taskId": "x"} | wrong)

import pytest

from server.api.dialects.chuzhan.controls import controls
from server.api.dialects.chuzhan.request import DrawRequest
from server.api.dialects.preprocessors import PREPROCESSORS
from server.tasks.submission import InvalidParamsError


@pytest.fixture
def control(services):
    """The one control of a request with this unit and these other fields."""

    def of(unit: dict[str, object], **fields: object) -> dict[str, object]:
        units = {"image": "map", "units": [{"type": "canny"} | unit]}
        body = {"prompt": "x", "modelStyleId": 1, "controlnet": units} | fields
        [found] = controls(DrawRequest.model_validate(body), services.catalog)
        return found

    return of


def test_unit_has_the_defaults_of_the_document(control):
    assert control({}) == {
        "type": "canny",
        "data": {
            "hint_url": "map",
            "control_strength": 1.0,
            "hint_start": 0.0,
            "hint_end": 1.0,
            "guess_mode": False,
            "fade_layers": False,
            "bypass_annotator": False,
            "hint_annotator": "canny",
        },
    }


def test_fields_of_a_unit(control):
    unit = {"weight": 0.5, "controlStart": "0.1", "controlEnd": 0.9, "controlMode": "2", "preprocess": False}
    data = control(unit | {"image": "own", "paramsA": 50.4, "paramsB": 300})["data"]
    assert (data["hint_url"], data["control_strength"], data["hint_start"], data["hint_end"]) == ("own", 0.5, 0.1, 0.9)
    assert (data["guess_mode"], data["bypass_annotator"], data["hint_annotator"]) == (True, True, None)
    assert (data["low_threshold"], data["high_threshold"]) == (50, 255)
    assert control({"paramsB": 0})["data"]["high_threshold"] == 1
    data = control({"type": "mlsd", "paramsA": 0.2, "paramsB": 0})["data"]
    assert (data["value_threshold"], data["distance_threshold"]) == (0.2, 0.01)
    assert "low_threshold" not in control({"type": "depth", "paramsA": 50})["data"]


def test_modes_of_a_unit(control):
    modes = [control({"controlMode": mode})["data"] for mode in range(3)]
    assert [(data["guess_mode"], data["fade_layers"]) for data in modes] == [
        (False, False),
        (False, True),
        (True, True),
    ]


@pytest.mark.parametrize("name", PREPROCESSORS)
def test_every_name_of_a_kind(control, name):
    found = control({"type": name.upper()})
    assert (found["type"], found["data"]["hint_annotator"]) == (PREPROCESSORS[name], PREPROCESSORS[name])


def test_type_may_be_the_name_of_a_controlnet(control):
    found = control({"type": "own-net"})
    assert (found["type"], found["data"]["hint_annotator"]) == ("own-net", "pose")
    for wrong in ("toy", "nothing"):
        with pytest.raises(InvalidParamsError, match=r"controlnet\.units\.0\.type .* canny, depth"):
            control({"type": wrong})


def test_image_is_that_of_the_unit_or_of_all_or_of_the_request(control):
    units = {"units": [{"type": "canny"}]}
    assert control({}, img="picture")["data"]["hint_url"] == "map"
    assert control({}, img="picture", controlnet=units)["data"]["hint_url"] == "picture"
    with pytest.raises(InvalidParamsError, match="has no image"):
        control({}, controlnet=units)


@pytest.mark.parametrize(
    ("unit", "message"),
    [({"controlStart": 0.5, "controlEnd": 0.5}, "not before controlEnd")],
)
def test_what_cannot_be_meant_is_refused(control, unit, message):
    with pytest.raises(InvalidParamsError, match=message):
        control(unit)


@pytest.mark.parametrize("value", ["1e999", "-1e999", "NaN", '"Infinity"'])
@pytest.mark.parametrize("field", ["paramsA", "paramsB", "weight", "controlEnd"])
async def test_numbers_without_end_are_refused(client, field: str, value: str) -> None:
    unit = f'{{"type": "canny", "image": "x", "{field}": {value}}}'
    body = f'{{"prompt": "x", "modelStyleId": 1, "controlnet": {{"units": [{unit}]}}}}'
    reply = await client.post("/aiapi/v1/draw", content=body, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["code"]) == (200, 400)
    assert field in reply.json()["msg"]

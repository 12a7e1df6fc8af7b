import pytest

from server.api.dialects.chuzhan.prices import consumption, price
from server.api.dialects.chuzhan.request import DrawRequest

UNIT = {"type": "canny", "image": "x"}


def request(**fields: object) -> DrawRequest:
    return DrawRequest.model_validate({"prompt": "one boy", "modelStyleId": 1} | fields)


@pytest.mark.parametrize(
    ("fields", "points"),
    [
        ({"width": 768, "height": 1024}, 12),
        ({"width": "512", "height": "512", "hrScale": 2, "hrSteps": 20}, 20),
        ({"width": "512", "height": "512", "hrScale": "2", "hrSteps": "20"}, 20),
        ({"width": 512, "height": 512, "upscale": 2}, 6),
        ({}, 4),
        ({"width": 64, "height": 64}, 4),
        ({"width": 768, "height": 1024, "steps": 40}, 24),
        ({"width": 768, "height": 1024, "batchSize": 2}, 22),
        ({"img": "x", "hrScale": 2}, 4),
        ({"hrScale": 2, "upscale": 2}, 28),
        ({"width": 128, "height": 128, "upscale": 3}, 5),
        ({"controlnet": {"units": [UNIT, UNIT]}}, 8),
        ({"imgOptions": {"removeBackground": True, "genderDetect": True}}, 7),
        ({"imgOptions": {"redrawBackground": True, "facePreservation": True}, "faceFix": True}, 10),
    ],
)
def test_price_is_that_of_the_document(fields, points):
    assert price(request(**fields)) == points


def test_parts_of_the_price_have_names():
    parts = {part.desc: part.count for part in consumption(request(hrScale=2, imgOptions={"removeBackground": True}))}
    assert parts == {"base": 4.0003, "hrScale": 16.0013, "removeBackground": 2}

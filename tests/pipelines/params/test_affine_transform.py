import pytest
from pydantic import ValidationError

from pipelines.params.affine_transform import AffineTransformParams

IDENTITY = {"url": "x", "a": 1, "b": 0, "c": 0, "d": 1, "e": 0, "f": 0}


def test_matrix_has_the_coefficients_in_order() -> None:
    params = AffineTransformParams.model_validate({"url": "x", "a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6})
    assert params.matrix == (1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"a": 0}, "a=0 b=0 c=0 d=1 maps the image onto a line"),
        ({"a": 1, "b": 2, "c": 2, "d": 4}, "maps the image onto a line"),
        ({"a": 600, "wh_limit": 500}, "an image of 1×1 to 600×1; a side may have 500 pixels"),
    ],
)
def test_matrix_that_no_picture_can_take_is_refused(wrong: dict[str, float], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        AffineTransformParams.model_validate({**IDENTITY, **wrong})


@pytest.mark.parametrize("wrong", [{"a": 1.1e4}, {"f": -1.1e5}, {"d": float("nan")}, {"e": float("inf")}])
def test_coefficients_must_be_finite_and_in_range(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        AffineTransformParams.model_validate({**IDENTITY, **wrong})

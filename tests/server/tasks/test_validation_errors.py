from typing import Annotated, Literal, Self

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from server.tasks.validation_errors import describe_errors


class Size(BaseModel):
    model_config = ConfigDict(extra="forbid")
    width: int = Field(ge=64)
    height: int = 512
    name: str = ""

    @field_validator("height")
    @classmethod
    def _multiple(cls, value: int) -> int:
        if value % 8:
            raise ValueError(f"height {value} is not a multiple of 8; try {value // 8 * 8}")
        return value

    @model_validator(mode="after")
    def _not_too_large(self) -> Self:
        if self.width * self.height > 2**20:
            raise ValueError(f"width {self.width} is too much for this height; lower one of them")
        if self.name == "large":
            raise ValueError("this name is taken")
        return self


def described(**values: object) -> tuple[str, str]:
    with pytest.raises(ValidationError) as caught:
        Size.model_validate(values)
    return describe_errors(caught.value.errors(), Size.model_fields)


def test_value_out_of_range_is_in_the_message():
    field, message = described(width=9)
    assert field == "width"
    assert message == "width: Input should be greater than or equal to 64 (it is 9)"


def test_misspelt_name_gets_a_suggestion():
    assert described(width=64, hieght=8) == ("hieght", "hieght is unknown; did you mean height?")


class Tiles(BaseModel):
    side: Annotated[int, Field(ge=64)] | tuple[Annotated[int, Field(ge=64)], Annotated[int, Field(ge=64)]] = 64
    weights: dict[Literal["a", "b"], float] = {}


@pytest.mark.parametrize(
    ("values", "field", "message"),
    [
        ({"side": 5}, "side", "side: Input should be greater than or equal to 64 (it is 5)"),
        ({"side": [5, 64]}, "side.0", "side.0: Input should be greater than or equal to 64 (it is 5)"),
        (
            {"side": "x"},
            "side",
            "side: Input should be a valid integer, unable to parse string as an integer (it is 'x')",
        ),
        ({"weights": {"c": 1}}, "weights.c", "weights.c: Input should be 'a' or 'b' (it is 'c')"),
    ],
)
def test_alternative_that_the_value_is_most_like_is_told(values: dict[str, object], field: str, message: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Tiles.model_validate(values)
    assert describe_errors(caught.value.errors()) == (field, message)


def test_place_that_a_value_was_read_from_is_no_part_of_its_name() -> None:
    error = {"type": "missing", "loc": ("query", "status"), "msg": "Field required"}
    assert describe_errors([error]) == ("status", "status is missing; add it")


def test_missing_field_is_named():
    assert described() == ("width", "width is missing; add it")


def test_message_of_our_validator_is_unchanged():
    field, message = described(width=64, height=515)
    assert (field, message) == ("height", "height 515 is not a multiple of 8; try 512")


def test_fault_between_fields_belongs_to_the_one_that_its_message_begins_with():
    assert described(width=4096) == ("width", "width 4096 is too much for this height; lower one of them")
    assert described(width=64, name="large") == ("", "this name is taken")


def test_long_value_is_cut():
    _, message = described(width="x" * 1000)
    assert len(message) < 200


def test_long_name_is_cut():
    field, message = described(width=64, **{"n" * 1000: 1})
    assert len(field) < 100
    assert len(message) < 200


def test_several_errors_are_one_limited_line():
    field, message = described(width=1, height=1, a=1, b=2, c=3)
    assert field == "width"
    assert message.count(";") >= 3
    assert message.endswith("and 2 more")


def test_invalid_json_is_named():
    error = {
        "type": "json_invalid",
        "loc": ("body", 7),
        "msg": "JSON decode error",
        "ctx": {"error": "Expecting value"},
    }
    assert "not valid JSON (Expecting value)" in describe_errors([error])[1]


def test_name_of_another_program_is_called_by_ours():
    unknown = {"type": "extra_forbidden", "msg": "", "input": 1}
    known = ["fidelity", "negative_prompt", "seed", "w", "h"]
    messages = {
        name: describe_errors([{**unknown, "loc": ("body", "params", name)}], names)[1]
        for name, names in [("denoising_strength", known), ("size", known), ("prompt", ()), ("zzz", ())]
    }
    assert messages == {
        "denoising_strength": "params.denoising_strength is unknown; "
        "here it is fidelity, which is 1 - denoising_strength",
        "size": "params.size is unknown; here it is w and h",
        "prompt": "params.prompt is unknown; here it is text",
        "zzz": "params.zzz is unknown; remove it; /docs lists the valid names",
    }
    assert "here it is" not in describe_errors([{**unknown, "loc": ("body", "prompt")}])[1]

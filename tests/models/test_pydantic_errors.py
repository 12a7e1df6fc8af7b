import pytest
from pydantic import BaseModel, Field, ValidationError, field_validator

from models.pydantic_errors import field_path, first_sentence, message_of


class Inner(BaseModel):
    size: int = Field(le=8)


class Outer(BaseModel):
    inner: list[Inner] = []
    name: str = ""

    @field_validator("name")
    @classmethod
    def check_name(cls, name: str) -> str:
        if name == "named":
            raise ValueError("name must not be its own name")
        if name:
            raise ValueError("leave it empty")
        return name


def error_of(value: object) -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        Outer.model_validate(value)
    return raised.value


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"inner": [{"size": 8}, {"size": 9}]}, "inner.1.size: Input should be less than or equal to 8"),
        ({"name": "secret"}, "name: leave it empty"),
        ({"name": "named"}, "name must not be its own name"),
    ],
)
def test_first_sentence_names_field_once_and_hides_the_value(value: object, sentence: str) -> None:
    assert first_sentence(error_of(value)) == sentence


def test_first_sentence_of_a_wrong_whole_has_no_path() -> None:
    assert first_sentence(error_of("text")).startswith("Input should be a valid dictionary")


def test_field_path_and_message_of_one_error() -> None:
    (error,) = error_of({"name": "x"}).errors()
    assert (field_path(error), message_of(error)) == ("name", "leave it empty")

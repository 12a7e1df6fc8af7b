"""Values of a form: what is taken, and what is refused by the name of the field."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from server.tools.field import ToolField, ToolValueError


def field(**options: Any) -> ToolField:
    return ToolField.model_validate({"id": "x", **options})


CHOICE = {"type": "choice", "items": [{"id": 1, "value": "a man"}, {"id": "two"}]}


@pytest.mark.parametrize(
    ("options", "sent", "value"),
    [
        ({"type": "text"}, "雪", "雪"),
        ({"type": "image"}, {"task": "0" * 32}, {"task": "0" * 32}),
        ({"type": "number"}, 3, 3.0),
        ({"type": "integer", "max": 4}, 4.0, 4),
        ({"type": "bool"}, False, False),
        ({"type": "size"}, "512 x 768", {"width": 512, "height": 768}),
        ({"type": "size"}, {"width": 64, "height": 2048}, {"width": 64, "height": 2048}),
        ({"type": "seed"}, -1, -1),
    ],
)
def test_value_is_taken(options: dict[str, Any], sent: Any, value: Any) -> None:
    found = field(**options).checked(sent)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("sent", [1, "1"])
def test_choice_is_taken_by_its_id(sent: Any) -> None:
    assert field(**CHOICE).checked(sent).value == "a man"


@pytest.mark.parametrize(
    ("options", "sent", "message"),
    [
        ({"type": "text"}, 5, "must be a text"),
        ({"type": "text", "max": 3}, "four", "has 4 characters; it may have 3"),
        ({"type": "text", "required": True}, "  ", "is empty"),
        ({"type": "image"}, "", "must be a picture"),
        ({"type": "mask"}, 7, "must be a picture"),
        ({"type": "number"}, True, "must be a number"),
        ({"type": "number"}, float("nan"), "must be between"),
        ({"type": "number", "min": 1, "max": 2}, 2.5, "between 1 and 2"),
        ({"type": "integer"}, 1.5, "must be a whole number"),
        ({"type": "integer"}, 10**400, "must be between"),
        ({"type": "bool"}, "yes", "must be true or false"),
        ({"type": "size"}, "512", 'such as "512x768"'),
        ({"type": "size"}, {"width": 512}, 'such as "512x768"'),
        ({"type": "size"}, "513x512", "a multiple of 8 between 64 and 2048"),
        ({"type": "size", "max": 512}, {"width": 512, "height": 520}, "the height 520"),
        ({"type": "seed"}, 1 << 40, "must be between"),
        (CHOICE, "tow", "one of 1, two; did you mean two?"),
        (CHOICE, None, "one of 1, two"),
    ],
)
def test_value_is_refused(options: dict[str, Any], sent: Any, message: str) -> None:
    with pytest.raises(ToolValueError) as refusal:
        field(**options).checked(sent)
    assert message in str(refusal.value)
    assert refusal.value.field == "values.x"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"type": "choice"}, "needs items"),
        ({"type": "text", "items": [{"id": "a"}]}, "takes no items"),
        ({"type": "choice", "items": [{"id": 1}, {"id": "1"}]}, "the same id"),
        ({"type": "number", "min": 2, "max": 1}, "min 2 is above max 1"),
        ({"type": "number", "max": 1, "default": 2}, "default: "),
        ({"type": "slider"}, "Input should be"),
    ],
)
def test_field_that_cannot_work_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        field(**options)


@pytest.mark.parametrize(
    "options",
    [
        *({"type": kind} for kind in ("image", "mask", "text", "number", "integer", "bool", "size", "seed")),
        {"type": "integer", "min": 1.5, "max": 9},
        {"type": "size", "min": 1024},
        {"type": "size", "max": 256},
    ],
)
def test_example_is_a_value(options: dict[str, Any]) -> None:
    """A size also keeps to a limit above or below the usual size."""
    each = field(**options)
    assert each.checked(each.example) == each.example

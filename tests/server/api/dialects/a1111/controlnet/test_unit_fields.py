"""Fields of units in several spellings and types."""

from __future__ import annotations

import pytest

from server.api.dialects.a1111.controlnet.unit_fields import choice, image_of, is_on, number, text_of
from server.tasks.submission import InvalidParamsError


@pytest.mark.parametrize("value", [False, 0, "", "false", "False", "0", "off", " no ", "None", None, [], {}])
def test_off(value: object) -> None:
    assert not is_on(value)


@pytest.mark.parametrize("value", [True, 1, "true", "on", "1", [1.0]])
def test_on(value: object) -> None:
    assert is_on(value)


@pytest.mark.parametrize(("value", "text"), [(None, ""), ("None", ""), (" canny ", "canny"), (5, "5"), (0, "")])
def test_text(value: object, text: str) -> None:
    assert text_of({"model": value}, "model") == text


def test_numbers_may_be_texts() -> None:
    assert number({"weight": "0.5"}, "weight", 1.0) == 0.5
    assert number({"weight": None}, "weight", 1.0) == 1.0
    for wrong in ("much", [1], {}, 1e999, float("nan"), 10**400):
        with pytest.raises(InvalidParamsError, match="weight must be a number"):
            number({"weight": wrong}, "weight", 1.0)


def test_choices_have_labels_and_numbers() -> None:
    choices = {"balanced": "0", "more": "1"}
    assert [choice({"mode": value}, "mode", choices, "0") for value in ("More", 1, "1", None, "")] == [*"111", *"00"]
    with pytest.raises(InvalidParamsError, match="mode 'most' is unknown; there are: balanced, more"):
        choice({"mode": "most"}, "mode", choices, "0")


def test_image_has_several_names() -> None:
    for unit in ({"image": "a"}, {"input_image": "a"}, {"image": {"image": "a", "mask": None}}):
        assert image_of(unit) == "a"
    assert image_of({"image": "", "mask": ""}) is None

"""Pydantic's errors about a request, as one line that names each wrong field and says how to correct it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.pydantic_errors import message_of
from models.suggestions import did_you_mean
from pipelines.synonyms import hint_for

_MAX_VALUE_LENGTH = 40
_MAX_NAME_LENGTH = 64
_MAX_ERRORS = 3


def describe_errors(errors: Sequence[Mapping[str, Any]], names: Iterable[str] = ()) -> tuple[str, str]:
    """The first wrong field, and a message about up to three errors.

    `names` are the valid names, of which one is suggested for a misspelt name.
    """
    known = list(names)
    sentences = [_sentence(error, known) for error in errors[:_MAX_ERRORS]]
    more = len(errors) - len(sentences)
    return _field(errors[0]) or _first_word(errors[0], known), "; ".join(sentences) + (
        f"; and {more} more" if more > 0 else ""
    )


def _field(error: Mapping[str, Any]) -> str:
    return ".".join(_shortened(str(part), _MAX_NAME_LENGTH) for part in error["loc"] if part != "body")


def _first_word(error: Mapping[str, Any], names: Sequence[str]) -> str:
    """A fault between several fields belongs to none of them; its message begins with the one to change."""
    word = message_of(error).partition(" ")[0].rstrip(":")
    return word if word in names else ""


def _sentence(error: Mapping[str, Any], names: Sequence[str]) -> str:
    field = _field(error)
    match error["type"]:
        case "json_invalid":
            return f"the body is not valid JSON ({error['ctx']['error']}); send Content-Type: application/json"
        case "model_attributes_type" if not field:
            return "the body is not a JSON object; send one, with Content-Type: application/json"
        case "extra_forbidden":
            hint = _hint(str(error["loc"][-1]), names, of_task=bool(names) or "params" in error["loc"])
            return f"{field} is unknown; {hint or 'remove it; /docs lists the valid names'}"
        case "missing":
            return f"{field or 'the body'} is missing; add it"
        case _:
            message = message_of(error)
            has_name = not field or message.startswith(str(error["loc"][-1]))
            return message if has_name else f"{field}: {message}{_value(error)}"


def _hint(name: str, names: Sequence[str], *, of_task: bool) -> str | None:
    """`of_task`: it is a parameter of a task. FastAPI, which checks typed routes, does not tell the task's `names`."""
    return (hint_for(name, names or None) if of_task else None) or did_you_mean(name, names, cutoff=0.5)


def _value(error: Mapping[str, Any]) -> str:
    """The wrong value, if it is a short scalar and the message does not contain it already."""
    value = error.get("input")
    if error["type"] == "value_error" or not isinstance(value, str | int | float | bool):
        return ""
    # The start is enough: the whole value may have millions of letters.
    start = value[: _MAX_VALUE_LENGTH + 1] if isinstance(value, str) else value
    return f" (it is {_shortened(repr(start), _MAX_VALUE_LENGTH)})"


def _shortened(text: str, length: int) -> str:
    return text if len(text) <= length else text[:length] + "…"

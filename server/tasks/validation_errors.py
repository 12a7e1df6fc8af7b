"""Pydantic's errors about a request, as one line that names each wrong field and says how to correct it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.pydantic_errors import message_of
from models.suggestions import did_you_mean
from pipelines.synonyms import hint_for

_MAX_VALUE_LENGTH = 40
_MAX_NAME_LENGTH = 64
_MAX_ERRORS = 3
_PLACES = frozenset({"body", "query", "path", "header"})
"""Where FastAPI read a value: the first part of a path."""
_TAG = re.compile(r"constrained-\w+|(tuple|list|dict|literal)\[.*\]|\[key\]", re.DOTALL)
"""Parts that pydantic adds to a path: the alternative of a union that it tried, and the key of a mapping."""


def describe_errors(errors: Sequence[Mapping[str, Any]], names: Iterable[str] = ()) -> tuple[str, str]:
    """The first wrong field, and a message about up to three errors.

    `names` are the valid names, of which one is suggested for a misspelt name.
    """
    known, errors = list(names), _of_best_alternatives(errors)
    sentences = [_sentence(error, known) for error in errors[:_MAX_ERRORS]]
    more = len(errors) - len(sentences)
    return _field(errors[0]) or _first_word(errors[0], known), "; ".join(sentences) + (
        f"; and {more} more" if more > 0 else ""
    )


def _of_best_alternatives(errors: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Of the faults that a value has as each alternative of a union, those as the one that the value is most like: it
    is wrong at the greatest depth."""
    best: dict[tuple[object, ...], tuple[int, object]] = {}
    for error in errors:
        field, tag = _alternative(error)
        if tag is not None and len(error["loc"]) > best.get(field, (0, None))[0]:
            best[field] = len(error["loc"]), tag
    of_best = []
    for error in errors:
        field, tag = _alternative(error)
        if tag is None or best[field][1] == tag:
            of_best.append(error)
    return of_best


def _alternative(error: Mapping[str, Any]) -> tuple[tuple[object, ...], object]:
    """The path of a union, and the alternative that the fault is about; None for a fault outside of unions."""
    location: tuple[object, ...] = tuple(error["loc"])
    for place, part in enumerate(location):
        if part != "[key]" and _TAG.fullmatch(str(part)):
            return location[:place], part
    return location, None


def _field(error: Mapping[str, Any]) -> str:
    location = error["loc"][1:] if error["loc"][:1] and error["loc"][0] in _PLACES else error["loc"]
    parts = (str(part) for part in location)
    return ".".join(_shortened(part, _MAX_NAME_LENGTH) for part in parts if not _TAG.fullmatch(part))


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
            has_name = not field or message.startswith(field.rpartition(".")[2])
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

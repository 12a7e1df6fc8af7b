"""Pydantic's errors as one line that says which field is wrong, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from models.suggestions import did_you_mean

_SHOWN = 40
_MOST = 3


def complaint(errors: Sequence[Mapping[str, Any]], known: Iterable[str] = ()) -> tuple[str, str]:
    """The first wrong field, and a message about up to three; `known` are names to suggest for misspelt ones."""
    names = list(known)
    said = [_sentence(error, names) for error in errors[:_MOST]]
    more = len(errors) - len(said)
    return _field(errors[0]), "; ".join(said) + (f"; and {more} more" if more > 0 else "")


def _field(error: Mapping[str, Any]) -> str:
    return ".".join(str(part) for part in error["loc"] if part != "body")


def _sentence(error: Mapping[str, Any], known: Sequence[str]) -> str:
    field = _field(error)
    match error["type"]:
        case "json_invalid":
            return f"the body is not valid JSON ({error['ctx']['error']}); send Content-Type: application/json"
        case "model_attributes_type" if not field:
            return "the body is no JSON object; send one, with Content-Type: application/json"
        case "extra_forbidden":
            name = str(error["loc"][-1])
            hint = did_you_mean(name, known, cutoff=0.5) or "leave it out; /docs lists what may be said"
            return f"{field} is unknown; {hint}"
        case "missing":
            return f"{field or 'the body'} is missing; add it"
        case _:
            problem = error["msg"].removeprefix("Value error, ")
            named = not field or problem.startswith(str(error["loc"][-1]))
            return problem if named else f"{field}: {problem}{_given(error)}"


def _given(error: Mapping[str, Any]) -> str:
    """The offending value, where it is short enough to help and the message does not say it already."""
    value = error.get("input")
    if error["type"] == "value_error" or not isinstance(value, str | int | float | bool):
        return ""
    shown = repr(value)
    return f" (it is {shown if len(shown) <= _SHOWN else shown[:_SHOWN] + '…'})"

"""Pydantic's validation errors in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError


def field_path(error: Mapping[str, Any]) -> str:
    """The dotted path of the field that is wrong, such as `controls.0.data`; empty for the whole object."""
    return ".".join(map(str, error["loc"]))


def message_of(error: Mapping[str, Any]) -> str:
    """What is wrong, without the prefix that pydantic puts before the text of a ValueError."""
    message: str = error["msg"]
    return message.removeprefix("Value error, ")


def first_sentence(error: ValidationError) -> str:
    """The first fault as `path: message`. The rejected value is left out: it may be a secret or a user's text."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path, message = field_path(first), message_of(first)
    return f"{path}: {message}" if path and not message.startswith(path) else message

"""Records as they stand in a log: JSON of a Task or an Outcome."""

from __future__ import annotations

import logging
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from models.pydantic_errors import first_sentence

log = logging.getLogger(__name__)
M = TypeVar("M", bound=BaseModel)


def parsed(name: str, place: str, key: str, value: bytes | str, model: type[M]) -> M | None:
    """None, and a line in our log without what the user said, for a record that nobody could read."""
    try:
        return model.model_validate_json(value)
    except ValidationError as error:
        skipped(name, place, key, first_sentence(error))
        return None


def skipped(name: str, place: str, key: str, reason: str) -> None:
    log.error("record %s of %s (task %s) cannot be read and is skipped: %s", place, name, key, reason)

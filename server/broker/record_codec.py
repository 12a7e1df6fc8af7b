"""Records of a log: JSON of a Task or an Outcome."""

from __future__ import annotations

import logging
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from models.pydantic_errors import first_sentence

log = logging.getLogger(__name__)
M = TypeVar("M", bound=BaseModel)


def parse_record(log_name: str, position: str, key: str, value: bytes | str, model: type[M]) -> M | None:
    """Returns None for an unreadable record, and logs that without its contents."""
    try:
        return model.model_validate_json(value)
    except ValidationError as error:
        log_skipped(log_name, position, key, first_sentence(error))
        return None


def log_skipped(log_name: str, position: str, key: str, reason: str) -> None:
    log.error("record %s of %s (task %s) cannot be read and is skipped: %s", position, log_name, key, reason)

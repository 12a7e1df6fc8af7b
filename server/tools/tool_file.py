"""Reads the YAML file of a tool. Every fault is told with its line."""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from models.pydantic_errors import field_path, message_of
from models.yaml_lines import line_of
from server.tools.tool import Tool

MAX_BYTES = 1 << 20


class ToolFileError(Exception):
    """A file of a tool is damaged, or is no tool. The message begins with the name of the file."""


def read_tool(file: Path) -> Tool:
    """Raises ToolFileError."""
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ToolFileError(f"{file.name} is larger than {MAX_BYTES} bytes; a tool has a few kilobytes")
        text = file.read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ToolFileError(f"{file.name} cannot be read: {error}") from error
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ToolFileError(f"{file.name} is not valid YAML: {' '.join(str(error).split())}") from error
    except (ValueError, RecursionError) as error:
        raise ToolFileError(f"{file.name} cannot be read: a value in it is not valid") from error
    try:
        tool = Tool.model_validate(content)
    except ValidationError as error:
        raise ToolFileError(_sentence(file.name, text, error)) from error
    if absent := next((name for name in tool.pictures if not (file.parent / name).is_file()), None):
        raise ToolFileError(f"{file.name}: its cover {absent} is not beside it; copy it there")
    return tool


def _sentence(name: str, text: str, error: ValidationError) -> str:
    # A misspelt name comes first: it is often the reason why another is missing.
    first = min(error.errors(include_url=False), key=lambda detail: detail["type"] != "extra_forbidden")
    path = field_path(first)
    message = "is unknown; remove it, or correct its name" if first["type"] == "extra_forbidden" else message_of(first)
    place = f"{path} {message}" if first["type"] == "extra_forbidden" else f"{path}: {message}".removeprefix(": ")
    return f"{name}, line {line_of(text, first['loc'])}: {place}"

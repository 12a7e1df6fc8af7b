"""Errors about the task of a tool name the field of its form, which is what the caller knows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from server.tasks.input_images import BadInputError
from server.tasks.submission import InvalidParamsError
from server.tools.tool import FilledTool


@contextmanager
def naming_fields(filled: FilledTool) -> Iterator[None]:
    """Raises BadInputError and InvalidParamsError with the field of the tool in place of the param of a node."""
    try:
        yield
    except BadInputError as error:
        if error.field not in filled.origins:
            raise
        raise BadInputError(f"values.{filled.origins[error.field]}", error.message) from error
    except InvalidParamsError as error:
        if error.field not in filled.origins:
            raise
        field = f"values.{filled.origins[error.field]}"
        raise InvalidParamsError(str(error).replace(error.field, field, 1), field) from error

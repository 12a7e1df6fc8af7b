"""How an exception becomes a failed task."""

from __future__ import annotations

import traceback
from collections.abc import Iterable

from models.catalog.entry import ModelEntry
from models.device_faults import is_out_of_memory
from models.finite import NotFiniteError, explain_fault
from pipelines.engine.events import Failed


def failure(attempt_id: str, error: Exception, entries: Iterable[ModelEntry] = ()) -> Failed:
    """An exception that has a `code` also has a message for users; all others get a message here.

    `entries` are the models that took part, one of which may be the cause of numbers that are not finite.
    """
    trace = "".join(traceback.format_exception(error))
    if is_out_of_memory(error):
        message = "the device has too little memory for one image of this size; ask for a smaller width or height"
        return Failed(attempt_id, "out_of_memory", message, trace)
    code = getattr(error, "code", None)
    if code == NotFiniteError.code:
        return Failed(attempt_id, code, f"{error}; {explain_fault(entries)}", trace)
    if isinstance(code, str):
        return Failed(attempt_id, code, str(error), trace)
    message = f"making the image failed with {type(error).__name__}: {error}; the server's log has the details"
    return Failed(attempt_id, "internal", message, trace)

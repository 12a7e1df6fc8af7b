"""A cancel that is not lost on the way."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def heeding_cancel() -> Iterator[None]:
    """Raises CancelledError in place of what came, if this task was canceled meanwhile and nobody said so.

    Python 3.11's `asyncio.wait_for`, through which redis-py sends, keeps a cancel to itself that meets the end of what
    it waits for, and a connection that is canceled while it is made may say that it failed: whoever goes on after that
    would never end.
    """
    task = asyncio.current_task()
    before = task.cancelling() if task else 0

    def canceled() -> bool:
        return task is not None and task.cancelling() > before

    try:
        yield
    except Exception as error:
        if canceled():
            raise asyncio.CancelledError from error
        raise
    if canceled():
        raise asyncio.CancelledError

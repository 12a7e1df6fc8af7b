"""Raises cancellations that redis-py loses."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator


@contextlib.contextmanager
def raising_lost_cancel() -> Iterator[None]:
    """Raises CancelledError instead of the block's result, if this task was canceled meanwhile without an exception.

    Python 3.11's `asyncio.wait_for`, which redis-py uses, swallows a cancellation that meets the end of the awaited
    call; and a connection that is canceled while it is opened may report a failure. A task that continues after that
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

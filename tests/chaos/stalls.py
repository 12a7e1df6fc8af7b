"""Timeouts that do not count time in which the whole machine stood still."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.storage.bucket import BucketUnavailableError
from tests.chaos.history import History

LOOK_S, STILL_S = 0.1, 1.0
"""Seconds between looks, and the gap from which the machine counts as standing still."""
TRIES = 5
T = TypeVar("T")


async def wait_for(work: Awaitable[object], patience_s: float) -> None:
    """Waits for `work` up to `patience_s`, and then cancels it. Raises its exception."""
    doing = asyncio.ensure_future(work)
    while patience_s > 0 and not doing.done():
        began = time.monotonic()
        await asyncio.wait({doing}, timeout=LOOK_S)
        patience_s -= min(time.monotonic() - began, STILL_S)
    doing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await doing


async def note_stillness(history: History, over: asyncio.Event) -> None:
    """Records when the machine stood still, until stopped."""
    while not over.is_set():
        began = time.monotonic()
        await asyncio.sleep(LOOK_S)
        if (still_s := time.monotonic() - began) > STILL_S:
            history.add("still", seconds=still_s)


async def again(look: Callable[[], Awaitable[T]]) -> T:
    """Reads from a bucket that may answer slowly."""
    for _ in range(TRIES):
        with contextlib.suppress(BucketUnavailableError):
            return await look()
    return await look()

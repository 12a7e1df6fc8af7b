"""Patience that does not end because the machine slept, or had no time for us: no fault of who is waited for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from server.storage.bucket import BucketUnavailableError
from tests.chaos.history import History

LOOK_S, STILL_S = 0.1, 1.0
"""How often we look, and from when on we take it that nothing ran."""
TRIES = 5
T = TypeVar("T")


async def wait_for(work: Awaitable[object], patience_s: float) -> None:
    """Until it is done or patience is at an end; then it is canceled. Raises what it raises."""
    doing = asyncio.ensure_future(work)
    while patience_s > 0 and not doing.done():
        began = time.monotonic()
        await asyncio.wait({doing}, timeout=LOOK_S)
        patience_s -= min(time.monotonic() - began, STILL_S)
    doing.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await doing


async def note_stillness(history: History, over: asyncio.Event) -> None:
    """Writes down, until it is over, when nothing ran."""
    while not over.is_set():
        began = time.monotonic()
        await asyncio.sleep(LOOK_S)
        if (still_s := time.monotonic() - began) > STILL_S:
            history.add("still", seconds=still_s)


async def again(look: Callable[[], Awaitable[T]]) -> T:
    """What is looked up in a bucket that may be slow to answer."""
    for _ in range(TRIES):
        with contextlib.suppress(BucketUnavailableError):
            return await look()
    return await look()

"""The event loop of a role's process: libuv, with a garbage collector that rarely interrupts it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
from collections.abc import Coroutine
from typing import Any

import uvloop

GC_THRESHOLD = 10_000
"""New objects that start a collection. The default, 700, is reached within one request."""


def run(role: Coroutine[Any, Any, None]) -> None:
    """Runs a role to its end. Ctrl-C and SIGTERM cancel it until it handles them by itself."""
    with contextlib.suppress(asyncio.CancelledError):
        uvloop.run(_cancelable(role))


async def _cancelable(role: Coroutine[Any, Any, None]) -> None:
    task = asyncio.create_task(role)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    await task


def freeze_startup_objects() -> None:
    """Excludes modules, request models and routes from garbage collection, because they live as long as the process.

    Scanning them takes a tenth of the process's time and delays requests.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD)

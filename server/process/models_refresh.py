"""Reads the models folder again every few seconds, and at SIGHUP at once."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from contextlib import suppress

from models.catalog.live_catalog import LiveCatalog

LEAST_PAUSE_FACTOR = 20
"""The pause is at least so many times as long as the last look took, so that a slow disk does not keep a role busy."""


async def keep_models_current(models: LiveCatalog, every_s: float) -> None:
    """Runs until it is canceled. `every_s` is 0 to read only at SIGHUP."""
    hung_up, had_terminal = asyncio.Event(), _has_terminal()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    pause_s = every_s or None
    try:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await hung_up.wait()
            if hung_up.is_set() and had_terminal and not _has_terminal():
                os.kill(os.getpid(), signal.SIGTERM)  # the terminal was closed, which also sends SIGHUP
                return
            hung_up.clear()
            began = time.monotonic()
            await asyncio.to_thread(models.refresh)
            pause_s = max(every_s, LEAST_PAUSE_FACTOR * (time.monotonic() - began)) if every_s else None
    finally:
        loop.remove_signal_handler(signal.SIGHUP)


def _has_terminal() -> bool:
    try:
        return sys.stdin is not None and sys.stdin.isatty()
    except ValueError:  # it was closed
        return False

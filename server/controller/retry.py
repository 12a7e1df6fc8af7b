"""Keeps endless work going while the things it depends on come and go."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from server.broker import BrokerUnavailableError
from server.observability.metrics import WORK_ERRORS
from server.queue import QueueUnavailableError
from server.storage.bucket import BucketUnavailableError

log = logging.getLogger(__name__)
PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
UNAVAILABLE = (BrokerUnavailableError, QueueUnavailableError, BucketUnavailableError)


async def retry_forever(work: Callable[[], Awaitable[None]], name: str) -> None:
    """Does `work` until it succeeds, after ever longer pauses. The same trouble is logged once, however often it comes.

    Only what may be repeated may be kept, for a failure in the middle begins it again.
    """
    pause_s, told = PAUSE_S, ""
    while True:
        began = time.monotonic()
        try:
            return await work()
        except Exception as error:
            WORK_ERRORS.labels(name).inc()
            if time.monotonic() - began > LONGEST_PAUSE_S:
                pause_s, told = PAUSE_S, ""
            if str(error) != told:
                log.error("%s: %s; trying until it works", name, error, exc_info=not isinstance(error, UNAVAILABLE))
            told = str(error)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


async def repeat_every(period_s: float, work: Callable[[], Awaitable[None]]) -> None:
    """Does `work` again and again, with a pause in between."""
    while True:
        await work()
        await asyncio.sleep(period_s)

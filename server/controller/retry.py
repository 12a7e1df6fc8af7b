"""Retries endless jobs while their dependencies fail and recover.

`retry_forever` does not use tenacity or stamina: they would need callbacks to shorten the pause after a long run and to
log a repeated error once, which is no less code. Workers retry in `server/worker/outage.py`, which stops when the lease
is lost and returns a value.
"""

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
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
UNAVAILABLE = (BrokerUnavailableError, QueueUnavailableError, BucketUnavailableError)


async def retry_forever(work: Callable[[], Awaitable[None]], name: str) -> None:
    """Runs `work` until it succeeds, with growing pauses. The same error is logged once.

    `work` must be repeatable, because it starts again after a failure in the middle.
    """
    pause_s, logged = FIRST_PAUSE_S, ""
    while True:
        began = time.monotonic()
        try:
            return await work()
        except Exception as error:
            WORK_ERRORS.labels(name).inc()
            if time.monotonic() - began > LONGEST_PAUSE_S:
                pause_s, logged = FIRST_PAUSE_S, ""
            if str(error) != logged:
                log.error("%s: %s; retrying until it works", name, error, exc_info=not isinstance(error, UNAVAILABLE))
            logged = str(error)
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 2, LONGEST_PAUSE_S)


async def repeat_every(period_s: float, work: Callable[[], Awaitable[None]]) -> None:
    """Runs `work` without end, with a pause after each run."""
    while True:
        await work()
        await asyncio.sleep(period_s)

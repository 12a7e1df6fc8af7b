"""Reports what came of attempts: the images into the bucket, the outcome into the log, the news to the queue."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial

from opentelemetry.trace import SpanKind

from server.broker import RecordTooLargeError
from server.observability.tracing import span
from server.queue import QueueUnavailableError
from server.services import Services
from server.task import Outcome
from server.worker.attempt import LONGEST_PAUSE_S, Attempt
from server.worker.spool import AWAY, Spool

log = logging.getLogger(__name__)


class OutcomePublisher:
    """What cannot be reported waits in `spool`."""

    def __init__(self, services: Services) -> None:
        self.spool = Spool.of(services)
        self._queue = services.queue

    async def report(self, attempt: Attempt, outcome: Outcome) -> None:
        """However long bucket or log is away, until the attempt is lost; its lease is renewed meanwhile."""
        try:
            told = await _until_lost(attempt, partial(self._publish, outcome))
        except RecordTooLargeError as error:
            outcome = attempt.failed("too_large", f"the result cannot be written down: {error}")
            told = await _until_lost(attempt, partial(self._publish, outcome))
        if not told:
            self.spool.drop(outcome)
            return
        log.info("← %s %s %s", outcome.task.id, outcome.status, outcome.failure.code if outcome.failure else "")
        # By itself: a queue that is away must not have the outcome written into the log again and again.
        await _until_lost(attempt, partial(self._queue.finishing, attempt.lease))

    async def _publish(self, outcome: Outcome) -> None:
        with span("report", kind=SpanKind.PRODUCER, status=outcome.status.value):
            await self.spool.publish(outcome)


async def _until_lost(attempt: Attempt, tell: Callable[[], Awaitable[None]]) -> bool:
    """Whether it could be told before the attempt was lost."""
    pause_s = 0.1
    while not attempt.lost:
        try:
            await tell()
            return True
        except (*AWAY, QueueUnavailableError) as error:
            log.warning("the outcome of %s waits: %s", attempt.lease.task.id, error)
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
    return False

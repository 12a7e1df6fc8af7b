"""Reports what came of attempts: the images into the bucket, the outcome into the log, the news to the queue."""

from __future__ import annotations

import asyncio
import logging

from server.attempt import LONGEST_PAUSE_S, Attempt
from server.queue import QueueUnavailableError
from server.services import Services
from server.spool import AWAY, Spool
from server.task import Outcome
from server.traces import span

log = logging.getLogger(__name__)


class Reports:
    """What cannot be reported waits in `spool`."""

    def __init__(self, services: Services) -> None:
        self.spool = Spool.of(services)
        self._queue = services.queue

    async def report(self, attempt: Attempt, outcome: Outcome) -> None:
        """However long bucket or log is away, until the attempt is lost; its lease is renewed meanwhile."""
        pause_s = 0.1
        while not attempt.lost:
            try:
                with span("report", side="producer", status=outcome.status.value):
                    await self.spool.publish(outcome)
                await self._queue.finishing(attempt.lease)
                log.info("← %s %s %s", outcome.task.id, outcome.status, outcome.failure.code if outcome.failure else "")
                return
            except (*AWAY, QueueUnavailableError) as error:
                log.warning("the outcome of %s waits: %s", outcome.task.id, error)
                await asyncio.sleep(pause_s)
                pause_s = min(pause_s * 2, LONGEST_PAUSE_S)
        self.spool.drop(outcome)

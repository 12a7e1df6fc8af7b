"""Publishes outcomes: images into the bucket, the outcome into the log, and then a note to the queue."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable
from functools import partial

from opentelemetry.trace import SpanKind

from server.observability.tracing import span
from server.queue import Lease, Queue, QueueUnavailableError
from server.task import Outcome
from server.worker.outage import LeaseLostError, retry_while_leased
from server.worker.spool import AWAY, Spool

log = logging.getLogger(__name__)
UNAVAILABLE = (*AWAY, QueueUnavailableError)


class OutcomePublisher:
    """What cannot be published now waits in `spool`."""

    def __init__(self, spool: Spool, queue: Queue) -> None:
        self.spool = spool
        self._queue = queue

    async def publish(self, outcome: Outcome, lease: Lease, lease_lost: Callable[[], bool]) -> None:
        """Waits while the bucket or the log is away. Once the lease is lost, the outcome is dropped instead.

        Raises RecordTooLargeError if the log does not accept the outcome, however often it is sent.
        """
        subject = f"the outcome of {outcome.task.id}"
        try:
            await retry_while_leased(partial(self._publish, outcome), lease_lost, UNAVAILABLE, subject)
            log.info("← %s %s %s", outcome.task.id, outcome.status, outcome.failure.code if outcome.failure else "")
        except LeaseLostError:
            self.spool.drop(outcome)
            return
        # In a call of its own: while the queue is away, the outcome must not be written to the log again and again.
        with contextlib.suppress(LeaseLostError):
            await retry_while_leased(partial(self._queue.finishing, lease), lease_lost, UNAVAILABLE, subject)

    async def _publish(self, outcome: Outcome) -> None:
        with span("report", kind=SpanKind.PRODUCER, status=outcome.status.value):
            await self.spool.publish(outcome)

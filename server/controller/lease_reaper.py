"""Takes tasks back from silent workers, and fails tasks that no worker survives."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from server.broker import Broker
from server.observability.logs import about
from server.observability.metrics import LEASES_EXPIRED
from server.queue import Lease, Queue
from server.task import POISON, Failure, Outcome, Status

log = logging.getLogger(__name__)
REAP_EVERY_S = 1.0


class Reaper:
    """The queue knows which leases have expired.

    clock: unix time in seconds.
    """

    def __init__(self, broker: Broker, queue: Queue, clock: Callable[[], float] = time.time) -> None:
        self._broker = broker
        self._queue = queue
        self._clock = clock

    async def reap(self) -> None:
        for lease in await self._queue.expired():
            LEASES_EXPIRED.inc()
            with about(task=lease.task.id, tenant=lease.task.tenant, attempt=lease.token, worker=lease.worker):
                log.warning(
                    "worker %s sent no heartbeat while it had task %s; death %d",
                    lease.worker,
                    lease.task.id,
                    lease.deaths,
                )
            if lease.poison:
                await self._broker.publish_outcome(_poisoned(lease, self._clock()))


def _poisoned(lease: Lease, now: float) -> Outcome:
    message = f"{lease.deaths} workers were lost while they ran this task; it is not tried again"
    return Outcome(
        task=lease.task,
        attempt=lease.token,
        status=Status.FAILED,
        worker=lease.worker,
        failure=Failure(code=POISON, message=message),
        finished_at=now,
    )

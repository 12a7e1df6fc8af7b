"""The controller feeds the queue, settles outcomes, sends callbacks, reaps lost leases and sweeps the bucket.

The queue may forget everything at any moment; then all of it is read again. Several may run: one leads and reads the
logs, all do the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from server.broker import Broker
from server.controller.callbacks import Callbacks
from server.controller.leader_election import LeaderElection
from server.controller.lease_reaper import REAP_EVERY_S, Reaper
from server.controller.log_replay import LogReplay
from server.controller.orphan_sweep import SWEEP_LOSERS_EVERY_S, OrphanSweeper
from server.controller.retention_sweep import SWEEP_IMAGES_EVERY_S, SWEEP_REST_EVERY_S, Sweeper
from server.controller.retry import repeat_every, retry_forever
from server.process.health_server import Health
from server.queue import Queue
from server.storage.bucket import Bucket


class Controller:
    """`run` works until it is canceled, and may be killed at any point. `clock` is unix time."""

    def __init__(
        self,
        broker: Broker,
        queue: Queue,
        bucket: Bucket,
        callbacks: Callbacks,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._lead = LeaderElection(queue)
        self._reading = LogReplay(broker, queue, bucket)
        self._reaper = Reaper(broker, queue, clock)
        self._sweeper = Sweeper(bucket, clock)
        self._losers = OrphanSweeper(bucket, clock)
        self._callbacks = callbacks

    def health(self) -> Health:
        """Standing by is ready too: it is what all controllers but one do."""
        if self._lead.leads is None:
            return Health(False, "the queue has not answered yet")
        return Health(True, "reads the logs" if self._lead.leads else "stands by")

    async def run(self) -> None:
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "reading": partial(self._lead.run, self._reading.run),
            "callbacks": self._callbacks.run,
            "reaping": partial(repeat_every, REAP_EVERY_S, self._reaper.reap),
            "sweeping images": partial(repeat_every, SWEEP_IMAGES_EVERY_S, self._sweeper.sweep_images),
            "sweeping losers": partial(repeat_every, SWEEP_LOSERS_EVERY_S, self._losers.sweep),
            "sweeping the rest": partial(repeat_every, SWEEP_REST_EVERY_S, self._sweeper.sweep_rest),
        }
        async with asyncio.TaskGroup() as group:
            for name, work in works.items():
                group.create_task(retry_forever(work, name))

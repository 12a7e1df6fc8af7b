"""The controller feeds the queue, settles outcomes, sends callbacks, reaps lost leases and sweeps the bucket.

The queue may lose its state at any moment; then the controller rebuilds it from the logs and the bucket. Several
controllers may run: one leads and reads the logs, all do the rest.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from functools import partial

from server.broker import Broker
from server.controller.callbacks import Callbacks
from server.controller.kept_sweep import SWEEP_KEPT_EVERY_S, KeptSweeper
from server.controller.leader_election import LeaderElection
from server.controller.lease_reaper import REAP_EVERY_S, Reaper
from server.controller.log_replay import LogReplay
from server.controller.orphan_sweep import SWEEP_ORPHANS_EVERY_S, OrphanSweeper
from server.controller.retention_sweep import SWEEP_IMAGES_EVERY_S, SWEEP_REST_EVERY_S, Sweeper
from server.controller.retry import repeat_every, retry_forever
from server.process.health_server import Health
from server.queue import Queue
from server.storage.bucket import Bucket


class Controller:
    """`run` works until it is canceled, and may be killed at any point.

    clock: unix time in seconds.
    """

    def __init__(
        self,
        broker: Broker,
        queue: Queue,
        bucket: Bucket,
        callbacks: Callbacks,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._election = LeaderElection(queue)
        self._log_replay = LogReplay(broker, queue, bucket, clock)
        self._reaper = Reaper(broker, queue, clock)
        self._sweeper = Sweeper(bucket, clock)
        self._orphans = OrphanSweeper(bucket, clock)
        self._kept = KeptSweeper(bucket, queue, clock)
        self._callbacks = callbacks

    def health(self) -> Health:
        """A standby is ready too: all controllers but one stand by."""
        if self._election.leads is None:
            return Health(False, "the queue has not answered yet")
        return Health(True, "reads the logs" if self._election.leads else "stands by")

    async def run(self) -> None:
        jobs: dict[str, Callable[[], Awaitable[None]]] = {
            "reading": partial(self._election.run, self._log_replay.run),
            "callbacks": self._callbacks.run,
            "reaping": partial(repeat_every, REAP_EVERY_S, self._reaper.reap),
            "sweeping images": partial(repeat_every, SWEEP_IMAGES_EVERY_S, self._sweeper.sweep_images),
            "sweeping losers": partial(repeat_every, SWEEP_ORPHANS_EVERY_S, self._orphans.sweep),
            "sweeping kept images": partial(repeat_every, SWEEP_KEPT_EVERY_S, self._kept.sweep),
            "sweeping the rest": partial(repeat_every, SWEEP_REST_EVERY_S, self._sweeper.sweep_rest),
        }
        async with asyncio.TaskGroup() as group:
            for name, job in jobs.items():
                group.create_task(retry_forever(job, name))

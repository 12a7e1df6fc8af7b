"""The controller feeds the queue, settles outcomes, sends callbacks, reaps lost leases and sweeps the bucket.

At a start, the queue may know nothing. Nothing is leased before outcomes, tasks and callbacks have been read again, in
this order: so no task is run a second time that has ended already.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from server.api.dialects import callback_bytes
from server.broker import Broker
from server.bucket import Bucket
from server.controller.callbacks import Callbacks
from server.controller.intake import Intake
from server.controller.keeping import every, keep
from server.controller.reap import REAP_EVERY_S, Reaper
from server.controller.recall import recall_callbacks, recall_ended
from server.controller.settle import Settling
from server.controller.sweep import SWEEP_IMAGES_EVERY_S, SWEEP_REST_EVERY_S, Sweeper
from server.queue import Queue
from server.services import Services


class Controller:
    """`run` works until it is canceled, and may be killed at any point."""

    def __init__(self, broker: Broker, queue: Queue, bucket: Bucket, callbacks: Callbacks) -> None:
        self._queue = queue
        self._bucket = bucket
        self._intake = Intake(broker, queue, bucket)
        self._settling = Settling(broker, queue, bucket, self._intake.settled)
        self._reaper = Reaper(broker, queue)
        self._sweeper = Sweeper(bucket)
        self._callbacks = callbacks

    @classmethod
    def of(cls, services: Services) -> Controller:
        body_of = partial(callback_bytes, links=services.links)
        secret = services.settings.secret_bytes
        callbacks = Callbacks(services.queue, services.bucket, services.egress, body_of, secret)
        return cls(services.broker, services.queue, services.bucket, callbacks)

    async def run(self) -> None:
        works: dict[str, Callable[[], Awaitable[None]]] = {
            "settling": self._settling.run,
            "intake": self._take_in,
            "start": self._start,
            "callbacks": self._callbacks.run,
            "reaping": partial(every, REAP_EVERY_S, self._reaper.reap),
            "sweeping images": partial(every, SWEEP_IMAGES_EVERY_S, self._sweeper.sweep_images),
            "sweeping the rest": partial(every, SWEEP_REST_EVERY_S, self._sweeper.sweep_rest),
        }
        async with asyncio.TaskGroup() as group:
            for name, work in works.items():
                group.create_task(keep(work, name))

    async def _take_in(self) -> None:
        await self._settling.caught_up.wait()
        await self._intake.run()

    async def _start(self) -> None:
        await self._intake.caught_up.wait()
        await recall_callbacks(self._bucket, self._queue)
        await self._queue.open()
        await recall_ended(self._bucket, self._queue)

"""Makes the first outcome of each task its result; later ones leave no trace.

The manifest is the moment of truth: whatever is derived from it can be derived again, so each step may be cut off and
repeated. The callback is put into the bucket before it, and is not due while there is no manifest, so that no crash
between the two can lose it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from server.broker import Broker
from server.bucket import Bucket, callback_key, swept_at
from server.controller.callbacks import SAVED
from server.metrics import TASKS_ENDED
from server.queue import DueCallback, Queue
from server.task import RETENTION_S, Manifest, Outcome
from server.usage import record_usage


class Settling:
    """`caught_up` is set once every outcome is settled that was in the log when `run` began; `on_settled` is told the
    ids of tasks that have a manifest, perhaps more than once."""

    def __init__(
        self, broker: Broker, queue: Queue, bucket: Bucket, on_settled: Callable[[str], Awaitable[None]]
    ) -> None:
        self.caught_up = asyncio.Event()
        self._broker = broker
        self._queue = queue
        self._bucket = bucket
        self._on_settled = on_settled

    async def run(self) -> None:
        """Reads for ever. When called again, begins again where the log was committed."""
        async for position, outcome in self._broker.outcomes():
            if outcome is None:
                self.caught_up.set()
            else:
                await self._settle(outcome)
                await self._broker.commit_outcomes(position)

    async def _settle(self, outcome: Outcome) -> None:
        manifest = await self._bucket.manifest(outcome.task.id)
        if manifest is None:
            manifest = Manifest(outcome=outcome, expires_at=_expiry(outcome))
            await self._save(manifest)
        await self._queue.settle(manifest)
        if manifest.outcome == outcome:
            await record_usage(manifest, self._bucket, self._broker)
            await self._make_due(manifest)
        else:
            await self._discard(outcome, manifest)
        await self._on_settled(outcome.task.id)

    async def _save(self, manifest: Manifest) -> None:
        if manifest.task.callback is not None:
            due = DueCallback(manifest.task.id, manifest.outcome.finished_at)
            await self._bucket.put(callback_key(manifest.task.id), SAVED.dump_json(due))
        await self._bucket.put_manifest(manifest)
        TASKS_ENDED.labels(manifest.task.type, manifest.outcome.status.value).inc()

    async def _make_due(self, manifest: Manifest) -> None:
        """Without an object in the bucket there is no callback, or it has been delivered."""
        if manifest.task.callback is None:
            return
        saved = await self._bucket.get(callback_key(manifest.task.id))
        if saved is not None:
            await self._queue.add_callback(SAVED.validate_json(saved))

    async def _discard(self, late: Outcome, manifest: Manifest) -> None:
        kept = {image.key for image in manifest.outcome.images}
        await self._bucket.delete([image.key for image in late.images if image.key not in kept])


def _expiry(outcome: Outcome) -> float:
    """When the retention ends; sooner if the sweeper may come sooner, for no image is promised longer than it lives."""
    ends = outcome.finished_at + RETENTION_S[outcome.task.retention]
    return min([ends, *(swept_at(image.key) for image in outcome.images)])

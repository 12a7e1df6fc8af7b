"""Makes the first outcome of each task its result; later ones leave no trace.

Several are settled at once, for each waits for the bucket; those of one task one after the other, as the log has them.
The manifest is the moment of truth: whatever is derived from it can be derived again, so each step may be cut off and
repeated. The callback is put into the bucket before it, and is not due while there is no manifest, so that no crash
between the two can lose it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from functools import partial

from opentelemetry.trace import SpanKind

from server.broker import Broker, Position
from server.controller.commit_watermark import Commits
from server.controller.ordered_window import WaitTurn, window
from server.controller.usage_records import record_usage
from server.observability.logs import about
from server.observability.metrics import (
    FAILURES,
    IMAGES_MADE,
    IMAGES_WITHHELD,
    STAGE_SECONDS,
    TASK_SECONDS,
    TASKS_ENDED,
)
from server.observability.tracing import span
from server.queue import DueCallback, Queue
from server.storage.bucket import Bucket
from server.storage.bucket_keys import callback_key, swept_at
from server.storage.pending_callbacks import decode_callback, encode_callback
from server.task import POISON, RETENTION_S, Manifest, Outcome, Status

log = logging.getLogger(__name__)


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
        commits = Commits(self._broker.commit_outcomes)
        async with window() as settling:
            async for position, outcome in self._broker.outcomes():
                if outcome is not None:
                    commits.add(position)
                    await settling.begin(outcome.task.id, partial(self._settle_in_turn, commits, position, outcome))
                elif not self.caught_up.is_set():
                    await settling.emptied()
                    self.caught_up.set()

    async def _settle_in_turn(self, commits: Commits, position: Position, outcome: Outcome, turn: WaitTurn) -> None:
        await turn()
        task = outcome.task
        facts = {"task": task.id, "tenant": task.tenant, "attempt": outcome.attempt, "worker": outcome.worker}
        with about(**facts), span("settle", task.traceparent, SpanKind.CONSUMER, status=outcome.status.value, **facts):
            await self._settle(outcome)
        await commits.done([position])

    async def _settle(self, outcome: Outcome) -> None:
        manifest = await self._bucket.manifest(outcome.task.id)
        if manifest is None:
            manifest = Manifest(outcome=outcome, expires_at=_expiry(outcome))
            due = await self._save(manifest)
        else:
            due = await self._saved_callback(manifest) if manifest.outcome == outcome else None
        await self._queue.settle(manifest)
        if due is not None:
            await self._queue.add_callback(due)
        if manifest.outcome == outcome:
            await record_usage(manifest, self._bucket, self._broker)
            await self._tell_of_poison(outcome)
        else:
            await self._discard(outcome, manifest)
        await self._on_settled(outcome.task.id)

    async def _tell_of_poison(self, outcome: Outcome) -> None:
        if outcome.failure is not None and outcome.failure.code == POISON:
            await self._broker.publish_poison(outcome)

    async def _save(self, manifest: Manifest) -> DueCallback | None:
        """Writes the manifest, and before it the callback, if there is one to make."""
        due = None
        if manifest.task.callback is not None:
            due = DueCallback(manifest.task.id, manifest.outcome.finished_at)
            await self._bucket.put(callback_key(manifest.task.id), encode_callback(due))
        await self._bucket.put_manifest(manifest)
        _count(manifest)
        log.info("settled %s %s", manifest.task.id, manifest.outcome.status)
        return due

    async def _saved_callback(self, manifest: Manifest) -> DueCallback | None:
        """Without an object in the bucket there is no callback, or it has been delivered."""
        if manifest.task.callback is None:
            return None
        saved = await self._bucket.get(callback_key(manifest.task.id))
        return decode_callback(saved) if saved is not None else None

    async def _discard(self, late: Outcome, manifest: Manifest) -> None:
        kept = {image.key for image in manifest.outcome.images}
        await self._bucket.delete([image.key for image in late.images if image.safe and image.key not in kept])


def _count(manifest: Manifest) -> None:
    task, outcome = manifest.task, manifest.outcome
    TASKS_ENDED.labels(task.type, task.priority, outcome.status.value).inc()
    STAGE_SECONDS.labels("settle").observe(max(time.time() - outcome.finished_at, 0.0))
    if outcome.failure is not None:
        FAILURES.labels(outcome.failure.code).inc()
    if outcome.status is Status.SUCCEEDED:
        IMAGES_MADE.labels(task.type).inc(sum(image.kind == "image" and image.safe for image in outcome.images))
        IMAGES_WITHHELD.labels(task.type).inc(sum(not image.safe for image in outcome.images))
        TASK_SECONDS.labels(task.type, task.priority).observe(max(outcome.finished_at - task.created_at, 0.0))


def _expiry(outcome: Outcome) -> float:
    """When the retention ends; sooner if the sweeper may come sooner, for no image is promised longer than it lives."""
    ends = outcome.finished_at + RETENTION_S[outcome.task.retention]
    return min([ends, *(swept_at(image.key) for image in outcome.images)])

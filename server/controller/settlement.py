"""Makes the first outcome of each task its result; later outcomes leave no trace.

Several tasks are settled at once, because each waits for the bucket; outcomes of one task are settled in the order of
the log. Writing the manifest decides the result. All that follows is derived from it, so each step may be interrupted
and repeated. The callback is stored before the manifest and is not due without one, so no crash can lose it.
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
from server.storage.bucket_keys import callback_key
from server.storage.kept_images import ImagesGoneError, KeepLimitError, KeptImages
from server.storage.manifest import manifest_of
from server.storage.pending_callbacks import decode_callback, encode_callback
from server.task import KEEP, POISON, Manifest, Outcome, Status

log = logging.getLogger(__name__)


class Settlement:
    """`caught_up` is set when every outcome that was in the log when `run` began is settled.

    clock: unix time in seconds.
    on_settled: called with the id of each task that has a manifest, possibly more than once.
    """

    def __init__(
        self,
        broker: Broker,
        queue: Queue,
        bucket: Bucket,
        on_settled: Callable[[str], Awaitable[None]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.caught_up = asyncio.Event()
        self._broker = broker
        self._queue = queue
        self._bucket = bucket
        self._on_settled = on_settled
        self._kept = KeptImages(bucket, queue, clock)

    async def run(self) -> None:
        """Reads without end. Each call begins at the committed offset."""
        commits = Commits(self._broker.commit_outcomes)
        async with window() as settling:
            async for position, outcome in self._broker.outcomes():
                if outcome is not None:
                    commits.add(position)
                    await settling.begin(outcome.task.id, partial(self._settle_in_turn, commits, position, outcome))
                elif not self.caught_up.is_set():
                    await settling.wait_until_empty()
                    self.caught_up.set()

    async def _settle_in_turn(self, commits: Commits, position: Position, outcome: Outcome, turn: WaitTurn) -> None:
        await turn()
        task = outcome.task
        fields = {"task": task.id, "tenant": task.tenant, "attempt": outcome.attempt, "worker": outcome.worker}
        with (
            about(**fields),
            span("settle", task.traceparent, SpanKind.CONSUMER, status=outcome.status.value, **fields),
        ):
            await self._settle(outcome)
        await commits.done([position])

    async def _settle(self, outcome: Outcome) -> None:
        manifest = await self._bucket.manifest(outcome.task.id, recent=True)
        if manifest is None:
            manifest, due = await self._save(manifest_of(outcome))
        else:
            due = await self._saved_callback(manifest) if manifest.outcome == outcome else None
        await self._queue.settle(manifest)
        if due is not None:
            await self._queue.add_callback(due)
        if manifest.outcome == outcome:
            await record_usage(manifest, self._bucket, self._broker)
            await self._publish_if_poison(outcome)
        else:
            await self._discard(outcome, manifest)
        await self._on_settled(outcome.task.id)

    async def _publish_if_poison(self, outcome: Outcome) -> None:
        if outcome.failure is not None and outcome.failure.code == POISON:
            await self._broker.publish_poison(outcome)

    async def _save(self, manifest: Manifest) -> tuple[Manifest, DueCallback | None]:
        """Writes the callback, if there is one, and then the manifest, which says where the images are kept."""
        due = None
        if manifest.task.callback is not None:
            due = DueCallback(manifest.task.id, manifest.outcome.finished_at)
            await self._bucket.put(callback_key(manifest.task.id), encode_callback(due))
        if manifest.task.keep_bytes is not None and any(image.safe for image in manifest.images):
            manifest = await self._keep(manifest, manifest.task.keep_bytes)
        else:
            await self._bucket.put_manifest(manifest)
        _count(manifest)
        log.info("settled %s %s", manifest.task.id, manifest.outcome.status)
        return manifest, due

    async def _keep(self, manifest: Manifest, keep_bytes: int) -> Manifest:
        """Writes the manifest after its images were moved to where they are kept. Without room for them they stay where
        they are, and the manifest says so."""
        async with self._kept.lock(manifest.task.tenant):
            try:
                kept = await self._kept.copy(manifest, KEEP, keep_bytes)
            except (KeepLimitError, ImagesGoneError) as error:
                note = f"the images are not kept, but deleted after {manifest.task.retention}: {error}"
                kept = manifest.model_copy(update={"notes": (note,)})
            await self._kept.replace(manifest, kept)
        return kept

    async def _saved_callback(self, manifest: Manifest) -> DueCallback | None:
        """Returns None if there is no callback, or if it was delivered."""
        if manifest.task.callback is None:
            return None
        saved = await self._bucket.get(callback_key(manifest.task.id))
        return decode_callback(saved) if saved is not None else None

    async def _discard(self, late: Outcome, manifest: Manifest) -> None:
        result_keys = {image.key for image in manifest.images}
        await self._bucket.delete([image.key for image in late.images if image.safe and image.key not in result_keys])


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

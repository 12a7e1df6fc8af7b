"""Delivers callbacks: signed, retried for three days, with the same bytes at every try.

Undelivered callbacks are stored in the bucket. The queue knows when each is due, and how often it was tried. A queue
that lost its state reads them from the bucket, as of the last long pause, so some early tries may be repeated. A
callback may arrive twice, if the controller dies between the 2xx and recording it, but always with the same body and
the same `webhook-id`.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from operator import attrgetter

from opentelemetry.trace import SpanKind

from server.controller.retry import UNAVAILABLE
from server.egress.client import Egress, EgressBusyError, EgressDeniedError, EgressFailedError, Reply
from server.egress.webhook_signature import sign, tenant_secret
from server.observability.logs import about
from server.observability.metrics import CALLBACK_TRIES, STAGE_SECONDS
from server.observability.tracing import span, traceparent
from server.queue import DueCallback, Queue, QueueUnavailableError
from server.storage.bucket import Bucket
from server.storage.bucket_keys import callback_key, dead_callback_key
from server.storage.pending_callbacks import decode_callback, encode_callback
from server.task import Manifest

log = logging.getLogger(__name__)

HOUR_S = 3600.0
FIRST_PAUSES_S = (3.0,) * 9
"""Pauses between the first ten tries, as in the hosted service, unless the dialect of the callback has its own."""
LATER_PAUSES_S = (300.0, 1800.0, *(hours * HOUR_S for hours in (2, 5, 10, 14, 20, 24)))
PAUSES_S = (*FIRST_PAUSES_S, *LATER_PAUSES_S)
"""The retry schedule: pauses between tries, 75 hours in all."""

JITTER = 0.1
LONGEST_PAUSE_S = 24 * HOUR_S
GONE = 410
RETRY_AFTER_STATUSES = frozenset({429, 503})

MOST_TAKEN = 1024
"""Callbacks taken from the queue. The queue hides each for a minute, which is longer than the wait for a connection
(`server/egress/connection_slots.py`) and a request together."""
MOST_TAKEN_AT_ONCE = 64
"""More in one turn of the event loop would hold up what else runs there, such as heartbeats."""
BUSY_PAUSE_S = 20.0
POLL_S = 0.2

MANIFEST_WAIT_S = 24 * HOUR_S
"""A callback is stored shortly before its manifest. If that does not follow within a day, it was lost."""

SAVE_PAUSES_FROM_S = 60.0
"""Shorter pauses are not saved in the bucket. If the queue loses its state, the callback is due at once."""
MOST_CACHED_MANIFESTS = 1024


class Callbacks:
    """Sends due callbacks.

    body_of: the body of a manifest's callback; a pure function.
    secret: the server's secret, from which the tenants' secrets are derived.
    clock: unix time in seconds.
    first_pauses_s: a manifest's own pauses in place of FIRST_PAUSES_S, in seconds; empty: it has none.
    """

    def __init__(
        self,
        queue: Queue,
        bucket: Bucket,
        egress: Egress,
        body_of: Callable[[Manifest], bytes],
        secret: bytes,
        clock: Callable[[], float] = time.time,
        poll_s: float = POLL_S,
        first_pauses_s: Callable[[Manifest], tuple[float, ...]] = lambda manifest: (),
    ) -> None:
        self._queue = queue
        self._bucket = bucket
        self._egress = egress
        self._body_of = body_of
        self._secret = secret
        self._clock = clock
        self._poll_s = poll_s
        self._first_pauses_s = first_pauses_s
        self._taken_ids: set[str] = set()
        self._manifests: dict[DueCallback, Manifest] = {}
        """Manifests of callbacks to be retried: saves reading the bucket, if the queue's entry is unchanged."""
        self._queue_answers = True

    async def run(self) -> None:
        """Sends due callbacks until it is canceled."""
        async with asyncio.TaskGroup() as group:
            while True:
                taken = await self._take_due()
                for due in taken:
                    self._taken_ids.add(due.task_id)
                    group.create_task(self._handle(due))
                await asyncio.sleep(0 if len(taken) == MOST_TAKEN_AT_ONCE else self._poll_s)

    async def _take_due(self) -> list[DueCallback]:
        room = min(MOST_TAKEN - len(self._taken_ids), MOST_TAKEN_AT_ONCE)
        try:
            due = await self._queue.next_callbacks(self._clock(), room) if room else []
        except QueueUnavailableError as error:
            if self._queue_answers:
                log.warning("callbacks wait for the queue: %s", error)
            self._queue_answers = False
            return []
        self._queue_answers = True
        return [callback for callback in due if callback.task_id not in self._taken_ids]

    async def _handle(self, due: DueCallback) -> None:
        """Keeps the errors of one callback from the others. An outage is no try: the callback is due in a minute."""
        try:
            with about(task=due.task_id):
                await self._deliver(due)
        except UNAVAILABLE as error:
            log.warning("the callback of task %s stays due: %s", due.task_id, error)
        except Exception:
            log.exception("the callback of task %s could not be sent or recorded", due.task_id)
        finally:
            self._taken_ids.discard(due.task_id)

    async def _deliver(self, due: DueCallback) -> None:
        """Every failure counts as a try, also an unexpected one, so that each callback ends. An outage is none."""
        try:
            found = await self._find(due)
            if found is not None:
                await self._try(*found)
        except UNAVAILABLE:
            raise
        except Exception as error:
            log.exception("a try of the callback of task %s failed", due.task_id)
            await self._conclude(replace(due, tries=due.tries + 1), None, Reply(0), f"{type(error).__name__}: {error}")

    async def _find(self, due: DueCallback) -> tuple[DueCallback, Manifest] | None:
        """The callback, as of its last try, and its manifest; None if there is nothing to send now."""
        manifest = self._manifests.pop(due, None)
        if manifest is not None:
            return due, manifest
        data = await self._bucket.get(callback_key(due.task_id))
        if data is None:  # it was delivered, but the queue was not told
            await self._queue.drop_callback(due.task_id)
            return None
        saved = decode_callback(data)
        manifest = await self._bucket.manifest(due.task_id)
        if manifest is not None:
            return max(due, saved, key=attrgetter("tries")), manifest
        if self._clock() - saved.due_at > MANIFEST_WAIT_S:
            await self._park(due, "the record of its task is lost")
        return None

    async def _try(self, due: DueCallback, manifest: Manifest) -> None:
        try:
            reply, result = await self._post(manifest)
        except EgressBusyError:
            pause_s = BUSY_PAUSE_S * random.uniform(0.5, 1.5)
            return await self._schedule(replace(due, due_at=self._clock() + pause_s), manifest)
        return await self._conclude(replace(due, tries=due.tries + 1), manifest, reply, result)

    async def _post(self, manifest: Manifest) -> tuple[Reply, str]:
        """The reply (status 0 if there was none), and the result in words. Raises EgressBusyError."""
        began, task = time.monotonic(), manifest.task
        if task.callback is None:
            return Reply(GONE), "the task names no receiver"
        body, secret = self._body_of(manifest), tenant_secret(self._secret, task.tenant)
        headers = {"Content-Type": "application/json"} | sign(secret, task.id, int(self._clock()), body)
        with span("callback", task.traceparent, SpanKind.CLIENT, task=task.id) as current:
            if parent := traceparent(current) or task.traceparent:
                headers["traceparent"] = parent
            try:
                reply = await self._egress.post(task.callback.url, body, headers, task.tenant)
            except EgressBusyError:
                raise
            except (EgressDeniedError, EgressFailedError) as error:
                return Reply(0), str(error)
            finally:
                STAGE_SECONDS.labels("callback").observe(time.monotonic() - began)
            current.set_attribute("status", reply.status)
        return reply, f"it answered {reply.status}"

    async def _conclude(self, tried: DueCallback, manifest: Manifest | None, reply: Reply, result: str) -> None:
        """Records the result of a try, in the bucket first, then in the queue."""
        first_s = self._first_pauses_s(manifest) if manifest is not None else ()
        pauses_s = (*(first_s or FIRST_PAUSES_S), *LATER_PAUSES_S)
        if 200 <= reply.status < 300:
            CALLBACK_TRIES.labels("delivered").inc()
            await self._forget(tried.task_id)
        elif reply.status == GONE or tried.tries > len(pauses_s):
            await self._park(tried, result)
        else:
            CALLBACK_TRIES.labels("again").inc()
            pause_s = pause_after(tried.tries, reply, pauses_s)
            retry = replace(tried, due_at=self._clock() + pause_s)
            if pause_s >= SAVE_PAUSES_FROM_S:
                await self._bucket.put(callback_key(tried.task_id), encode_callback(retry))
            await self._schedule(retry, manifest)

    async def _park(self, tried: DueCallback, reason: str) -> None:
        CALLBACK_TRIES.labels("parked").inc()
        log.warning("gave up the callback of task %s after %s tries: %s", tried.task_id, tried.tries, reason)
        await self._bucket.put(dead_callback_key(tried.task_id), encode_callback(tried))
        await self._forget(tried.task_id)

    async def _schedule(self, due: DueCallback, manifest: Manifest | None) -> None:
        if manifest is not None:
            self._manifests[due] = manifest
        if len(self._manifests) > MOST_CACHED_MANIFESTS:
            del self._manifests[next(iter(self._manifests))]
        await self._queue.add_callback(due)

    async def _forget(self, task_id: str) -> None:
        await self._bucket.delete([callback_key(task_id)])
        await self._queue.drop_callback(task_id)


def pause_after(tries: int, reply: Reply, pauses_s: Sequence[float] = PAUSES_S) -> float:
    """Seconds until the next try: by the schedule, or longer if a 429 or 503 has Retry-After."""
    retry_after_s = reply.retry_after_s if reply.status in RETRY_AFTER_STATUSES and reply.retry_after_s else 0.0
    scheduled_s = pauses_s[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return min(max(scheduled_s, retry_after_s), LONGEST_PAUSE_S)

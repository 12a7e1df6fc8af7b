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
from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from urllib.parse import urlsplit

from opentelemetry.trace import SpanKind

from server.controller.per_host_limit import HostBusyError, PerHostLimiter
from server.egress.client import Egress, EgressDeniedError, EgressFailedError, Reply
from server.egress.webhook_signature import sign, tenant_secret
from server.observability.logs import about
from server.observability.metrics import CALLBACK_TRIES, STAGE_SECONDS
from server.observability.tracing import span, traceparent
from server.queue import DueCallback, Queue, QueueUnavailableError
from server.storage.bucket import Bucket, BucketUnavailableError
from server.storage.bucket_keys import callback_key, dead_callback_key
from server.storage.pending_callbacks import decode_callback, encode_callback
from server.task import Manifest

log = logging.getLogger(__name__)

HOUR_S = 3600.0
PAUSES_S = (*[3.0] * 9, 300.0, 1800.0, *(hours * HOUR_S for hours in (2, 5, 10, 14, 20, 24)))
"""The retry schedule: pauses between tries, 75 hours in all. The first ten tries are as in the hosted service."""

JITTER = 0.1
LONGEST_PAUSE_S = 24 * HOUR_S
GONE = 410
RETRY_AFTER_STATUSES = frozenset({429, 503})

MOST_TAKEN, MOST_PER_HOST, CONCURRENT_PER_HOST = 1024, 256, 4
"""Limits: callbacks taken from the queue; of these per host; of these being sent to one host."""
HOST_WAIT_S = 20.0
"""Together with the longest request this is below the minute for which the queue hides taken callbacks."""
BUSY_PAUSE_S = 20.0
POLL_S = 0.2

SAVE_PAUSES_FROM_S = 60.0
"""Shorter pauses are not saved in the bucket. If the queue loses its state, the callback is due at once."""
MOST_CACHED_MANIFESTS = 1024


class Callbacks:
    """Sends due callbacks.

    body_of: the body of a manifest's callback; a pure function.
    secret: the server's secret, from which the tenants' secrets are derived.
    clock: unix time in seconds.
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
    ) -> None:
        self._queue = queue
        self._bucket = bucket
        self._egress = egress
        self._body_of = body_of
        self._secret = secret
        self._clock = clock
        self._poll_s = poll_s
        self._taken_ids: set[str] = set()
        self._manifests: dict[DueCallback, Manifest] = {}
        """Manifests of callbacks to be retried: saves reading the bucket, if the queue's entry is unchanged."""
        self._hosts = PerHostLimiter(CONCURRENT_PER_HOST, MOST_PER_HOST, HOST_WAIT_S)
        self._queue_answers = True

    async def run(self) -> None:
        """Sends due callbacks until it is canceled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for due in await self._take_due():
                    self._taken_ids.add(due.task_id)
                    group.create_task(self._handle(due))
                await asyncio.sleep(self._poll_s)

    async def _take_due(self) -> list[DueCallback]:
        room = MOST_TAKEN - len(self._taken_ids)
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
        """Keeps the errors of one callback from the others. A callback that failed here is due again in a minute."""
        try:
            with about(task=due.task_id):
                await self._deliver(due)
        except (BucketUnavailableError, QueueUnavailableError) as error:
            log.warning("the callback of task %s stays due: %s", due.task_id, error)
        except Exception:
            log.exception("the callback of task %s stays due", due.task_id)
        finally:
            self._taken_ids.discard(due.task_id)

    async def _deliver(self, due: DueCallback) -> None:
        manifest = self._manifests.pop(due, None)
        if manifest is None:
            saved = await self._bucket.get(callback_key(due.task_id))
            if saved is None:  # it was delivered, but the queue was not told
                return await self._queue.drop_callback(due.task_id)
            due = max(due, decode_callback(saved), key=attrgetter("tries"))
            manifest = await self._bucket.manifest(due.task_id)
        if manifest is None or manifest.task.callback is None:
            return None  # its task is being settled
        url = manifest.task.callback.url
        try:
            async with self._hosts.at(_host(url)):
                reply, result = await self._post(manifest, url)
        except HostBusyError:
            pause_s = BUSY_PAUSE_S * random.uniform(0.5, 1.5)
            return await self._schedule(replace(due, due_at=self._clock() + pause_s), manifest)
        return await self._conclude(replace(due, tries=due.tries + 1), manifest, reply, result)

    async def _post(self, manifest: Manifest, url: str) -> tuple[Reply, str]:
        """One try: the reply (status 0 if there was none), and its result in words."""
        began, task = time.monotonic(), manifest.task
        body, secret = self._body_of(manifest), tenant_secret(self._secret, task.tenant)
        headers = {"Content-Type": "application/json"} | sign(secret, task.id, int(self._clock()), body)
        with span("callback", task.traceparent, SpanKind.CLIENT, task=task.id) as current:
            if parent := traceparent(current) or task.traceparent:
                headers["traceparent"] = parent
            try:
                reply = await self._egress.post(url, body, headers)
            except (EgressDeniedError, EgressFailedError) as error:
                return Reply(0), str(error)
            finally:
                STAGE_SECONDS.labels("callback").observe(time.monotonic() - began)
            current.set_attribute("status", reply.status)
        return reply, f"it answered {reply.status}"

    async def _conclude(self, tried: DueCallback, manifest: Manifest, reply: Reply, result: str) -> None:
        """Records the result of a try, in the bucket first, then in the queue."""
        if 200 <= reply.status < 300:
            CALLBACK_TRIES.labels("delivered").inc()
            await self._forget(tried.task_id)
        elif reply.status == GONE or tried.tries > len(PAUSES_S):
            CALLBACK_TRIES.labels("parked").inc()
            log.warning("gave up the callback of task %s after %s tries: %s", tried.task_id, tried.tries, result)
            await self._bucket.put(dead_callback_key(tried.task_id), encode_callback(tried))
            await self._forget(tried.task_id)
        else:
            CALLBACK_TRIES.labels("again").inc()
            pause_s = pause_after(tried.tries, reply)
            retry = replace(tried, due_at=self._clock() + pause_s)
            if pause_s >= SAVE_PAUSES_FROM_S:
                await self._bucket.put(callback_key(tried.task_id), encode_callback(retry))
            await self._schedule(retry, manifest)

    async def _schedule(self, due: DueCallback, manifest: Manifest) -> None:
        self._manifests[due] = manifest
        if len(self._manifests) > MOST_CACHED_MANIFESTS:
            del self._manifests[next(iter(self._manifests))]
        await self._queue.add_callback(due)

    async def _forget(self, task_id: str) -> None:
        await self._bucket.delete([callback_key(task_id)])
        await self._queue.drop_callback(task_id)


def _host(url: str) -> str:
    """Without path and query, because the limit is per host."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or parts.scheme.lower()}"


def pause_after(tries: int, reply: Reply) -> float:
    """Seconds until the next try: by the schedule, or longer if a 429 or 503 has Retry-After."""
    retry_after_s = reply.retry_after_s if reply.status in RETRY_AFTER_STATUSES and reply.retry_after_s else 0.0
    scheduled_s = PAUSES_S[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return min(max(scheduled_s, retry_after_s), LONGEST_PAUSE_S)

"""Delivers callbacks: signed, retried for three days, the same bytes at every try.

What is still to be delivered lies in the bucket; the queue knows when each falls due, and the tries it has had. A queue
that forgot them hears from the bucket of those before the last long pause, so some of the first may be made again.
A callback may arrive twice (we die between its 2xx and writing that down), but never in two versions, and always with
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
"""Between one try and the next. The first ten tries are those that clients of the origin know; 75 hours in all."""

JITTER = 0.1
LONGEST_PAUSE_S = 24 * HOUR_S
GONE = 410
ASK_FOR_TIME = frozenset({429, 503})

IN_HAND, IN_LINE, AT_ONCE = 1024, 256, 4
"""Callbacks taken from the queue; of these at one host, waiting or not; of these being sent."""
IN_LINE_S = 20.0
"""With the longest exchange this stays below the minute for which the queue hides what it handed out."""
CROWDED_S = 20.0
POLL_S = 0.2

WRITTEN_FROM_S = 60.0
"""A pause that is shorter is not written into the bucket: should the queue forget it, the callback is due at once."""
TRIED_KEPT = 1024


class Callbacks:
    """`body_of` must be a pure function of the manifest; `secret` is the server's, from which tenants' are derived."""

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
        self._in_hand: set[str] = set()
        self._tried: dict[DueCallback, Manifest] = {}
        """Of callbacks that are to be tried again; what the queue says of one must still be true of it word for word,
        or the bucket is asked."""
        self._lines = PerHostLimiter(AT_ONCE, IN_LINE, IN_LINE_S)
        self._queue_answers = True

    async def run(self) -> None:
        """Sends what falls due, until it is canceled."""
        async with asyncio.TaskGroup() as group:
            while True:
                for due in await self._take_due():
                    self._in_hand.add(due.task_id)
                    group.create_task(self._handle(due))
                await asyncio.sleep(self._poll_s)

    async def _take_due(self) -> list[DueCallback]:
        room = IN_HAND - len(self._in_hand)
        try:
            due = await self._queue.next_callbacks(self._clock(), room) if room else []
        except QueueUnavailableError as error:
            if self._queue_answers:
                log.warning("callbacks wait for the queue: %s", error)
            self._queue_answers = False
            return []
        self._queue_answers = True
        return [callback for callback in due if callback.task_id not in self._in_hand]

    async def _handle(self, due: DueCallback) -> None:
        """Keeps the trouble of one callback from the others; one that is left alone falls due again in a minute."""
        try:
            with about(task=due.task_id):
                await self._deliver(due)
        except (BucketUnavailableError, QueueUnavailableError) as error:
            log.warning("the callback of task %s stays due: %s", due.task_id, error)
        except Exception:
            log.exception("the callback of task %s stays due", due.task_id)
        finally:
            self._in_hand.discard(due.task_id)

    async def _deliver(self, due: DueCallback) -> None:
        manifest = self._tried.pop(due, None)
        if manifest is None:
            saved = await self._bucket.get(callback_key(due.task_id))
            if saved is None:  # delivered before, only the queue did not hear of it
                return await self._queue.drop_callback(due.task_id)
            due = max(due, decode_callback(saved), key=attrgetter("tries"))
            manifest = await self._bucket.manifest(due.task_id)
        if manifest is None or manifest.task.callback is None:
            return None  # about to be settled
        url = manifest.task.callback.url
        try:
            async with self._lines.at(_host(url)):
                reply, news = await self._post(manifest, url)
        except HostBusyError:
            pause_s = CROWDED_S * random.uniform(0.5, 1.5)
            return await self._again(replace(due, due_at=self._clock() + pause_s), manifest)
        return await self._conclude(replace(due, tries=due.tries + 1), manifest, reply, news)

    async def _post(self, manifest: Manifest, url: str) -> tuple[Reply, str]:
        """One try: the reply (status 0 if there was none), and what to say of it."""
        began, task = time.monotonic(), manifest.task
        body, secret = self._body_of(manifest), tenant_secret(self._secret, task.tenant)
        headers = {"Content-Type": "application/json"} | sign(secret, task.id, int(self._clock()), body)
        with span("callback", task.traceparent, SpanKind.CLIENT, task=task.id) as current:
            if part_of := traceparent(current) or task.traceparent:
                headers["traceparent"] = part_of
            try:
                reply = await self._egress.post(url, body, headers)
            except (EgressDeniedError, EgressFailedError) as error:
                return Reply(0), str(error)
            finally:
                STAGE_SECONDS.labels("callback").observe(time.monotonic() - began)
            current.set_attribute("status", reply.status)
        return reply, f"it answered {reply.status}"

    async def _conclude(self, tried: DueCallback, manifest: Manifest, reply: Reply, news: str) -> None:
        """Writes down in the bucket first what the try came to, then in the queue."""
        if 200 <= reply.status < 300:
            CALLBACK_TRIES.labels("delivered").inc()
            await self._forget(tried.task_id)
        elif reply.status == GONE or tried.tries > len(PAUSES_S):
            CALLBACK_TRIES.labels("parked").inc()
            log.warning("gave up the callback of task %s after %s tries: %s", tried.task_id, tried.tries, news)
            await self._bucket.put(dead_callback_key(tried.task_id), encode_callback(tried))
            await self._forget(tried.task_id)
        else:
            CALLBACK_TRIES.labels("again").inc()
            pause_s = pause_after(tried.tries, reply)
            again = replace(tried, due_at=self._clock() + pause_s)
            if pause_s >= WRITTEN_FROM_S:
                await self._bucket.put(callback_key(tried.task_id), encode_callback(again))
            await self._again(again, manifest)

    async def _again(self, due: DueCallback, manifest: Manifest) -> None:
        self._tried[due] = manifest
        if len(self._tried) > TRIED_KEPT:
            del self._tried[next(iter(self._tried))]
        await self._queue.add_callback(due)

    async def _forget(self, task_id: str) -> None:
        await self._bucket.delete([callback_key(task_id)])
        await self._queue.drop_callback(task_id)


def _host(url: str) -> str:
    """Whatever follows it: else one host would have as many lines as callers have questions for it."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or parts.scheme.lower()}"


def pause_after(tries: int, reply: Reply) -> float:
    """Seconds until the next try: by the schedule, or longer where a 429 or 503 asks for it."""
    asked_s = reply.retry_after_s if reply.status in ASK_FOR_TIME and reply.retry_after_s else 0.0
    scheduled_s = PAUSES_S[tries - 1] * random.uniform(1 - JITTER, 1 + JITTER)
    return min(max(scheduled_s, asked_s), LONGEST_PAUSE_S)

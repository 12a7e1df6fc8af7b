"""The queue in Redis, shared by processes and machines.

Each verb is an atomic script (`lua/*.lua`) on the clock of Redis. If Redis loses data, the logs are read again: the
queue is open only in the same run of Redis, and with the same keys, as when that replay began.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import replace
from typing import Any

from redis.asyncio import Redis

from server.queue import (
    LOCK_S,
    DueCallback,
    Lease,
    Overview,
    Progress,
    QueueIncompleteError,
    RateLimitError,
    TaskLimitError,
    Verdict,
    View,
    WorkerView,
)
from server.queue.memory.callbacks import HIDDEN_S
from server.queue.memory.task_state import POSITION_EVERY_S
from server.queue.poison import place_of
from server.queue.pools import EVERY_TASK, pool_of
from server.queue.redis.codec import (
    STATES,
    decode_expired_lease,
    decode_overview,
    decode_view,
    decode_worker,
    encode_result,
    encode_task,
    encode_worker,
)
from server.queue.redis.connection import answering, as_unavailable, check, connect, disconnect
from server.queue.redis.pubsub import TaskChangeFeed
from server.queue.redis.scripts import ROOT, Argument, Scripts
from server.task import Manifest, Status, Task

MOST_FINISHED = 10_000
CHECK_KEY_MS = 5000
WAKE_S = 1.0
"""How often a waiting worker looks for itself: the worker that was woken may have died before it looked."""


class RedisQueue:
    """Raises SettingsError for a Redis that cannot be used. An unreachable one is waited for."""

    def __init__(self, url: str, most_finished: int = MOST_FINISHED) -> None:
        check(url)
        self._url = url
        self._most_finished = most_finished
        self._redis: Redis = connect(url)
        self._scripts = Scripts(self._redis)
        self._changes = TaskChangeFeed(self._redis, f"{ROOT}:changed")
        self._replay_id = ""
        self._pools: dict[str, str] = {}
        """The pools of the workers that are announced here."""
        self._models: dict[str, frozenset[str]] = {}
        """The models of live pools, which never change, as far as they were read."""

    async def time(self) -> float:
        async with answering(self._url):
            seconds, micros = await self._redis.time()
        return float(seconds) + micros / 1e6

    async def check(self) -> None:
        """Writes a key, because a replica and a Redis without memory still answer what is read."""
        async with answering(self._url):
            await self._redis.set(f"{ROOT}:check", b"", px=CHECK_KEY_MS)
        if not await self.complete():
            raise QueueIncompleteError

    # --- api

    async def spend(self, tenant: str, per_minute: float, burst: int) -> None:
        wait_s = await self._run("spend", tenant, 60.0 / per_minute, burst)
        if wait_s is not None:
            raise RateLimitError(per_minute, float(wait_s))

    async def admit(self, task: Task, limit: int) -> View | None:
        reply = await self._run("admit", *encode_task(task), limit)
        if reply is None:
            raise QueueIncompleteError
        if reply == 0:
            raise TaskLimitError(limit)
        return None if reply == 1 else decode_view(reply)

    async def retract(self, task: Task) -> None:
        await self._run("retract", task.id)

    async def stop(self, task_id: str) -> None:
        await self._run("stop", task_id, uuid.uuid4().hex)

    async def find(self, task_id: str) -> View | None:
        reply = await self._run("find", task_id)
        return decode_view(reply) if reply else None

    async def complete(self) -> bool:
        async with answering(self._url):
            opened = await self._redis.get(f"{ROOT}:open")
            return opened == (await self._redis_run_id()).encode()

    async def recent(self, tenant: str, status: Status | None, page: int, per_page: int) -> tuple[list[View], int]:
        states = STATES.get(status, (status.value,)) if status else ()
        total, *views = await self._run("recent", tenant, (page - 1) * per_page, per_page, *states)
        return [decode_view(reply) for reply in views], total

    async def forgotten(self, task_ids: Sequence[str]) -> list[str]:
        async with answering(self._url), self._redis.pipeline(transaction=False) as pipeline:
            for task_id in task_ids:
                pipeline.exists(f"{ROOT}:task:{task_id}")
            known = await pipeline.execute()
        return [task_id for task_id, is_known in zip(task_ids, known, strict=True) if not is_known]

    async def watch(self, task_id: str) -> AsyncIterator[View]:
        previous = None
        with as_unavailable(self._url):
            async with self._changes.of(task_id) as change:
                while True:
                    change.clear()
                    current = await self.find(task_id)
                    if current is None and await self.complete():
                        return
                    if current is not None and current != previous:
                        yield current
                    if current is not None and current.status.final:
                        return
                    previous = current
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(POSITION_EVERY_S):
                            await change.wait()

    async def overview(self) -> Overview:
        reply = await self._run("overview")
        stored = reply[6]
        members = [decode_worker(*pair) for pair in zip(stored[::2], stored[1::2], strict=True)]
        pools = [pool for _, pool in members]
        self._models = {pool: models for pool, models in self._models.items() if pool in pools}
        return decode_overview(reply, [await self._with_models(*member) for member in members], pools)

    async def lock(self, name: str, holder: str) -> bool:
        async with answering(self._url):
            return bool(await self._redis.set(f"{ROOT}:lock:{name}", holder, px=int(LOCK_S * 1000), nx=True))

    async def unlock(self, name: str, holder: str) -> None:
        await self._run("unlock", name, holder)

    async def missing(self, models: Collection[str]) -> tuple[str, ...]:
        return tuple(model.decode() for model in await self._run("missing", *models))

    # --- controller

    async def lead(self, controller: str) -> bool:
        return bool(await self._run("lead", controller))

    async def resign(self, controller: str) -> None:
        await self._run("resign", controller)

    async def begin(self) -> None:
        self._replay_id = uuid.uuid4().hex
        async with answering(self._url):
            await self._run("begin", await self._redis_run_id(), self._replay_id)

    async def unfinished(self) -> list[str]:
        async with answering(self._url):
            ids: set[Any] = await self._redis.smembers(f"{ROOT}:unfinished")
        return [task_id.decode() for task_id in ids]

    async def ingest(self, task: Task) -> int | None:
        position: int | None = await self._run("ingest", *encode_task(task))
        return position

    async def settle(self, manifest: Manifest) -> None:
        task = manifest.task
        await self._run("settle", task.id, task.tenant, task.created_at, self._most_finished, *encode_result(manifest))

    async def open(self) -> None:
        async with answering(self._url):
            await self._run("open", await self._redis_run_id(), self._replay_id)

    async def expired(self) -> list[Lease]:
        return [decode_expired_lease(reply) for reply in await self._run("expired", uuid.uuid4().hex)]

    async def add_callback(self, callback: DueCallback) -> None:
        async with answering(self._url), self._redis.pipeline() as pipeline:
            pipeline.zadd(f"{ROOT}:callbacks", {callback.task_id: callback.due_at})
            pipeline.hset(f"{ROOT}:tries", callback.task_id, str(callback.tries))
            await pipeline.execute()

    async def next_callbacks(self, now: float, count: int) -> list[DueCallback]:
        reply = await self._run("callbacks", now, count, now + HIDDEN_S)
        each = zip(reply[::3], reply[1::3], reply[2::3], strict=True)
        return [DueCallback(task_id.decode(), float(due_at), int(tries)) for task_id, due_at, tries in each]

    async def drop_callback(self, task_id: str) -> None:
        async with answering(self._url), self._redis.pipeline() as pipeline:
            pipeline.zrem(f"{ROOT}:callbacks", task_id)
            pipeline.hdel(f"{ROOT}:tries", task_id)
            await pipeline.execute()

    # --- worker

    async def announce(self, worker: WorkerView) -> None:
        pool = pool_of(worker)
        self._pools[worker.name] = pool.id
        report = worker.name, encode_worker(worker, pool.id), pool.id
        if await self._run("announce", *report):
            models = json.dumps(sorted(pool.models or ())), json.dumps(sorted(pool.broken))
            await self._run("announce", *report, *models)

    async def lease(
        self, worker: str, resident: Sequence[str], wait_s: float, fetching: Collection[str] = ()
    ) -> Lease | None:
        until = time.monotonic() + wait_s
        while True:
            answer = await self._lease_now(worker, resident, fetching)
            if isinstance(answer, Lease):
                return answer
            left_s = until - time.monotonic()
            if left_s <= 0:
                return None
            if answer:
                await asyncio.sleep(min(answer, left_s))
                continue
            async with answering(self._url):
                await self._redis.blpop([f"{ROOT}:wake:{self._pool(worker)}"], timeout=min(max(left_s, 0.01), WAKE_S))

    async def _lease_now(self, worker: str, resident: Sequence[str], fetching: Collection[str]) -> Lease | float:
        """A lease, or the seconds for which other workers go first; 0 if no task waits.

        If it is canceled while Redis answers, it waits for the answer and gives the lease back.
        """
        token = uuid.uuid4().hex
        request = asyncio.ensure_future(
            self._run("lease", worker, token, self._pool(worker), len(fetching), *fetching, *resident)
        )
        try:
            reply = await asyncio.shield(request)
        except asyncio.CancelledError:
            if isinstance(lease := _decode_lease(await request, token, worker), Lease):
                await self.give_back(lease)
            raise
        return _decode_lease(reply, token, worker)

    async def heartbeat(self, lease: Lease, progress: Progress | None, on_device: bool = True) -> Verdict:
        progress_fields = (progress.step, progress.steps, progress.preview) if progress else ()
        held = await self._run("heartbeat", lease.task.id, lease.token, int(on_device), *progress_fields)
        return Verdict.OK if held else Verdict.LOST

    async def give_back(self, lease: Lease, parked: str = "") -> None:
        await self._run("give_back", lease.task.id, lease.token, parked)

    async def died(self, lease: Lease) -> bool:
        return bool(await self._run("died", lease.task.id, lease.token, place_of(lease.worker)))

    async def finishing(self, lease: Lease) -> None:
        await self._run("finishing", lease.task.id, lease.token)

    async def close(self) -> None:
        await self._changes.close()
        await disconnect(self._redis)

    # --- Redis

    def _pool(self, worker: str) -> str:
        return self._pools.get(worker, EVERY_TASK.id)

    async def _with_models(self, worker: WorkerView, pool: str) -> WorkerView:
        if pool == EVERY_TASK.id:
            return worker
        if pool not in self._models:
            async with answering(self._url):
                names: set[Any] = await self._redis.smembers(f"{ROOT}:models:{pool}")
            if not names:  # its last worker has left meanwhile
                return worker
            self._models[pool] = frozenset(name.decode() for name in names if name)
        return replace(worker, models=self._models[pool])

    async def _run(self, verb: str, *arguments: Argument) -> Any:
        async with answering(self._url):
            return await self._scripts.run(verb, arguments)

    async def _redis_run_id(self) -> str:
        """Changes with each restart, and differs on each replica."""
        return str((await self._redis.info("server"))["run_id"])


def _decode_lease(reply: Sequence[bytes] | int | None, token: str, worker: str) -> Lease | float:
    """Decodes the answer of lease.lua."""
    if reply is None or isinstance(reply, int):
        return (reply or 0) / 1000
    body, deaths, parked = reply
    return Lease(Task.model_validate_json(body), token, worker, int(deaths), parked.decode())

"""A whole Hua under trial: the roles of the chaos harness over real Redis, Kafka and S3, and one client of it."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import redis.asyncio as redis

from server.queue.redis.scripts import ROOT
from tests.chaos.clients import FINAL
from tests.chaos.deployment import Deployment

TENANT = "tenant-0"
NO_LIMIT = 1_000_000
ASK_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class Figure:
    """What was measured, in words, and whether the promise was kept."""

    measured: str
    kept: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """To one submission; status 0 where none came. `sent_at` is unix time."""

    status: int
    took_s: float
    sent_at: float
    id: str = ""
    code: str = ""


class Trial:
    """A deployment that runs, and an HTTP client that never tries again by itself."""

    def __init__(self, deployment: Deployment, http: httpx.AsyncClient, queue: redis.Redis) -> None:
        self.deployment, self.http, self.queue = deployment, http, queue
        self._numbers = itertools.count()

    async def submit(self, tenant: str = TENANT, steps: int = 5, key: str = "", **more: Any) -> Answer:
        """`more` is merged into the body; a text of its own tells each task's runs apart from all others."""
        text = more.pop("text", f"{tenant} {next(self._numbers)}")
        params = {"text": text, "seed": 1, "num_steps": steps, "w": 64, "h": 64}
        headers = _authorized(tenant) | ({"Idempotency-Key": key} if key else {})
        began, sent_at = time.perf_counter(), time.time()
        try:
            body = {"type": "txt2img.sd", "params": params, **more}
            reply = await self.http.post("/v1/tasks", json=body, headers=headers)
        except httpx.TransportError as error:
            return Answer(0, time.perf_counter() - began, sent_at, code=type(error).__name__)
        said, took_s = reply.json(), time.perf_counter() - began
        return Answer(reply.status_code, took_s, sent_at, said.get("id", ""), (said.get("error") or {}).get("code", ""))

    async def steadily(self, a_second: float, seconds: float, **more: Any) -> list[Answer]:
        """Submits at this rate, whatever is answered; returns when all is answered."""
        async with asyncio.TaskGroup() as group:
            asked = []
            for number in range(round(a_second * seconds)):
                asked.append(group.create_task(self.submit(**more)))
                await asyncio.sleep(1 / a_second if number else 0)
        return [task.result() for task in asked]

    async def look(self, task_id: str, tenant: str = TENANT) -> dict[str, Any]:
        """The task as the api shows it; {} where it does not."""
        try:
            reply = await self.http.get(f"/v1/tasks/{task_id}", headers=_authorized(tenant))
        except httpx.TransportError:
            return {}
        view: dict[str, Any] = reply.json() if reply.status_code == 200 else {}
        return view

    async def cancel(self, task_id: str, tenant: str = TENANT) -> int:
        return (await self.http.delete(f"/v1/tasks/{task_id}", headers=_authorized(tenant))).status_code

    async def ended(
        self, ids: Iterable[str], within_s: float = 180.0, tenant: str = TENANT
    ) -> dict[str, dict[str, Any]]:
        """Those that end in time, as they end; a few are asked for at a time, for asking is work too."""
        left, found = list(dict.fromkeys(ids)), dict[str, dict[str, Any]]()
        deadline = time.monotonic() + within_s
        while left and time.monotonic() < deadline:
            asked = left[:ASK_AT_ONCE]
            views = await asyncio.gather(*(self.look(task_id, tenant) for task_id in asked))
            ended = {task_id: view for task_id, view in zip(asked, views, strict=True) if view.get("status") in FINAL}
            found |= ended
            left = [task_id for task_id in left if task_id not in ended]
            if len(ended) < len(asked):
                await asyncio.sleep(0.25)
        return found

    def runs(self, what: str = "began") -> list[dict[str, Any]]:
        """What the devices wrote down, in order."""
        lines = (self.deployment.folder / "runs").read_text().splitlines()
        return [run for run in map(json.loads, lines) if run["what"] == what]

    async def begun(self, text: str, after: float = 0.0, within_s: float = 60.0) -> float:
        """When a device began, or begins, this task later than `after`; unix time."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if found := [run["at"] for run in self.runs() if run["text"] == text and run["at"] > after]:
                return float(found[0])
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{text} was not begun in {within_s:g} s")

    async def opened(self, within_s: float = 60.0) -> None:
        """Until the logs have been read into the queue."""
        await until(lambda: self.queue.exists(f"{ROOT}:open"), within_s)

    async def all_ready(self, within_s: float = 60.0) -> None:
        """Until every worker says that its device is ready."""

        async def ready() -> bool:
            said = [json.loads(worker) for worker in await self.queue.hvals(f"{ROOT}:workers")]
            pids = {worker["name"].rpartition(":")[2] for worker in said if worker["state"] == "ready"}
            return {str(self.deployment.pid(name)) for name in self.deployment.of("worker")} <= pids

        await until(ready, within_s)

    async def active(self) -> dict[str, int]:
        """How many slots each tenant holds, as the queue has them."""
        keys = [key async for key in self.queue.scan_iter(f"{ROOT}:active:*", count=1000)]
        return {key.decode().rpartition(":")[2]: int(await self.queue.scard(key)) for key in keys}


@contextlib.asynccontextmanager
async def trial(
    *,
    workers: int = 4,
    controllers: int = 1,
    tenants: Sequence[str] = (TENANT,),
    limit: int = NO_LIMIT,
    capacity: int = 8,
    step_s: float = 0.02,
    **settings: str,
) -> AsyncIterator[Trial]:
    """Each device takes `capacity` tasks at once; `settings` are those of the deployment besides its own."""
    with tempfile.TemporaryDirectory(prefix="hua-promise-", ignore_cleanup_errors=True) as folder:
        pace = {"CHAOS_CAPACITY": str(capacity), "CHAOS_STEP_S": str(step_s)}
        deployment = Deployment(Path(folder), list(tenants), limit, cluster=True, environment=pace)
        deployment.setting_texts |= settings
        try:
            await asyncio.to_thread(deployment.start, workers, controllers)
            # A connection for each request: idle ones are looked through at every event, which took half of both cores.
            limits = httpx.Limits(max_connections=1000, max_keepalive_connections=0)
            async with (
                httpx.AsyncClient(base_url=deployment.url, timeout=60, trust_env=False, limits=limits) as http,
                redis.Redis.from_url(deployment.redis.url) as queue,
            ):
                yield Trial(deployment, http, queue)
        finally:
            await asyncio.to_thread(deployment.close)


async def until(true: Callable[[], Awaitable[object]], within_s: float) -> float:
    """Seconds until it was; raises TimeoutError."""
    began = time.monotonic()
    while not await true():
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"waited {within_s:g} s in vain")
        await asyncio.sleep(0.05)
    return time.monotonic() - began


def quantile(values: Sequence[float], share: float) -> float:
    """Of at least two values; by rank, never beyond the largest."""
    return statistics.quantiles(values, n=1000, method="inclusive")[round(share * 1000) - 1]


def accepted(answers: Iterable[Answer]) -> list[str]:
    return [answer.id for answer in answers if answer.status in {200, 202}]


def told(answers: Iterable[Answer]) -> str:
    """How many were answered how."""
    counts = Counter(answer.status for answer in answers)
    return ", ".join(f"{counts[status]} × {status or 'no answer'}" for status in sorted(counts))


def _authorized(tenant: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {tenant}"}

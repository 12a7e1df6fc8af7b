"""A deployment under test: the roles of the chaos harness with real Redis, Kafka and S3, and one HTTP client."""

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
from tests.chaos.deployment import Deployment
from tests.chaos.history import FINAL

TENANT = "tenant-0"
NO_LIMIT = 1_000_000
POLLED_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class TrialResult:
    """The measured values as text, and whether they meet the gate."""

    text: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one submission."""

    status: int
    """HTTP status; 0 if the connection failed."""
    duration_s: float
    sent_at: float
    """Unix time."""
    id: str = ""
    """Of the task; empty if it was refused."""
    code: str = ""
    """Error code, or the name of the connection error."""


class Trial:
    """A running deployment, and an HTTP client that does not retry."""

    def __init__(self, deployment: Deployment, http: httpx.AsyncClient, queue: redis.Redis) -> None:
        self.deployment, self.http, self.queue = deployment, http, queue
        self._numbers = itertools.count()

    async def submit(self, tenant: str = TENANT, steps: int = 5, key: str = "", **more: Any) -> Answer:
        """Posts a task; `more` is merged into the body. Each task has its own text, which identifies its runs."""
        text = more.pop("text", f"{tenant} {next(self._numbers)}")
        params = {"text": text, "seed": 1, "num_steps": steps, "w": 64, "h": 64}
        headers = _authorized(tenant) | ({"Idempotency-Key": key} if key else {})
        began, sent_at = time.perf_counter(), time.time()
        try:
            body = {"type": "txt2img.sd", "params": params, **more}
            reply = await self.http.post("/v1/tasks", json=body, headers=headers)
        except httpx.TransportError as error:
            return Answer(0, time.perf_counter() - began, sent_at, code=type(error).__name__)
        view, duration_s = reply.json(), time.perf_counter() - began
        code = (view.get("error") or {}).get("code", "")
        return Answer(reply.status_code, duration_s, sent_at, view.get("id", ""), code)

    async def submit_steadily(self, rate: float, seconds: float, **more: Any) -> list[Answer]:
        """Submits `rate` tasks per second, without waiting for answers; returns when all are answered."""
        async with asyncio.TaskGroup() as group:
            submissions = []
            for number in range(round(rate * seconds)):
                submissions.append(group.create_task(self.submit(**more)))
                await asyncio.sleep(1 / rate if number else 0)
        return [task.result() for task in submissions]

    async def fetch_view(self, task_id: str, tenant: str = TENANT) -> dict[str, Any]:
        """The task as the api shows it; empty if the api does not answer with 200."""
        try:
            reply = await self.http.get(f"/v1/tasks/{task_id}", headers=_authorized(tenant))
        except httpx.TransportError:
            return {}
        view: dict[str, Any] = reply.json() if reply.status_code == 200 else {}
        return view

    async def cancel(self, task_id: str, tenant: str = TENANT) -> int:
        return (await self.http.delete(f"/v1/tasks/{task_id}", headers=_authorized(tenant))).status_code

    async def wait_until_ended(
        self, ids: Iterable[str], within_s: float = 180.0, tenant: str = TENANT
    ) -> dict[str, dict[str, Any]]:
        """The views of the tasks that end in time. Only a few are polled at once, to keep the load of polling low."""
        left, found = list(dict.fromkeys(ids)), dict[str, dict[str, Any]]()
        deadline = time.monotonic() + within_s
        while left and time.monotonic() < deadline:
            polled = left[:POLLED_AT_ONCE]
            views = await asyncio.gather(*(self.fetch_view(task_id, tenant) for task_id in polled))
            ended = {task_id: view for task_id, view in zip(polled, views, strict=True) if view.get("status") in FINAL}
            found |= ended
            left = [task_id for task_id in left if task_id not in ended]
            if len(ended) < len(polled):
                await asyncio.sleep(0.25)
        return found

    def runs(self, what: str = "began") -> list[dict[str, Any]]:
        """The events of this kind that the devices recorded, in order."""
        lines = (self.deployment.folder / "runs").read_text().splitlines()
        return [run for run in map(json.loads, lines) if run["what"] == what]

    async def wait_until_begun(self, text: str, after: float = 0.0, within_s: float = 60.0) -> float:
        """When a device began this task, later than `after`; unix time. Raises TimeoutError."""
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if found := [run["at"] for run in self.runs() if run["text"] == text and run["at"] > after]:
                return float(found[0])
            await asyncio.sleep(0.02)
        raise TimeoutError(f"{text} did not begin within {within_s:g} s")

    async def wait_until_open(self, within_s: float = 60.0) -> None:
        """Returns when the logs have been read into the queue."""
        await until(lambda: self.queue.exists(f"{ROOT}:open"), within_s)

    async def wait_until_ready(self, within_s: float = 60.0) -> None:
        """Returns when every worker reports a ready device."""

        async def ready() -> bool:
            workers = [json.loads(worker) for worker in await self.queue.hvals(f"{ROOT}:workers")]
            pids = {worker["name"].rpartition(":")[2] for worker in workers if worker["state"] == "ready"}
            return {str(self.deployment.pid(name)) for name in self.deployment.of("worker")} <= pids

        await until(ready, within_s)

    async def active_slots(self) -> dict[str, int]:
        """How many slots each tenant holds in the queue."""
        keys = [key async for key in self.queue.scan_iter(f"{ROOT}:active:*", count=1000)]
        return {key.rpartition(":")[2]: int(await self.queue.scard(key)) for key in keys}


@contextlib.asynccontextmanager
async def open_trial(
    *,
    workers: int = 4,
    controllers: int = 1,
    tenants: Sequence[str] = (TENANT,),
    limit: int = NO_LIMIT,
    capacity: int = 8,
    step_s: float = 0.02,
    **settings: str,
) -> AsyncIterator[Trial]:
    """Each device runs `capacity` tasks at once; `settings` override those of the deployment."""
    with tempfile.TemporaryDirectory(prefix="hua-promise-", ignore_cleanup_errors=True) as folder:
        pace = {"CHAOS_CAPACITY": str(capacity), "CHAOS_STEP_S": str(step_s)}
        deployment = Deployment(Path(folder), list(tenants), limit, cluster=True, environment=pace)
        deployment.setting_texts |= settings
        try:
            await asyncio.to_thread(deployment.start, workers, controllers)
            # One connection per request: httpx scans idle connections at every event, which took half of both cores.
            limits = httpx.Limits(max_connections=1000, max_keepalive_connections=0)
            async with (
                httpx.AsyncClient(base_url=deployment.url, timeout=60, trust_env=False, limits=limits) as http,
                redis.Redis.from_url(deployment.redis.url, decode_responses=True) as queue,
            ):
                yield Trial(deployment, http, queue)
        finally:
            await asyncio.to_thread(deployment.close)


async def until(condition: Callable[[], Awaitable[object]], within_s: float) -> float:
    """Polls the condition; returns the seconds until it was true. Raises TimeoutError."""
    began = time.monotonic()
    while not await condition():
        if time.monotonic() - began > within_s:
            raise TimeoutError(f"the condition was not true within {within_s:g} s")
        await asyncio.sleep(0.05)
    return time.monotonic() - began


def quantile(values: Sequence[float], fraction: float) -> float:
    """Interpolated by rank, so never above the largest value; needs at least two values."""
    return statistics.quantiles(values, n=1000, method="inclusive")[round(fraction * 1000) - 1]


def accepted_ids(answers: Iterable[Answer]) -> list[str]:
    return [answer.id for answer in answers if answer.status in {200, 202}]


def count_statuses(answers: Iterable[Answer]) -> str:
    """How often each HTTP status was answered."""
    counts = Counter(answer.status for answer in answers)
    return ", ".join(f"{counts[status]} × {status or 'no answer'}" for status in sorted(counts))


def _authorized(tenant: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {tenant}"}

"""Clients that never give up: they submit, read, cancel and download images, and record what they see."""

from __future__ import annotations

import asyncio
import hashlib
import io
import itertools
import time
from collections.abc import Iterator
from random import Random
from typing import Any

import httpx
import numpy as np
from PIL import Image

from tests.chaos.fake_images import digest, sketch
from tests.chaos.history import FINAL, History, PlannedTask

ASK_S = 0.6
AGAIN_S = 0.3
LOOK_BACK_S = 0.25
LATE = 3
WITH_IMAGE = 4
"""One task in this many has an input image."""


def plan_tasks(
    rng: Random,
    tasks: int,
    tenants: list[str],
    models: tuple[str, ...],
    poison: int,
    horizon_s: float,
    canceling: float,
) -> list[PlannedTask]:
    """The tasks of a run, spread over the time with faults; `share` of them are canceled."""
    poisoned = set(rng.sample(range(tasks), poison))
    return [
        _one(rng, number, tenants, models, 0.0 if number in poisoned else canceling, horizon_s, number in poisoned)
        for number in range(tasks)
    ]


def endless(rng: Random, tenants: list[str], models: tuple[str, ...], canceling: float) -> Iterator[PlannedTask]:
    """Tasks without end, each due at once."""
    return (_one(rng, number, tenants, models, canceling) for number in itertools.count())


def _one(
    rng: Random,
    number: int,
    tenants: list[str],
    models: tuple[str, ...],
    canceling: float,
    horizon_s: float = 0.0,
    poison: bool = False,
) -> PlannedTask:
    image = {"url": sketch(number), "wh": (64, 64)} if number % WITH_IMAGE == 0 else {"w": 64, "h": 64}
    text, steps = f"{'poison' if poison else 'chaos'} {number}", rng.choice((5, 10, 20, 40))
    return PlannedTask(
        number=number,
        tenant=rng.choice(tenants),
        params={"text": text, "seed": number, "num_steps": steps, "model": rng.choice(models), **image},
        begins_s=rng.uniform(0, 0.9 * horizon_s),
        callback=rng.random() < 0.6,
        retention=rng.choice(("5m", "24h")),
        cancel_after_s=rng.uniform(0, 1) if rng.random() < canceling else None,
    )


class Clients:
    """One client per task, all over one HTTP connection pool. `sink` receives callbacks."""

    def __init__(self, url: str, sink: str, history: History, rng: Random) -> None:
        limits = httpx.Limits(max_connections=64)
        self._http = httpx.AsyncClient(base_url=url, timeout=15, trust_env=False, limits=limits)
        self._sink = sink
        self._history = history
        self._rng = rng
        self.ended: dict[int, str] = {}
        """The ids of tasks that were seen ended."""
        self.known: dict[int, str] = {}

    async def close(self) -> None:
        await self._http.aclose()

    async def follow(self, one: PlannedTask) -> None:
        """Follows a task from submission to the download of its image."""
        await asyncio.sleep(one.begins_s)
        self.known[one.number] = task_id = await self._submit(one)
        if one.cancel_after_s is not None:
            await asyncio.sleep(one.cancel_after_s)
            await self._cancel(one)
        while (view := await self._look(one)) is None or view["status"] not in FINAL:
            await asyncio.sleep(ASK_S)
        self.ended[one.number] = task_id
        await self._fetch(one, view)

    async def follow_on(self, tasks: Iterator[PlannedTask], over: asyncio.Event) -> None:
        """Submits one task after another until stopped."""
        while not over.is_set():
            one = next(tasks)
            self._history.planned.append(one)
            await self.follow(one)

    async def look_back(self) -> None:
        """Reads ended tasks again without end: their status must not change."""
        while True:
            await asyncio.sleep(LOOK_BACK_S)
            if self.ended:
                await self._look(self._history.planned[self._rng.choice(list(self.ended))])

    async def look_at_last(self) -> None:
        """Reads every task and its image once more after all faults."""
        for number in self.known:
            one = self._history.planned[number]
            view = await self._look(one)
            if view is not None and view["status"] in FINAL:
                await self._fetch(one, view)

    async def _submit(self, one: PlannedTask) -> str:
        body = {"type": one.type, "params": one.params, "retention": one.retention}
        if one.callback:
            body["callback_url"] = f"{self._sink}/{one.number}"
        headers = {"Idempotency-Key": f"task-{one.number}"}
        began = time.time()
        while True:
            reply = await self._ask(one, "POST", "/v1/tasks", json=body, headers=headers)
            if reply is not None and reply.status_code in {200, 202}:
                task_id = str(reply.json()["id"])
                self._history.add("accepted", one.number, began, id=task_id)
                return task_id
            status = reply.status_code if reply is not None else 0
            self._history.add("refused", one.number, began, status=status)
            await asyncio.sleep(AGAIN_S)

    async def _cancel(self, one: PlannedTask) -> None:
        for _ in range(LATE):
            began = time.time()
            reply = await self._ask(one, "DELETE", f"/v1/tasks/{self.known[one.number]}")
            if reply is not None and reply.status_code in {200, 202}:
                self._saw(one, began, reply.json())
                return
            await asyncio.sleep(AGAIN_S)

    async def _look(self, one: PlannedTask) -> dict[str, Any] | None:
        began = time.time()
        reply = await self._ask(one, "GET", f"/v1/tasks/{self.known[one.number]}")
        if reply is None or reply.status_code == 503:
            return None
        if reply.status_code != 200:
            self._history.add("missing", one.number, began, status=reply.status_code)
            return None
        return self._saw(one, began, reply.json())

    def _saw(self, one: PlannedTask, began: float, view: dict[str, Any]) -> dict[str, Any]:
        result = {
            "status": view["status"],
            "images": [image["sha256"] for image in view["images"]],
            "finished_at": view["finished_at"] if view["status"] in FINAL else None,
            "error": view["error"]["code"] if view["error"] else None,
        }
        self._history.add("seen", one.number, began, **result)
        return view

    async def _fetch(self, one: PlannedTask, view: dict[str, Any]) -> None:
        for image in view["images"]:
            while (reply := await self._ask(one, "GET", image["url"])) is None or reply.status_code == 503:
                await asyncio.sleep(AGAIN_S)
            details: dict[str, Any] = {"status": reply.status_code}
            if reply.status_code == 200:
                pixels = np.asarray(Image.open(io.BytesIO(reply.content)))
                details |= {"sha256": hashlib.sha256(reply.content).hexdigest(), "pixels": digest(pixels)}
            self._history.add("fetched", one.number, **details)

    async def _ask(self, one: PlannedTask, method: str, path: str, **more: Any) -> httpx.Response | None:
        """None while the api cannot be reached."""
        headers = {"Authorization": f"Bearer {one.tenant}"} | more.pop("headers", {})
        try:
            return await self._http.request(method, path, headers=headers, **more)
        except httpx.TransportError:
            return None

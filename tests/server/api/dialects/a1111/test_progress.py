"""Progress and interruption: of the caller's own key, request by request."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import pytest

from server.queue import Lease
from server.services import Services
from server.task import Status
from server.tasks.submission import Submission, submit
from server.tenancy.auth import new_key
from tests.server.api.dialects.a1111.conftest import KEYS, Waiting
from tests.support.painter import Painter

BODY: dict[str, Any] = {"prompt": "a house", "width": 64, "height": 64, "seed": 7, "steps": 4}
SECOND_KEY = new_key("red")


@pytest.fixture
def overrides() -> dict[str, object]:
    return {"api_keys": (*(setting for _, setting in KEYS.values()), SECOND_KEY[1]), "task_limit": 500}


@pytest.fixture
def colleague() -> httpx.BasicAuth:
    """Another key of the tenant `red`."""
    return httpx.BasicAuth("red", SECOND_KEY[0])


async def take_running(painter: Painter, step: int = 3) -> Lease:
    lease = await painter.take()
    await painter.advance(lease, step, 4, b"jpeg")
    return lease


async def pending(client: httpx.AsyncClient, auth: httpx.Auth, size: int) -> list[str]:
    """The ids of the caller's waiting requests, once there are so many."""
    while (reply := (await client.get("/internal/pending-tasks", auth=auth)).json())["size"] != size:
        await asyncio.sleep(0.005)
    tasks: list[str] = reply["tasks"]
    return tasks


async def internal(client: httpx.AsyncClient, auth: httpx.Auth, **body: object) -> dict[str, Any]:
    reply = await client.post("/internal/progress", json=body, auth=auth)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


@pytest.mark.parametrize("path", ["interrupt", "skip"])
async def test_callers_end_the_requests_of_their_own_key_alone(
    client, painter: Painter, red, colleague, blue, path: str
) -> None:
    bodies = [{**BODY, "force_task_id": name} for name in ("mine", "of a colleague", "of another tenant")]
    waiting = [Waiting(client, "txt2img", *each) for each in zip(bodies, (red, colleague, blue), strict=True)]
    leases = {lease.task.request_id: lease for lease in [await take_running(painter) for _ in bodies]}
    assert (await client.post(f"/sdapi/v1/{path}", auth=red)).json() == {}
    answer = await waiting[0].answer()
    assert (answer.status_code, answer.json()["images"]) == (200, [])
    for name, request in zip(("of a colleague", "of another tenant"), waiting[1:], strict=True):
        await painter.finish(leases[name])
        assert len((await request.answer()).json()["images"]) == 1


async def test_skip_leaves_what_waits(client, painter: Painter, red) -> None:
    waiting = Waiting(client, "txt2img", {**BODY, "n_iter": 9}, red)
    await take_running(painter)
    await client.post("/sdapi/v1/skip", auth=red)
    await painter.finish(await painter.take())
    assert len((await waiting.answer()).json()["images"]) == 1


async def test_interrupt_leaves_tasks_of_other_dialects(client, services: Services, red) -> None:
    task = (await client.post("/v1/tasks", json={"type": "txt2img.sd", "params": {"text": "x"}}, auth=red)).json()
    await client.post("/sdapi/v1/interrupt", auth=red)
    view = await services.queue.find(task["id"])
    assert view is not None
    assert view.status is Status.QUEUED


async def test_tasks_behind_many_newer_ones_are_seen(client, services: Services, red) -> None:
    waiting = Waiting(client, "txt2img", {**BODY, "force_task_id": "old"}, red)
    assert await pending(client, red, 1) == ["old"]
    for _ in range(101):
        await submit(services, Submission("txt2img.sd", {"text": "x"}, "red"))
    assert await pending(client, red, 1) == ["old"]
    assert (await internal(client, red, id_task="old"))["queued"] is True
    await client.post("/sdapi/v1/interrupt", auth=red)
    assert (await waiting.answer()).json()["images"] == []


async def test_progress_is_that_of_the_callers_own_request(client, painter: Painter, red, colleague, blue) -> None:
    idle = (await client.get("/sdapi/v1/progress", auth=red)).json()
    assert (idle["progress"], idle["state"]["job_count"], idle["current_image"]) == (0, 0, None)
    waiting = Waiting(client, "txt2img", BODY, red)
    lease = await take_running(painter)
    mine = (await client.get("/sdapi/v1/progress", auth=red)).json()
    assert (mine["progress"], mine["state"]["job_count"], mine["state"]["sampling_step"]) == (0.75, 1, 3)
    assert base64.b64decode(mine["current_image"]) == b"jpeg"
    skipped = await client.get("/sdapi/v1/progress", params={"skip_current_image": True}, auth=red)
    assert skipped.json()["current_image"] is None
    for other in (colleague, blue):
        assert (await client.get("/sdapi/v1/progress", auth=other)).json()["state"]["job_count"] == 0
        assert (await internal(client, other, id_task=lease.task.request_id))["completed"] is False
    await painter.finish(lease)
    await waiting.answer()
    assert (await client.get("/sdapi/v1/progress", auth=red)).json()["state"]["job_count"] == 0


async def test_progress_counts_what_has_ended(client, painter: Painter, red) -> None:
    waiting = Waiting(client, "txt2img", {**BODY, "n_iter": 16}, red)
    await painter.finish(await painter.take())
    second = await take_running(painter, step=2)
    while (found := (await client.get("/sdapi/v1/progress", auth=red)).json())["state"]["job_no"] == 0:
        await asyncio.sleep(0.005)
    assert (found["progress"], found["state"]["job_count"]) == (0.75, 2)
    await painter.finish(second)
    await waiting.answer()


async def test_internal_progress_is_that_of_the_request_it_names(client, painter: Painter, red) -> None:
    names = ["task(a)", "task(b)", "task(c)"]
    waiting = []
    for count, name in enumerate(names, 1):
        waiting.append(Waiting(client, "txt2img", {**BODY, "force_task_id": name}, red))
        assert await pending(client, red, count) == names[:count]
    assert (await internal(client, red, id_task="task(c)"))["textinfo"] == "In queue: 3/3"
    first, second = await take_running(painter, 1), await take_running(painter, 3)
    assert [lease.task.request_id for lease in (first, second)] == names[:2]
    assert await pending(client, red, 1) == ["task(c)"]
    seen = await internal(client, red, id_task="task(a)", id_live_preview=-1)
    assert (seen["active"], seen["progress"], seen["id_live_preview"]) == (True, 0.25, 1)
    assert seen["live_preview"] == f"data:image/jpeg;base64,{base64.b64encode(b'jpeg').decode()}"
    assert (await internal(client, red, id_task="task(b)"))["progress"] == 0.75
    assert (await internal(client, red, id_task="task(b)", id_live_preview=3))["live_preview"] is None
    assert (await internal(client, red, id_task="task(b)", live_preview=False))["live_preview"] is None
    queued = await internal(client, red, id_task="task(c)")
    assert (queued["active"], queued["queued"], queued["textinfo"]) == (False, True, "In queue: 1/1")
    unknown = await internal(client, red, id_task="task(d)")
    assert (unknown["active"], unknown["queued"], unknown["completed"]) == (False, False, False)
    for lease in (first, second, await painter.take()):
        await painter.finish(lease)
    for request in waiting:
        await request.answer()
    assert (await internal(client, red, id_task="task(a)"))["completed"] is True
    assert (await internal(client, red))["completed"] is True


async def test_requests_without_a_name_of_their_own_get_one(client, painter: Painter, red, blue) -> None:
    waiting = Waiting(client, "txt2img", {**BODY, "n_iter": 9}, red)
    [name] = await pending(client, red, 1)
    assert await pending(client, blue, 0) == []
    assert (await internal(client, red, id_task=name))["queued"] is True
    leases = [await painter.take(), await painter.take()]
    assert {lease.task.request_id for lease in leases} == {name}
    for lease in leases:
        await painter.finish(lease)
    await waiting.answer()

import asyncio
import base64
import json

import httpx
import pytest

REQUEST = {"type": "txt2img.sd", "params": {"text": "x"}}


def events_of(text: str) -> list[tuple[str, object]]:
    lines = [block.split("\n") for block in text.strip().split("\n\n") if block.startswith("event: ")]
    return [(event.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for event, data in lines]


@pytest.fixture
async def live(address):
    """A client of a real HTTP server, because the in-process client returns a response only when it is complete."""
    async with httpx.AsyncClient(base_url=address, trust_env=False) as client:
        yield client


async def test_events_follow_a_task_from_queue_to_result(live, painter):
    task_id = (await live.post("/v1/tasks", json=REQUEST)).json()["id"]
    events: asyncio.Queue[str] = asyncio.Queue()
    text = ""

    async def follow() -> None:
        nonlocal text
        async with live.stream("GET", f"/v1/tasks/{task_id}/events") as reply:
            assert reply.headers["content-type"].startswith("text/event-stream")
            async for part in reply.aiter_text():
                text += part
                for event, _ in events_of(part):
                    events.put_nowait(event)

    following = asyncio.create_task(follow())
    assert await events.get() == "queued"
    lease = await painter.take()
    assert await events.get() == "running"
    await painter.advance(lease, 1, 20)
    assert await events.get() == "progress"
    await painter.advance(lease, 2, 20, b"jpeg")
    assert [await events.get(), await events.get()] == ["progress", "preview"]
    await painter.finish(lease)
    await following

    events = events_of(text)
    assert events[0] == ("queued", {"position": 1})
    assert ("progress", {"step": 2, "steps": 20}) in events
    assert ("preview", {"jpeg": base64.b64encode(b"jpeg").decode()}) in events
    last, task = events[-1]
    assert last == "succeeded"
    assert task == (await live.get(f"/v1/tasks/{task_id}")).json()


async def test_ended_task_is_a_single_event(client, painting):
    task = (await client.post("/v1/tasks", json=REQUEST, headers={"Prefer": "wait=10"})).json()
    reply = await client.get(f"/v1/tasks/{task['id']}/events")
    assert events_of(reply.text) == [("succeeded", task)]


async def test_cancel_ends_the_event_stream(client, painter):
    task_id = (await client.post("/v1/tasks", json=REQUEST)).json()["id"]
    following = asyncio.create_task(client.get(f"/v1/tasks/{task_id}/events"))
    await painter.take()
    await client.delete(f"/v1/tasks/{task_id}")
    assert events_of((await following).text)[-1][0] == "canceled"


async def test_disconnected_client_does_not_disturb_others(live, painter):
    task_id = (await live.post("/v1/tasks", json=REQUEST)).json()["id"]
    async with live.stream("GET", f"/v1/tasks/{task_id}/events") as reply:
        await anext(reply.aiter_text())
    await painter.finish(await painter.take())
    reply = await live.get(f"/v1/tasks/{task_id}/events")
    assert events_of(reply.text)[-1][0] == "succeeded"

"""nextGPU's route over HTTP, with the sample of its document."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from server.task import Status
from server.tenancy.auth import new_key

SAMPLE: dict[str, Any] = {
    "title": "Image generation",
    "imageCount": 3,
    "imagePath": "2025/06",
    "taskID": "nextGPU20250531145458888",
    "data": {"parameters": {"imageRatio": "16:9", "promptText": "A little boy running"}},
}
KEYS = {tenant: new_key(tenant) for tenant in ("red", "blue")}


def auth(tenant: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {KEYS[tenant][0]}"}


async def urls(client, body: dict[str, Any] = SAMPLE, **headers: str) -> list[str]:
    reply = await client.post("/session/publish", json=body, headers=headers)
    assert reply.status_code == 200, reply.text
    return [image["url"] for image in reply.json()["data"]]


async def test_sample_of_the_document_has_three_images(client, painting) -> None:
    found = await urls(client)
    assert len(found) == 3
    assert (await client.get(found[0])).headers["content-type"] == "image/png"


async def test_same_request_has_the_same_images_and_another_has_others(client, painting) -> None:
    first, again = await urls(client), await urls(client)
    assert first == again
    other = {**SAMPLE, "data": {"parameters": {"promptText": "A girl"}}}
    assert not set(await urls(client, other)) & set(first)
    nameless = {**SAMPLE, "taskID": ""}
    assert await urls(client, nameless) != await urls(client, nameless)


async def test_failed_request_may_be_sent_again(client, painter) -> None:
    first = asyncio.create_task(client.post("/session/publish", json=SAMPLE))
    await painter.fail(await painter.take())
    failed = await first
    assert (failed.status_code, failed.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert "too large for this device" in failed.text
    again = asyncio.create_task(client.post("/session/publish", json=SAMPLE))
    await painter.finish(await painter.take())
    assert len((await again).json()["data"]) == 3


async def test_more_images_than_a_task_has(client, painting) -> None:
    assert len(await urls(client, {**SAMPLE, "imageCount": 11})) == 11


async def test_canceled_task_is_an_error(client, services, painter) -> None:
    waiting = asyncio.create_task(client.post("/session/publish", json=SAMPLE))
    lease = await painter.take()
    await client.delete(f"/v1/tasks/{lease.task.id}")
    reply = await waiting
    assert (reply.status_code, "canceled" in reply.text) == (500, True)
    view = await services.queue.find(lease.task.id)
    assert view is None or view.status is Status.CANCELED


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({**SAMPLE, "title": "Video"}, "there is no workflow 'Video'"),
        ({**SAMPLE, "imageCount": 0}, "imageCount"),
        ({**SAMPLE, "data": {"parameters": {}}}, "promptText"),
        ({**SAMPLE, "data": {"parameters": {"promptText": "x", "imageRatio": "wide"}}}, "write 16:9"),
    ],
)
async def test_errors_are_plain_text(client, body: dict[str, Any], words: str) -> None:
    reply = await client.post("/session/publish", json=body)
    assert (reply.status_code, reply.headers["content-type"]) == (400, "text/plain; charset=utf-8")
    assert words in reply.text


@pytest.mark.parametrize("overrides", [{"api_keys": tuple(setting for _, setting in KEYS.values())}])
async def test_key_is_needed_and_tenants_are_apart(client, painting) -> None:
    refused = await client.post("/session/publish", json=SAMPLE)
    assert (refused.status_code, refused.headers["content-type"]) == (401, "text/plain; charset=utf-8")
    assert await urls(client, **auth("red")) != await urls(client, **auth("blue"))

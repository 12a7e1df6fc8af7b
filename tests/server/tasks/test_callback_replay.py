"""The replay of a callback that its receiver has lost or never got."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from server.storage.bucket_keys import dead_callback_key

REQUEST = {"type": "txt2img.sd", "params": {"text": "a lighthouse", "w": 64, "h": 64}}


class Receiver:
    """A receiver of callbacks that answers each with `status`."""

    def __init__(self) -> None:
        self.status = "200 OK"
        self.received: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        headers = dict(line.split(": ", 1) for line in head.splitlines()[1:] if line)
        body = await reader.readexactly(int(headers["content-length"]))
        self.received.put_nowait((headers["webhook-id"], body))
        writer.write(f"HTTP/1.1 {self.status}\r\nContent-Length: 0\r\n\r\n".encode())
        await writer.drain()
        writer.close()


@pytest.fixture
def overrides() -> dict[str, object]:
    return {"egress_allow": ("127.0.0.0/8",)}


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    receiver = Receiver()
    async with await asyncio.start_server(receiver.serve, "127.0.0.1", 0) as server:
        receiver.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/hook"
        yield receiver


async def concluded(services) -> None:
    """Waits until the result of the last try is written."""
    while (await services.queue.overview()).callbacks:
        await asyncio.sleep(0.01)


async def test_replay_sends_the_same_callback_again(client, painting, receiver, services) -> None:
    task = (await client.post("/v1/tasks", json=REQUEST | {"callback_url": receiver.url})).json()
    first = await asyncio.wait_for(receiver.received.get(), 60)
    await concluded(services)
    reply = await client.post(f"/v1/tasks/{task['id']}/callback")
    assert (reply.status_code, reply.json()["status"]) == (202, "succeeded")
    assert await asyncio.wait_for(receiver.received.get(), 60) == first


async def test_replay_sends_a_callback_that_was_given_up(client, painting, receiver, services) -> None:
    receiver.status = "410 Gone"
    task = (await client.post("/v1/tasks", json=REQUEST | {"callback_url": receiver.url})).json()
    await asyncio.wait_for(receiver.received.get(), 60)
    await concluded(services)
    assert await services.bucket.get(dead_callback_key(task["id"])) is not None
    receiver.status = "200 OK"
    await client.post(f"/v1/tasks/{task['id']}/callback")
    await asyncio.wait_for(receiver.received.get(), 60)


async def test_replay_without_a_callback_says_why(client, painter, receiver) -> None:
    waiting = (await client.post("/v1/tasks", json=REQUEST | {"callback_url": receiver.url})).json()["id"]
    silent = (await client.post("/v1/tasks", json=REQUEST)).json()["id"]
    for task_id, reason in ((waiting, "has not ended"), (silent, "without a callback URL")):
        reply = await client.post(f"/v1/tasks/{task_id}/callback")
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "no_callback")
        assert reason in reply.json()["error"]["message"]
    assert (await client.post(f"/v1/tasks/{'0' * 32}/callback")).status_code == 404

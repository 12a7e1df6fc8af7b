"""The client against servers that accept connections and never answer."""

from __future__ import annotations

import asyncio
import gc
from contextlib import asynccontextmanager

import pytest

from server.egress.client import Egress, EgressFailedError


class SilentServer:
    """Accepts and never answers, at every loopback address. `open` counts its connections."""

    def __init__(self):
        self.open = self.accepted = self.port = 0

    async def serve(self, reader, writer):
        self.open += 1
        self.accepted += 1
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
        finally:
            self.open -= 1
            writer.close()

    async def until_open(self, count):
        async with asyncio.timeout(60):
            while self.open != count:
                await asyncio.sleep(0.005)


@pytest.fixture
async def silent():
    server = SilentServer()
    async with await asyncio.start_server(server.serve, "0.0.0.0", 0, backlog=1024) as listener:
        server.port = listener.sockets[0].getsockname()[1]
        yield server


@asynccontextmanager
async def picture():
    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ncat")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as listener:
        yield f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}/"


@asynccontextmanager
async def without_garbage_collector():
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


async def test_hosts_that_never_answer_leave_nothing_behind(silent):
    """A request that ends as another one gives up waiting must not hand its connection to that one."""
    egress = Egress(["127.0.0.0/8"], total_s=60, wait_s=60)

    def attack(hosts):
        urls = [(tenant, f"http://127.0.{tenant}.{host}:{silent.port}/") for tenant in range(64) for host in hosts]
        return [asyncio.create_task(egress.post(url, b"{}", {}, f"tenant-{tenant}")) for tenant, url in urls]

    connected = attack(range(1, 5))
    await silent.until_open(256)
    waiting = attack(range(5, 9))
    for pair in zip(connected, waiting, strict=True):
        await asyncio.sleep(0)
        for task in pair:
            task.cancel()
    await asyncio.gather(*connected, *waiting, return_exceptions=True)
    await silent.until_open(0)
    again = attack(range(9, 13))
    await silent.until_open(256)
    for task in again:
        task.cancel()
    await asyncio.gather(*again, return_exceptions=True)
    await silent.until_open(0)


async def test_images_are_fetched_while_callbacks_hang(silent):
    egress = Egress(["127.0.0.0/8"])
    attack = [
        asyncio.create_task(egress.post(f"http://127.0.1.{host}:{silent.port}/", b"{}", {})) for host in range(1, 101)
    ]
    async with picture() as url:
        await silent.until_open(16)
        assert await egress.fetch(url, 9) == b"cat"
    for task in attack:
        task.cancel()
    await asyncio.gather(*attack, return_exceptions=True)
    await silent.until_open(0)


async def test_canceled_tls_handshake_closes_its_socket(silent):
    egress = Egress(["127.0.0.1"], total_s=0.1)
    async with without_garbage_collector():
        with pytest.raises(EgressFailedError) as caught:
            await egress.fetch(f"https://127.0.0.1:{silent.port}/", 9)
        await silent.until_open(0)
    assert "took more than" in str(caught.value)
    assert silent.accepted == 1


async def test_images_that_hang_are_limited_per_tenant_and_network(silent):
    egress = Egress(["127.0.0.0/8"], total_s=60)
    hanging = [
        asyncio.create_task(egress.fetch(f"http://127.0.{network}.{host}:{silent.port}/", 9, "evil"))
        for network in range(1, 6)
        for host in range(1, 41)
    ]
    await silent.until_open(48)
    async with picture() as url:
        assert await egress.fetch(url, 9, "good") == b"cat"
    assert silent.accepted == 48
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)
    await silent.until_open(0)

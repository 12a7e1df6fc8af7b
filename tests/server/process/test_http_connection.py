import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from server.process import http_connection, http_listener
from server.process.http_listener import listen, serve_app

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = b"GET /answer HTTP/1.1\r\nHost: x\r\n\r\n"
UPLOAD = b"POST /%s HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n{"


class App:
    """Answers by path: /answer at once, /read after the body, /wait when `go_on` is set, /flood with 64 MiB."""

    def __init__(self) -> None:
        self.go_on, self.begun, self.ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def __call__(self, scope, receive, send) -> None:
        if scope["type"] != "http":
            return
        self.begun.set()
        match scope["path"]:
            case "/read":
                while (await receive()).get("more_body"):
                    pass
            case "/wait":
                await self.go_on.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(64 if scope["path"] == "/flood" else 0):
            await send({"type": "http.response.body", "body": bytes(1 << 20), "more_body": True})
        await send({"type": "http.response.body", "body": b"done"})
        self.ended.set()


@pytest.fixture
async def app() -> App:
    return App()


@asynccontextmanager
async def serving(app: App, max_connections: int = 10) -> AsyncIterator[Callable[[bytes], Awaitable[Streams]]]:
    """Yields a function that connects and sends."""
    with listen("127.0.0.1", 0) as listener:
        task = asyncio.create_task(serve_app(app, listener, max_connections))
        writers = []

        async def connect(data: bytes) -> Streams:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writers.append(writer)
            writer.write(data)
            return reader, writer

        try:
            yield connect
        finally:
            app.go_on.set()
            for writer in writers:
                writer.transport.abort()
            task.cancel()
            await asyncio.wait([task])


async def read_to_end(streams: Streams) -> bytes:
    """What the server has sent until it closed the connection."""
    received = b""
    with contextlib.suppress(ConnectionError):
        while data := await asyncio.wait_for(streams[0].read(1 << 20), 20):
            received += data
    return received


@pytest.fixture
def impatient(monkeypatch) -> None:
    """The server waits for a tenth of a second only."""
    for name in ("HEADER_S", "BODY_S", "SEND_S"):
        monkeypatch.setattr(http_connection, name, 0.1)
    monkeypatch.setattr(http_listener, "CHECK_EVERY", 1)


@pytest.mark.parametrize("sent", [b"", b"G", GET[:-2], UPLOAD % b"read"], ids=["nothing", "byte", "headers", "body"])
async def test_client_that_stops_sending_is_disconnected(app, impatient, sent):
    async with serving(app) as connect:
        assert await read_to_end(await connect(sent)) == b""


async def test_answered_client_that_goes_on_sending_is_disconnected(app, impatient):
    async with serving(app) as connect:
        reader, writer = await connect(UPLOAD % b"answer")
        await app.ended.wait()
        with contextlib.suppress(ConnectionError):
            while not reader.at_eof():
                writer.write(b"a")
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reader.read(100), 0.05)


async def test_client_that_does_not_read_is_disconnected(app, impatient):
    async with serving(app) as connect:
        await connect(GET.replace(b"answer", b"flood"))
        await asyncio.wait_for(app.ended.wait(), 20)


async def test_client_waits_for_the_server_as_long_as_it_takes(app, impatient):
    async with serving(app) as connect:
        patient = await connect(GET.replace(b"answer", b"wait"))
        assert await read_to_end(await connect(b"")) == b""  # its time is up, and so is that of the other
        app.go_on.set()
        assert (await patient[0].readuntil(b"done")).startswith(b"HTTP/1.1 200")


async def test_new_connection_replaces_the_one_that_waits_longest(app):
    async with serving(app, max_connections=2) as connect:
        first, second = await connect(b""), await connect(GET)
        await second[0].readuntil(b"done")
        third = await connect(GET)
        assert (await third[0].readuntil(b"done")).startswith(b"HTTP/1.1 200")
        assert await read_to_end(first) == b""
        second[1].write(GET)
        assert b"HTTP/1.1 200" in await second[0].readuntil(b"done")


async def test_new_connection_is_refused_while_the_server_works_for_all(app):
    async with serving(app, max_connections=1) as connect:
        first = await connect(GET.replace(b"answer", b"wait"))
        await app.begun.wait()
        assert (await read_to_end(await connect(GET))).startswith(b"HTTP/1.1 503")
        app.go_on.set()
        assert (await first[0].readuntil(b"done")).startswith(b"HTTP/1.1 200")


async def test_endless_headers_are_refused(app):
    async with serving(app) as connect:
        streams = await connect(GET[:-2] + b"X: " + b"a" * http_connection.MAX_HEADER_BYTES)
        assert (await read_to_end(streams)).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(("size", "left_s"), [(0, 0.0), (500, 0.5), (60_000, 20.0)])
def test_bytes_give_a_client_time_up_to_a_limit(size, left_s):
    assert http_connection.extended(deadline=100.0, size=size, now=100.0, limit_s=20.0) == 100.0 + left_s

import asyncio
import resource
import socket

import httpx
import pytest

from server.process.http_listener import (
    LEAST_CONNECTIONS,
    OTHER_FILES,
    connections_within_file_limit,
    listen,
    serve_app,
)


async def app(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_serve_app_answers_until_it_is_canceled(host: str) -> None:
    with listen(host, 0) as listener:
        port = listener.getsockname()[1]
        address = f"[{host}]" if ":" in host else host
        serving = asyncio.create_task(serve_app(app, listener, 10))
        async with httpx.AsyncClient(base_url=f"http://{address}:{port}", trust_env=False) as client:
            assert (await client.get("/path")).text == "/path"
        serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await serving


def test_listen_sends_small_answers_at_once() -> None:
    with listen("127.0.0.1", 0) as listener:
        assert listener.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_listen_refuses_a_used_port() -> None:
    with listen("127.0.0.1", 0) as listener, pytest.raises(OSError, match="in use"):
        listen("127.0.0.1", listener.getsockname()[1])


@pytest.mark.parametrize(
    ("soft", "hard", "raised_to", "connections"),
    [
        (100_000, 100_000, None, 1000),
        (1024, 100_000, 1000 + OTHER_FILES, 1000),
        (1024, 1024, 1024, 1024 - OTHER_FILES),
        (64, 64, 64, LEAST_CONNECTIONS),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, None, 1000),
        (1024, resource.RLIM_INFINITY, 1000 + OTHER_FILES, 1000),
    ],
)
def test_connections_fit_into_the_limit_of_open_files(monkeypatch, soft, hard, raised_to, connections) -> None:
    limits = []
    monkeypatch.setattr(resource, "getrlimit", lambda _: (soft, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _, pair: limits.append(pair))
    assert connections_within_file_limit(1000) == connections
    assert limits == ([] if raised_to is None else [(raised_to, hard)])

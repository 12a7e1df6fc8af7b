import asyncio
import socket

import httpx
import pytest

from server.process.http_listener import listen, serve_app


async def app(scope, receive, send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_serve_app_answers_until_it_is_canceled(host: str) -> None:
    with listen(host, 0) as listener:
        port = listener.getsockname()[1]
        address = f"[{host}]" if ":" in host else host
        serving = asyncio.create_task(serve_app(app, listener))
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

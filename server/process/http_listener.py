"""An HTTP application on a socket of ours, for as long as its role lives."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

CLOSE_S = 3
BACKLOG = 2048


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError where the port is taken, or the address is not ours."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Connections inherit it; without, an answer in two parts waits 40 ms for the client to acknowledge the first.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def answer(app: ASGIApp, listener: socket.socket) -> None:
    """Until it is canceled; requests that are under way then may end."""
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=CLOSE_S)
    server = _Http(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise


class _Http(uvicorn.Server):
    """Uvicorn that leaves signals to its role."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

"""Serves an ASGI application on a socket for as long as its role runs."""

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
    """Raises OSError if the port is in use, or the address does not belong to this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Connections inherit it. Without it an answer in two parts waits 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


async def serve_app(app: ASGIApp, listener: socket.socket) -> None:
    """Serves until it is canceled. Requests in progress may then finish."""
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
    """Uvicorn without its signal handlers, because the role handles signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

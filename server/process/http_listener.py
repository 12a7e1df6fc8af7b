"""Serves an ASGI application on a socket for as long as its role runs."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import resource
import socket
from collections.abc import Iterator

import uvicorn
from starlette.types import ASGIApp

from server.process.http_connection import ClientConnection

log = logging.getLogger(__name__)
CLOSE_S = 3
BACKLOG = 2048
CHECK_EVERY = 5
"""Ticks of uvicorn, of 0.1 s, from one check of all connections to the next."""
OTHER_FILES = 512
"""Open files that are no connections of clients: logs, pools for Redis, Kafka, S3, image URLs and callbacks."""
LEAST_CONNECTIONS = 16


def listen(host: str, port: int) -> socket.socket:
    """Raises OSError if the port is in use, or the address does not belong to this machine."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    # Connections inherit it. Without it an answer in two parts waits 40 ms for the client's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def connections_within_file_limit(connections: int) -> int:
    """Raises this process's limit of open files if it can; the number of connections that then have room.

    Without free file descriptors no connection can be accepted, so no client gets an answer.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + OTHER_FILES
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return connections
    limit = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    fitting = min(connections, max(LEAST_CONNECTIONS, limit - OTHER_FILES))
    if fitting < connections:
        log.warning(
            "the limit of %d open files leaves room for %d connections, not %d; raise it (ulimit -n), or lower "
            "HUA_CONNECTIONS",
            limit,
            fitting,
            connections,
        )
    return fitting


async def serve_app(app: ASGIApp, listener: socket.socket, max_connections: int) -> None:
    """Serves until it is canceled. Requests in progress may then finish."""
    config = uvicorn.Config(
        app,
        http=ClientConnection,
        ws="none",
        limit_concurrency=max_connections + 1,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=CLOSE_S,
    )
    server = _Http(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.shield(serving)
    except asyncio.CancelledError:
        server.should_exit = True
        await serving
        raise


class _Http(uvicorn.Server):
    """Uvicorn without its signal handlers, because the role handles signals, and with checks of its connections."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        if counter % CHECK_EVERY == 0:
            for connection in list(self.server_state.connections):
                if isinstance(connection, ClientConnection):
                    connection.check()
        return await super().on_tick(counter)

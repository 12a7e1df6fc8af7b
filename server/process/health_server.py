"""What a role without an API tells of itself over HTTP: /metrics, /healthz and /readyz.

Neither of the two probes asks anything that we depend on: a Redis that is away must not have all workers restarted.
"""

from __future__ import annotations

import errno
import logging
import socket
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from server.observability.metrics import exposition
from server.process.http_listener import listen
from server.settings import Settings, SettingsError

log = logging.getLogger(__name__)
NEIGHBOURS = 16
"""Roles of one machine find a port each; in a pod there is one, and it gets the port that was asked for."""


@dataclass(frozen=True, slots=True)
class Health:
    """`alive`: it need not be started anew. `ready`: it can do its work. `said` tells people which, and why."""

    ready: bool
    said: str
    alive: bool = True


def create_monitor(health: Callable[[], Health]) -> Starlette:
    """That this answers at all says that the event loop of the role turns."""

    async def metrics(request: Request) -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)

    async def is_alive(request: Request) -> Response:
        now = health()
        return JSONResponse({"status": "alive" if now.alive else now.said}, 200 if now.alive else 503)

    async def is_ready(request: Request) -> Response:
        now = health()
        return JSONResponse({"status": now.said}, 200 if now.alive and now.ready else 503)

    paths = {"/metrics": metrics, "/healthz": is_alive, "/readyz": is_ready}
    return Starlette(routes=[Route(path, answer) for path, answer in paths.items()])


def listen_nearby(settings: Settings) -> socket.socket | None:
    """On HUA_METRICS_PORT, or on the next free port where a neighbour has it; None where it is 0.

    Raises SettingsError.
    """
    first, host = settings.metrics_port, settings.metrics_host or settings.host
    if not first:
        return None
    last = min(first + NEIGHBOURS, 65535)
    for port in range(first, last + 1):
        try:
            listener = listen(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port < last:
                continue
            raise SettingsError(
                f"cannot tell metrics on {host} port {port} ({error.strerror}); set HUA_METRICS_HOST or "
                "HUA_METRICS_PORT, or HUA_METRICS_PORT=0 to tell none"
            ) from error
        log.info("metrics and probes at http://%s:%d", f"[{host}]" if ":" in host else host, port)
        return listener
    return None

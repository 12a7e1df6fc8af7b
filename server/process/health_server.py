"""Metrics and probes on a port of their own: /metrics, /healthz and /readyz.

The probes do not depend on other services: if Redis is not reachable, restarting all workers does not help.
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
MOST_PORTS_TRIED = 16
"""Several roles on one machine each find a free port. In a pod there is one role, and it gets HUA_METRICS_PORT."""


@dataclass(frozen=True, slots=True)
class Health:
    """The state of a role."""

    ready: bool
    """The role can do its work."""
    reason: str
    """The state in words, for people."""
    alive: bool = True
    """The role needs no restart."""


def create_health_app(health: Callable[[], Health]) -> Starlette:
    """An answer also shows that the role's event loop runs."""

    async def metrics(request: Request) -> Response:
        return Response(exposition(), media_type=CONTENT_TYPE_LATEST)

    async def is_alive(request: Request) -> Response:
        now = health()
        return JSONResponse({"status": "alive" if now.alive else now.reason}, 200 if now.alive else 503)

    async def is_ready(request: Request) -> Response:
        now = health()
        return JSONResponse({"status": now.reason}, 200 if now.alive and now.ready else 503)

    paths = {"/metrics": metrics, "/healthz": is_alive, "/readyz": is_ready}
    return Starlette(routes=[Route(path, answer) for path, answer in paths.items()])


def listen_nearby(settings: Settings) -> socket.socket | None:
    """Listens on HUA_METRICS_PORT, or on the next free port. Returns None if the setting is 0.

    Raises SettingsError if no port is free.
    """
    first, host = settings.metrics_port, settings.metrics_host or settings.host
    if not first:
        return None
    last = min(first + MOST_PORTS_TRIED, 65535)
    for port in range(first, last + 1):
        try:
            listener = listen(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE and port < last:
                continue
            raise SettingsError(
                f"cannot serve metrics on {host} port {port} ({error.strerror}); set HUA_METRICS_HOST or "
                "HUA_METRICS_PORT, or HUA_METRICS_PORT=0 to serve none"
            ) from error
        log.info("metrics and probes at http://%s:%d", f"[{host}]" if ":" in host else host, port)
        return listener
    return None

"""Routes that take a body, and only from those who have a key."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import Request, Response
from fastapi.routing import APIRoute

from server.services import Services


class AuthenticatedRoute(APIRoute):
    """Asks for the key before it reads the body, which FastAPI reads and parses before it asks for anything: a stranger
    is to cost no more than his line."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_known(request: Request) -> Response:
            """Raises UnauthorizedError."""
            services = cast(Services, request.app.state.services)
            services.tenants.keys.caller(request.headers.get("authorization"))
            return await handle(request)

        return handle_known

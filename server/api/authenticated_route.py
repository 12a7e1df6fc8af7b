"""A route class that checks the API key before the request body is read."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import Request, Response
from fastapi.routing import APIRoute

from server.services import Services


class AuthenticatedRoute(APIRoute):
    """Refuses unauthenticated requests before their body is read.

    FastAPI reads and parses the body before it runs dependencies, so a request without a key would cost that work.
    """

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_authenticated(request: Request) -> Response:
            """Raises UnauthorizedError."""
            services = cast(Services, request.app.state.services)
            services.tenants.keys.authenticate(request.headers.get("authorization"))
            return await handle(request)

        return handle_authenticated

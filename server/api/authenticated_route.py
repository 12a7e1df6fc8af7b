"""Route classes that check a caller before the request body is read, and parse the body quickly."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import Callable, Coroutine
from typing import Any, cast

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic_core import from_json
from starlette.datastructures import Headers
from starlette.types import Message, Receive, Scope, Send

from server.services import Services
from server.tasks.submission import spend_token
from server.tenancy.auth import Caller
from server.tenancy.open_requests import OpenRequests

LARGE_BYTES = 1 << 20
CALLER = "hua.caller"
"""The name of the authenticated Caller in the scope of a request."""
STOPPING = "graceful shutdown"
"""Words in the message with which uvicorn cancels the requests that are still open when the server stops."""


class StoppingError(Exception):
    """The server stops before it has answered a request."""

    def __init__(self) -> None:
        super().__init__(
            "the server stops; what it has accepted runs on (GET /v1/tasks); send other requests again soon"
        )


class JsonRequest(Request):
    """A request whose JSON is parsed ten times faster than by the standard library.

    No other request runs while a body is parsed and validated. So large bodies take turns, and requests that have come
    meanwhile go first. A thread would not help, because the parser and the validation hold the GIL.
    """

    async def json(self) -> Any:
        """Raises JSONDecodeError, UnicodeDecodeError."""
        body = await self.body()
        if len(body) < LARGE_BYTES:
            return _parse(body)
        turns: asyncio.Lock = self.app.state.large_bodies
        async with turns:
            await asyncio.sleep(0)  # the loop reads what has arrived
            await asyncio.sleep(0)  # and answers it
            return _parse(body)


def _parse(body: bytes) -> Any:
    """Raises JSONDecodeError, UnicodeDecodeError."""
    with contextlib.suppress(ValueError):
        return from_json(body)
    try:
        return json.loads(body)  # it accepts byte order marks and lone surrogates, and says what is wrong
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError as error:
        raise json.JSONDecodeError("a number has too many digits", "", 0) from error


class AuthenticatedRoute(APIRoute):
    """Refuses unauthenticated requests before their body is read.

    FastAPI reads and parses the body before it runs dependencies, so a request without a key would cost that work.
    """

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Counts the request until its answer is sent. Raises UnauthorizedError, OpenRequestsError, StoppingError."""
        state = scope["app"].state
        authorization = self.authorization(Headers(scope=scope))
        caller = cast(Services, state.services).tenants.keys.authenticate(authorization)
        scope[CALLER] = caller
        with cast(OpenRequests, state.open_requests).count(caller.tenant):
            is_answered = False

            async def send_and_note(message: Message) -> None:
                nonlocal is_answered
                is_answered = True
                await send(message)

            try:
                await super().handle(scope, receive, send_and_note)
            except asyncio.CancelledError as error:
                if is_answered or STOPPING not in str(error):
                    raise
                raise StoppingError from error

    @staticmethod
    def authorization(headers: Headers) -> str | None:
        """The value of the Authorization header. Overridden where clients send their key in another header."""
        return headers.get("authorization")

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_authenticated(request: Request) -> Response:
            """Raises what `admit` raises."""
            await self.admit(request, cast(Services, request.app.state.services), request.scope[CALLER])
            return await handle(JsonRequest(request.scope, request.receive))

        return handle_authenticated

    async def admit(self, request: Request, services: Services, caller: Caller) -> None:
        """Called before the body is read; may refuse the request."""


class SubmissionRoute(AuthenticatedRoute):
    """Takes a token of the tenant's rate limit before the body is read, so that refused tasks are limited, too."""

    async def admit(self, request: Request, services: Services, caller: Caller) -> None:
        """Raises MissingScopeError, RateLimitError."""
        caller.require("submit")
        await spend_token(services, caller.tenant, request.headers.get("idempotency-key"))

"""One HTTP exchange over a connection of its own, which is closed whatever happens.

It works around two faults of httpcore 1.0. A request that is canceled after a shared pool has assigned a connection to
it, and before it uses that, leaves it in the pool as "connecting" for ever; soon all connections are used up. And a
request that is canceled in a TLS handshake leaves its socket open until the garbage collector finds it.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cache
from typing import Any

import httpx


@cache
def trusting_tls() -> ssl.SSLContext:
    """Trusts the authorities of certifi, of this machine and of SSL_CERT_FILE. To read them takes 30 ms, so it is done
    once."""
    context = httpx.create_ssl_context(trust_env=False)
    context.load_default_certs()
    return context


@asynccontextmanager
async def sent(requests: Sequence[httpx.Request], proxy: str | None = None) -> AsyncIterator[httpx.Response]:
    """The response to the first request whose host accepts a connection; the others are not sent."""
    async with AsyncExitStack() as opened, httpx.AsyncHTTPTransport(verify=trusting_tls(), proxy=proxy) as transport:

        async def close_at_the_end(event: str, info: dict[str, Any]) -> None:
            if event == "connection.connect_tcp.complete":
                opened.push_async_callback(info["return_value"].aclose)

        for request in requests:
            request.extensions["trace"] = close_at_the_end
        response = await _response(transport, requests)
        try:
            yield response
        finally:
            await response.aclose()


async def _response(transport: httpx.AsyncHTTPTransport, requests: Sequence[httpx.Request]) -> httpx.Response:
    for request in requests[:-1]:
        with suppress(httpx.ConnectError, httpx.ConnectTimeout):
            return await transport.handle_async_request(request)
    return await transport.handle_async_request(requests[-1])

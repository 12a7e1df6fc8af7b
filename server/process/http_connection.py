"""The connection of one client. It is closed if the client keeps the server waiting, or if others need its place.

Without this, anyone who can connect could take all connections: uvicorn waits for a request without end.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server.observability.metrics import CONNECTIONS_CLOSED

HEADER_S = 10.0
"""Seconds from the start of a request to the end of its headers, and those that an unused connection has."""
BODY_S = 20.0
"""Seconds without a byte of the body."""
SEND_S = 30.0
"""Seconds without a byte of the answer being taken."""
BYTES_PER_S = 1000
"""A client that is slower than this over a longer time uses its seconds up."""
MAX_HEADER_BYTES = 64 << 10
SPARE_CONNECTIONS = 64
"""Connections above the limit that are told so (503); further ones are closed at once."""


def extended(deadline: float, size: int, now: float, limit_s: float) -> float:
    """The deadline after `size` more bytes: each gives a client time, up to `limit_s` from now."""
    return min(now + limit_s, deadline + size / BYTES_PER_S)


class ClientConnection(HttpToolsProtocol):
    """Closes itself when `check` is called too late after the client's last sign of life.

    While the server works on a request there is no deadline. `limit_concurrency` of uvicorn is the limit of connections
    plus one: uvicorn answers 503 when that many are open. So a new connection takes the place of the one that has kept
    the server waiting longest, and only if the server works for all of them is it refused.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._deadline = self.loop.time() + HEADER_S
        self._in_headers = False
        self._header_bytes = 0
        self._unsent = 0
        """Bytes of the answer that waited for the client at the last check."""

    @property
    def deadline(self) -> float:
        """The time of the loop at which the client must have gone on; infinite while the server works."""
        return self._deadline if self._waits_for_client() else math.inf

    def close_as(self, reason: str) -> None:
        CONNECTIONS_CLOSED.labels(reason).inc()
        self.connections.discard(self)
        self.transport.abort()

    def check(self) -> None:
        """Closes the connection if its deadline has passed. To be called about once a second."""
        now, unsent = self.loop.time(), self.transport.get_write_buffer_size()
        if unsent < self._unsent:
            self._extend(self._unsent - unsent, SEND_S)
        self._unsent = unsent
        if self.flow.read_paused:
            self._deadline = now + BODY_S
        elif now > self.deadline:
            self.close_as("late")

    def _waits_for_client(self) -> bool:
        if self.flow.write_paused or self.cycle is None or self.cycle.response_complete:
            return True
        return self.cycle.more_body and not self.flow.read_paused

    def _extend(self, size: int, limit_s: float) -> None:
        self._deadline = extended(self._deadline, size, self.loop.time(), limit_s)

    def _make_room(self) -> None:
        others = (one for one in self.connections if one is not self and isinstance(one, ClientConnection))
        latest = min(others, key=lambda one: one.deadline, default=None)
        if latest is not None and latest.deadline < math.inf:
            latest.close_as("full")
        elif self.limit_concurrency and len(self.connections) > self.limit_concurrency + SPARE_CONNECTIONS:
            self.close_as("full")

    # --- what the transport and the parser call

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if self.limit_concurrency and len(self.connections) >= self.limit_concurrency:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_headers:
            self._header_bytes += len(data)
            if self._header_bytes > MAX_HEADER_BYTES:
                self.send_400_response(f"The headers have more than {MAX_HEADER_BYTES} bytes.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers, self._header_bytes = True, 0
        self._deadline = self.loop.time() + HEADER_S

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_headers = False
        self._deadline = self.loop.time() + BODY_S

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        if not self.cycle.response_complete:
            self._extend(len(body), BODY_S)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._deadline = self.loop.time() + HEADER_S

    def pause_writing(self) -> None:
        super().pause_writing()
        self._deadline = self.loop.time() + SEND_S

"""A flow is a conversation with the server, without the network: a generator that yields what is to be done next.

The clients carry out the same flows, `Hua` with blocking calls and `AsyncHua` with asyncio. So what is sent, when it is
repeated, and what an answer means are written once. A lost connection is raised in the flow, as httpx.TransportError.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeAlias, TypeVar

import httpx

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    url: str
    """The whole address."""
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str | int] = field(default_factory=dict)
    json: Any = None
    content: bytes | None = None
    read_timeout_s: float = 60.0
    """How long no byte may come before the connection counts as lost."""


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes
    """Empty if the answer is a stream, whose bytes `Read` brings."""


@dataclass(frozen=True, slots=True)
class Send:
    """Answered by a Reply."""

    request: Request


@dataclass(frozen=True, slots=True)
class Open:
    """As Send, but the body of a successful answer stays open. The stream that was open before is closed."""

    request: Request


@dataclass(frozen=True, slots=True)
class Read:
    """Answered by the next bytes of the open stream, or None at its end."""


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Work:
    """Reading a file or encoding an image: answered by what the function returns. It may take a while."""

    function: Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Emit:
    """A value for the caller that iterates."""

    value: Any


Effect: TypeAlias = Send | Open | Read | Pause | Work | Emit
Flow: TypeAlias = Generator[Effect, Any, T]
LOST = httpx.TransportError


class Steps(Generic[T]):
    """A flow that is being carried out: `effect` is what to do next, None once the flow has ended."""

    result: T

    def __init__(self, flow: Flow[T]) -> None:
        self._flow = flow
        self.effect: Effect | None = None
        self.answer(None)

    def answer(self, value: Any) -> None:
        self._move(lambda: self._flow.send(value))

    def fail(self, error: Exception) -> None:
        """Raises the error in the flow."""
        self._move(lambda: self._flow.throw(error))

    def _move(self, move: Callable[[], Effect]) -> None:
        try:
            self.effect = move()
        except StopIteration as stop:
            self.effect, self.result = None, stop.value

"""Traces of a task through all roles, for whoever collects them at HUA_TRACES. Off, no SDK is imported, and a span
costs the call.

The context travels as a `traceparent` in the task's record, and so through the logs, the queue and any role's death.
https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, Protocol

from server.settings import Settings, SettingsError

AttributeValue = str | int | float
KindName = Literal["internal", "server", "client", "producer", "consumer"]


class Span(Protocol):
    """A piece of work under way."""

    @property
    def traceparent(self) -> str:
        """By which others say that their work is part of this; empty while traces are off."""
        ...

    def say(self, name: str = "", **facts: AttributeValue) -> None:
        """Adds facts, and gives it another name if there is one."""


class Tracer(Protocol):
    def span(
        self, name: str, parent: str, side: KindName, facts: dict[str, AttributeValue]
    ) -> AbstractContextManager[Span]: ...

    def past(self, name: str, parent: str, began_at: float, ended_at: float) -> None: ...

    def traceparent(self) -> str: ...

    def close(self) -> None: ...


class NoopSpan:
    """The span there is while traces are off."""

    traceparent = ""

    def say(self, name: str = "", **facts: AttributeValue) -> None:
        """Nobody listens."""


_NOTHING = NoopSpan()
_tracer: Tracer | None = None


def set_up_traces(settings: Settings, role: str) -> Callable[[], None]:
    """Begins to trace, if HUA_TRACES is set; answers what ends it, which may take seconds, and sends what is left.

    Raises SettingsError where OpenTelemetry is not installed.
    """
    global _tracer
    if not settings.traces:
        return lambda: None
    try:
        from server.observability.otel import OpenTelemetry
    except ImportError as error:
        raise SettingsError("HUA_TRACES needs OpenTelemetry; install hua[traces], or unset it") from error
    _tracer = tracer = OpenTelemetry(settings.traces, role)
    return tracer.close


def tracing() -> bool:
    return _tracer is not None


@contextmanager
def span(name: str, parent: str = "", side: KindName = "internal", **facts: AttributeValue) -> Iterator[Span]:
    """The block is a span: a part of `parent`, a traceparent, or else of the span around it."""
    if _tracer is None:
        yield _NOTHING
        return
    with _tracer.span(name, parent, side, facts) as here:
        yield here


def past(name: str, began_at: float, ended_at: float, parent: str = "") -> None:
    """A span that is over, in unix seconds; a part as in `span`."""
    if _tracer is not None:
        _tracer.past(name, parent, began_at, ended_at)


def traceparent() -> str:
    """Of the span we are in; empty outside of all, and while traces are off."""
    return _tracer.traceparent() if _tracer is not None else ""

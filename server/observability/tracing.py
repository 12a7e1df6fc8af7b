"""Traces of a task through all roles, in OpenTelemetry's API. Without HUA_TRACES its tracer does nothing.

The context travels as a `traceparent` in the task's record, and so survives the death of any role.
https://www.w3.org/TR/trace-context/
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.trace import NoOpTracer, Span, SpanKind, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from server.settings import Settings, SettingsError

_W3C = TraceContextTextMapPropagator()
_tracer: Tracer = NoOpTracer()


def set_up_traces(settings: Settings, role: str) -> Callable[[], None]:
    """Starts tracing if HUA_TRACES is set. The returned function ends it and sends the rest, which may take seconds.

    Raises SettingsError if OpenTelemetry's SDK is not installed.
    """
    global _tracer
    if not settings.traces:
        return lambda: None
    try:
        from server.observability.trace_export import tracer_provider
    except ImportError as error:
        raise SettingsError("HUA_TRACES needs OpenTelemetry; install hua[traces], or unset it") from error
    provider = tracer_provider(settings.traces, role)
    _tracer = provider.get_tracer("hua")
    return provider.shutdown


def tracing() -> bool:
    return not isinstance(_tracer, NoOpTracer)


@contextmanager
def span(
    name: str, parent: str = "", kind: SpanKind = SpanKind.INTERNAL, **attributes: str | int | float
) -> Iterator[Span]:
    """The block is a span, a child of `parent` (a traceparent) or else of the current span.

    An exception is recorded by its name alone: its text may be a user's.
    """
    with _tracer.start_as_current_span(
        name, _context(parent), kind, attributes, record_exception=False, set_status_on_exception=False
    ) as current:
        try:
            yield current
        except Exception as error:
            current.set_status(StatusCode.ERROR, type(error).__name__)
            raise


def record_span(name: str, began_at: float, ended_at: float, parent: str = "") -> None:
    """Records a span that is over, in unix seconds, with a parent as in `span`."""
    began_ns, ended_ns = int(began_at * 1e9), int(max(began_at, ended_at) * 1e9)
    _tracer.start_span(name, _context(parent), start_time=began_ns).end(ended_ns)


def traceparent(of: Span | None = None) -> str:
    """The traceparent of a span, by default the current one; empty outside of all spans, and while traces are off."""
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, None if of is None else set_span_in_context(of))
    return carrier.get("traceparent", "")


def _context(parent: str) -> Context | None:
    return _W3C.extract({"traceparent": parent}) if parent and tracing() else None

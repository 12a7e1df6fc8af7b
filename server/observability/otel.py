"""Spans as OpenTelemetry knows them, sent by OTLP over HTTP. Imported only where traces are wanted."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.trace import Span, SpanKind, StatusCode, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from server.observability.tracing import AttributeValue, KindName

log = logging.getLogger(__name__)
logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
EXPORT_S = 3.0
EVERY_MS = 1000
SIDES: dict[KindName, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
_W3C = TraceContextTextMapPropagator()


class Exporter(OTLPSpanExporter):
    """Says once that the collector is away, and once that it is back; the library would say it of every batch."""

    _taken = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        taken = result is SpanExportResult.SUCCESS
        if taken and not self._taken:
            log.info("the collector takes traces again")
        elif self._taken and not taken:
            log.warning("the collector takes no traces, and they are dropped; see that it runs where HUA_TRACES says")
        self._taken = taken
        return result


class OpenTelemetry:
    """`collector` is http(s)://HOST:PORT. What it does not take is dropped: a trace is never worth a task."""

    def __init__(self, collector: str, role: str) -> None:
        resource = Resource.create({"service.name": f"hua-{role}", "service.version": version("hua")})
        exporter = Exporter(f"{collector.rstrip('/')}/v1/traces", timeout=EXPORT_S)
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EVERY_MS))
        self._tracer = self._provider.get_tracer("hua")

    @contextmanager
    def span(self, name: str, parent: str, side: KindName, facts: dict[str, AttributeValue]) -> Iterator[OtelSpan]:
        """An exception is told by its name alone: its words may be a user's."""
        with self._tracer.start_as_current_span(
            name, _context(parent), SIDES[side], facts, record_exception=False, set_status_on_exception=False
        ) as here:
            try:
                yield OtelSpan(here)
            except Exception as error:
                here.set_status(StatusCode.ERROR, type(error).__name__)
                raise

    def past(self, name: str, parent: str, began_at: float, ended_at: float) -> None:
        began_ns, ended_ns = int(began_at * 1e9), int(max(began_at, ended_at) * 1e9)
        self._tracer.start_span(name, _context(parent), start_time=began_ns).end(ended_ns)

    def traceparent(self) -> str:
        return _traceparent(None)

    def close(self) -> None:
        self._provider.shutdown()


class OtelSpan:
    """A span of OpenTelemetry in our words."""

    def __init__(self, span: Span) -> None:
        self._span = span

    @property
    def traceparent(self) -> str:
        return _traceparent(set_span_in_context(self._span))

    def say(self, name: str = "", **facts: AttributeValue) -> None:
        if name:
            self._span.update_name(name)
        self._span.set_attributes(facts)


def _context(parent: str) -> Context | None:
    return _W3C.extract({"traceparent": parent}) if parent else None


def _traceparent(context: Context | None) -> str:
    carrier: dict[str, str] = {}
    _W3C.inject(carrier, context)
    return carrier.get("traceparent", "")

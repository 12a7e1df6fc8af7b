"""Sends spans to a collector by OTLP over HTTP. Imported only if HUA_TRACES is set, because it needs the SDK."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.metadata import version

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

log = logging.getLogger(__name__)
logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
EXPORT_TIMEOUT_S = 3.0
EXPORT_EVERY_MS = 1000


class Exporter(OTLPSpanExporter):
    """Logs once that the collector is away, and once that it is back; the library would log every batch."""

    _accepted = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = super().export(spans)
        accepted = result is SpanExportResult.SUCCESS
        if accepted and not self._accepted:
            log.info("the collector accepts traces again")
        elif self._accepted and not accepted:
            log.warning("the collector accepts no traces, and they are dropped; check that it runs at HUA_TRACES")
        self._accepted = accepted
        return result


def tracer_provider(collector: str, role: str) -> TracerProvider:
    """`collector` is http(s)://HOST:PORT. What it does not accept is dropped, so that traces never delay a task."""
    resource = Resource.create({"service.name": f"hua-{role}", "service.version": version("hua")})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = Exporter(f"{collector.rstrip('/')}/v1/traces", timeout=EXPORT_TIMEOUT_S)
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=EXPORT_EVERY_MS))
    return provider

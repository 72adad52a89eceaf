"""Spans as OpenTelemetry's, over HTTP to a collector. Needs the extra `traces`: imported where one is named."""

import atexit
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import Decision
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags, set_span_in_context

from shared.telemetry.traces import FIRST, Span, Traced, span_id, trace_id

_END_S = 1.0  # for what is still in the queue when the process ends


def teller(process: str) -> Callable[[Span], None]:
    """What gives spans to OpenTelemetry's queue, which is bounded. What is in it when the process ends is told for a
    second; OpenTelemetry itself would wait for a collector that hangs."""
    ids = _Ids()
    named = {"service.name": os.environ.get("OTEL_SERVICE_NAME") or "settlepipe", "settlepipe.process": process}
    provider = TracerProvider(resource=Resource.create(named), id_generator=ids, shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    atexit.register(_told_last, provider.shutdown)
    tracer = provider.get_tracer("settlepipe")

    def tell(span: Span) -> None:
        of = span.of
        told = {f"settlepipe.{name}": value for name, value in span.attributes.items() if value is not None}
        told |= {"settlepipe.payment_id": of.payment_id, "settlepipe.provider": of.provider}
        told |= {"settlepipe.operation": of.operation}
        with ids.said(of if span.name == FIRST else None):
            above = _above(provider, of, first=span.name == FIRST)
            made = tracer.start_span(span.name, above, SpanKind.INTERNAL, told, start_time=_ns(span.began))
        for call in span.calls:
            inside = set_span_in_context(made)
            child = tracer.start_span("call", inside, SpanKind.CLIENT, told, start_time=_ns(call.began))
            child.end(_ns(call.began + call.took_s))
        if span.failed:
            made.set_status(StatusCode.ERROR)
        made.end(_ns(span.ended))

    return tell


class _Ids(RandomIdGenerator):
    """Random ones, but for a payment's first span: its ids are known to every process."""

    def __init__(self) -> None:
        self._said = threading.local()

    @contextmanager
    def said(self, of: Traced | None) -> Iterator[None]:
        """In the block this thread's spans have this payment's ids; None: random ones."""
        self._said.of = of
        try:
            yield
        finally:
            self._said.of = None

    def generate_span_id(self) -> int:
        of: Traced | None = getattr(self._said, "of", None)
        return super().generate_span_id() if of is None else int(span_id(of.reference), 16)

    def generate_trace_id(self) -> int:
        of: Traced | None = getattr(self._said, "of", None)
        return super().generate_trace_id() if of is None else int(trace_id(of.reference, of.traceparent), 16)


def _above(provider: TracerProvider, of: Traced, *, first: bool) -> Context | None:
    """What a span stands below: the payment's first one; that below the upstream's, if it has one."""
    number = int(trace_id(of.reference, of.traceparent), 16)
    if of.traceparent:
        flags = TraceFlags(int(of.traceparent[53:55], 16))  # whoever began the trace decided whether it is kept
    elif first:
        return None
    else:  # as the sampler decides for its first span
        kept = provider.sampler.should_sample(None, number, FIRST).decision is not Decision.DROP
        flags = TraceFlags(TraceFlags.SAMPLED if kept else TraceFlags.DEFAULT)
    above = of.traceparent[36:52] if first and of.traceparent else span_id(of.reference)
    return set_span_in_context(NonRecordingSpan(SpanContext(number, int(above, 16), is_remote=True, trace_flags=flags)))


def _ns(seconds: float) -> int:
    return int(seconds * 1_000_000_000)


def _told_last(shutdown: Callable[[], None]) -> None:
    last = threading.Thread(target=shutdown, daemon=True)
    last.start()
    last.join(_END_S)

"""Spans by OpenTelemetry while `OTEL_EXPORTER_OTLP_ENDPOINT` is set; otherwise nothing of it is even imported.

    POST /queue/centres/{centre}/tickets       what was asked
      change hall                              the command; its facts carry this into the journal and onto the bus
        publish ticket-issued                  the relay
        volunteers: process ticket-issued      the handlers, linked to the command that said it
          change ride

A span has a name made of routes, topics and names in this code, and the attributes listed here: no reference, no key of
a message, nothing that was sent. Whoever asks for spans checks `on` first, which is all that they cost when it is off.
"""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Literal

from services.chassis.errors import Refusal
from services.chassis.settings import SettingsError
from services.chassis.trace import traceparent

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SpanExporter
    from opentelemetry.trace import Span, SpanContext, Tracer

# fmt: off
ATTRIBUTES: Final = frozenset({
    "http.request.method", "http.route", "http.response.status_code", "error.type",
    "messaging.destination.name", "messaging.consumer.group.name",
    "caunoi.service", "caunoi.document.kind", "caunoi.rule", "caunoi.facts",
})
# fmt: on
FLUSH_SECONDS: Final = 2.0
Kind = Literal["server", "internal", "producer", "consumer"]

on = False
_tracer: "Tracer | None" = None
_provider: "TracerProvider | None" = None


def start(service: str, exporter: "SpanExporter | None" = None) -> None:
    """From now on spans are told to `exporter`, or to the endpoint that OpenTelemetry's own variables name."""
    global on, _tracer, _provider
    try:
        from opentelemetry.sdk.resources import OTELResourceDetector, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
    except ImportError:
        raise SettingsError(
            "OTEL_EXPORTER_OTLP_ENDPOINT: OpenTelemetry is not installed; install caunoi[traces], or unset the variable"
        ) from None
    named = Resource({"service.name": service}).merge(OTELResourceDetector().detect())
    _provider = TracerProvider(resource=named, shutdown_on_exit=False)
    if exporter is None:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

        _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    else:
        _provider.add_span_processor(SimpleSpanProcessor(exporter))
    _tracer = _provider.get_tracer("caunoi")
    on = True


async def stop() -> None:
    """Tell what is not told yet, if somebody listens."""
    global on, _tracer, _provider
    if _provider is None:
        return
    ending = threading.Thread(target=_provider.shutdown, daemon=True)  # it may wait for an endpoint that is away
    on, _tracer, _provider = False, None, None
    ending.start()
    await asyncio.to_thread(ending.join, FLUSH_SECONDS)


class Spanned:
    """A span under way; `traceparent` is how others name it."""

    def __init__(self, span: "Span") -> None:
        self._span = span
        context = span.get_span_context()
        self.traceparent = f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"

    def say(self, attributes: Mapping[str, str | int]) -> None:
        self._span.set_attributes({name: value for name, value in attributes.items() if name in ATTRIBUTES})

    def failed(self, why: str) -> None:
        """By a name of ours; a message could hold anything."""
        from opentelemetry.trace import Status, StatusCode

        self.say({"error.type": why})
        self._span.set_status(Status(StatusCode.ERROR))

    def end(self, name: str | None = None) -> None:
        if name:
            self._span.update_name(name)
        self._span.end()


def begin(name: str, kind: Kind, parent: str | None, *, linked: bool = False) -> Spanned:
    """A span under `parent` (a `traceparent`, or None for a new trace); `linked`: with a link to it as well."""
    from opentelemetry import trace

    assert _tracer is not None
    context = _context_of(parent)
    links = [trace.Link(context)] if linked and context else ()
    under = trace.set_span_in_context(trace.NonRecordingSpan(context or trace.INVALID_SPAN_CONTEXT))
    return Spanned(_tracer.start_span(name, under, kind=trace.SpanKind[kind.upper()], links=links))


@contextmanager
def span(
    name: str, kind: Kind, attributes: Mapping[str, str | int], *, parent: str | None = None, linked: bool = False
) -> Iterator[Spanned]:
    """What is done inside is under this span, which is under `parent` or under what is being done now."""
    spanned = begin(name, kind, parent or traceparent.get(), linked=linked)
    spanned.say(attributes)
    before = traceparent.set(spanned.traceparent)
    try:
        yield spanned
    except Refusal as refusal:
        spanned.say({"error.type": refusal.slug()})
        raise
    except BaseException as error:
        spanned.failed(type(error).__name__)
        raise
    finally:
        traceparent.reset(before)
        spanned.end()


def _context_of(parent: str | None) -> "SpanContext | None":
    from opentelemetry.trace import SpanContext, TraceFlags

    try:
        _, trace, span, flags = (parent or "").split("-")
        context = SpanContext(int(trace, 16), int(span, 16), is_remote=True, trace_flags=TraceFlags(int(flags, 16)))
    except ValueError:
        return None
    return context if context.is_valid else None

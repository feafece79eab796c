"""Spans across two services: one trace from the request to what follows of it, and nobody's name on the way."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from services.chassis import tracing
from services.chassis.process import application
from services.chassis.settings import Settings, SettingsError
from services.queue.app import service as queue
from services.volunteers.app import service as volunteers
from tests.journeys.ward import QUEUE_PART
from tests.support import run
from tests.unit.chassis.test_service import until

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
AT = "/queue/centres/31186"


@pytest.fixture
def told() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    tracing.start("caunoi-tests", exporter)
    yield exporter
    run(tracing.stop())


async def morning(folder: Path, done: InMemorySpanExporter, **headers: str) -> tuple[str, str]:
    """Somebody takes a number and asks for a ride; `volunteers` hears of it. Gives the ticket and its pass."""
    app = application([queue, volunteers], Settings(data=folder))
    async with (
        app.router.lifespan_context(app),
        httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://desk") as http,
    ):
        tokens = app.state.system.access.tokens
        operator, kiosk = (
            {"Authorization": f"Bearer {tokens.issue(f'a-{role}01', [role], centres).token}"}
            for role, centres in (("operator", []), ("kiosk", ["31186"]))
        )
        assert (await http.put(AT, json=dict(QUEUE_PART), headers=operator)).status_code < 300
        await http.get("/readyz")
        wanted = {"service": "ho-tich", "ride_home": True}
        issued = (await http.post(f"{AT}/tickets", json=wanted, headers=kiosk | headers)).json()
        refused = await http.post(f"{AT}/tickets", json={"service": "nowhere"}, headers=kiosk)
        assert refused.status_code == 404

        async def heard() -> bool:
            return any(span.name == "publish ride-planned" for span in done.get_finished_spans())

        await until(heard)
        return issued["ticket_id"], issued["pass"]


def one(spans: tuple[ReadableSpan, ...], name: str) -> ReadableSpan:
    """The one span of that name in the trace of the caller that was not refused."""
    mine = [span for span in spans if span.name == name and span.context.trace_id == int(TRACE, 16)]
    (found,) = [span for span in mine if "error.type" not in (span.attributes or {})]
    return found


def test_one_trace_leads_from_the_request_to_what_another_service_did(
    tmp_path: Path, told: InMemorySpanExporter
) -> None:
    run(morning(tmp_path, told, traceparent=f"00-{TRACE}-{CALLER}-01"))
    spans = told.get_finished_spans()
    asked = one(spans, f"POST {AT.replace('31186', '{centre}')}/tickets")
    issued = one(spans, "change hall")
    published = one(spans, "publish ticket-issued")
    handled = one(spans, "volunteers: process ticket-issued")
    planned = one(spans, "change ride")
    assert [asked.kind, issued.kind, published.kind, handled.kind] == [
        SpanKind.SERVER,
        SpanKind.INTERNAL,
        SpanKind.PRODUCER,
        SpanKind.CONSUMER,
    ]
    assert asked.parent and asked.parent.span_id == int(CALLER, 16)
    assert issued.parent and issued.parent.span_id == asked.context.span_id
    assert published.parent and published.parent.span_id == issued.context.span_id
    assert handled.parent and handled.parent.span_id == issued.context.span_id
    assert [link.context.span_id for link in handled.links] == [issued.context.span_id]
    assert planned.parent and planned.parent.span_id == handled.context.span_id
    assert (planned.attributes or {})["caunoi.rule"] == "hear"


def test_a_span_says_what_kind_of_thing_was_done_and_never_to_whom(tmp_path: Path, told: InMemorySpanExporter) -> None:
    ticket, passed = run(morning(tmp_path, told, traceparent=f"00-{TRACE}-{CALLER}-01"))
    spans = told.get_finished_spans()
    assert {name for span in spans for name in span.attributes or {}} <= tracing.ATTRIBUTES
    everything = "\n".join(span.to_json() for span in spans)
    for private in (ticket, passed.partition(".")[2], "31186", "a-kiosk01"):
        assert private not in everything


def test_what_was_refused_is_told_by_its_slug_and_is_no_error(tmp_path: Path, told: InMemorySpanExporter) -> None:
    run(morning(tmp_path, told))
    refused = [span for span in told.get_finished_spans() if "error.type" in (span.attributes or {})]
    assert ("change hall", "unknown-service") in [(one.name, (one.attributes or {})["error.type"]) for one in refused]
    assert all(span.status.status_code is not StatusCode.ERROR for span in refused)


def test_probes_leave_no_span(tmp_path: Path, told: InMemorySpanExporter) -> None:
    run(morning(tmp_path, told))
    assert not [span.name for span in told.get_finished_spans() if "readyz" in span.name]


def test_a_header_that_is_no_trace_begins_a_new_one(tmp_path: Path, told: InMemorySpanExporter) -> None:
    run(morning(tmp_path, told, traceparent=f"00-{TRACE}-{CALLER}-zz"))
    assert all(span.context.trace_id != int(TRACE, 16) for span in told.get_finished_spans())


def test_without_an_endpoint_nothing_of_it_is_imported() -> None:
    code = (
        "import sys, services.caunoi.app, services.chassis.run;"
        "print([name for name in sys.modules if name.startswith('opentelemetry.sdk')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == []


def test_where_it_is_not_installed_that_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.resources", None)
    with pytest.raises(SettingsError, match=r"install caunoi\[traces\]"):
        tracing.start("caunoi-tests")

"""Services in processes of their own: a trace goes over Kafka from one to another; accounts while Kafka is away."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from services.chassis.access import Access
from services.chassis.clock import system_clock
from services.chassis.settings import Settings
from tests import servers
from tests.journeys.apart import City, apart
from tests.journeys.system import Served
from tests.journeys.test_watching import collector
from tests.journeys.ward import QUEUE_PART, VOLUNTEERS_PART

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

HALL = "/queue/centres/31186"
TRACE = "0af7651916cd43dd8448eb211c80319c"
PASSWORD = "sen nở giữa ao sâu"


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[City, list[ExportTraceServiceRequest]]]:
    with collector() as (endpoint, told):
        settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_BSP_SCHEDULE_DELAY": "200"}
        with apart(tmp_path_factory.mktemp("apart") / "city", settings=settings, training=0) as city:
            for path, part in ((HALL, QUEUE_PART), ("/volunteers/centres/31186", VOLUNTEERS_PART)):
                assert city.http.put(path, json=part, headers=city.operator).status_code < 300
            yield city, told


def who_tells_of(trace: str, told: Sequence[ExportTraceServiceRequest]) -> set[str]:
    """Services with a span in that trace, or linked to it as what a handler does is."""
    wanted, found = bytes.fromhex(trace), set()
    for one in (one for request in list(told) for one in request.resource_spans):
        name = next(what.value.string_value for what in one.resource.attributes if what.key == "service.name")
        for span in (span for scope in one.scope_spans for span in scope.spans):
            if wanted in (span.trace_id, *(link.trace_id for link in span.links)):
                found.add(name)
    return found


def test_a_trace_goes_with_the_event_to_the_services_that_handle_it(
    observed: tuple[City, list[ExportTraceServiceRequest]],
) -> None:
    city, told = observed
    staff = Access(Settings(secrets=city.data / "secrets"), system_clock).tokens.issue("a-000001", ["staff"], ["31186"])
    traced = {"Authorization": f"Bearer {staff.token}", "traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    wanted = {"service": "ho-tich", "needs_help": True}
    answer = city.http.post(f"{HALL}/tickets", json=wanted, headers=traced)
    assert answer.status_code == 201, answer.text
    city.gateway.wait_for(
        "told by both", 60, lambda: {"caunoi-queue", "caunoi-volunteers"} <= who_tells_of(TRACE, told)
    )
    with city.books() as books:
        issued = [record for record in books.records() if record.data.get("ticket_id") == answer.json()["ticket_id"]]
    assert TRACE in dict(issued[0].headers)["traceparent"]


# ---------------------------------------------------------------------------------------------------- accounts


@contextmanager
def kafka_away() -> Iterator[None]:
    servers.kafka().kill()
    try:
        yield
    finally:
        servers.kafka().start()


def signed_in(city: City, name: str) -> dict[str, str]:
    """Headers of a new coordinator of the ward."""
    how = ("--role", "coordinator", "--centre", "31186", "--password-stdin")
    made = city.cli("accounts", "add", name, *how, stdin=f"{PASSWORD}\n")
    assert made.returncode == 0, made.stderr
    answer = city.http.post("/session", json={"name": name, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def answers(service: Served, path: str, who: dict[str, str]) -> int:
    return int(service.get(path, headers=who).status_code)


def test_without_kafka_queue_is_asked_and_without_both_what_is_known_holds_but_not_for_the_city(
    observed: tuple[City, list[ExportTraceServiceRequest]],
) -> None:
    city, _ = observed
    goes, stays = signed_in(city, "ba.nam"), signed_in(city, "co.ut")
    (queue,), (notify,) = city.services["queue"], city.services["notify"]
    dispatch, everywhere = "/notify/centres/31186/dispatch", "/notify/messages?centre=31186"
    assert [answers(notify, dispatch, who) for who in (goes, stays)] == [200, 200]
    assert answers(notify, everywhere, city.operator) == 200
    with kafka_away():
        assert city.cli("accounts", "disable", "ba.nam").returncode == 0
        notify.wait_for("refused by notify", 90, lambda: answers(notify, dispatch, goes) == 401)
        assert answers(notify, dispatch, stays) == 200
        assert "accounts" not in notify.get("/readyz").json()["degraded"]
        queue.kill()
        notify.wait_for("refused to the operator", 90, lambda: answers(notify, everywhere, city.operator) == 503)
        assert answers(notify, dispatch, stays) == 200
        assert "accounts" in notify.get("/readyz").json()["degraded"]

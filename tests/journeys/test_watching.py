"""What an operator's Prometheus scrapes off a real process is what README's table says, no more and no less."""

import math
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from prometheus_client.parser import text_string_to_metric_families

from services.caunoi.generate import ROOT
from services.chassis.ids import token
from services.chassis.keys import Keys
from tests import servers
from tests.journeys.alone import alone
from tests.journeys.system import RunningSystem, Served, running

ROW = re.compile(r"^\| `(?P<name>[a-z_]+)(?:\{(?P<labels>[a-z,]+)\})?` \|", re.MULTILINE)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running(tmp_path_factory.mktemp("watched") / "data", demo=True) as system:
        system.wait_for_output("Hết chuyện")
        yield system


def explained() -> dict[str, set[str]]:
    """Names of README's table, and the labels that each may have."""
    text = (ROOT / "README.md").read_text().partition("<!-- metrics:start -->")[2].partition("<!-- metrics:end -->")[0]
    return {row["name"]: set((row["labels"] or "").split(",")) - {""} for row in ROW.finditer(text)}


def scraped_off(process: Served) -> dict[str, set[str]]:
    """The names that it gives, and the labels of each."""
    scraped = {}
    for family in text_string_to_metric_families(process.get("/metrics").text):
        name = f"{family.name}_total" if family.type == "counter" else family.name
        scraped[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
    return scraped


def test_the_names_and_labels_are_those_that_the_readme_explains(system: RunningSystem) -> None:
    scraped, promised = scraped_off(system), explained()
    assert set(scraped) == set(promised)
    assert {name: labels for name, labels in scraped.items() if labels and labels != promised[name]} == {}


def test_every_name_has_its_unit_and_counters_end_in_total(system: RunningSystem) -> None:
    for family in text_string_to_metric_families(system.get("/metrics").text):
        assert family.documentation
        assert not re.search(r"(_ms|_millis|_minutes|_kb|_mib|_percent)(_|$)", family.name)


def test_a_morning_shows_in_the_figures(system: RunningSystem) -> None:
    value = system.sampled
    assert value("caunoi_hall_tickets", centre="31186", state="completed") == 1
    assert value("caunoi_hall_tickets", centre="31186", state="open") == 0
    assert value("caunoi_events_published_total", topic="ride-home-requested") == 1
    assert value("caunoi_messages_total", template="called", result="sent") == 1
    assert value("caunoi_ready") == 4
    assert value("caunoi_degraded") == 0
    assert value("caunoi_reader_up", group="notify") == 1
    assert value("caunoi_dead_letters_total") == value("caunoi_dead_letters_left") == 0
    assert value("caunoi_errors_total") == 0
    assert value("caunoi_commit_seconds_count", service="queue") > 0


def test_a_backup_shows_in_the_figures(system: RunningSystem, tmp_path: Path) -> None:
    assert system.sampled("caunoi_backup_age_seconds") == math.inf
    assert system.cli("backup", str(tmp_path / "ward.tar.gz")).returncode == 0
    assert 0 < system.sampled("caunoi_backup_age_seconds") < 600
    assert "Bản sao lưu mới nhất cách đây" in system.cli("doctor").stdout


def test_probes_are_answered_part_by_part(system: RunningSystem) -> None:
    assert system.get("/readyz").json()["degraded"] == []
    assert system.get("/readyz?part=sending").status_code == 200
    unknown = system.get("/readyz?part=cooking")
    assert (unknown.status_code, unknown.json()["slug"]) == (404, "no-such-part")
    assert "publishing, reading, sending, serving" in unknown.json()["detail"]


@pytest.mark.slow
def test_without_the_bus_numbers_are_given_and_nothing_but_sending_is_not_ready(tmp_path: Path) -> None:
    Keys.at(tmp_path / "secrets")
    settings = {
        "CAUNOI_BACKEND": "distributed",
        "CAUNOI_SECRETS": str(tmp_path / "secrets"),
        "CAUNOI_MONGO_URL": servers.mongo().url,
        "CAUNOI_KAFKA_SERVERS": "127.0.0.1:1",
        "CAUNOI_NAMESPACE": f"{token(8)}-",
    }
    with (
        alone("queue", tmp_path / "queue", **settings) as queue,
        alone("notify", tmp_path / "notify", **settings) as us,
    ):
        us.wait_for("degraded", 90, lambda: "bus" in us.get("/readyz").json().get("degraded", ()))
        assert us.get("/readyz").status_code == 200
        assert us.get("/readyz?part=sending").status_code == 503
        assert queue.get("/readyz?part=serving").status_code == 200
        assert set(scraped_off(us)) <= set(explained())


# ------------------------------------------------------------------------------------------------------ traces


@contextmanager
def collector() -> Iterator[tuple[str, list[ExportTraceServiceRequest]]]:
    """What takes OTLP over HTTP: its address, and what it was told."""
    told: list[ExportTraceServiceRequest] = []

    class Taking(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            told.append(ExportTraceServiceRequest.FromString(body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *said: object) -> None:
            return

    with HTTPServer(("127.0.0.1", 0), Taking) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", told
        server.shutdown()


def test_spans_go_to_the_endpoint_that_is_set_the_last_ones_when_the_process_ends(tmp_path: Path) -> None:
    with collector() as (endpoint, told):
        with alone("training", tmp_path / "data", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint) as system:
            system.get("/training/centres/31186/sessions")
            assert system.stop(seconds=60) == 0
        (resource,) = {str(one.resource) for request in told for one in request.resource_spans}
        scopes = [scope for request in told for one in request.resource_spans for scope in one.scope_spans]
        assert "caunoi-training" in resource
        assert "GET /training/centres/{centre}/sessions" in {span.name for scope in scopes for span in scope.spans}


def test_an_endpoint_that_is_away_holds_nothing_up(tmp_path: Path) -> None:
    with alone("training", tmp_path / "data", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9") as system:
        assert system.get("/training/centres/31186/sessions").status_code == 401
        assert system.stop(seconds=60) == 0

"""Alerts and dashboards ask for what the services really export. Neither Prometheus nor Grafana is needed for it."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
from ruamel.yaml import YAML

from services.caunoi.generate import ROOT
from services.caunoi.services import SERVICES
from services.chassis import metrics

PROMETHEUS = ROOT / "deploy/prometheus"
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
CONFIG = YAML(typ="safe").load(PROMETHEUS / "prometheus.yml")
ALERTS: list[dict[str, Any]] = [
    rule for group in YAML(typ="safe").load(PROMETHEUS / "alerts.yml")["groups"] for rule in group["rules"]
]
SAMPLES = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_sum", "_count")}
OF_PROMETHEUS = {"up"}

alert = pytest.mark.parametrize("alert", ALERTS, ids=lambda rule: rule["alert"])


def exported() -> set[str]:
    """The names that `/metrics` has; importing the services has brought theirs into the registry."""
    assert SERVICES
    families = metrics.registry.collect()
    return {family.name + suffix for family in families for suffix in SAMPLES[family.type]} | OF_PROMETHEUS


def asked(expression: str) -> set[str]:
    """The names of the metrics in it. Raises `ValueError` when it is not PromQL."""
    return set(re.findall(r"\b(?:caunoi|process)_\w+", promql_parser.parse(expression).prettify()))


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    for dashboard in DASHBOARDS:
        for panel in json.loads(dashboard.read_text())["panels"]:
            yield dashboard.stem, panel


def expressions() -> Iterator[str]:
    yield from (rule["expr"] for rule in ALERTS)
    for _, panel in panels():
        # Grafana puts the chosen value there; a regular expression stands in for it.
        yield from (target["expr"].replace("$centre", ".*") for target in panel["targets"])


@pytest.mark.parametrize("expression", sorted(set(expressions())))
def test_what_is_asked_for_is_exported(expression: str) -> None:
    names = asked(expression)
    assert names and names <= exported()


@alert
def test_an_alert_says_what_is_wrong_and_what_to_do(alert: dict[str, Any]) -> None:
    assert alert["labels"]["severity"] in {"page", "look"}
    assert alert["annotations"]["what"] and alert["annotations"]["do"]


def test_every_service_is_asked() -> None:
    found = CONFIG["scrape_configs"][0]["dns_sd_configs"][0]
    assert set(found["names"]) == {service.name for service in SERVICES} and found["port"] == 8000
    assert CONFIG["rule_files"] == ["alerts.yml"]


def test_there_are_two_dashboards_that_grafana_finds() -> None:
    assert [dashboard.stem for dashboard in DASHBOARDS] == ["hall", "machine-room"]
    compose = (ROOT / "docker-compose.yml").read_text()
    provider = YAML(typ="safe").load(ROOT / "deploy/grafana/provisioning/dashboards/files.yml")["providers"][0]
    assert f"./deploy/grafana/dashboards:{provider['options']['path']}:ro" in compose


def test_panels_have_titles_ask_the_source_that_is_there_and_do_not_overlap() -> None:
    source = YAML(typ="safe").load(ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml")["datasources"][0]
    taken: set[tuple[str, int, int]] = set()
    for dashboard, panel in panels():
        place = panel["gridPos"]
        columns, rows = range(place["x"], place["x"] + place["w"]), range(place["y"], place["y"] + place["h"])
        cells = {(dashboard, x, y) for x in columns for y in rows}
        assert panel["title"] and panel["datasource"]["uid"] == source["uid"]
        assert columns.stop <= 24 and not cells & taken
        taken |= cells


def test_promtool_agrees_where_it_is() -> None:
    if shutil.which("promtool"):
        subprocess.run(["promtool", "check", "config", str(PROMETHEUS / "prometheus.yml")], check=True)

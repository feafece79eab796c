"""The one address before four services sends every route to the service that serves it, in production and in tests."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase

import pytest
from fastapi.routing import APIRoute

from services.caunoi.generate import ROOT
from services.caunoi.services import SERVICES
from tests.journeys.gateway import service_of

CADDYFILE = (ROOT / "deploy/gateway/Caddyfile").read_text()


def routes() -> Iterator[tuple[str, str]]:
    """(service, an address of it) of every route."""
    for service in SERVICES:
        for router in service.serves:
            for route in router.routes:
                assert isinstance(route, APIRoute)
                yield service.name, re.sub(r"\{\w+\}", "x", route.path)


def matchers() -> Iterator[tuple[str, list[str]]]:
    """(service, patterns of paths), in the order in which Caddy looks; what none of them names is the queue's."""
    for name, patterns in re.findall(r"@(\w+) path (.+)", CADDYFILE):
        if name in {service.name for service in SERVICES}:
            yield name, patterns.split()


def by_caddy(path: str) -> str:
    return next((name for name, patterns in matchers() if any(fnmatchcase(path, one) for one in patterns)), "queue")


@pytest.mark.parametrize(("service", "path"), sorted(set(routes())))
def test_every_route_is_reached_through_the_gateway(service: str, path: str) -> None:
    assert by_caddy(path) == service
    assert service_of(path.encode()) == service

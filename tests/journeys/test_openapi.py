"""Every route of the four services, called with what its OpenAPI allows and with what it does not: never a 5xx, never
an answer that the document does not describe. Half of the references name things that are there.
"""

import random
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.chassis.access import Access
from services.chassis.clock import system_clock
from services.chassis.settings import Settings
from tests.journeys.system import RunningSystem, running
from tests.journeys.ward import ward_in
from tests.support import run

EXAMPLES = 5
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
ENDLESS = {"/notify/feed"}
"""Their answers have no end; they have tests of their own."""
EVERY_ROLE = ["staff", "coordinator", "city", "operator", "kiosk", "display", "volunteer"]
SERVICES = ("/queue", "/volunteers", "/training", "/notify", "/session", "/ops")


@dataclass
class Api:
    schema: Any
    headers: dict[str, str]
    there: dict[str, str]
    """By the name of a path parameter, something that exists."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    limits = {"CAUNOI_SIGN_INS_PER_ADDRESS": "100000"}
    with running(tmp_path_factory.mktemp("openapi") / "data", settings=limits) as system:
        there = run(_something_of_each(system))
        tokens = Access(Settings(data=system.data), system_clock).tokens
        token = tokens.issue(there["member"], EVERY_ROLE, [], member=there["member"]).token
        schema = schemathesis.openapi.from_url(f"{system.address}/openapi.json")
        yield Api(schema, {"Authorization": f"Bearer {token}"}, there)


async def _something_of_each(system: RunningSystem) -> dict[str, str]:
    async with ward_in(system) as ward:
        await ward.open_counters(1, 2)
        volunteer = await ward.member()
        waiting = await ward.issue(needs_help=True, ride_home=True)
        await ward.ask_ride(waiting["ticket_id"])
        return {
            "centre": ward.centre,
            "ticket": waiting["ticket_id"],
            "ride_id": f"{waiting['ticket_id']}-ride",
            "assistance_id": f"{waiting['ticket_id']}-help",
            "member": volunteer.member,
            "counter": "1",
        }


@pytest.mark.timeout(180)
@pytest.mark.parametrize("service", SERVICES)
def test_no_answer_is_an_error_of_ours_or_undocumented(api: Api, service: str) -> None:
    called = 0
    for found in api.schema.get_all_operations():
        operation = found.ok()
        if operation.path.startswith(service) and operation.path not in ENDLESS:
            called += 1
            for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                call(api, operation, mode)
    assert called


def call(api: Api, operation: Any, mode: GenerationMode) -> None:
    chance = random.Random(operation.label)

    @settings(
        max_examples=EXAMPLES, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=mode))
    def calls(case: Case[Any]) -> None:
        if chance.random() < 0.6:
            case.path_parameters.update({name: api.there[name] for name in case.path_parameters if name in api.there})
        headers = api.headers if chance.random() < 0.9 else {}
        case.call_and_validate(headers={**headers, "Idempotency-Key": secrets.token_hex(8)}, checks=CHECKS, timeout=60)

    with suppress(Unsatisfiable):  # a route that takes nothing cannot be given anything wrong
        calls()

"""The OpenAPI document says who may call what, and everything that is answered."""

from typing import Annotated, Any

import pytest
from fastapi import APIRouter
from pydantic import BaseModel

from services.chassis.access import Actor, TicketPath, may
from services.chassis.openapi import roles_of, routes_of
from services.chassis.web import OnceKey, Router
from tests.desk import Desk


class Body(BaseModel):
    note: str


def routes(router: APIRouter) -> APIRouter:
    @router.post("/tickets/{ticket}/cancel")
    async def cancel(
        ticket: TicketPath, body: Body, who: Annotated[Actor, may("staff", "holder")], key: OnceKey
    ) -> str:
        return ticket

    @router.get("/open")
    async def opened(who: Annotated[Actor, may("anyone")]) -> str:
        return ""

    @router.get("/forgotten")
    async def forgotten() -> str:
        return ""

    return router


@pytest.fixture(params=[Router, APIRouter], ids=["ours", "fastapi's"])
def document(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = Desk().app(routes(request.param())).openapi()
    return found


def test_each_operation_says_who_may_call_it(document: dict[str, Any]) -> None:
    cancel = document["paths"]["/tickets/{ticket}/cancel"]["post"]
    assert cancel["x-who"] == ["holder", "staff"]
    assert cancel["security"] == [{"token": []}, {"session": []}, {"pass": []}]
    assert "security" not in document["paths"]["/open"]["get"]


def test_each_operation_says_all_that_it_may_answer(document: dict[str, Any]) -> None:
    cancel = document["paths"]["/tickets/{ticket}/cancel"]["post"]
    assert set(cancel["responses"]) == {"200", "401", "403", "404", "413", "422", "429", "503"}
    examples = cancel["responses"]["422"]["content"]["application/problem+json"]["examples"]
    assert set(examples) == {"idempotency-key-not-valid", "key-reused", "request-not-valid"}
    assert set(document["paths"]["/open"]["get"]["responses"]) == {"200", "429", "503"}


def test_a_command_shows_its_key_once(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/tickets/{ticket}/cancel"]["post"]["parameters"]
    assert [(one["in"], one["name"]) for one in parameters] == [("path", "ticket"), ("header", "Idempotency-Key")]


def test_problems_have_one_shape_and_the_frameworks_own_is_gone(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert {"Problem", "FieldProblem"} <= set(schemas)
    assert not {"HTTPValidationError", "ValidationError"} & set(schemas)


def test_the_document_is_the_same_every_time() -> None:
    assert Desk().app(routes(Router())).openapi() == Desk().app(routes(Router())).openapi()


def test_a_route_that_forgot_to_say_who_may_call_it_is_found() -> None:
    forgotten = [path for _, path, route in routes_of(Desk().app(routes(Router()))) if roles_of(route) is None]
    assert forgotten == ["/forgotten"]

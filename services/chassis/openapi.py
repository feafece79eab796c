"""The OpenAPI document: what FastAPI knows, and what holds for every route: who may call it, its key, its problems."""

import json
from collections.abc import Iterator
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from services.chassis.access import COOKIE, NotYourCentre, NotYourRole, SignInNeeded
from services.chassis.documents import KeyReused
from services.chassis.errors import NotFound, Refusal, Unavailable
from services.chassis.problems import (
    MEDIA_TYPE,
    BodyTooLarge,
    IdempotencyKeyNotValid,
    Problem,
    RequestNotValid,
    problems,
)
from services.chassis.ratelimit import TooManyRequests


def routes_of(app: FastAPI) -> Iterator[tuple[str, str, APIRoute]]:
    """(method, path, route) of everything that the application serves, files apart."""
    for context in iter_route_contexts(app.routes):
        route = context.original_route
        if isinstance(route, APIRoute):
            for method in sorted(route.methods or ()):
                yield method, str(context.path), route


def fetches_of(route: APIRoute) -> Iterator[Any]:
    """What `Router` or FastAPI fetches for a route, in depth."""
    waiting = list(route.dependant.dependencies)
    while waiting:
        dependant = waiting.pop()
        waiting.extend(dependant.dependencies)
        yield from getattr(dependant.call, "parts", (dependant.call,))


def roles_of(route: APIRoute) -> frozenset[str] | None:
    """Who may call it; None when it does not say (a test fails then)."""
    for fetch in fetches_of(route):
        roles: frozenset[str] | None = getattr(fetch, "roles", None)
        if roles is not None:
            return roles
    return None


def openapi(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema:
        return app.openapi_schema
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    shape = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas |= shape.pop("$defs", {}) | {"Problem": shape}
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "From POST /session, or a device's own."},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "The same token, for pages."},
        "pass": {
            "type": "apiKey",
            "in": "header",
            "name": "Authorization",
            "description": "`Pass <the citizen's pass>`; it may also stand in the path, or in the body as `ticket`.",
        },
    }
    for method, path, route in routes_of(app):
        operation = document["paths"].get(path, {}).get(method.lower())
        if operation is not None:
            _complete(operation, route, set(fetches_of(route)))
    app.openapi_schema = document
    return document


def _complete(operation: dict[str, Any], route: APIRoute, fetches: set[Any]) -> None:
    """Adds what holds for every route: who may call it, its key, and what it answers besides its own."""
    roles = roles_of(route) or frozenset()
    operation["x-who"] = sorted(roles)
    if "anyone" not in roles:
        operation["security"] = [{"token": []}, {"session": []}, *([{"pass": []}] if "holder" in roles else [])]
    takes_key = any(hasattr(fetch, "takes_key") for fetch in fetches)
    if takes_key:
        operation.setdefault("parameters", []).append(
            {
                "name": "Idempotency-Key",
                "in": "header",
                "required": False,
                "description": "Sent again with the same key, a command has one effect and one answer, for 24 hours.",
                "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
            }
        )
    also: list[type[Refusal]] = [TooManyRequests, Unavailable]
    if takes_key:
        also += [IdempotencyKeyNotValid, KeyReused]
    if "anyone" not in roles:
        also += [SignInNeeded, NotYourRole, NotYourCentre]
    if operation.get("parameters") or "requestBody" in operation:
        also.append(RequestNotValid)
    if "requestBody" in operation:
        also.append(BodyTooLarge)
    if any(parameter["in"] == "path" for parameter in operation.get("parameters", ())):
        also.append(NotFound)
    responses = operation["responses"]
    if "HTTPValidationError" in json.dumps(responses.get("422", {})):
        del responses["422"]
    for status, response in problems(*also).items():
        kept = responses.setdefault(str(status), response)
        if kept is not response:
            content = kept.setdefault("content", {}).setdefault(MEDIA_TYPE, response["content"][MEDIA_TYPE])
            content.setdefault("examples", {}).update(response["content"][MEDIA_TYPE]["examples"])

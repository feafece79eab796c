"""HTTP: what routes are given, and the application of one process.

`Router` is FastAPI's with one difference: what our annotations ask for (`may`, `of`, `own`, `OnceKey`, `Now`) is
fetched by one dependency instead of one each, which measured 25 us a piece.
"""

import asyncio
import functools
import hashlib
import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from types import NoneType
from typing import Annotated, Any, Protocol, TypeVar, cast, get_args, get_origin, get_type_hints

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.params import Depends as DependsParameter
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Lifespan, Scope

from services.chassis.access import ACTOR, Access, Actor
from services.chassis.clock import Clock
from services.chassis.documents import Collection
from services.chassis.edge import Edge
from services.chassis.errors import Refusal
from services.chassis.once import Once
from services.chassis.openapi import openapi
from services.chassis.pages import routes as page_routes
from services.chassis.pages.problem import refusal_to
from services.chassis.problems import (
    BodyNotReadable,
    BodyTooLarge,
    IdempotencyKeyNotValid,
    MethodNotAllowed,
    NoSuchAddress,
    RequestNotValid,
    fields_of,
    language_of,
    problems,
)
from services.chassis.settings import Settings

__all__ = ["Now", "OnceKey", "Router", "Spoken", "System", "TheAccess", "create_app", "of", "own", "problems"]

S = TypeVar("S")
T = TypeVar("T")
Given = Callable[[Request], Awaitable[Any]]


class System(Protocol):
    """What a face needs of the running system; it is `app.state.system`."""

    access: Access
    clock: Clock
    settings: Settings
    stopping: asyncio.Event

    def __getitem__(self, state: type[S]) -> Collection[S]: ...

    def own(self, service: str, kind: type[T]) -> T: ...


# -------------------------------------------------------------------------------------------- what routes are given


def _given(fetch: Given) -> Given:
    """Marks what `Router` fetches together with the others."""
    fetch.given = True  # type: ignore[attr-defined]
    return fetch


@functools.cache
def of(state: type[Any]) -> Any:
    """The documents of one kind: `Halls = Annotated[Collection[Hall], of(Hall)]`."""

    async def collection(request: Request) -> Any:
        return request.app.state.system[state]

    return Depends(_given(collection))


@functools.cache
def own(service: str, kind: type[Any]) -> Any:
    """What one service has for itself: `Annotated[Views, own("queue", Views)]`."""

    async def resource(request: Request) -> Any:
        return request.app.state.system.own(service, kind)

    return Depends(_given(resource))


@_given
async def _now(request: Request) -> datetime:
    return cast(datetime, request.app.state.system.clock())


@_given
async def _spoken(request: Request) -> str:
    return language_of(request.scope["headers"], request.app.state.system.settings.language)


@_given
async def _access(request: Request) -> Access:
    return cast(Access, request.app.state.system.access)


@_given
async def _once(request: Request) -> Once | None:
    for name, value in request.scope["headers"]:
        if name == b"idempotency-key":
            key = value.decode("latin-1")
            break
    else:
        return None
    if not _KEY.fullmatch(key):
        raise IdempotencyKeyNotValid
    actor: Actor = request.scope[ACTOR]  # set by `may`, which a route names before its key
    named = f"{request.method} {request.scope['path']}\0".encode() + await request.body()
    access: Access = request.app.state.system.access
    return Once(actor.ref, key, hashlib.blake2b(named, key=access.keys.once, digest_size=16).digest())


_once.takes_key = True  # type: ignore[attr-defined]
_KEY = re.compile(r"[\x21-\x7e]([\x20-\x7e]{0,253}[\x21-\x7e])?")
TheAccess = Annotated[Access, Depends(_access)]
"""Tokens, passes, passwords and rate limits, for the routes that hand them out."""
Spoken = Annotated[str, Depends(_spoken)]
"""`vi` or `en`: the language in which the caller would like to be answered."""
Now = Annotated[datetime, Depends(_now)]
"""The moment of this command, read once."""
OnceKey = Annotated[Once | None, Depends(_once)]
"""The `Idempotency-Key` of this command, if it has one."""


class Router(APIRouter):
    """FastAPI's, fetching what our annotations ask for by one dependency; `may` first, before the body is judged.

    A path is compared with its routes only if it begins as they do: with those of all services that took longer than
    most requests.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if not scope["path"].startswith(self._begin):
            return Match.NONE, {}
        return super().matches(scope)

    @functools.cached_property
    def _begin(self) -> str:
        return self.prefix.partition("{")[0]

    def add_api_route(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().add_api_route(path, _fetched_together(endpoint), **options)


def _fetched_together(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    if not inspect.iscoroutinefunction(endpoint):
        return endpoint
    hints = get_type_hints(endpoint, include_extras=True)
    signature = inspect.signature(endpoint)
    fetches = {name: fetch for name, hint in hints.items() if (fetch := _fetch_of(hint))}
    if not fetches:
        return endpoint
    order = sorted(fetches.items(), key=lambda item: not hasattr(item[1], "roles"))

    async def given(request: Request) -> dict[str, Any]:
        return {name: await fetch(request) for name, fetch in order}

    given.parts = tuple(fetch for _, fetch in order)  # type: ignore[attr-defined]

    @functools.wraps(endpoint)
    async def called(*, _given: dict[str, Any], **others: Any) -> Any:
        return await endpoint(**others, **_given)

    kept = [
        parameter.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints.get(name, parameter.annotation))
        for name, parameter in signature.parameters.items()
        if name not in fetches
    ]
    together = inspect.Parameter(
        "_given", inspect.Parameter.KEYWORD_ONLY, annotation=Annotated[dict[str, Any], Depends(given)]
    )
    returns = None if hints.get("return") is NoneType else hints.get("return", signature.return_annotation)
    if returns is type(None):
        returns = None  # FastAPI takes NoneType for a body
    called.__signature__ = signature.replace(parameters=[*kept, together], return_annotation=returns)  # type: ignore[attr-defined]
    return called


def _fetch_of(hint: Any) -> Given | None:
    if get_origin(hint) is not Annotated:
        return None
    for extra in get_args(hint)[1:]:
        if isinstance(extra, DependsParameter) and (
            hasattr(extra.dependency, "given") or hasattr(extra.dependency, "roles")
        ):
            return cast(Given, extra.dependency)
    return None


# ------------------------------------------------------------------------------------------------------ the app


def create_app(system: System, routers: Sequence[APIRouter], lifespan: Lifespan[FastAPI] | None = None) -> FastAPI:
    """The HTTP application of one process. Its docs pages are off (they would load from the internet)."""
    language = system.settings.language
    app = FastAPI(
        title="Cầu Nối",
        version="1",
        description=__doc__.split("\n", 1)[0],
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
        lifespan=lifespan,
    )
    app.state.system = system
    for router in (*routers, page_routes.router):
        app.include_router(router)

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refusal)
        return refusal_to(error, request.scope, language)

    async def not_valid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        if any(one["type"] == "json_invalid" for one in error.errors()):
            return refusal_to(BodyNotReadable(), request.scope, language)
        return refusal_to(RequestNotValid(), request.scope, language, lambda spoken: fields_of(error, spoken))

    async def by_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        meant: dict[int, Refusal] = {
            404: NoSuchAddress(),
            405: MethodNotAllowed(),
            413: BodyTooLarge(limit=system.settings.body_limit),
        }
        answer = refusal_to(meant.get(error.status_code, BodyNotReadable()), request.scope, language)
        answer.headers.update(error.headers or {})
        return answer

    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(RequestValidationError, not_valid)
    app.add_exception_handler(HTTPException, by_framework)
    app.add_middleware(Edge, language=language, body_limit=system.settings.body_limit, stopping=system.stopping.is_set)
    app.openapi = functools.partial(openapi, app)  # type: ignore[method-assign]
    return app

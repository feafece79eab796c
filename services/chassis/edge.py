"""The one layer around every request: trace, limit of the body, security headers, a metric, a line in the log."""

import asyncio
import re
import secrets
from collections.abc import Callable
from time import perf_counter
from typing import Final

import structlog
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.chassis import metrics, tracing
from services.chassis.access import ACTOR, Actor
from services.chassis.documents import OutcomeUnknown
from services.chassis.logs import shows
from services.chassis.pages.problem import refusal_to
from services.chassis.problems import BodyTooLarge, OurMistake
from services.chassis.trace import acting, traceparent

log = structlog.get_logger()

_PARENT = re.compile(rb"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_SECURITY: Final[tuple[tuple[bytes, bytes], ...]] = (
    (
        b"content-security-policy",
        b"default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # with none at all a browser does not say that our own forms are ours
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=()"),
)
_NO_STORE: Final = (b"cache-control", b"no-store")


class Edge:
    """Pure ASGI. Metric and log have the template of the route, never the path, the query or anything sent.

    What went well is in the metric, and in the log only at level debug: a line costs a fifth of issuing a ticket.
    An exception that nobody expected is logged by its type and place, and answered with its trace. A request that is
    cut off because this process ends is answered, too: whoever sends it again with its key is told what became of it.
    """

    def __init__(
        self, app: ASGIApp, language: str, body_limit: int, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.app = app
        self._stopping = stopping
        self._language = language
        self._limit = body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        begun = perf_counter()
        status = 0
        length, parent = -1, b""
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = int(value) if value.isdigit() else self._limit + 1
            elif name == b"traceparent":
                parent = value
        span = None
        if tracing.on and scope["path"] not in PROBES:
            span = tracing.begin(scope["method"], "server", parent.decode() if _PARENT.fullmatch(parent) else None)
        trace = span.traceparent if span else traceparent_for(parent)
        token, nobody = traceparent.set(trace), acting.set(None)

        async def answer(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"] = list(message.get("headers", ()))
                if not any(name == b"cache-control" for name, _ in headers):
                    headers.append(_NO_STORE)
                headers.extend(_SECURITY)
                headers.append((b"traceparent", trace.encode()))
            await send(message)

        try:
            if length > self._limit:
                too_large = refusal_to(BodyTooLarge(limit=self._limit), scope, self._language)
                await too_large(scope, receive, answer)
            elif length < 0 and scope["method"] not in ("GET", "HEAD"):
                await self.app(scope, self._counted(receive), answer)
            else:
                await self.app(scope, receive, answer)
        except asyncio.CancelledError:
            if status or not self._stopping():
                raise
            await refusal_to(OutcomeUnknown(retry_after=2), scope, self._language)(scope, receive, answer)
        except Exception as error:
            log.error("request_failed", exc_info=error)
            if status:
                raise AnswerBrokenOff from None
            await refusal_to(OurMistake(trace=trace[3:35]), scope, self._language)(scope, receive, answer)
        finally:
            self._note(scope, status, perf_counter() - begun)
            if span:
                _tell(span, scope, status)
            acting.reset(nobody)
            traceparent.reset(token)

    def _counted(self, receive: Receive) -> Receive:
        got = 0

        async def counted() -> Message:
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            if got > self._limit:
                raise HTTPException(BodyTooLarge.status)
            return message

        return counted

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        metrics.request_took(route, method, status, seconds)
        if status < 400 and not shows("debug"):
            return
        actor: Actor | None = scope.get(ACTOR)
        log.log(
            _DEBUG if status < 400 else _INFO,
            "request",
            method=method,
            route=route,
            status=status,
            ms=round(seconds * 1000, 1),
            who=actor.ref if actor else None,
        )


def _tell(span: tracing.Spanned, scope: Scope, status: int) -> None:
    route = getattr(scope.get("route"), "path", "none")
    method = scope["method"] if scope["method"] in _METHODS else "other"
    span.say({"http.request.method": method, "http.route": route, "http.response.status_code": status})
    if status >= 500 or not status:
        span.failed(str(status or "cut off"))
    span.end(f"{method} {route}")


PROBES: Final = frozenset({"/livez", "/startupz", "/readyz", "/metrics"})
"""Asked all day long: nobody looks for their spans."""
_DEBUG: Final = 10
_INFO: Final = 20
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class AnswerBrokenOff(Exception):
    """An answer failed after its head was sent; the server ends the connection."""


def traceparent_for(parent: bytes) -> str:
    """A span of our own in the caller's trace, or in a new one."""
    found = _PARENT.fullmatch(parent)
    trace = found[1].decode() if found and found[1].strip(b"0") else secrets.token_hex(16)
    return f"00-{trace}-{secrets.token_hex(8)}-01"

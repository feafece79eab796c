"""A refusal as whoever asked can read it: a page for a browser, problem+json for everybody else."""

import re
from collections.abc import Callable, Sequence
from typing import Final
from urllib.parse import quote, urlsplit

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.types import Scope

from services.chassis import metrics
from services.chassis.access import NotYourRole, SignInNeeded
from services.chassis.errors import Refusal
from services.chassis.pages.catalogue import LANGUAGES
from services.chassis.pages.render import rendered
from services.chassis.pages.speech import speech
from services.chassis.problems import FieldProblem, answer_of, language_of, problem_of

VOLUNTEERS: Final = re.compile(r"/(notify/)?volunteer(/|$)")
"""Pages of those who sign in by SMS; everybody else has a name and a password."""


def wants_page(scope: Scope) -> bool:
    """A browser that goes somewhere; its scripts that fetch data ask for JSON, or for anything."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


def refusal_to(
    refusal: Refusal, scope: Scope, default: str, errors: Callable[[str], Sequence[FieldProblem]] | None = None
) -> Response:
    if not wants_page(scope):
        return answer_of(refusal, scope, default, errors)
    metrics.refusals.labels(refusal.slug()).inc()
    request = Request(scope)
    looks = scope["method"] in ("GET", "HEAD")
    if refusal.status == SignInNeeded.status and looks:
        return RedirectResponse(_sign_in(request.url.path), 303)
    sign_in = _sign_in(request.url.path if looks else _page_before(request))
    spoken = speech(language_of(scope["headers"], default))
    problem = problem_of(refusal, spoken.language)
    shown = rendered(
        "chassis/problem.html",
        spoken,
        page=_NoPage(request.url.path, spoken.language),
        problem=problem,
        sign_in=sign_in if refusal.status == SignInNeeded.status else None,
        as_another=sign_in if isinstance(refusal, NotYourRole) else None,
    )
    headers = {"Retry-After": str(problem.retry_after)} if problem.retry_after is not None else None
    return HTMLResponse(shown, refusal.status, headers)


def _sign_in(back: str) -> str:
    return "/v" if VOLUNTEERS.match(back) else f"/sign-in?back={quote(back)}"


def _page_before(request: Request) -> str:
    """Where the form stood whose press came too late: a browser says so of our own pages."""
    before = urlsplit(request.headers.get("referer", ""))
    return before.path if before.netloc == request.headers.get("host") and before.path else "/"


class _NoPage:
    """What the layout asks of a page, where there is none."""

    languages = LANGUAGES
    demo = False
    screen = None

    def __init__(self, path: str, language: str) -> None:
        self.path, self.language = path, language

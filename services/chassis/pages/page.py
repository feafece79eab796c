"""What a route of a screen is given: `page: ThePage` to answer with, `form: TheForm` with what was sent.

A form carries a secret bound to this browser and to who is signed in, and a key that makes a double press, a reload or
a press after "back" the same command. Both are written by the macro `form`; neither is anybody's business here.
"""

import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import parse_qs

from fastapi import Depends, Request, Response
from pydantic import BaseModel, ValidationError
from starlette.responses import HTMLResponse, RedirectResponse

from services.chassis.access import ACTOR, Access, Actor, from_own_page
from services.chassis.clock import Clock
from services.chassis.errors import Forbidden, Invalid, Refusal
from services.chassis.once import Once
from services.chassis.pages.catalogue import LANGUAGES
from services.chassis.pages.render import rendered
from services.chassis.pages.speech import Speech, speech
from services.chassis.problems import fields_of, language_of
from services.chassis.settings import Settings

FORM_COOKIE: Final = "caunoi_form"
SECRET: Final = "form_secret"  # noqa: S105  (its name)
SCREENS: Final[Mapping[str, str]] = {
    "coordinator": "/coordinator",
    "staff": "/counter",
    "volunteer": "/volunteer",
    "operator": "/settings",
    "kiosk": "/kiosk",
    "display": "/board",
}
"""Where each role works; who has several, at the first. Who has none of them looks on at `/`."""
M = TypeVar("M", bound=BaseModel)


def screen_of(roles: Collection[str]) -> str | None:
    return next((address for role, address in SCREENS.items() if role in roles), None)


class FormTooOld(Forbidden):
    en = "This page is from before you signed in, or from another browser. Load it again and repeat what you did."
    vi = "Trang này được mở trước khi đăng nhập hoặc từ trình duyệt khác. Hãy tải lại trang rồi làm lại."


class FormNotReadable(Invalid):
    en = "What was sent is not a form of this page. Load the page again and fill it in anew."
    vi = "Nội dung gửi lên không phải là biểu mẫu của trang này. Hãy tải lại trang và điền lại."


class FormNotValid(Invalid):
    """`fields` says of each field what is expected there."""

    en = "Some fields are not right yet. Correct them and send the form again."
    vi = "Có ô chưa đúng. Hãy sửa lại rồi gửi."

    def __init__(self, fields: Mapping[str, str]) -> None:
        super().__init__()
        self.fields = fields


# -------------------------------------------------------------------------------------------------------- page


@dataclass(slots=True)
class Page:
    """One request of a browser: who asks, in which language, and the answers there are."""

    request: Request
    who: Actor
    speech: Speech
    now: datetime
    """When it is answered; templates show moments relative to it."""
    _cookie: str = field(default="", repr=False)

    @property
    def path(self) -> str:
        return self.request.url.path

    @property
    def screen(self) -> str | None:
        """Where who asks works."""
        return screen_of(self.who.roles)

    @property
    def language(self) -> str:
        return self.speech.language

    @property
    def languages(self) -> Mapping[str, str]:
        return LANGUAGES

    @property
    def ticket(self) -> str | None:
        """The ticket whose pass this browser holds."""
        return self._access.pass_in_cookie(self.request)

    def link(self, path: str) -> str:
        """The whole address of `path`, for another device."""
        settings: Settings = self.request.app.state.system.settings
        return (settings.public_url or str(self.request.base_url).rstrip("/")) + path

    @property
    def demo(self) -> bool:
        settings: Settings = self.request.app.state.system.settings
        return settings.demo

    def show(self, template: str, *, refused: Refusal | None = None, **facts: Any) -> HTMLResponse:
        """`template` is `<service>/<file>`; `facts` are what it names. `refused` is said at its head."""
        status = refused.status if refused else 200
        answer = HTMLResponse(rendered(template, self.speech, page=self, refused=refused, **facts), status)
        if self._cookie:
            secure = self.request.url.scheme == "https"
            # As long as a session: a press that waits for a connection outlives the browser's window.
            kept = 12 * 3600
            answer.set_cookie(FORM_COOKIE, self._cookie, max_age=kept, httponly=True, samesite="lax", secure=secure)
        return answer

    def refuse(self, template: str, refused: Refusal, **facts: Any) -> HTMLResponse:
        """The same page again, saying at its head what was refused and what to do; `facts` as for `show`."""
        return self.show(template, refused=refused, **facts)

    def at_fields(
        self, refused: Refusal, fields: Collection[str], meant: Mapping[str, str], within: str = ""
    ) -> Refusal:
        """What is wrong deep inside (`hours.mon.0`), at the one of `fields` in which it was typed; `meant` says better
        than a pattern what is expected there. `within`: a part of the model whose fields the form has at the top."""
        if not isinstance(refused, FormNotValid):
            return refused
        found: dict[str, str] = {}
        for where, expected in refused.fields.items():
            place = _field_of(where.removeprefix(within), fields) or where
            found[place] = self.speech._(meant.get(place, expected))
        return FormNotValid(found)

    def go(self, address: str) -> Response:
        """After what a form asked for was done: on to the next page."""
        return RedirectResponse(address, 303)

    def pass_on(self, address: str) -> Response:
        """What a form said is done here; the browser sends it, as it is, to another service that must know it too."""
        return RedirectResponse(address, 307)

    async def after(
        self,
        pressed: Awaitable[Any],
        address: str,
        template: str,
        facts: Callable[[], Awaitable[Mapping[str, Any]]],
    ) -> Response:
        """On to `address` when what was pressed is done; refused: `template`, with the `facts` as they are by then."""
        try:
            await pressed
        except Refusal as refused:
            return self.refuse(template, refused, **await facts())
        return self.go(address)

    def form_secret(self) -> str:
        given = self.request.cookies.get(FORM_COOKIE, "") or self._cookie
        if not given:
            given = self._cookie = secrets.token_urlsafe(18)
        return self._bound(given)

    def form_key(self) -> str:
        return secrets.token_urlsafe(12)

    def is_ours(self, secret: str) -> bool:
        given = self.request.cookies.get(FORM_COOKIE, "")
        return bool(given) and hmac.compare_digest(secret.encode(), self._bound(given).encode())

    def _bound(self, cookie: str) -> str:
        digest = hashlib.blake2b(f"{cookie}\0{self.who.ref}".encode(), key=self._access.keys.once, person=b"form")
        return digest.hexdigest()[:40]

    @property
    def _access(self) -> Access:
        access: Access = self.request.app.state.system.access
        return access


def _field_of(where: str, fields: Collection[str]) -> str:
    parts = [part for part in where.split(".") if not part.isdigit()]
    while parts and ".".join(parts) not in fields:
        parts.pop()
    return ".".join(parts)


async def _page(request: Request) -> Page:
    system = request.app.state.system
    clock: Clock = system.clock
    language = language_of(request.scope["headers"], system.settings.language)
    return Page(request, request.scope.get(ACTOR) or Actor("anyone"), speech(language), clock())


# -------------------------------------------------------------------------------------------------------- form


@dataclass(frozen=True, slots=True)
class Form:
    """What was sent, as text. `once` goes where the API takes its `OnceKey`."""

    fields: Mapping[str, Sequence[str]]
    once: Once
    language: str

    def text(self, name: str) -> str:
        """Without space around it; empty when it was left empty."""
        return self.fields.get(name, ("",))[0].strip()

    def all(self, name: str) -> Sequence[str]:
        return self.fields.get(name, ())

    def ticked(self, name: str) -> bool:
        return name in self.fields

    def into(self, model: type[M], **values: Any) -> M:
        """The body that the API takes, of `values`. Raises `FormNotValid`, which `page.refuse` shows at each field."""
        try:
            return model(**values)
        except ValidationError as error:
            raise FormNotValid({one.field: one.expected for one in fields_of(error, self.language)}) from None


async def _form(request: Request) -> Form:
    """Only from a page of ours, by whoever was shown it."""
    page = await _page(request)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise FormNotReadable
    try:
        fields = parse_qs((await request.body()).decode(), keep_blank_values=True, max_num_fields=200)
    except ValueError:
        raise FormNotReadable from None
    if not from_own_page(request) or not page.is_ours(fields.pop(SECRET, [""])[0]):
        raise FormTooOld
    digest = hashlib.blake2b(f"{request.method} {page.path}\0{sorted(fields.items())!r}".encode(), digest_size=16)
    return Form(fields, Once(page.who.ref, f"form-{digest.hexdigest()}", digest.digest()), page.language)


_page.given = True  # type: ignore[attr-defined]  # `Router` fetches them after `may`, which says who asks
_form.given = True  # type: ignore[attr-defined]
ThePage = Annotated[Page, Depends(_page)]
TheForm = Annotated[Form, Depends(_form)]

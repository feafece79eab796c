"""Who may do what: tokens, sessions, passes, and `may(...)`, by which every route declares who may call it.

A route is open to those it names and to nobody else. The centre of whatever a path names is read off its reference and
must be the caller's own; a citizen's pass opens that ticket and what belongs to it, nothing else.
"""

import base64
import hashlib
import hmac
import re
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Annotated, Any, ClassVar, Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import Depends, Path, Request, Response
from pydantic import Field

from services.chassis import metrics
from services.chassis.clock import Clock
from services.chassis.errors import Forbidden, NotFound, Refusal, Unavailable
from services.chassis.ids import centre_of
from services.chassis.keys import Keys
from services.chassis.passwords import Passwords
from services.chassis.ratelimit import RateLimit
from services.chassis.settings import Settings
from services.chassis.trace import acting
from services.contracts.events import AccountChanged, MemberChanged
from services.contracts.words import Event

Who = Literal["staff", "coordinator", "city", "operator", "kiosk", "display", "volunteer", "holder", "anyone"]

COOKIE: Final = "caunoi_session"
PASS_COOKIE: Final = "caunoi_ticket"  # noqa: S105  (its name)
SIGNED_IN_FOR = timedelta(hours=12)
ACTOR: Final = "caunoi.actor"
_EVERYWHERE: Final = frozenset({"city", "operator"})
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_TICKET = r"[0-9]{5}-[0-9]{8}-[0-9a-z]{10,32}"
_TICKET_OR_PASS = rf"^{_TICKET}(\.[a-z2-7]{{26}})?$"
_REFERENCE = re.compile(r"[0-9]{5}-")
_EXAMPLE = "31186-20261124-7hk2m9x4tq0v"

TicketPath = Annotated[
    str, Path(pattern=_TICKET_OR_PASS, description="The ticket's reference, or its pass.", examples=[_EXAMPLE])
]
"""A path parameter named `ticket`: the caller may give either, the route always gets the reference."""
TicketOrPass = Annotated[
    str, Field(pattern=_TICKET_OR_PASS, description="The ticket's reference, or its pass.", examples=[_EXAMPLE])
]
"""The same in a body; the route passes it through `ticket_of`. A holder's field must be named `ticket`."""


# ------------------------------------------------------------------------------------------------------ errors


class SignInNeeded(Refusal):
    kind = "forbidden"
    status = 401
    en = "Sign in first."
    vi = "Vui lòng đăng nhập."


class NotYourRole(Forbidden):
    en = "This is for others to do."
    vi = "Việc này không thuộc quyền của bạn."


class NotYourCentre(Forbidden):
    en = "This belongs to another centre."
    vi = "Việc này thuộc trung tâm khác."


class NotYourTicket(Forbidden):
    en = "Your pass opens another ticket."
    vi = "Mã của bạn dành cho phiếu khác."


class FromAnotherSite(Forbidden):
    en = "This request did not come from a page of this system."
    vi = "Yêu cầu này không đến từ trang của hệ thống."


class PassNotValid(NotFound):
    en = "There is no ticket with this pass."
    vi = "Không có phiếu nào với mã này."


# ------------------------------------------------------------------------------------------------------ actors


class Passes:
    """What a citizen holds: the reference of her ticket and 128 bits over it. Given once by issue, never logged."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def sign(self, ticket_id: str) -> str:
        return f"{ticket_id}.{self._mac(ticket_id)}"

    def open(self, text: str) -> str | None:
        """The reference of the ticket, or None when this pass was never given."""
        ticket_id, _, mac = text.partition(".")
        return ticket_id if hmac.compare_digest(mac.encode(), self._mac(ticket_id).encode()) else None

    def _mac(self, ticket_id: str) -> str:
        digest = hmac.digest(self._key, b"pass\0" + ticket_id.encode(), hashlib.sha256)
        return base64.b32encode(digest[:16]).decode().rstrip("=").lower()


@dataclass(frozen=True, slots=True)
class Actor:
    """Who calls. `centres` are his own; empty means all for `city` and `operator`, none for everybody else."""

    ref: str
    roles: frozenset[str] = frozenset()
    centres: frozenset[str] = frozenset()
    member: str | None = None
    ticket: str | None = None
    passes: Passes | None = field(default=None, repr=False, compare=False)

    def reaches(self, centre: str) -> bool:
        return centre in self.centres or (not self.centres and not self.roles.isdisjoint(_EVERYWHERE))

    def is_a(self, *roles: Who) -> bool:
        return not self.roles.isdisjoint(roles)


def ticket_of(text: str, who: Actor) -> str:
    """The reference of the ticket that a body names by reference or by pass, if it is `who`'s to touch."""
    ticket = text
    if "." in text:
        opened = who.passes.open(text) if who.passes else None
        if opened is None:
            raise PassNotValid
        ticket = opened
    if who.ticket is not None:
        if ticket != who.ticket:
            raise NotYourTicket
    elif not who.reaches(centre_of(ticket)):
        raise NotYourCentre
    return ticket


# ------------------------------------------------------------------------------------------------------ tokens


@dataclass(frozen=True, slots=True)
class Issued:
    token: str
    expires: datetime
    seconds: int


@dataclass(frozen=True, slots=True)
class Verified:
    """What a token says; the signature is right. It may be expired, and its account disabled since."""

    actor: Actor
    version: int
    expires: float
    token: str = field(default="", repr=False, compare=False)


class Tokens:
    """Signed (Ed25519), so that every service checks them alone. Once verified, a token is remembered."""

    HELD: ClassVar[int] = 4_096
    LONGEST: ClassVar[int] = 4_096

    def __init__(
        self,
        key: Ed25519PrivateKey,
        clock: Clock,
        lifetime: timedelta = SIGNED_IN_FOR,
        passes: Passes | None = None,
    ) -> None:
        self._private = key
        self._public = key.public_key()
        self._clock = clock
        self._lifetime = lifetime
        self._passes = passes
        self._held: OrderedDict[str, Verified] = OrderedDict()

    def issue(
        self,
        ref: str,
        roles: Iterable[str],
        centres: Iterable[str] = (),
        *,
        version: int = 0,
        member: str | None = None,
        lifetime: timedelta | None = None,
    ) -> Issued:
        """`ref` is an account, or a member (then `member` too); `version` the account's version."""
        import jwt  # with its X.509 it takes a twentieth of the start, and the first answers need none of it

        now = self._clock().replace(microsecond=0)
        expires = now + (lifetime or self._lifetime)
        claims: dict[str, Any] = {
            "iss": "caunoi",
            "aud": "caunoi",
            "sub": ref,
            "roles": sorted(roles),
            "centres": sorted(centres),
            "ver": version,
            "iat": int(now.timestamp()),
            "exp": int(expires.timestamp()),
        }
        if member:
            claims["mem"] = member
        return Issued(
            jwt.encode(claims, self._private, "EdDSA", headers={"typ": "at+jwt"}),
            expires,
            claims["exp"] - claims["iat"],
        )

    def verify(self, token: str) -> Verified | None:
        """What it says, or None when it is not one of ours or has expired."""
        verified = self._held.get(token)
        if verified is None:
            verified = self._read(token)
            if verified is None:
                return None
            self._held[token] = verified
            if len(self._held) > self.HELD:
                self._held.popitem(last=False)
        return verified if self._clock().timestamp() < verified.expires else None

    def _read(self, token: str) -> Verified | None:
        import jwt

        if len(token) > self.LONGEST:
            return None
        try:
            read = jwt.decode_complete(
                token,
                self._public,
                algorithms=["EdDSA"],
                audience="caunoi",
                issuer="caunoi",
                # The time is the clock's that we were given: `verify` compares it.
                options={"require": ["exp", "iat", "sub"], "verify_exp": False, "verify_iat": False},
            )
            claims = read["payload"]
            if read["header"].get("typ") != "at+jwt":
                return None
            actor = Actor(
                str(claims["sub"]),
                frozenset(claims["roles"]),
                frozenset(claims["centres"]),
                member=claims.get("mem"),
                passes=self._passes,
            )
            return Verified(actor, int(claims["ver"]), float(claims["exp"]), token)
        except (jwt.PyJWTError, ValueError, KeyError, TypeError):
            return None


# ---------------------------------------------------------------------------------------------------- accounts


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands: a token of a smaller version is refused."""

    active: bool
    version: int


Ask = Callable[[Verified], Awaitable[Standing | None]]
"""Asks `queue` how the account of a token stands (None: it knows none of that name); raises `Unavailable`."""


class AccountsKnown:
    """Every account that was ever changed, and members who left, in memory, from a tail that starts at the beginning.

    `heard` says when the bus last answered that tail. After 30 s of silence `queue` is asked; when both are silent this
    goes on with what it knows and is `degraded`.
    """

    TOPICS: ClassVar[tuple[type[Event], ...]] = (AccountChanged, MemberChanged)
    SILENCE: ClassVar[timedelta] = timedelta(seconds=30)

    def __init__(
        self, clock: Clock, ask: Ask | None = None, heard: Callable[[], datetime | None] | None = None
    ) -> None:
        self._clock = clock
        self.ask = ask
        self._heard = heard
        self._known: dict[str, Standing] = {}
        self._left: dict[str, int] = {}
        self._back: dict[str, int] = {}
        self._answers: dict[str, datetime] = {}
        self._silent_until: datetime | None = None
        self.degraded = False

    def follow(self, heard: Callable[[], datetime | None]) -> None:
        """From now on `heard` tells when the bus last answered."""
        self._heard = heard

    async def receive(self, events: Sequence[Event], running: object = None) -> None:
        """Events of `TOPICS`, in any order, any number of times."""
        for event in events:
            match event:
                case AccountChanged():
                    self._note(event.account, Standing(event.active, event.account_version))
                case MemberChanged():
                    changes = self._back if event.active else self._left
                    changes[event.member] = max(event.origin.sequence, changes.get(event.member, 0))

    async def stands(self, verified: Verified) -> bool:
        """May this token still be used?"""
        if not self._fresh():
            await self._find_out(verified)
        member = verified.actor.member
        if member and self._left.get(member, -1) > self._back.get(member, 0):
            return False
        standing = self._known.get(verified.actor.ref)
        return standing is None or (standing.active and verified.version >= standing.version)

    def _fresh(self) -> bool:
        if self._heard is None:
            return True
        heard = self._heard()
        if heard is None or self._clock() - heard > self.SILENCE:
            return False
        self.degraded = False
        return True

    async def _find_out(self, verified: Verified) -> None:
        now, ref = self._clock(), verified.actor.ref
        asked = self._answers.get(ref)
        if asked and now - asked < self.SILENCE:
            return
        if self._silent_until and now < self._silent_until:
            return
        try:
            if self.ask is None:
                raise Unavailable
            standing = await self.ask(verified)
        except Unavailable:
            self.degraded = True
            self._silent_until = now + timedelta(seconds=5)
            return
        self.degraded = False
        self._answers[ref] = now
        if standing:
            self._note(ref, standing)

    def _note(self, ref: str, standing: Standing) -> None:
        known = self._known.get(ref)
        if known is None or standing.version >= known.version:
            self._known[ref] = standing


# ------------------------------------------------------------------------------------------------------ access


class Access:
    """Everything a process needs to know who calls; `app.state.system.access`."""

    def __init__(self, settings: Settings, clock: Clock, keys: Keys | None = None) -> None:
        self.keys = keys or Keys.at(settings.secrets_directory, make=not settings.on_servers)
        self.passes = Passes(self.keys.passes)
        self.tokens = Tokens(self.keys.signing, clock, timedelta(hours=settings.token_hours), self.passes)
        self.accounts = AccountsKnown(clock)
        self.passwords = Passwords()
        self._limits: dict[str, RateLimit] = {}

    def limit(self, name: str, most: int, per: timedelta) -> RateLimit:
        """The rate limit of that name; the first call says how much it lets through."""
        return self._limits.setdefault(name, RateLimit(name, most, per))

    async def enter(self, request: Request, roles: frozenset[str]) -> Actor:
        """Who calls, if he is one of `roles` and what the path names is his to touch."""
        path: dict[str, str] = request.scope["path_params"]
        opened = self._pass_in_path(path)
        actor, problem = await self._signed_in(request)
        fits = actor is not None and not actor.roles.isdisjoint(roles)
        if opened and actor and not actor.reaches(centre_of(opened)):
            fits = False  # staff of one centre are citizens in another
        if not fits:
            if "holder" in roles and (ticket := opened or await self._pass_elsewhere(request)):
                actor = self.holder(ticket)
            elif "anyone" in roles:
                return actor or Actor("anyone", passes=self.passes)
            elif actor is None:
                raise problem or SignInNeeded
            else:
                raise NotYourRole
        assert actor is not None
        if self.accounts.degraded and roles <= _EVERYWHERE:
            raise Unavailable(retry_after=5)
        if "anyone" not in roles:
            for name, value in path.items():
                _must_be_own(actor, name, value)
        return actor

    def holder(self, ticket: str) -> Actor:
        """Whose pass of that ticket was found to be ours."""
        return Actor(ticket, frozenset({"holder"}), frozenset({centre_of(ticket)}), None, ticket, self.passes)

    def _pass_in_path(self, path: dict[str, str]) -> str | None:
        text = path.get("ticket", "")
        if "." not in text:
            return None
        opened = self.passes.open(text)
        if opened is None:
            metrics.auth_failures.labels("pass-not-valid").inc()
            raise PassNotValid
        path["ticket"] = opened
        return opened

    async def _pass_elsewhere(self, request: Request) -> str | None:
        """A holder gives her pass as `Authorization: Pass ...`, as the field `ticket` of the body, or as the cookie of
        her ticket's page."""
        scheme, text = _authorization(request)
        if scheme == "pass":
            if (opened := self.passes.open(text)) is None:
                metrics.auth_failures.labels("pass-not-valid").inc()
            return opened
        if request.method not in _SAFE and (opened := await self._pass_in_body(request)):
            return opened
        return self.pass_in_cookie(request)

    async def _pass_in_body(self, request: Request) -> str | None:
        try:
            text = (await request.json())["ticket"]
        except (ValueError, TypeError, LookupError, RecursionError):
            return None
        return self.passes.open(text) if isinstance(text, str) else None

    def pass_in_cookie(self, request: Request) -> str | None:
        """The ticket whose page this browser has open; changes are asked for only by our own pages."""
        text = request.cookies.get(PASS_COOKIE, "") if _has_cookie(request) else ""
        if not text or (request.method not in _SAFE and not from_own_page(request)):
            return None
        return self.passes.open(text)

    async def _signed_in(self, request: Request) -> tuple[Actor | None, Refusal | None]:
        scheme, token = _authorization(request)
        if scheme == "pass":
            return None, None  # what a client says itself comes before the cookie that its browser adds
        if scheme != "bearer":
            token = request.cookies.get(COOKIE, "") if _has_cookie(request) else ""
            if token and request.method not in _SAFE and not from_own_page(request):
                metrics.auth_failures.labels("from-another-site").inc()
                return None, FromAnotherSite()
        if not token:
            return None, None
        verified = self.tokens.verify(token)
        if verified is None or not await self.accounts.stands(verified):
            metrics.auth_failures.labels("token-not-valid" if verified is None else "account-disabled").inc()
            return None, SignInNeeded()
        return verified.actor, None


def _must_be_own(actor: Actor, name: str, value: str) -> None:
    if name == "centre":
        if not actor.reaches(value):
            raise NotYourCentre
    elif _REFERENCE.match(value):
        if actor.ticket is not None:
            if value != actor.ticket and not value.startswith(actor.ticket + "-"):
                raise NotYourTicket
        elif not actor.reaches(centre_of(value)):
            raise NotYourCentre


def _authorization(request: Request) -> tuple[str, str]:
    for name, value in request.scope["headers"]:
        if name == b"authorization":
            scheme, _, credentials = value.decode("latin-1").partition(" ")
            return scheme.lower(), credentials.strip()
    return "", ""


def _has_cookie(request: Request) -> bool:
    return any(name == b"cookie" for name, _ in request.scope["headers"])


def from_own_page(request: Request) -> bool:
    """A browser says where a request comes from: by `Sec-Fetch-Site`, or (on plain HTTP) by `Origin`."""
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = request.headers.get("origin", "")
    return origin.partition("://")[2] == request.headers.get("host") != ""


def keep_session(response: Response, request: Request, issued: Issued) -> None:
    """The same token as a cookie for pages: scripts cannot read it, other sites' forms cannot send it."""
    response.set_cookie(
        COOKIE,
        issued.token,
        max_age=issued.seconds,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )


def end_session(response: Response, request: Request) -> None:
    response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=request.url.scheme == "https")


def keep_pass(response: Response, request: Request, given: str) -> None:
    """The pass of a ticket as a cookie of its page, for as long as its day can last."""
    secure = request.url.scheme == "https"
    response.set_cookie(PASS_COOKIE, given, max_age=24 * 3600, httponly=True, samesite="lax", secure=secure)


def drop_pass(response: Response, request: Request) -> None:
    response.delete_cookie(PASS_COOKIE, httponly=True, samesite="lax", secure=request.url.scheme == "https")


@lru_cache
def gate(roles: frozenset[str]) -> Callable[[Request], Awaitable[Actor]]:
    """The dependency behind `may`; its `roles` are read by OpenAPI and by the test of who may call what."""

    async def who(request: Request) -> Actor:
        access: Access = request.app.state.system.access
        actor = await access.enter(request, roles)
        request.scope[ACTOR] = actor
        acting.set(actor.ref)
        return actor

    who.roles = roles  # type: ignore[attr-defined]
    return who


def may(*roles: Who) -> Any:
    """Declares who may call a route: `who: Annotated[Actor, may("staff", "coordinator")]`."""
    if not roles:
        raise ValueError("a route that nobody may call")
    return Depends(gate(frozenset(roles)))

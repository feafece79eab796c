"""How the command line reaches a system: the one that runs on the data directory, over HTTP; or, when none runs, the
same application opened here on the directory. Either way through its public API.
"""

import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final

import httpx2

from services.caunoi.failures import Failed
from services.chassis.datadir import CannotStart, DataDirectory, InUse
from services.chassis.settings import Settings

if TYPE_CHECKING:
    from fastapi import FastAPI


class Answered(Failed):
    """The system refused; `problem` is its problem+json."""

    def __init__(self, method: str, path: str, status: int, problem: dict[str, Any]) -> None:
        said = problem.get("detail") or problem.get("title") or f"HTTP {status}"
        fields = "; ".join(f"{one['field']}: {one['expected']}" for one in problem.get("errors") or ())
        where = f"{problem.get('slug', status)}, {method} {_without_secrets(path)}"
        super().__init__(f"{said}{f' [{fields}]' if fields else ''} ({where})")
        self.status = status
        self.problem = problem

    @property
    def slug(self) -> str:
        return str(self.problem.get("slug", ""))


HERE: Final = "http://caunoi"
"""The address of a system that is opened in this very process."""


@dataclass
class Caller:
    """Somebody at the API: `credentials` is the whole `Authorization` header."""

    http: httpx2.AsyncClient
    credentials: str | None = field(default=None, repr=False)

    @property
    def over_http(self) -> bool:
        """A system runs, and this is how it is reached."""
        return str(self.http.base_url).rstrip("/") != HERE

    def as_(self, token: str) -> "Caller":
        return Caller(self.http, f"Bearer {token}")

    def as_nobody(self) -> "Caller":
        return Caller(self.http)

    def with_pass(self, held: str) -> "Caller":
        return Caller(self.http, f"Pass {held}")

    async def get(self, path: str, **query: Any) -> Any:
        asked = {name: value for name, value in query.items() if value is not None}
        return await self._call("GET", path, params=asked)

    async def post(self, path: str, body: Any = None, *, key: str | None = None) -> Any:
        """With an `Idempotency-Key`: sent again after a lost answer it has one effect. None for an empty answer."""
        return await self._call("POST", path, json=body, key=key or secrets.token_hex(16))

    async def put(self, path: str, body: Any, *, key: str | None = None) -> Any:
        return await self._call("PUT", path, json=body, key=key or secrets.token_hex(16))

    async def _call(self, method: str, path: str, *, key: str | None = None, **sent: Any) -> Any:
        headers = {"Authorization": self.credentials} if self.credentials else {}
        if key:
            headers["Idempotency-Key"] = key
        if sent.get("json", ...) is None:
            del sent["json"]
        try:
            answer = await self.http.request(method, path, headers=headers, **sent)
        except httpx2.HTTPError as error:
            raise Failed(
                f"Không kết nối được với hệ thống ({type(error).__name__}, {method} {_without_secrets(path)}).",
                f"The system could not be reached at {self.http.base_url}.",
            ) from None
        if answer.status_code >= 400:
            raise Answered(method, path, answer.status_code, _problem(answer))
        return answer.json() if answer.content else None


@asynccontextmanager
async def connected(settings: Settings, *, make: bool = False) -> AsyncIterator[Caller]:
    """The operator at the system of `settings`. `make`: a data directory that does not exist yet is begun."""
    if settings.on_servers:
        async with client(settings.gateway_url, settings) as http:
            yield Caller(http, f"Bearer {held_token(settings)}")
        return
    directory = DataDirectory(settings.data)
    try:
        if not make and directory.is_new:
            raise CannotStart(
                f"{settings.data}: chưa có dữ liệu ở đây; hãy chạy `caunoi up`, hoặc chọn --data khác.",
                f"{settings.data}: there is no data here; run `caunoi up`, or choose another --data.",
            )
        directory.take()
    except InUse:
        async with _running(directory, settings) as caller:
            yield caller
        return
    try:
        directory.settle(demo=settings.demo or directory.is_demo)
        async with _opened_here(settings) as caller:
            yield caller
    finally:
        directory.release()


@asynccontextmanager
async def at_the_bus(settings: Settings, *, stores: bool = False) -> AsyncIterator[Caller]:
    """The operator at `/ops`, for what it says of the bus, and of `stores` too. On servers it is opened here, whether
    services run or not; a system's own files are its own."""
    if not settings.on_servers:
        async with connected(settings) as caller:
            yield caller
        return
    from services.caunoi.app import tools

    async with _in_here(tools(settings, stores=stores), settings) as http:
        yield Caller(http, f"Bearer {held_token(settings)}")


@asynccontextmanager
async def _running(directory: DataDirectory, settings: Settings) -> AsyncIterator[Caller]:
    address = directory.announced()
    if address is None or not settings.operator_token.exists():
        raise CannotStart(
            f"{directory.path}: một tiến trình khác đang giữ thư mục này và chưa trả lời; hãy thử lại sau giây lát.",
            f"{directory.path}: another process holds this directory and does not answer yet; try again in a moment.",
        )
    async with client(address, settings) as http:
        yield Caller(http, f"Bearer {held_token(settings)}")


def held_token(settings: Settings) -> str:
    """The operator's. Raises `CannotStart`."""
    path = settings.operator_token
    try:
        return path.read_text("ascii").strip()
    except OSError as error:
        why = (error.strerror or type(error).__name__).lower()
        raise CannotStart(
            f"{path}: không đọc được mã truy cập của người vận hành ({why}); hãy chạy `caunoi secrets {path.parent}`.",
            f"{path}: the operator's token cannot be read ({why}); run `caunoi secrets {path.parent}`.",
        ) from None


@asynccontextmanager
async def _opened_here(settings: Settings) -> AsyncIterator[Caller]:
    from services.caunoi.app import build  # half a second of imports that a running system spares us
    from services.caunoi.commands.up import operator_token

    app = build(settings)
    async with _in_here(app, settings) as http:
        yield Caller(http, f"Bearer {await operator_token(app)}")


@asynccontextmanager
async def _in_here(app: "FastAPI", settings: Settings) -> AsyncIterator[httpx2.AsyncClient]:
    from services.chassis import logs
    from services.chassis.errors import Unavailable

    logs.start("error")
    async with AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(app.router.lifespan_context(app))
        except Unavailable as error:
            raise CannotStart(error.says("vi"), error.says("en")) from None
        yield await stack.enter_async_context(client(HERE, settings, httpx2.ASGITransport(app)))


def client(address: str, settings: Settings, transport: httpx2.AsyncBaseTransport | None = None) -> httpx2.AsyncClient:
    """Keeps no cookies: signing in for one caller must not make another one him."""
    none = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    spoken = {"Accept-Language": settings.language}
    return httpx2.AsyncClient(base_url=address, timeout=30, headers=spoken, cookies=none, transport=transport)


def _problem(answer: httpx2.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _without_secrets(path: str) -> str:
    """A pass in a path is a secret: only what stands before its signature is shown."""
    return "/".join(part.partition(".")[0] if "." in part else part for part in path.split("/"))

"""A ward to play in, made through HTTP alone: its centre, its people, and short words for what they do.

Tokens of accounts and devices come from the routes for them; those of members are signed with the system's own key, so
that a race of fifty need not sign in by SMS fifty times (that way in has tests of its own).
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic
from typing import Any, Protocol, TypeVar

import httpx2

from services.chassis.access import Access
from services.chassis.clock import Clock, system_clock
from services.chassis.settings import Settings

T = TypeVar("T")

CENTRE = "31186"
COUNTERS = 10
HOUSE = "Số 12, hẻm 7, đường Phạm Hùng"

QUEUE_PART: Mapping[str, Any] = {
    "name": {"vi": "Trung tâm thử nghiệm", "en": "Test centre"},
    "always_open": True,
    "services": {
        "ho-tich": {
            "name": {"vi": "Hộ tịch", "en": "Civil status"},
            "series": "A",
            "counters": list(range(1, COUNTERS + 1)),
        },
        "dat-dai": {"name": {"vi": "Đất đai", "en": "Land"}, "series": "B", "counters": [1, 2]},
    },
}
HAMLETS = {
    "khu-vuc-1": {"name": "Khu vực 1", "lat": 10.01, "lon": 105.75},
    "khu-vuc-5": {"name": "Khu vực 5", "lat": 10.03, "lon": 105.78},
}
VOLUNTEERS_PART: Mapping[str, Any] = {"hamlets": HAMLETS, "maximum": 20}
NOTIFY_PART: Mapping[str, Any] = {"short_name": "P. Cái Răng", "lat": 10.005, "lon": 105.751, "hamlets": HAMLETS}


class FrontDoor(Protocol):
    """A running system, on one process or many: where it answers, where its keys are, the operator's way in."""

    data: Path

    @property
    def address(self) -> str: ...
    @property
    def operator(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class Volunteer:
    member: str
    token: str
    phone: str


@dataclass
class Ward:
    http: httpx2.AsyncClient
    data: Path
    operator: str
    centre: str = CENTRE
    clock: Clock = system_clock
    kiosk: str = ""
    staff: str = ""
    coordinator: str = ""
    volunteers: list[Volunteer] = field(default_factory=list)

    # --------------------------------------------------------------------------------------------- making it

    async def make(self, *, queue: Mapping[str, Any] = QUEUE_PART) -> "Ward":
        """The centre described to all who must know it, and an account each."""
        for service, part in (("queue", queue), ("volunteers", VOLUNTEERS_PART), ("notify", NOTIFY_PART)):
            await self.put(f"/{service}/centres/{self.centre}", part, as_=self.operator)
        self.kiosk, self.staff, self.coordinator = [
            await self.account(role) for role in ("kiosk", "staff", "coordinator")
        ]
        return self

    async def account(self, role: str) -> str:
        """A token of a new account of this centre."""
        body = {"name": f"{role}.{self.centre}.{secrets.token_hex(3)}", "roles": [role], "centres": [self.centre]}
        if role not in ("kiosk", "display"):
            body["password"] = secrets.token_urlsafe(16)
        made = await self.post("/queue/accounts", body, as_=self.operator)
        given = await self.post(f"/queue/accounts/{made['account']}/token", {}, as_=self.operator)
        return str(given["token"])

    async def member(self, number: int = 0, *, hamlet: str = "khu-vuc-5", **more: Any) -> Volunteer:
        """Somebody with a motorbike and a helmet to spare, whose number the notifier knows."""
        phone = f"09120{number or len(self.volunteers) + 1:05d}"
        contact = await self.post(
            "/notify/contacts", {"phone": phone, "purposes": ["volunteer"], "centre": self.centre}, as_=self.coordinator
        )
        described = {
            "centre": self.centre,
            "name": f"Nguyễn Văn Tình Nguyện {len(self.volunteers) + 1}",
            "team": "doi-xung-kich",
            "vehicle": "motorbike",
            "spare_helmet": True,
            "hamlet": hamlet,
            "contact_ref": contact["contact_ref"],
        }
        made = await self.post("/volunteers/members", {**described, **more}, as_=self.coordinator)
        tokens = Access(Settings(data=self.data), self.clock).tokens
        issued = tokens.issue(made["member"], ["volunteer"], [self.centre], member=made["member"])
        volunteer = Volunteer(made["member"], issued.token, phone)
        self.volunteers.append(volunteer)
        return volunteer

    async def check_in(self, volunteer: Volunteer) -> None:
        await self.post(f"/volunteers/centres/{self.centre}/check-in", as_=volunteer.token)

    async def open_counters(self, *counters: int) -> None:
        for counter in counters:
            await self.post(self.counter(counter, "open"), as_=self.staff)

    def counter(self, number: int, action: str) -> str:
        return f"/queue/centres/{self.centre}/counters/{number}/{action}"

    # ---------------------------------------------------------------------------------------------- using it

    async def issue(self, **wishes: Any) -> dict[str, Any]:
        body = {"service": "ho-tich", **wishes}
        return await self.post(f"/queue/centres/{self.centre}/tickets", body, as_=self.kiosk)  # type: ignore[no-any-return]

    async def call_next(self, counter: int) -> dict[str, Any]:
        return await self.post(self.counter(counter, "call-next"), as_=self.staff)  # type: ignore[no-any-return]

    async def at(self, ticket: str, action: str, **body: Any) -> Any:
        """Something that staff do with a ticket."""
        return await self.post(f"/queue/tickets/{ticket}/{action}", body or None, as_=self.staff)

    async def serve(self, ticket: str, outcome: str = "accepted") -> None:
        """From called to completed."""
        await self.at(ticket, "start")
        await self.at(ticket, "complete", outcome=outcome)

    async def ask_ride(self, ticket: str, destination: str = HOUSE, hamlet: str = "khu-vuc-5") -> dict[str, Any]:
        body = {"ticket": ticket, "destination": destination, "hamlet": hamlet, "seats": 1}
        return await self.post("/volunteers/rides", body, as_=self.kiosk)  # type: ignore[no-any-return]

    async def offers(self, volunteer: Volunteer) -> list[dict[str, Any]]:
        found = await self.get("/notify/me/offers", as_=volunteer.token)
        return list(found["offers"])

    # --------------------------------------------------------------------------------------------- how it asks

    async def get(self, path: str, *, as_: str) -> Any:
        return good(await self.send("GET", path, as_=as_))

    async def post(self, path: str, body: Any = None, *, as_: str) -> Any:
        return good(await self.send("POST", path, body, as_=as_))

    async def put(self, path: str, body: Any, *, as_: str) -> Any:
        return good(await self.send("PUT", path, body, as_=as_))

    async def send(
        self, method: str, path: str, body: Any = None, *, as_: str | None = None, key: str | None = None
    ) -> httpx2.Response:
        """Whatever the answer is."""
        headers = {"Authorization": as_ if " " in as_ else f"Bearer {as_}"} if as_ else {}
        headers["Idempotency-Key"] = key or secrets.token_hex(12)
        return await self.http.request(method, path, json=body, headers=headers)


@asynccontextmanager
async def back_in(system: FrontDoor, ward: Ward) -> AsyncIterator[Ward]:
    """The same ward, after a restart or in another loop."""
    async with httpx2.AsyncClient(base_url=system.address, timeout=30) as http:
        yield replace(ward, http=http)


async def eventually(look: Callable[[], Awaitable[T]], true: Callable[[T], bool], seconds: float = 50) -> T:
    """What `look` gives once it is as it should be; what follows by an event follows soon."""
    deadline = monotonic() + seconds
    while not true(found := await look()):
        assert monotonic() < deadline, f"still {found!r} after {seconds} s"
        await asyncio.sleep(0.02)
    return found


def good(answer: httpx2.Response) -> Any:
    assert answer.status_code < 300, f"{answer.request.method} {answer.request.url}: {answer.status_code} {answer.text}"
    return answer.json() if answer.content else None


@asynccontextmanager
async def ward_in(system: FrontDoor, centre: str = CENTRE) -> AsyncIterator[Ward]:
    """A new ward in a real system; a centre of its own keeps tests apart."""
    operator = system.operator["Authorization"]
    async with httpx2.AsyncClient(base_url=system.address, timeout=30) as http:
        yield await Ward(http, system.data, operator, centre).make()

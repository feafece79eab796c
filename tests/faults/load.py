"""The whole story in many wards at once: people who go on with what they were doing however often they are cut off.

`People` is what twenty wards do, at a pace: numbers, calls, no-shows, undone completions, help, rides, the course.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import httpx2

from services.chassis.access import Access
from services.chassis.clock import system_clock
from services.chassis.settings import Settings
from tests.faults.diary import Client, Diary
from tests.journeys.apart import City
from tests.journeys.gateway import service_of
from tests.journeys.ward import NOTIFY_PART, QUEUE_PART, VOLUNTEERS_PART, Volunteer, Ward
from tests.wire import Answer, Lost, Wire

COUNTERS = 2
VOLUNTEERS = 3
SLOW = 30.0
"""Seconds after which an answer is given up: then nobody knows."""


class CityClient(Client):
    """Goes to the service that a path names; to another of its processes when one is away, as a gateway would."""

    pause = 0.25

    def __init__(self, diary: Diary, city: City, first: int = 0) -> None:
        super().__init__(diary, "")
        self._city = city
        self._turn = first
        self._wires: dict[str, Wire] = {}

    async def _try(self, raw: bytes) -> Answer | None:
        ways = self._city.ways(service_of(raw.split(b" ", 2)[1].partition(b"?")[0]))
        address = ways[self._turn % len(ways)]
        try:
            wire = self._wires.get(address)
            if wire is None or wire.broken:
                wire = self._wires[address] = await Wire.to(address)
            answer = await asyncio.wait_for(wire.ask(raw), SLOW)
        except (Lost, TimeoutError):
            self._turn += 1
            if wire := self._wires.pop(address, None):
                wire.close()
            return None
        if answer.status == 503:
            self._turn += 1
        return answer


@asynccontextmanager
async def wards_in(city: City, centres: Sequence[str]) -> AsyncIterator[list[Ward]]:
    """Wards made through HTTP; their accounts' tokens are signed with the city's own key, one of a role for all."""
    tokens = Access(Settings(data=city.data), system_clock).tokens
    kiosk, staff, coordinator = (
        tokens.issue(f"a-{role}{centres[0]}", [role], centres).token for role in ("kiosk", "staff", "coordinator")
    )
    at_once = asyncio.Semaphore(6)
    async with httpx2.AsyncClient(base_url=city.address, timeout=60) as http:

        async def made(centre: str) -> Ward:
            ward = Ward(http, city.data, city.operator["Authorization"], centre)
            ward.kiosk, ward.staff, ward.coordinator = kiosk, staff, coordinator
            async with at_once:
                for service, part in (("queue", QUEUE_PART), ("volunteers", VOLUNTEERS_PART), ("notify", NOTIFY_PART)):
                    await ward.put(f"/{service}/centres/{centre}", part, as_=ward.operator)
                for number in range(VOLUNTEERS):
                    volunteer = await ward.member(int(centre) * 10 % 100_000 + number)
                    if number < VOLUNTEERS - 1:
                        await ward.check_in(volunteer)
                await ward.open_counters(*range(1, COUNTERS + 1))
            return ward

        yield await asyncio.gather(*map(made, centres))


@dataclass
class People:
    """Everybody in these wards. `pace`: seconds between two things that somebody does, about."""

    city: City
    wards: Sequence[Ward]
    diary: Diary
    seed: int
    pace: float = 0.7
    chance: random.Random = field(init=False)
    tasks: list["asyncio.Task[None]"] = field(default_factory=list)
    over: bool = False
    restored: bool = False
    """What they have in hand may be something that nobody ever heard of."""

    def __post_init__(self) -> None:
        self.chance = random.Random(self.seed)

    def begin(self) -> None:
        self.diary.up.set()
        self.tasks = [asyncio.create_task(work) for ward in self.wards for work in self._of(ward)]

    async def meanwhile(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Do that while they go on; somebody who is told what he cannot go on from ends it at once."""
        working = asyncio.create_task(work)
        await asyncio.wait([working, *self.tasks], return_when=asyncio.FIRST_COMPLETED)
        for task in self.tasks:
            if task.done():
                working.cancel()
                with suppress(asyncio.CancelledError, Exception):
                    await working
                task.result()
        return await working

    async def go_home(self, seconds: float = 120) -> None:
        """Each finishes what he is at; then the day is closed everywhere."""
        self.over = True
        await asyncio.wait_for(asyncio.gather(*self.tasks), seconds)
        await asyncio.gather(*(self._close(ward, self._client(0)) for ward in self.wards))

    def _client(self, first: int) -> CityClient:
        return CityClient(self.diary, self.city, first)

    def _of(self, ward: Ward) -> Iterator[Coroutine[Any, Any, None]]:
        for number in range(1, COUNTERS + 1):
            yield self._counter(ward, number, self._client(number))
        for number, volunteer in enumerate(ward.volunteers):
            yield self._volunteer(volunteer, self._client(number))
        yield self._trainer(ward, self._client(0))

    async def _wait(self, times: float = 1.0) -> None:
        await asyncio.sleep(self.chance.uniform(0.5, 1.5) * self.pace * times)

    # --------------------------------------------------------------------------------------------- who they are

    async def _counter(self, ward: Ward, number: int, client: Client) -> None:
        """A kiosk and the counter behind it."""
        while not self.over:
            await self._issue(ward, client)
            await self._wait()
            at = ward.counter(number, "call-next")
            called = await self._ask(client, "call-next", ward.centre, at, token=ward.staff, counter=number)
            if called.status != 200:
                continue
            await self._wait()
            await self._serve(ward, number, called.json["ticket_id"], client)

    async def _issue(self, ward: Ward, client: Client) -> None:
        wishes = {
            "needs_help": self.chance.random() < 0.1,
            "ride_home": self.chance.random() < 0.15,
            "priority": self.chance.random() < 0.1,
        }
        path, body = f"/queue/centres/{ward.centre}/tickets", {"service": "ho-tich", **wishes}
        issued = await self._ask(client, "issue", ward.centre, path, body, token=ward.kiosk)
        if issued.status == 201 and wishes["ride_home"]:
            ticket = issued.json["ticket_id"]
            wanted = {"ticket": ticket, "destination": "Nhà văn hoá khu vực 5", "hamlet": "khu-vuc-5", "seats": 1}
            await self._ask(client, "ask-ride", ticket, "/volunteers/rides", wanted, token=ward.kiosk)

    async def _serve(self, ward: Ward, number: int, ticket: str, client: Client) -> None:
        async def at(action: str, body: dict[str, str] | None = None) -> Answer:
            return await self._ask(client, action, ticket, f"/queue/tickets/{ticket}/{action}", body, token=ward.staff)

        match self.chance.random():
            case luck if luck < 0.05:
                await at("no-show")
                await at("reinstate")
            case luck if luck < 0.1:
                await at("no-show")
            case luck if luck < 0.15:
                await at("return")
            case luck if luck < 0.2:
                await at("hold")
                await at("start")
                await at("complete", {"outcome": "rejected"})
            case _:
                await at("start")
                await self._wait()
                await at("complete", {"outcome": "accepted"})

    async def _volunteer(self, volunteer: Volunteer, client: Client) -> None:
        """Looks at his phone, takes what he is offered, does it."""
        while not self.over:
            for offer in (await client.look("/notify/me/offers", token=volunteer.token))["offers"]:
                id = offer["offer_id"]
                await self._ask(client, "accept", id, f"/notify/offers/{id}/accept", token=volunteer.token)
            for job in (await client.look("/volunteers/me/jobs", token=volunteer.token))["jobs"]:
                await self._do(volunteer, client, job)
            await self._wait(4)

    async def _do(self, volunteer: Volunteer, client: Client, job: dict[str, Any]) -> None:
        id, where = job["id"], f"/volunteers/{'rides' if job['kind'] == 'ride' else 'assistances'}/{job['id']}"
        if job["kind"] == "ride":
            action = "pick-up" if job["state"] == "assigned" else "drop-off"
            await self._ask(client, action, id, f"{where}/{action}", token=volunteer.token)
        else:
            await self._ask(client, "finish", id, f"{where}/finish", {"result": "shown"}, token=volunteer.token)

    async def _trainer(self, ward: Ward, client: Client) -> None:
        """The course: a session, a learner, who passed it."""
        while not self.over:
            begins = system_clock() + timedelta(seconds=5)
            wanted = {"centre": ward.centre, "starts": begins.isoformat(), "places": 1}
            planned = await self._ask(client, "plan", ward.centre, "/training/sessions", wanted, token=ward.coordinator)
            if planned.status == 201:
                session = f"/training/sessions/{planned.json['session']}"
                await self._teach(ward, client, session, self.chance.choice(ward.volunteers).member)
            await self._wait(6)

    async def _teach(self, ward: Ward, client: Client, session: str, member: str) -> None:
        enrolled = await self._ask(
            client, "enrol", session, f"{session}/enrolments", {"member": member}, token=ward.coordinator
        )
        marks = {"marks": [{"member": member, "present": True, "passed": True}]}
        while enrolled.status == 201 and not self.over:
            attended = await self._ask(
                client, "attend", session, f"{session}/attendance", marks, token=ward.coordinator
            )
            if attended.status in (200, 404):
                return
            await self._wait(3)

    async def _close(self, ward: Ward, client: Client) -> None:
        path, body = f"/queue/centres/{ward.centre}/close-day", {"send_home": True}
        closed = await self._ask(client, "close-day", ward.centre, path, body, token=ward.staff)
        assert closed.status == 200, closed.body

    async def _ask(self, client: Client, *given: Any, **named: Any) -> Answer:
        """Whatever is refused is refused for what others did meanwhile, or because its time has passed."""
        answer = await client.ask(*given, **named)
        too_late = answer.status == 422 and answer.json["slug"] == "session-in-the-past"
        lost = answer.status == 404 and self.restored
        assert answer.status in (200, 201, 204, 409) or too_late or lost, f"{given[:3]} {answer.status} {answer.body!r}"
        return answer

"""The power fails, again and again, in the middle of a busy morning; afterwards the books are right.

Each round kills the process (SIGKILL) as an answer leaves it, when what it tells is durable and its event hardly yet on
the bus. Clients ask again with their keys. At the end the checker sees what they were told, and the bus.
"""

import asyncio
import random
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.faults.books import FileBooks, at_rest
from tests.faults.checker import Violation, check
from tests.faults.diary import Client, Diary
from tests.faults.history import History
from tests.journeys.folding import unlike
from tests.journeys.system import RunningSystem
from tests.journeys.ward import Volunteer, Ward, ward_in
from tests.support import run

COUNTERS = 6
PATIENCE = 90
"""Seconds for what takes one, where nobody else wants the machine."""


@dataclass
class Death:
    """How things stood when the power failed."""

    unanswered: int
    unpublished: int


class Morning:
    """People at a ward who go on with what they were doing as soon as the system is back."""

    def __init__(self, ward: Ward, system: RunningSystem, diary: Diary, seed: int) -> None:
        self.ward = ward
        self.system = system
        self.diary = diary
        self.chance = random.Random(seed)
        self.deaths: list[Death] = []
        self._over = False

    async def play(self, rounds: int) -> None:
        self.diary.up.set()
        people = [asyncio.create_task(work) for work in self._people()]
        for _ in range(rounds):
            await self._while_all_go_on(people, self._until_the_power_fails())
            await asyncio.to_thread(self.system.start)
            self.diary.up.set()
        self._over = True
        await asyncio.wait_for(asyncio.gather(*people), PATIENCE)

    async def _while_all_go_on(self, people: list[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
        """Somebody who is told what he cannot go on from ends the test at once."""
        working = asyncio.create_task(work)
        done, _ = await asyncio.wait([working, *people], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def _until_the_power_fails(self) -> None:
        left = self.chance.randint(60, 200)
        dead = asyncio.Event()

        def count() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.diary.up.clear()
                unanswered = self.diary.in_flight
                self.system.kill()
                self.deaths.append(Death(unanswered, FileBooks(self.system.data).standing().unpublished))
                dead.set()

        self.diary.answered = count
        await asyncio.wait_for(dead.wait(), PATIENCE)
        self.diary.answered = lambda: None

    # ------------------------------------------------------------------------------------------- the people

    def _people(self) -> Iterator[Any]:
        for number in range(1, COUNTERS + 1):
            yield self._counter(number, Client(self.diary, self.system.address))
        for volunteer in self.ward.volunteers:
            yield self._volunteer(volunteer, Client(self.diary, self.system.address))

    async def _counter(self, number: int, client: Client) -> None:
        """A kiosk and the counter behind it: somebody takes a number, somebody is called and served."""
        while not self._over:
            await self._issue(client)
            called = await self._counter_says(client, number, "call-next")
            if called.status != 200:
                continue
            ticket = called.json["ticket_id"]
            match self.chance.random():
                case luck if luck < 0.1:
                    await self._ticket(client, ticket, "no-show")
                case luck if luck < 0.2:
                    await self._ticket(client, ticket, "return")
                case _:
                    await self._ticket(client, ticket, "start")
                    await self._ticket(client, ticket, "complete", {"outcome": "accepted"})

    async def _issue(self, client: Client) -> None:
        wishes = {"needs_help": self.chance.random() < 0.02, "ride_home": self.chance.random() < 0.04}
        path, body = f"/queue/centres/{self.ward.centre}/tickets", {"service": "ho-tich", **wishes}
        issued = await client.ask("issue", self.ward.centre, path, body, token=self.ward.kiosk)
        if issued.status == 201 and wishes["ride_home"]:
            ticket = issued.json["ticket_id"]
            wanted = {"ticket": ticket, "destination": "Nhà văn hoá khu vực 5", "hamlet": "khu-vuc-5", "seats": 1}
            await client.ask("ask-ride", ticket, "/volunteers/rides", wanted, token=self.ward.kiosk)

    async def _counter_says(self, client: Client, number: int, action: str) -> Any:
        path = self.ward.counter(number, action)
        return await client.ask(action, self.ward.centre, path, token=self.ward.staff, counter=number)

    async def _ticket(self, client: Client, ticket: str, action: str, body: dict[str, str] | None = None) -> None:
        path = f"/queue/tickets/{ticket}/{action}"
        await client.ask(action, ticket, path, body, token=self.ward.staff)

    async def _volunteer(self, volunteer: Volunteer, client: Client) -> None:
        """Looks at his phone, takes what he is offered, does it."""
        while not self._over:
            for offer in (await client.look("/notify/me/offers", token=volunteer.token))["offers"]:
                id = offer["offer_id"]
                await client.ask("accept", id, f"/notify/offers/{id}/accept", token=volunteer.token)
            for job in (await client.look("/volunteers/me/jobs", token=volunteer.token))["jobs"]:
                await self._do(volunteer, client, job)
            await asyncio.sleep(0.05)

    async def _do(self, volunteer: Volunteer, client: Client, job: dict[str, Any]) -> None:
        id, where = job["id"], f"/volunteers/{'rides' if job['kind'] == 'ride' else 'assistances'}/{job['id']}"
        if job["kind"] == "ride":
            action = "pick-up" if job["state"] == "assigned" else "drop-off"
            await client.ask(action, id, f"{where}/{action}", token=volunteer.token)
        else:
            await client.ask("finish", id, f"{where}/finish", {"result": "shown"}, token=volunteer.token)


@contextmanager
def a_ward_of_its_own(data: Path, *, flaw: str | None = None, **settings: str) -> Iterator[RunningSystem]:
    program = ["-m", "tests.faults.broken", flaw] if flaw else ["-m", "services.caunoi"]
    system = RunningSystem(data, program=program, settings=settings)
    try:
        system.start()
        yield system
    finally:
        system.end()


async def a_morning(
    system: RunningSystem,
    diary: Diary,
    rounds: int,
    seed: int,
    *,
    broken: bool = False,
    kind: type[Morning] = Morning,
) -> Morning:
    async with ward_in(system) as ward:
        await ward.open_counters(*range(1, COUNTERS + 1))
        for number in range(5):
            volunteer = await ward.member(number + 1)
            if number < 3:
                await ward.check_in(volunteer)
        morning = kind(ward, system, diary, seed)
        await morning.play(rounds)
        await at_rest(FileBooks(system.data), all_published=not broken)
        return morning


def judged(diary: Diary, data: Path) -> list[Violation]:
    books = FileBooks(data)
    return check(History(tuple(diary.attempts), books.records(), books.facts()))


def told(morning: Morning, diary: Diary) -> str:
    deaths = morning.deaths
    both = sum(death.unanswered > 0 and death.unpublished > 0 for death in deaths)
    commands = len({attempt.key for attempt in diary.attempts})
    return (
        f"{len(deaths)} times without power; {both} of them with a request unanswered and an event unpublished; "
        f"{commands} commands, {len(diary.attempts) - commands} asked again; "
        f"{sum(death.unanswered for death in deaths)} unanswered, {sum(d.unpublished for d in deaths)} unpublished"
    )


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", [6, pytest.param(20, marks=pytest.mark.slow)])
def test_nothing_is_lost_doubled_or_mixed_up_when_the_power_fails(
    rounds: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    diary = Diary(tmp_path / "diary.jsonl")
    with a_ward_of_its_own(tmp_path / "data") as system:
        morning = run(a_morning(system, diary, rounds, seed=3), seconds=800)
    with capsys.disabled():
        print(f"\n  {told(morning, diary)}")
    assert sum(death.unanswered > 0 and death.unpublished > 0 for death in morning.deaths) >= rounds * 3 // 4
    assert {attempt.status for attempt in diary.attempts if attempt.outcome == "refused"} <= {409}
    violations = judged(diary, tmp_path / "data")
    assert not violations, "\n".join(map(str, violations[:5]))
    assert unlike(tmp_path / "data") == []


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("flaw", ["answers_before_it_writes", "forgets_before_it_publishes"])
def test_a_build_that_is_broken_is_caught(flaw: str, tmp_path: Path) -> None:
    diary = Diary(tmp_path / "diary.jsonl")
    with a_ward_of_its_own(tmp_path / "data", flaw=flaw) as system:
        run(a_morning(system, diary, 3, seed=5, broken=True), seconds=280)
    lost = {"nothing acknowledged is lost", "nobody is forgotten", "no gap in a source"}
    assert lost & {violation.invariant for violation in judged(diary, tmp_path / "data")}

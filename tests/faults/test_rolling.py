"""Two processes of one service on MongoDB and Kafka, restarted in turn under load: the hall is served all the while."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest

from services.chassis.access import Access
from services.chassis.clock import system_clock
from services.chassis.settings import Settings
from tests.faults.books import at_rest
from tests.faults.checker import check
from tests.faults.diary import Client, Diary
from tests.faults.history import History
from tests.journeys.alone import OneService
from tests.journeys.apart import apart
from tests.journeys.ward import CENTRE, QUEUE_PART
from tests.support import run
from tests.wire import Answer

COUNTERS = 6


class EitherOf(Client):
    """A client that goes to the other process when one is away, as a gateway would."""

    def __init__(self, diary: Diary, *addresses: str) -> None:
        super().__init__(diary, addresses[0])
        self._addresses = addresses

    async def _try(self, raw: bytes) -> Answer | None:
        answer = await super()._try(raw)
        if answer is None or answer.status == 503:
            self._base = next(address for address in self._addresses if address != self._base)
            self._wire = None
        return answer


class Pair:
    """Two processes of `queue` that serve the same hall, and a counter each for as many clients."""

    def __init__(self, processes: Sequence[OneService], secrets: Path, diary: Diary) -> None:
        tokens = Access(Settings(data=secrets, secrets=secrets), system_clock).tokens
        self._staff = tokens.issue("a-canbo001", ["staff"], [CENTRE]).token
        self._kiosk = tokens.issue("a-kiosk001", ["kiosk"], [CENTRE]).token
        self._operator = tokens.issue("a-vanhanh1", ["operator"]).token
        self._processes = processes
        self._diary = diary
        self._over = False

    async def play(self) -> None:
        self._diary.up.set()
        addresses = [process.address for process in self._processes]
        await self._open(addresses[0])
        people = [
            asyncio.create_task(
                self._counter(number, EitherOf(self._diary, addresses[number % 2], addresses[number % 2 - 1]))
            )
            for number in range(1, COUNTERS + 1)
        ]
        for process in self._processes:
            await asyncio.sleep(1)
            assert await asyncio.to_thread(process.stop, seconds=60) == 0
            await asyncio.sleep(0.5)
            await asyncio.to_thread(process.start)
        self._over = True
        await asyncio.wait_for(asyncio.gather(*people), 30)

    async def _open(self, address: str) -> None:
        async with httpx2.AsyncClient(base_url=address, timeout=30) as http:
            described = await http.put(
                f"/queue/centres/{CENTRE}", json=QUEUE_PART, headers={"Authorization": f"Bearer {self._operator}"}
            )
            assert described.status_code < 300, described.text

    async def _counter(self, number: int, client: Client) -> None:
        at = f"/queue/centres/{CENTRE}/counters/{number}"
        await client.ask("open", CENTRE, f"{at}/open", token=self._staff, counter=number)
        while not self._over:
            tickets = f"/queue/centres/{CENTRE}/tickets"
            await client.ask("issue", CENTRE, tickets, {"service": "ho-tich"}, token=self._kiosk)
            called = await client.ask("call-next", CENTRE, f"{at}/call-next", token=self._staff, counter=number)
            if called.status == 200:
                ticket = called.json["ticket_id"]
                for action, body in (("start", None), ("complete", {"outcome": "accepted"})):
                    await client.ask(action, ticket, f"/queue/tickets/{ticket}/{action}", body, token=self._staff)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_two_processes_restarted_in_turn_serve_one_hall_all_the_while(tmp_path: Path) -> None:
    diary = Diary(tmp_path / "diary.jsonl")
    only_queue = {"queue": 2, "volunteers": 0, "training": 0, "notify": 0}
    with apart(tmp_path / "city", settings={"CAUNOI_STOP_SECONDS": "60"}, **only_queue) as city, city.books() as books:
        pair = city.services["queue"]
        run(Pair(pair, city.data / "secrets", diary).play(), seconds=200)
        run(at_rest(books, seconds=120), seconds=150)
        assert [process.stop(seconds=60) for process in pair] == [0, 0]
        history = History(tuple(diary.attempts), books.records())
    assert {attempt.status for attempt in diary.attempts if attempt.outcome == "unknown"} <= {0, 503}
    assert 0 in {attempt.status for attempt in diary.attempts}  # somebody was cut off, and asked the other
    for process in pair:
        assert '"level":"error"' not in process.log
    violations = check(history)
    assert not violations, "\n".join(map(str, violations[:5]))

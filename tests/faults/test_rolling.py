"""Two processes of one service on MongoDB and Kafka, restarted in turn under load: the hall is served all the while."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path

import httpx2
import pytest

from services.chassis.access import Access
from services.chassis.backends.kafka import KafkaBus
from services.chassis.clock import system_clock
from services.chassis.ids import token
from services.chassis.keys import Keys
from services.chassis.ports import Raw
from services.chassis.service import topic_specs
from services.chassis.settings import Settings
from services.queue.app import service as queue
from tests import servers
from tests.faults.checker import check
from tests.faults.diary import Client, Diary
from tests.faults.history import COMPACTED, History, Published
from tests.journeys.alone import RunningService, alone
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

    def __init__(self, processes: Sequence[RunningService], secrets: Path, diary: Diary) -> None:
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


def distributed() -> dict[str, str]:
    return {
        "CAUNOI_BACKEND": "distributed",
        "CAUNOI_MONGO_URL": servers.mongo().url,
        "CAUNOI_KAFKA_SERVERS": servers.kafka().address,
        "CAUNOI_NAMESPACE": f"{token(8)}-",
        "CAUNOI_STOP_SECONDS": "60",
    }


async def made(settings: dict[str, str]) -> KafkaBus:
    bus = KafkaBus(settings["CAUNOI_KAFKA_SERVERS"], namespace=settings["CAUNOI_NAMESPACE"])
    await bus.open(topic_specs())
    await bus.provision(topic_specs())
    return bus


async def published(settings: dict[str, str]) -> list[Published]:
    """All that lies on the topics of `queue`."""
    bus, found = await made(settings), []
    for topic in (event.topic() for event in queue.publishes if event.topic() != COMPACTED):
        start: dict[tuple[str, int], int] = {}
        while page := await bus.read(topic, start):
            found += [_published(raw) for raw in page]
            start |= {(raw.topic, raw.partition): raw.offset + 1 for raw in page}
    await bus.close()
    return found


def _published(raw: Raw) -> Published:
    named = {name: value.decode() for name, value in raw.headers}
    return Published(
        topic=raw.topic,
        offset=raw.offset,
        id=named["ce_id"],
        source=named["ce_source"],
        sequence=int(named["ce_sequence"]),
        time=named["ce_time"],
        key=(raw.key or b"").decode(),
        headers=tuple(sorted(named.items())),
        body=raw.value or b"",
        data=json.loads(raw.value or b""),
    )


@pytest.mark.timeout(240)
def test_two_processes_restarted_in_turn_serve_one_hall_all_the_while(tmp_path: Path) -> None:
    diary, secrets = Diary(tmp_path / "diary.jsonl"), tmp_path / "secrets"
    Keys.at(secrets)
    settings = distributed() | {"CAUNOI_SECRETS": str(secrets)}
    run(made(settings))
    with alone("queue", tmp_path / "one", **settings) as first, alone("queue", tmp_path / "two", **settings) as second:
        run(Pair((first, second), secrets, diary).play(), seconds=200)
        assert (first.stop(seconds=60), second.stop(seconds=60)) == (0, 0)
    assert {attempt.status for attempt in diary.attempts if attempt.outcome == "unknown"} <= {0, 503}
    assert 0 in {attempt.status for attempt in diary.attempts}  # somebody was cut off, and asked the other
    for process in (first, second):
        assert '"level":"error"' not in process.log
    violations = check(History(tuple(diary.attempts), run(published(settings))))
    assert not violations, "\n".join(map(str, violations[:5]))

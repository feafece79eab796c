"""Several processes of one service share the partitions of a real Kafka, and its documents on a real MongoDB, while
some join, leave and die under load: each effect is there once, and those of one ticket in the order of its events.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from services.chassis.backends.kafka import KafkaBus
from services.chassis.backends.mongo import MongoStore
from services.chassis.backends.mongo_way import MongoWay
from services.chassis.clock import system_clock
from services.chassis.documents import Documents
from services.chassis.envelope import record_of
from services.chassis.failpoints import FAILPOINT
from services.chassis.ids import token
from services.chassis.ports import Record
from services.chassis.service import topic_specs
from services.contracts.events import QueueCalled
from services.contracts.words import Because
from tests import servers
from tests.conformance.bus_records import entry
from tests.conformance.tally import FACTS, KIND, Tally, projector
from tests.journeys.system import ROOT
from tests.support import run

CENTRES = [f"32{number:03d}" for number in range(12)]
TICKETS = [f"{centre}-20261124-ticket00000{number}" for centre in CENTRES for number in range(3)]


@dataclass
class Share:
    """A namespace, a database, and the processes that share them."""

    kafka: str
    mongo: str
    namespace: str = field(default_factory=lambda: f"{token(8)}-")
    database: str = field(default_factory=lambda: f"t{token(16)}")
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def join(self, failpoint: str = "") -> "subprocess.Popen[bytes]":
        """`failpoint`: where it is to die."""
        where = [self.kafka, self.namespace, self.mongo, self.database]
        command = [sys.executable, "-m", "tests.conformance.share_child", *where]
        environment = {**os.environ, FAILPOINT: failpoint}
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        self.processes.append(process)
        return process

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()


@contextmanager
def a_share() -> Iterator[Share]:
    share = Share(servers.kafka().address, servers.mongo().url)
    try:
        yield share
    finally:
        share.end()


def called(ticket: str, sequence: int) -> Record:
    event = QueueCalled(
        centre=ticket[:5],
        ticket_id=ticket,
        code="A001",
        counter=1,
        call_count=1,
        selected_because=Because.RATIO,
    )
    source = f"/queue/hall/{ticket[:14]}"
    return record_of(entry(event, sequence, system_clock())._replace(id=f"{ticket}-{sequence}", source=source))


class Load:
    """Calls every ticket again and again, until told to stop; how often each was called."""

    def __init__(self, bus: KafkaBus) -> None:
        self.rounds = 0
        self._bus = bus
        self._stopped = False
        self._task = asyncio.create_task(self._go_on())

    async def _go_on(self) -> None:
        while not self._stopped:
            records = [called(ticket, self.rounds + 1) for ticket in TICKETS]
            assert await self._bus.publish(records) == len(records)
            self.rounds += 1
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        self._stopped = True
        await self._task


async def members(bus: KafkaBus, count: int) -> None:
    """Wait until so many processes share the group."""
    async with asyncio.timeout(60):
        while (await bus.readers(["ward"]))["ward"] != count:
            await asyncio.sleep(0.1)


async def all_read(bus: KafkaBus) -> None:
    async with asyncio.timeout(60):
        while sum((await bus.lag("ward")).values()):
            await asyncio.sleep(0.1)


async def noted(share: Share) -> dict[str, list[int]]:
    store = MongoStore(MongoWay(share.mongo), share.database, projector())
    await store.open()
    documents = Documents("tests", {Tally: KIND}, FACTS, store, system_clock)
    await documents.start()
    found = {ticket: await documents[Tally].read(ticket, lambda tally: list(tally.notes)) for ticket in TICKETS}
    await documents.stop()
    await store.close()
    return found


@pytest.mark.slow
def test_processes_that_join_leave_and_die_under_load_do_everything_once_and_in_order() -> None:
    with a_share() as share:

        async def story() -> None:
            bus = KafkaBus(share.kafka, namespace=share.namespace)
            await bus.provision(topic_specs())
            await bus.open(topic_specs())
            load = Load(bus)
            first, leaves = share.join(), share.join()
            await members(bus, 2)
            dies = share.join("consumer:after-effect#50")  # what it did then is delivered once more
            assert await asyncio.to_thread(dies.wait, 60) == -signal.SIGKILL
            share.join()
            await members(bus, 3)
            leaves.send_signal(signal.SIGTERM)
            await members(bus, 2)
            first.send_signal(signal.SIGTERM)
            await members(bus, 1)
            await load.stop()
            await all_read(bus)
            assert await noted(share) == {ticket: list(range(1, load.rounds + 1)) for ticket in TICKETS}
            assert leaves.wait(10) == first.wait(10) == 0
            await bus.close()

        run(story(), 240)

"""A process of its own that relays or consumes, made to be killed: `python -m tests.conformance.bus_child ...`.

bus_child relay   BACKEND WHERE DIRECTORY    publishes 60 facts of a journal in the directory, ten at a time
bus_child consume BACKEND WHERE DIRECTORY    carries out what is on the bus into `effects.sqlite`, until none is left
"""

import asyncio
import sys
from pathlib import Path

from services.chassis.backends.sqlite import Database
from services.chassis.backends.sqlite_store import SqliteStore
from services.chassis.consumer import Consumer
from services.chassis.ports import Bus, Write
from services.chassis.relay import Relay
from services.chassis.views import Projector
from services.contracts.events import QueueCalled
from services.contracts.words import Because, Event
from tests.conformance.bus_backends import backend
from tests.conformance.bus_records import CALLED, PUBLISHERS, entry, ticket, topics
from tests.virtual import NOON

FACTS = 60
EFFECTS = "CREATE TABLE effect (n INTEGER PRIMARY KEY, subject TEXT, sequence INTEGER)"


async def relay(bus: Bus, directory: Path) -> None:
    store = SqliteStore(directory / "queue.sqlite", Projector((), {}, {}))
    await store.open()
    relay = Relay("queue", store, bus, batch=10)
    await relay.start()
    if not await store.facts("/queue/hall/31186-20261124", 1, 1):
        facts = tuple(entry(_called(sequence), sequence) for sequence in range(1, FACTS + 1))
        await store.commit([Write("hall", "31186-20261124", 0, "token", b"", None, facts)])
        relay.wake()
    while (await store.owed_summary())[0]:
        await asyncio.sleep(0.01)
    await relay.stop()
    await store.close()


def _called(sequence: int) -> QueueCalled:
    return QueueCalled(
        centre="31186",
        ticket_id=ticket(f"t{sequence % 5}"),
        code="A001",
        counter=1,
        call_count=1,
        selected_because=Because.RATIO,
    )


async def consume(bus: Bus, directory: Path) -> None:
    effects = Database(directory / "effects.sqlite", [EFFECTS])
    await effects.open()

    async def effect(event: Event) -> None:
        row = event.about, event.origin.sequence
        await effects.write(lambda at: at.execute("INSERT INTO effect (subject, sequence) VALUES (?, ?)", row))

    consumer = Consumer("ward", {CALLED: [effect]}, bus, PUBLISHERS, lambda: NOON, well=effects.health)
    await consumer.start()
    while sum((await bus.lag("ward")).values()):
        await asyncio.sleep(0.01)
    await consumer.stop()
    await effects.close()


async def main(what: str, name: str, where: str, directory: str) -> None:
    bus = await backend(name).place(where).open(topics())
    await {"relay": relay, "consume": consume}[what](bus, Path(directory))
    await bus.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

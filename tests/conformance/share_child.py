"""One process of a service of which there are several: notes each event in its ticket's document, until told to end.

share_child KAFKA NAMESPACE MONGO DATABASE
"""

import asyncio
import signal
import sys

from services.chassis.backends.kafka import KafkaBus
from services.chassis.backends.mongo import MongoStore
from services.chassis.backends.mongo_way import MongoWay
from services.chassis.clock import system_clock
from services.chassis.consumer import Consumer
from services.chassis.documents import Documents
from services.chassis.service import topic_specs
from services.contracts.words import Event
from tests.conformance.bus_records import CALLED, CANCELLED, PUBLISHERS
from tests.conformance.tally import FACTS, KIND, Tally, note, projector


async def main(kafka: str, namespace: str, mongo: str, database: str) -> None:
    bus = KafkaBus(kafka, namespace=namespace)
    await bus.open(topic_specs())
    store = MongoStore(MongoWay(mongo), database, projector())
    await store.open()
    documents = Documents("tests", {Tally: KIND}, FACTS, store, system_clock)
    await documents.start()

    async def note_it(event: Event) -> None:
        def rule(tally: Tally, *, now: object) -> object:
            return note(tally, now=now, number=event.origin.sequence)  # type: ignore[arg-type]

        await documents[Tally].change(event.about, rule, now=system_clock(), because=event)  # type: ignore[arg-type]

    handlers = {CALLED: [note_it], CANCELLED: [note_it]}
    consumer = Consumer("ward", handlers, bus, PUBLISHERS, system_clock, well=store.health)
    told = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    await consumer.start()
    print("reads", flush=True)
    await told.wait()
    await consumer.stop()
    await documents.stop()
    await store.close()
    await bus.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

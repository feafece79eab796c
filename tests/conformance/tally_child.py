"""Run as a process of its own: counts a tally with keys of its own, printing what was acknowledged."""

import asyncio
import sys
from pathlib import Path

from services.chassis.backends.sqlite_store import SqliteStore
from services.chassis.clock import system_clock
from services.chassis.documents import Documents
from services.chassis.once import Once
from tests.conformance.tally import FACTS, KIND, Tally, arrive, projector


async def main(where: Path) -> None:
    store = SqliteStore(where, projector())
    await store.open()
    documents = Documents("tests", {Tally: KIND}, FACTS, store, system_clock)
    await documents.start()

    async def client(number: int) -> None:
        for place in range(100):
            key = Once(f"client-{number}", f"key-{place}", b"")
            print(f"asked {number}-{place}", flush=True)
            await documents[Tally].change("a", arrive, now=system_clock(), once=key)
            print(f"acked {number}-{place}", flush=True)

    await asyncio.gather(*(client(number) for number in range(8)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))

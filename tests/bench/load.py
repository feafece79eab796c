"""The load generator, a process of its own: reads jobs as lines of JSON, does them, answers with what it measured.

It costs about a tenth of what it measures: raw sockets, requests made before the clock starts, nothing parsed but what
the next request needs. Whatever is not timed (draining what was issued) is marked so.
"""

import asyncio
import json
import secrets
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any, TypeVar

import uvloop

from tests.wire import Answer, Wire, request

T = TypeVar("T")


@dataclass
class Job:
    """`at`: where it listens; `do`: `issue`, `cycle`, `fill` or `open`; `count` requests (cycles: of four)."""

    at: str
    do: str
    token: str
    centres: list[str]
    count: int = 0
    connections: int = 32
    service: str = "ho-tich"
    drain: bool = False
    """Cancel what was issued, unmeasured, so that the hall is as full as before."""
    tokens: dict[str, str] = field(default_factory=dict)
    """Of centres that have one of their own."""


@dataclass
class Measured:
    seconds: float = 0.0
    requests: int = 0
    latencies: list[float] = field(default_factory=list)
    wrong: int = 0
    """Answers that were not 2xx: a bench that measures refusals measures nothing."""
    example: str = ""


class Client:
    def __init__(self, job: Job, wires: Sequence[Wire]) -> None:
        self.job = job
        self.wires = wires
        self.measured = Measured()

    def post(self, path: str, body: Any = None) -> bytes:
        centre = path.split("/")[3][:5]  # a ticket's reference begins with it
        token = self.job.tokens.get(centre, self.job.token)
        return request("POST", path, body, token=token, headers={"Idempotency-Key": secrets.token_hex(12)})

    def issue(self, place: int) -> bytes:
        centre = self.job.centres[place % len(self.job.centres)]
        return self.post(f"/queue/centres/{centre}/tickets", {"service": self.job.service, "language": "vi"})

    async def ask(self, wire: Wire, raw: bytes) -> Answer:
        begun = perf_counter()
        answer = await wire.ask(raw)
        self.measured.latencies.append(perf_counter() - begun)
        self.measured.requests += 1
        if not 200 <= answer.status < 300:
            self.measured.wrong += 1
            self.measured.example = f"{answer.status} {answer.body[:300].decode()}"
        return answer

    async def all(self, raws: Iterable[bytes]) -> list[Answer]:
        """Each connection takes the next request as soon as it has its answer."""
        waiting, answers = iter(raws), list[Answer]()

        async def keep_asking(wire: Wire) -> None:
            for raw in waiting:
                answers.append(await self.ask(wire, raw))

        await asyncio.gather(*map(keep_asking, self.wires))
        return answers

    async def timed(self, work: Awaitable[T]) -> T:
        begun = perf_counter()
        result = await work
        self.measured.seconds += perf_counter() - begun
        return result

    async def issue_many(self) -> None:
        answers = await self.timed(self.all([self.issue(place) for place in range(self.job.count)]))
        if self.job.drain:
            tickets = [answer.json["ticket_id"] for answer in answers]
            await Client(self.job, self.wires).all(self.post(f"/queue/tickets/{ticket}/cancel") for ticket in tickets)

    async def cycle_many(self) -> None:
        """Each connection is a counter of its own, in one centre after the other."""
        left = iter(range(self.job.count))

        async def serve(counter: int, wire: Wire) -> None:
            for place in left:
                centre = self.job.centres[place % len(self.job.centres)]
                await self.ask(wire, self.issue(place))
                called = await self.ask(wire, self.post(f"/queue/centres/{centre}/counters/{counter}/call-next"))
                ticket = called.json["ticket_id"]
                await self.ask(wire, self.post(f"/queue/tickets/{ticket}/start"))
                await self.ask(wire, self.post(f"/queue/tickets/{ticket}/complete", {"outcome": "accepted"}))

        await self.timed(asyncio.gather(*(serve(at, wire) for at, wire in enumerate(self.wires, start=1))))

    async def open_counters(self) -> None:
        paths = (
            f"/queue/centres/{centre}/counters/{counter}/open"
            for centre in self.job.centres
            for counter in range(1, self.job.connections + 1)
        )
        await self.all(map(self.post, paths))

    async def fill(self) -> None:
        """`count` more people waiting in each centre."""
        await self.all([self.issue(place) for place in range(self.job.count * len(self.job.centres))])


WORK: dict[str, Callable[[Client], Coroutine[Any, Any, None]]] = {
    "issue": Client.issue_many,
    "cycle": Client.cycle_many,
    "open": Client.open_counters,
    "fill": Client.fill,
}


async def carry_out(job: Job) -> Measured:
    wires = [await Wire.to(job.at) for _ in range(job.connections)]
    client = Client(job, wires)
    await WORK[job.do](client)
    for wire in wires:
        wire.close()
    return client.measured


def main() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for line in sys.stdin:
            measured = runner.run(carry_out(Job(**json.loads(line))))
            print(json.dumps(asdict(measured)), flush=True)


if __name__ == "__main__":
    main()

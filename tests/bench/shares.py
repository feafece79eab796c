"""Where the time of a ticket goes: `python -m tests.bench.shares [--profile whole]`.

CPU of this process for issuing one and for all that follows from it, without sockets, so that what else runs on the
machine matters little: behind the bare route, by `queue` alone, and by the whole system. The three take turns.
"""

import argparse
import asyncio
import cProfile
import json
import pstats
import secrets
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Final

import uvloop
from starlette.types import ASGIApp, Message

from services.caunoi.services import SERVICES
from services.chassis.service import System
from services.chassis.settings import Settings
from services.chassis.web import create_app
from tests.bench.bare import Nothing, router
from tests.bench.measures import CONNECTIONS, PART, token_for

SIDES: Final = ("bare", "queue", "whole")
FOLLOWS: Final = 0.3
"""Seconds in which what follows from some tickets is done; waiting costs nothing."""


@dataclass
class Side:
    """An application, and what each ticket took it in each round, in microseconds."""

    app: ASGIApp
    token: str
    took: list[float] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: Any) -> None:
        raw = json.dumps(body).encode()
        headers = {
            "host": "127.0.0.1",
            "authorization": f"Bearer {self.token}",
            "content-type": "application/json",
            "content-length": str(len(raw)),
            "idempotency-key": secrets.token_hex(12),
        }
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "query_string": b"",
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        answers: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": raw, "more_body": False}

        async def send(message: Message) -> None:
            answers.append(message)

        await self.app(scope, receive, send)
        assert answers[0]["status"] < 300, answers

    async def issue(self, centre: str, count: int) -> None:
        """Many at once, then what follows."""
        left = iter(range(count))

        async def client() -> None:
            for _ in left:
                await self.ask("POST", f"/queue/centres/{centre}/tickets", {"service": "ho-tich", "language": "vi"})

        begun = time.process_time()
        await asyncio.gather(*(client() for _ in range(CONNECTIONS)))
        await asyncio.sleep(FOLLOWS)
        self.took.append((time.process_time() - begun) / count * 1e6)


@asynccontextmanager
async def side(name: str, data: Path, centres: Sequence[str]) -> AsyncIterator[Side]:
    settings = Settings(data=data)
    if name == "bare":
        yield Side(create_app(Nothing(settings), [router]), token_for(data))
        return
    services = [service for service in SERVICES if name in ("whole", service.name)]
    system = System(services, settings)
    await system.start()
    try:
        ours = Side(create_app(system, [router for one in services for router in one.serves]), token_for(data))
        for centre in centres:
            await ours.ask("PUT", f"/queue/centres/{centre}", PART)
        yield ours
    finally:
        await system.stop()


async def shares(where: Path, rounds: int, count: int, profile: cProfile.Profile, profiled: str) -> dict[str, float]:
    """Microseconds a ticket, the median of the rounds; one more of each comes first. A centre has `count` tickets."""
    centres = [f"{30_000 + number}" for number in range(rounds + 1)]
    async with AsyncExitStack() as stack:
        sides = {name: await stack.enter_async_context(side(name, where / name, centres)) for name in SIDES}
        for centre in centres:
            for name, one in sides.items():
                if name == profiled:
                    profile.enable()
                await one.issue(centre, count)
                profile.disable()
    return {name: median(one.took[1:]) for name, one in sides.items()}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.shares", description=__doc__)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--count", type=int, default=200, help="tickets a round (200)")
    parser.add_argument("--profile", choices=SIDES, default="", help="functions of one of them, costliest first")
    given = parser.parse_args()
    profile = cProfile.Profile(time.thread_time)
    with tempfile.TemporaryDirectory(prefix="caunoi-shares-") as where:
        took = uvloop.run(shares(Path(where), given.rounds, given.count, profile, given.profile))
    for name, micros in took.items():
        print(f"{name:6} {micros:6.0f} us a ticket, {micros / took['whole']:4.0%} of the whole system's")
    if given.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(60)


if __name__ == "__main__":
    main()

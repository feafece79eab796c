"""A client that outlives the system: what it is about to ask is on disk first, and it asks again until it is told.

Every command is written down with its key before it is sent and sent with the same key after a restart, as a kiosk
does; every attempt goes into the history.
"""

import asyncio
import json
import random
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import Any

from tests.faults.history import Attempt, Outcome
from tests.wire import Answer, Lost, Wire, request

BUSY_SECONDS = 0.05


class Diary:
    """All clients of one history. `up` is set while the system is believed to answer."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self.attempts: list[Attempt] = []
        self.up = asyncio.Event()
        self.in_flight = 0
        """Commands that were sent and not answered yet."""
        self.answered: Callable[[], None] = lambda: None
        """Called at each answer, before whoever asked hears of it."""

    def close(self) -> None:
        self._file.close()

    def note(self, **what: Any) -> None:
        """On its way to the disk before anything is sent."""
        self._file.write(json.dumps(what) + "\n")
        self._file.flush()

    def keep(self, attempt: Attempt) -> None:
        self.attempts.append(attempt)
        self.note(key=attempt.key, outcome=attempt.outcome, status=attempt.status)


class Client:
    """One at a time, as somebody at a counter: `ask` returns once the answer is known, over any number of restarts."""

    pause = BUSY_SECONDS
    """At least, before it asks again."""

    def __init__(self, diary: Diary, base: str) -> None:
        self._diary = diary
        self._base = base
        self._wire: Wire | None = None

    async def ask(
        self, command: str, about: str, path: str, body: Mapping[str, Any] | None = None, *, token: str,
        counter: int | None = None,
    ) -> Answer:  # fmt: skip
        key = secrets.token_hex(12)
        self._diary.note(key=key, command=command, about=about, path=path, body=body, counter=counter)
        raw = request("POST", path, body, token=token, headers={"Idempotency-Key": key})
        while True:
            await self._diary.up.wait()
            begun = monotonic()
            self._diary.in_flight += 1
            answer = await self._try(raw)
            self._diary.in_flight -= 1
            outcome = _outcome(answer)
            self._diary.keep(
                Attempt(
                    command, key, about, begun, monotonic(), outcome, answer.status if answer else 0,
                    answer.json if answer and outcome == "ok" else {}, counter,
                    answer.header("retry-after") if answer else "",
                )
            )  # fmt: skip
            if answer is not None and outcome != "unknown":
                self._diary.answered()
                return answer
            await asyncio.sleep(random.uniform(self.pause, 2 * self.pause))

    async def look(self, path: str, *, token: str) -> Any:
        """A read; asked again until it is answered."""
        while True:
            await self._diary.up.wait()
            answer = await self._try(request("GET", path, token=token))
            if answer is not None and answer.status == 200:
                return answer.json
            assert answer is None or answer.status >= 500, f"{path} {answer.status} {answer.body!r}"
            await asyncio.sleep(BUSY_SECONDS)

    async def _try(self, raw: bytes) -> Answer | None:
        try:
            if self._wire is None or self._wire.broken:
                self._wire = await Wire.to(self._base)
            return await self._wire.ask(raw)
        except Lost:
            return None


def _outcome(answer: Answer | None) -> Outcome:
    if answer is None or answer.status >= 500:
        return "unknown"
    return "ok" if answer.status < 300 else "refused"

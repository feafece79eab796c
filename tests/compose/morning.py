"""A busy morning at the gateway: the people of the power test, who go on whatever is restarted behind it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from tests.compose.stack import Stack
from tests.faults.diary import Client, Diary
from tests.faults.test_power import Morning as People
from tests.journeys.ward import ward_in

T = TypeVar("T")
COUNTERS = 3
"""Enough that something is always under way; more would only be more to read at the end."""
GOES_ON = 60
"""Commands answered after something is back, before the next thing is broken."""


class Morning(People):
    working: list[asyncio.Task[None]]

    def _people(self) -> Iterator[Any]:
        for number in range(1, COUNTERS + 1):
            yield self._counter(number, Client(self.diary, self.system.address))
        for volunteer in self.ward.volunteers:
            yield self._volunteer(volunteer, Client(self.diary, self.system.address))

    def begin(self) -> None:
        self.diary.up.set()
        self.working = [asyncio.create_task(work) for work in self._people()]

    async def end(self) -> None:
        self._over = True
        await asyncio.wait_for(asyncio.gather(*self.working), 60)

    async def while_all_go_on(self, work: Coroutine[Any, Any, T]) -> T:
        """Somebody who is told what he cannot go on from ends the test at once."""
        ours = asyncio.create_task(work)
        await asyncio.wait([ours, *self.working], return_when=asyncio.FIRST_COMPLETED)
        for task in self.working:
            if task.done():
                task.result()
        return await ours

    async def goes_on(self, seconds: float = 60) -> None:
        """Until so many more commands were answered."""
        wanted = self._answered() + GOES_ON
        async with asyncio.timeout(seconds):
            while self._answered() < wanted:
                await self.while_all_go_on(asyncio.sleep(0.1))

    def _answered(self) -> int:
        return sum(attempt.outcome == "ok" for attempt in self.diary.attempts)


@asynccontextmanager
async def play(stack: Stack, diary: Diary, centre: str) -> AsyncIterator[Morning]:
    async with ward_in(stack, centre) as ward:
        await ward.open_counters(*range(1, COUNTERS + 1))
        for number in range(5):
            volunteer = await ward.member(number + 1)
            if number < 3:
                await ward.check_in(volunteer)
        morning = Morning(ward, stack, diary, seed=7)
        morning.begin()
        await morning.goes_on()
        yield morning
        await morning.end()

"""Told to stop, and started again, in the middle of a busy morning: nobody notices but by asking once more."""

import asyncio
from pathlib import Path

import pytest

from tests.faults.books import FileBooks
from tests.faults.diary import Diary
from tests.faults.test_power import Death, Morning, a_morning, a_ward_of_its_own, judged
from tests.journeys.folding import unlike
from tests.support import run

ROUNDS = 2


class Restarts(Morning):
    """Nobody is told that the system goes away: clients find out, and ask again."""

    async def _until_the_power_fails(self) -> None:
        await asyncio.sleep(self.chance.uniform(0.4, 0.8))
        unanswered = self.diary.in_flight
        assert await asyncio.to_thread(self.system.stop, seconds=60) == 0
        self.deaths.append(Death(unanswered, FileBooks(self.system.data).standing().unpublished))


@pytest.mark.slow
def test_a_restart_in_order_loses_nothing_and_answers_nothing_that_asking_again_does_not_mend(tmp_path: Path) -> None:
    diary = Diary(tmp_path / "diary.jsonl")
    with a_ward_of_its_own(tmp_path / "data", CAUNOI_STOP_SECONDS="60") as system:
        morning = run(a_morning(system, diary, ROUNDS, seed=7, kind=Restarts), seconds=100)
    assert sum(stop.unanswered > 0 for stop in morning.deaths) == ROUNDS
    assert [stop.unpublished for stop in morning.deaths] == [0] * ROUNDS
    assert {attempt.status for attempt in diary.attempts if attempt.outcome == "unknown"} <= {0, 503}
    assert '"level":"error"' not in system.log
    violations = judged(diary, tmp_path / "data")
    assert not violations, "\n".join(map(str, violations[:5]))
    assert unlike(tmp_path / "data") == []

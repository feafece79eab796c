"""How the visit was: said after it, by who held the number, and added up for the evening report."""

from pathlib import Path
from typing import Any

import pytest

from services.queue.opinions import NothingSaid, Opinion, OpinionGiven, Score, evolve, give
from tests.unit.queue.morning import EIGHT
from tests.unit.queue.running import AT, Desk, played

GOOD = OpinionGiven(counter=Score.GOOD, volunteer=None, waiting=Score.BAD)


async def a_visit(desk: Desk) -> dict[str, Any]:
    """Completed; with her pass."""
    await desk.open(1)
    given: dict[str, Any] = await desk.issue()
    await desk.call(1)
    await desk.at(given["ticket_id"], "start")
    await desk.at(given["ticket_id"], "complete", outcome="accepted")
    return given


def test_the_last_word_counts_and_the_same_again_changes_nothing() -> None:
    opinion = Opinion("31186-20261124-a-opinion")
    for fact in give(opinion, said=GOOD, now=EIGHT):
        evolve(opinion, fact, EIGHT)
    assert give(opinion, said=GOOD, now=EIGHT) == []
    assert give(opinion, said=OpinionGiven(counter=Score.BAD, volunteer=None, waiting=None), now=EIGHT)


def test_who_says_nothing_is_asked_to_say_something() -> None:
    with pytest.raises(NothingSaid):
        give(Opinion("x"), said=OpinionGiven(counter=None, volunteer=None, waiting=None), now=EIGHT)


def test_opinions_are_added_up_by_what_they_are_about(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        given = await a_visit(desk)
        path = f"/queue/tickets/{given['pass']}/opinion"
        await desk.post(path, "", {"counter": "bad"})
        await desk.post(path, "", {"counter": "good", "waiting": "fair"})
        opinions = (await desk.get(f"{AT}/report", desk.coordinator))["opinions"]
        assert opinions["counter"] == {"good": 1, "fair": 0, "bad": 0}
        assert opinions["waiting"]["fair"] == 1
        assert opinions["volunteer"] == {"good": 0, "fair": 0, "bad": 0}

    played(tmp_path, story)


def test_an_opinion_waits_for_the_end_of_the_visit_and_not_longer_than_its_day(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        waiting = await desk.issue()
        early = await desk.refused(f"/queue/tickets/{waiting['pass']}/opinion", "", {"counter": "good"})
        assert early["slug"] == "not-over-yet"
        await desk.post(f"/queue/tickets/{waiting['pass']}/cancel", "")
        given = await a_visit(desk)
        desk.later(days=1)
        late = await desk.refused(f"/queue/tickets/{given['pass']}/opinion", "", {"counter": "good"})
        assert late["slug"] == "visit-is-past"

    played(tmp_path, story)


def test_only_the_holder_says_how_it_was(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        given = await a_visit(desk)
        refused = await desk.refused(f"/queue/tickets/{given['ticket_id']}/opinion", desk.staff, {"counter": "good"})
        assert refused["slug"] == "not-your-role"

    played(tmp_path, story)

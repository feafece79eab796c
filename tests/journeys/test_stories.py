"""However events travel, each story ends the same: on a bus that keeps order, and on one that delivers everything twice
and no topic in time. And after each, folding the journal gives the bytes of every document."""

from collections import Counter
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from services.chassis.backends.sqlite_bus import SqliteBus
from tests.faults.books import FileBooks
from tests.journeys.folding import unlike
from tests.journeys.inside import HandClock, Inside, inside, local, ward_inside
from tests.journeys.unruly import UnrulyBus
from tests.journeys.ward import Volunteer, Ward, eventually
from tests.support import run

Story = Callable[[Ward], Awaitable[None]]
End = dict[str, Any]
SEEDS = (1, 2)


# ------------------------------------------------------------------------------------------------ the stories


async def job_of(ward: Ward, volunteers: list[Volunteer], kind: str) -> tuple[Volunteer, str]:
    """Whoever is offered one first, and the offer."""

    async def look() -> list[tuple[Volunteer, str]]:
        return [
            (volunteer, offer["offer_id"])
            for volunteer in volunteers
            for offer in await ward.offers(volunteer)
            if offer["kind"] == kind
        ]

    return (await eventually(look, bool))[0]


async def does(ward: Ward, volunteer: Volunteer, path: str, body: dict[str, str] | None = None) -> None:
    """As soon as the other side has heard of it."""

    async def attempt() -> int:
        return (await ward.send("POST", path, body, as_=volunteer.token)).status_code

    await eventually(attempt, lambda status: status == 200)


async def whole_visit(ward: Ward) -> None:
    """The main job: number, help, call, case, ride home."""
    ticket = (await ward.issue(needs_help=True, ride_home=True))["ticket_id"]
    await ward.ask_ride(ticket)
    helper, offer = await job_of(ward, ward.volunteers, "assistance")
    await ward.post(f"/notify/offers/{offer}/accept", as_=helper.token)
    await ward.call_next(1)
    refused = await ward.send("POST", ward.counter(1, "call-next"), as_=ward.staff)
    assert refused.status_code == 409
    await does(ward, helper, f"/volunteers/assistances/{ticket}-help/finish", {"result": "filed_online"})
    await ward.serve(ticket)
    driver, offer = await job_of(ward, ward.volunteers, "ride")
    await ward.post(f"/notify/offers/{offer}/accept", as_=driver.token)
    await does(ward, driver, f"/volunteers/rides/{ticket}-ride/pick-up")
    await does(ward, driver, f"/volunteers/rides/{ticket}-ride/drop-off")


async def gave_up_waiting(ward: Ward) -> None:
    ticket = (await ward.issue(needs_help=True, ride_home=True))["ticket_id"]
    await ward.at(ticket, "cancel")


async def came_after_all(ward: Ward) -> None:
    """Not there when called, then there: served, and driven by nobody."""
    ticket = (await ward.issue(ride_home=True))["ticket_id"]
    await ward.call_next(1)
    await ward.at(ticket, "no-show")
    await ward.at(ticket, "reinstate")
    await ward.call_next(1)
    await ward.serve(ticket)


async def helped_and_not_recorded(ward: Ward) -> None:
    """The case was completed before the helper said what came of it."""
    ticket = (await ward.issue(needs_help=True))["ticket_id"]
    helper, offer = await job_of(ward, ward.volunteers, "assistance")
    await ward.post(f"/notify/offers/{offer}/accept", as_=helper.token)
    await ward.call_next(1)
    await ward.serve(ticket)


async def undone(ward: Ward) -> None:
    """Completed too early, taken back, completed again."""
    ticket = (await ward.issue(needs_help=True, ride_home=True))["ticket_id"]
    await ward.ask_ride(ticket)
    await ward.call_next(1)
    await ward.serve(ticket)
    await ward.post(ward.counter(1, "undo"), as_=ward.staff)
    await ward.at(ticket, "complete", outcome="result_returned")


STORIES: list[Story] = [whole_visit, gave_up_waiting, came_after_all, helped_and_not_recorded, undone]


# ---------------------------------------------------------------------------------------------------- the end


async def played(data: Path, story: Story, bus: Callable[[Path], SqliteBus]) -> End:
    async with inside(data, HandClock(local(9)), bus) as at:
        ward = await ward_inside(at)
        await ward.open_counters(1)
        for number in range(5):
            volunteer = await ward.member(number + 1)
            if number < 3:
                await ward.check_in(volunteer)
        await at.rest()
        await story(ward)
        await at.rest()
        if isinstance(at.system.bus, UnrulyBus):
            assert at.system.bus.overtaken, "nothing was shuffled"
        return await end_of(at, ward)


async def end_of(at: Inside, ward: Ward) -> End:
    """What people see in the end, and what nobody should see: dead letters."""
    data = at.system.settings.data
    last = {}
    for record in sorted(FileBooks(data).records(), key=lambda one: (one.source, one.sequence)):
        if record.topic.startswith(("ride-", "assistance-")):
            last[record.source] = record.topic
    return {
        "queue": await ward.get(f"/queue/centres/{ward.centre}/report", as_=ward.coordinator),
        "volunteers": await ward.get(f"/volunteers/centres/{ward.centre}/report", as_=ward.coordinator),
        "last words": Counter(last.values()),
        "busy": sum([len((await ward.get("/volunteers/me/jobs", as_=one.token))["jobs"]) for one in ward.volunteers]),
        "dead letters": FileBooks(data).dead_letters(),
    }


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_story_ends_the_same_with_topics_shuffled_and_everything_twice(story: Story, tmp_path: Path) -> None:
    in_order = run(played(tmp_path / "in-order", story, SqliteBus))
    assert in_order["dead letters"] == []
    assert unlike(tmp_path / "in-order") == []
    for seed in SEEDS:
        shuffled = run(played(tmp_path / f"shuffled-{seed}", story, partial(UnrulyBus, seed=seed)))
        assert shuffled == in_order
        assert unlike(tmp_path / f"shuffled-{seed}") == []

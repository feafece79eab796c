"""Where two things cross, somebody decides: each row of the table in `architecture.md`, section 6, over HTTP."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import pytest

from tests.faults.books import FileBooks
from tests.faults.history import Published
from tests.journeys.system import RunningSystem, running
from tests.journeys.ward import Volunteer, Ward, eventually, ward_in
from tests.support import run

centres = map(str, count(33001))


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSystem]:
    with running(tmp_path_factory.mktemp("crossings") / "data") as system:
        yield system


class Scene:
    """A ward of its own, and what it put on the bus."""

    def __init__(self, ward: Ward) -> None:
        self.ward = ward

    def events(self, topic: str, **named: Any) -> list[Published]:
        found = FileBooks(self.ward.data).records()
        return [
            one for one in found
            if one.topic == topic and one.key == self.ward.centre
            and all(one.data.get(name) == value for name, value in named.items())
        ]  # fmt: skip

    async def told(self, topic: str, **named: Any) -> Published:
        """The event, as soon as it is there."""

        async def look() -> list[Published]:
            return await asyncio.to_thread(lambda: self.events(topic, **named))

        return (await eventually(look, bool))[-1]

    async def offer(self, volunteer: Volunteer, job: str) -> str:
        return str((await self.told("offer-made", job=job, member=volunteer.member)).data["offer_id"])

    async def accept(self, volunteer: Volunteer, job: str) -> None:
        await self.ward.post(f"/notify/offers/{await self.offer(volunteer, job)}/accept", as_=volunteer.token)

    async def ride_due(self) -> str:
        """Of somebody whose case is completed."""
        ticket = (await self.ward.issue(ride_home=True))["ticket_id"]
        ride = str((await self.ward.ask_ride(ticket))["ride_id"])
        assert (await self.ward.call_next(1))["ticket_id"] == ticket
        await self.ward.serve(ticket)
        return ride

    async def driven_by(self, volunteer: Volunteer) -> str:
        """A ride that he has taken."""
        ride = await self.ride_due()
        await self.accept(volunteer, ride)
        await self.told("ride-assigned", ride_id=ride, member=volunteer.member)
        return ride

    async def can_take_another(self, volunteer: Volunteer) -> bool:
        """Free again: he is offered the next ride."""
        await self.offer(volunteer, await self.ride_due())
        return True

    async def help_wanted(self) -> str:
        return str((await self.ward.issue(needs_help=True))["ticket_id"]) + "-help"


def scene(system: RunningSystem, play: Callable[[Scene], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with _ward(system) as ward:
            await play(Scene(ward))

    run(whole())


@asynccontextmanager
async def _ward(system: RunningSystem) -> AsyncIterator[Ward]:
    async with ward_in(system, next(centres)) as ward:
        await ward.open_counters(1)
        yield ward


def test_a_ride_cancelled_after_it_was_accepted_frees_and_tells_its_driver(system: RunningSystem) -> None:
    async def play(at: Scene) -> None:
        driver = await at.ward.member()
        ride = await at.driven_by(driver)
        await at.ward.post(f"/volunteers/rides/{ride}/cancel", as_=at.ward.coordinator)
        cancelled = await at.told("ride-cancelled", ride_id=ride)
        void = await at.told("offer-void", job=ride, member=driver.member)
        assert cancelled.data["member"] == driver.member
        assert (void.data["reason"], void.data["tell"]) == ("cancelled", True)
        assert await at.can_take_another(driver)

    scene(system, play)


def test_accepting_and_cancelling_at_once_ends_cancelled_with_nobody_bound(system: RunningSystem) -> None:
    async def play(at: Scene) -> None:
        driver = await at.ward.member()
        for _ in range(5):
            ride = await at.ride_due()
            offer = await at.offer(driver, ride)
            accepted, cancelled = await asyncio.gather(
                at.ward.send("POST", f"/notify/offers/{offer}/accept", as_=driver.token),
                at.ward.send("POST", f"/volunteers/rides/{ride}/cancel", as_=at.ward.coordinator),
            )
            assert cancelled.status_code == 200, cancelled.text
            assert accepted.status_code in (200, 409)
            if accepted.status_code == 200:
                assert (await at.told("offer-void", offer_id=offer, reason="cancelled")).data["tell"]
        assert await at.can_take_another(driver)

    scene(system, play)


def test_a_ride_given_to_another_by_hand_frees_and_tells_the_first(system: RunningSystem) -> None:
    async def play(at: Scene) -> None:
        first = await at.ward.member()
        ride = await at.driven_by(first)
        second = await at.ward.member()
        await at.ward.post(f"/volunteers/rides/{ride}/assign", {"member": second.member}, as_=at.ward.coordinator)
        await at.told("ride-assigned", ride_id=ride, member=second.member, by_hand=True)
        void = await at.told("offer-void", job=ride, member=first.member)
        assert (void.data["reason"], void.data["tell"]) == ("assigned_by_hand", True)
        assert await at.can_take_another(first)
        refused = await at.ward.send("POST", f"/volunteers/rides/{ride}/pick-up", as_=first.token)
        assert refused.status_code == 409

    scene(system, play)


def test_a_driver_who_checks_out_keeps_his_ride(system: RunningSystem) -> None:
    async def play(at: Scene) -> None:
        driver = await at.ward.member()
        ride = await at.driven_by(driver)
        await at.ward.check_in(driver)
        await at.ward.post(f"/volunteers/centres/{at.ward.centre}/check-out", as_=driver.token)
        await at.told("volunteer-checked-out", member=driver.member)
        await at.ward.post(f"/volunteers/rides/{ride}/pick-up", as_=driver.token)
        await at.ward.post(f"/volunteers/rides/{ride}/drop-off", as_=driver.token)
        assert (await at.told("ride-completed", ride_id=ride)).data["member"] == driver.member
        assert not at.events("offer-void", job=ride, member=driver.member)

    scene(system, play)


def test_the_open_help_of_who_checks_out_is_offered_anew(system: RunningSystem) -> None:
    async def play(at: Scene) -> None:
        helpers = [await at.ward.member() for _ in range(3)]
        for helper in helpers:
            await at.ward.check_in(helper)
            await at.told("volunteer-checked-in", member=helper.member)
        job = await at.help_wanted()
        leaving, *others = helpers
        await at.accept(leaving, job)
        await at.told("assistance-taken", assistance_id=job)
        before = len(at.events("offer-made", job=job))
        await at.ward.post(f"/volunteers/centres/{at.ward.centre}/check-out", as_=leaving.token)
        await eventually(lambda: _count(at, job), lambda made: made > before)
        assert at.events("offer-made", job=job)[-1].data["member"] in {other.member for other in others}

    scene(system, play)


async def _count(at: Scene, job: str) -> int:
    return len(at.events("offer-made", job=job))


def test_who_leaves_fewer_than_two_may_go_and_the_coordinator_is_told(system: RunningSystem) -> None:
    async def play(at: Scene) -> None:
        helpers = [await at.ward.member() for _ in range(2)]
        for helper in helpers:
            await at.ward.check_in(helper)
            await at.told("volunteer-checked-in", member=helper.member)
        await at.ward.post(f"/volunteers/centres/{at.ward.centre}/check-out", as_=helpers[0].token)
        assert (await at.told("floor-thin")).data["on_floor"] == 1

    scene(system, play)


@pytest.mark.parametrize("end", ["cancel", "no-show", "close-day"])
def test_the_end_of_a_ticket_takes_its_help_and_its_ride_with_it(system: RunningSystem, end: str) -> None:
    async def play(at: Scene) -> None:
        ticket = str((await at.ward.issue(needs_help=True, ride_home=True))["ticket_id"])
        await at.told("assistance-requested", ticket_id=ticket)
        await at.told("ride-planned", ticket_id=ticket)
        if end == "no-show":
            await at.ward.call_next(1)
        if end == "close-day":
            await at.ward.post(
                f"/queue/centres/{at.ward.centre}/close-day", {"send_home": True}, as_=at.ward.coordinator
            )
        else:
            await at.ward.at(ticket, end)
        assert (await at.told("assistance-cancelled", ticket_id=ticket)).data["by"] == "ticket_ended"
        assert (await at.told("ride-cancelled", ticket_id=ticket)).data["by"] == "ticket_ended"

    scene(system, play)


def test_a_ride_under_way_outlives_its_ticket_s_day(system: RunningSystem) -> None:
    async def play(at: Scene) -> None:
        driver = await at.ward.member()
        ride = await at.driven_by(driver)
        await at.ward.post(f"/volunteers/rides/{ride}/pick-up", as_=driver.token)
        await at.ward.post(f"/queue/centres/{at.ward.centre}/close-day", {"send_home": True}, as_=at.ward.coordinator)
        await at.told("day-closed")
        await at.ward.post(f"/volunteers/rides/{ride}/drop-off", as_=driver.token)
        assert not at.events("ride-cancelled", ride_id=ride)

    scene(system, play)

"""Midnight, a clock that jumps, a restart while an offer stands, and the power that fails between two commands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.faults.books import FileBooks
from tests.faults.history import Published
from tests.journeys.inside import HandClock, Inside, inside, local, ward_inside
from tests.journeys.system import running
from tests.journeys.ward import Ward, back_in, eventually, ward_in
from tests.support import run


def events(at: Inside, *topics: str) -> list[Published]:
    """In the order of the hall."""
    found = [one for one in FileBooks(at.system.settings.data).records() if one.topic in topics]
    return sorted(found, key=lambda one: (one.source, one.sequence))


async def after_midnight(at: Inside, ward: Ward) -> Sequence[Published]:
    at.clock.move(minutes=2)
    await eventually(lambda: _of(at, "day-closed"), bool)
    await at.rest()
    return events(at, "ticket-cancelled", "case-completed", "day-closed")


async def _of(at: Inside, topic: str) -> list[Published]:
    return events(at, topic)


def test_at_midnight_every_live_ticket_ends_and_the_next_day_begins_with_001(tmp_path: Path) -> None:
    async def night() -> None:
        async with inside(tmp_path, HandClock(local(23, 59))) as at:
            ward = await ward_inside(at)
            await ward.open_counters(1, 2, 3)
            tickets = [(await ward.issue())["ticket_id"] for _ in range(4)]
            for counter in (1, 2, 3):
                await ward.call_next(counter)
            await ward.at(tickets[0], "start")
            await ward.at(tickets[1], "hold")
            *ends, closed = await after_midnight(at, ward)
            assert {end.data["ticket_id"] for end in ends} == set(tickets)
            assert [end.data["outcome"] for end in ends if end.topic == "case-completed"] == ["unfinished"]
            assert {end.data["reason"] for end in ends if end.topic == "ticket-cancelled"} == {"day_closed"}
            assert (closed.topic, closed.data["day"], closed.data["unfinished"]) == ("day-closed", "2026-11-24", 1)
            issued = await ward.issue()
            assert (issued["code"], issued["ticket_id"].split("-")[1]) == ("A001", "20261125")
            await ward.open_counters(1)
            assert (await ward.call_next(1))["ticket_id"] == issued["ticket_id"]

    run(night())


def test_a_key_sent_again_after_midnight_gets_the_answer_of_the_day_before(tmp_path: Path) -> None:
    async def night() -> None:
        async with inside(tmp_path, HandClock(local(23, 59, 50))) as at:
            ward = await ward_inside(at)
            path, body = f"/queue/centres/{ward.centre}/tickets", {"service": "ho-tich"}
            before = await ward.send("POST", path, body, as_=ward.kiosk, key="kiosk-1-0007")
            at.clock.move(seconds=20)
            after = await ward.send("POST", path, body, as_=ward.kiosk, key="kiosk-1-0007")
            assert (after.status_code, after.json()) == (before.status_code, before.json())
            await at.rest()
            assert len(events(at, "ticket-issued")) == 1

    run(night())


def test_numbers_and_times_never_go_back_when_the_clock_jumps_back_an_hour(tmp_path: Path) -> None:
    async def day() -> None:
        async with inside(tmp_path, HandClock(local(9))) as at:
            ward = await ward_inside(at)
            await ward.open_counters(1)
            await ward.issue()
            first = (await ward.call_next(1))["ticket_id"]
            at.clock.move(hours=-1)
            second = await ward.issue()
            await ward.serve(first)
            assert (await ward.call_next(1))["ticket_id"] == second["ticket_id"]
            await ward.serve(second["ticket_id"])
            await at.rest()
            issued = events(at, "ticket-issued")
            assert [event.data["code"] for event in issued] == ["A001", "A002"]
            hall = events(at, "ticket-issued", "queue-called", "serving-started", "case-completed")
            assert [event.time for event in hall] == sorted(event.time for event in hall)
            completed = [event.data for event in hall if event.topic == "case-completed"]
            assert all(data["wait_seconds"] >= 0 and data["transaction_seconds"] >= 0 for data in completed)

    run(day())


async def offered(at: Inside, ward: Ward) -> tuple[str, str]:
    """A ride is due, the only driver has an offer: his offer and the ride."""
    ticket = (await ward.issue(ride_home=True))["ticket_id"]
    ride = (await ward.ask_ride(ticket))["ride_id"]
    await ward.call_next(1)
    await ward.serve(ticket)
    await at.rest()
    (made,) = events(at, "offer-made")
    return made.data["offer_id"], ride


def test_an_offer_is_as_good_after_a_restart_in_the_middle_of_it(tmp_path: Path) -> None:
    async def day() -> None:
        clock = HandClock(local(9))
        async with inside(tmp_path, clock) as at:
            ward = await ward_inside(at)
            await ward.open_counters(1)
            driver = await ward.member()
            offer, ride = await offered(at, ward)
        clock.move(seconds=60)
        async with inside(tmp_path, clock) as at:
            ward.http = at.http
            await ward.post(f"/notify/offers/{offer}/accept", as_=driver.token)
            await at.rest()
            assert [event.data["ride_id"] for event in events(at, "ride-assigned")] == [ride]

    run(day())


def test_an_offer_that_expires_while_the_system_is_down_is_passed_on_at_start(tmp_path: Path) -> None:
    async def day() -> None:
        clock = HandClock(local(9))
        async with inside(tmp_path, clock) as at:
            ward = await ward_inside(at)
            await ward.open_counters(1)
            await ward.member()
            offer, _ = await offered(at, ward)
            made = events(at, "offer-made")[0]
        clock.move(seconds=130)
        async with inside(tmp_path, clock) as at:
            await eventually(lambda: _of(at, "offer-void"), bool)
            (void,) = events(at, "offer-void")
            assert (void.data["offer_id"], void.data["reason"]) == (offer, "expired")
            again = [event for event in events(at, "offer-made") if event.id != made.id]
            assert {event.data["job"] for event in again} <= {made.data["job"]}
        clock.move(minutes=6)
        async with inside(tmp_path, clock) as at:
            (escalated,) = await eventually(lambda: _of(at, "offer-escalated"), bool)
            assert escalated.data["reason"] == "nobody_accepted"

    run(day())


def test_a_call_outlives_a_power_failure_and_its_key_gives_the_same_answer(tmp_path: Path) -> None:
    with running(tmp_path / "data") as system:

        async def before() -> tuple[Ward, dict[str, Any]]:
            async with ward_in(system) as ward:
                await ward.open_counters(1)
                await ward.issue()
                called = await ward.send("POST", ward.counter(1, "call-next"), as_=ward.staff, key="counter-1-0001")
                return ward, called.json()

        ward, called = run(before())
        system.kill()
        system.start()

        async def after() -> None:
            async with back_in(system, ward) as same:
                repeated = await same.send("POST", same.counter(1, "call-next"), as_=same.staff, key="counter-1-0001")
                assert repeated.json() == called
                await same.serve(called["ticket_id"])
                board = await same.get(f"/queue/tickets/{called['ticket_id']}", as_=same.staff)
                assert board["state"] == "completed"

        run(after())

"""Everybody at once, many rounds, over HTTP: who wins is open, that exactly one wins is not.

On one process with files of its own, and on a city in which two processes of each service serve the same centre.
"""

import asyncio
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.faults.books import at_rest
from tests.faults.checker import check
from tests.faults.history import History
from tests.journeys.apart import City, apart
from tests.journeys.racing import System, called_after_five_came, issue, post, wires
from tests.journeys.system import running
from tests.journeys.ward import Volunteer, Ward, eventually, ward_in
from tests.support import run
from tests.wire import Wire

ROUNDS = 10
PATIENCE = 240

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module", params=["embedded", pytest.param("distributed", marks=pytest.mark.slow)])
def system(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    data = tmp_path_factory.mktemp("races") / "data"
    with running(data) if request.param == "embedded" else apart(data, queue=2, volunteers=2, notify=2) as system:
        yield system


@pytest.fixture(scope="module", autouse=True)
def _no_race_left_anything_wrong(system: System) -> Iterator[None]:
    """After all races, what lies on the bus is judged as a whole."""
    yield
    with system.books() as books:
        run(at_rest(books), PATIENCE)
        history = History((), books.records(), books.facts())
    told_by_clients = {"nothing without a command", "nothing without a cause"}
    wrong = [one for one in check(history) if one.invariant not in told_by_clients]
    assert not wrong, "\n".join(map(str, wrong))


def rounds_on(system: System) -> int:
    """Processes that share a hall come into each other's way at every step: fewer rounds show as much."""
    return 2 if isinstance(system, City) else ROUNDS


def test_eight_counters_call_sixty_tickets_and_none_twice(system: System) -> None:
    async def race(ward: Ward, clients: list[Wire]) -> list[str]:
        """Each counter calls, and sends away whom it called, until nobody waits."""
        called: list[str] = []

        async def counter(number: int, wire: Wire) -> None:
            while True:
                answer = await wire.ask(post(ward.counter(number, "call-next"), ward.staff))
                if answer.status == 204:
                    return
                assert answer.status == 200, answer.body
                ticket = answer.json["ticket_id"]
                called.append(ticket)
                assert (await wire.ask(post(f"/queue/tickets/{ticket}/cancel", ward.staff))).status == 200

        await asyncio.gather(*(counter(number, wire) for number, wire in enumerate(clients, start=1)))
        return called

    async def rounds() -> None:
        async with ward_in(system, "31001") as ward:
            await ward.open_counters(*range(1, 9))
            clients = await wires(system, 8)
            for _ in range(rounds_on(system)):
                issued = {answer.json["ticket_id"] for answer in await issue(ward, clients, 60)}
                called = await race(ward, clients)
                assert len(called) == 60
                assert set(called) == issued

    run(rounds(), PATIENCE)


def test_the_same_counter_pressed_eight_times_at_once_has_one_ticket(system: System) -> None:
    async def rounds() -> None:
        async with ward_in(system, "31002") as ward:
            await ward.open_counters(1)
            clients = await wires(system, 8)
            for _ in range(rounds_on(system)):
                await ward.issue()
                await ward.issue()
                pressed = [wire.ask(post(ward.counter(1, "call-next"), ward.staff)) for wire in clients]
                answers = await asyncio.gather(*pressed)
                assert Counter(answer.status for answer in answers) == {200: 1, 409: 7}
                (won,) = [answer.json["ticket_id"] for answer in answers if answer.status == 200]
                await ward.at(won, "cancel")

    run(rounds(), PATIENCE)


def test_three_accept_one_ride_at_once_one_wins_and_two_are_told(system: System) -> None:
    async def rounds() -> None:
        async with ward_in(system, "31004") as ward:
            await ward.open_counters(1)
            for number in range(3):
                await ward.member(number + 41)
            for _ in range(rounds_on(system)):
                ride = await ride_due(ward)
                offered = {volunteer.token: await offer_of(ward, volunteer, ride) for volunteer in ward.volunteers}
                clients = await wires(system, 3, "notify")
                accepting = [
                    wire.ask(post(f"/notify/offers/{offer}/accept", token))
                    for wire, (token, offer) in zip(clients, offered.items(), strict=True)
                ]
                answers = await asyncio.gather(*accepting)
                assert Counter(answer.status for answer in answers) == {200: 1, 409: 2}
                assert {answer.json["slug"] for answer in answers if answer.status == 409} == {"offer-taken"}
                winner = ward.volunteers[[answer.status for answer in answers].index(200)]
                await drive_home(ward, winner, ride)

    run(rounds(), PATIENCE)


def test_five_hundred_tickets_for_sixty_four_clients_are_numbered_1_to_500(system: System) -> None:
    async def rounds() -> None:
        for place in range(max(2, rounds_on(system) // 3)):
            async with ward_in(system, f"3101{place}") as ward:
                answers = await issue(ward, await wires(system, 64), 500)
                assert {answer.status for answer in answers} == {201}
                assert sorted(int(answer.json["code"][1:]) for answer in answers) == list(range(1, 501))

    run(rounds(), PATIENCE)


def test_the_same_key_eight_times_at_once_has_one_effect_and_one_answer(system: System) -> None:
    async def rounds() -> None:
        async with ward_in(system, "31003") as ward:
            clients = await wires(system, 8)
            await ward.open_counters(1)
            for place in range(rounds_on(system)):
                issue = post(
                    f"/queue/centres/{ward.centre}/tickets", ward.kiosk, {"service": "ho-tich"}, f"kiosk-{place}"
                )
                issued = await asyncio.gather(*(wire.ask(issue) for wire in clients))
                assert {answer.status for answer in issued} == {201}
                (body,) = {answer.body for answer in issued}
                call = post(ward.counter(1, "call-next"), ward.staff, key=f"counter-{place}")
                called = await asyncio.gather(*(wire.ask(call) for wire in clients))
                assert {answer.status for answer in called} == {200}
                assert len({answer.body for answer in called}) == 1
                assert called[0].json["code"] == issued[0].json["code"] == f"A{place + 1:03d}", body
                await ward.at(called[0].json["ticket_id"], "cancel")

    run(rounds(), PATIENCE)


# ---------------------------------------------------------------------------------- two processes, one centre


def test_nobody_waits_is_never_said_while_five_wait(system: System) -> None:
    assert run(called_after_five_came(system), PATIENCE) == [200] * 5


# --------------------------------------------------------------------------------------------------- the ride home


async def ride_due(ward: Ward) -> str:
    ticket = (await ward.issue(ride_home=True))["ticket_id"]
    ride = (await ward.ask_ride(ticket))["ride_id"]
    assert (await ward.call_next(1))["ticket_id"] == ticket
    await ward.serve(ticket)
    return str(ride)


async def offer_of(ward: Ward, volunteer: Volunteer, job: str) -> str:
    found = await eventually(
        lambda: ward.offers(volunteer), lambda offers: any(one["job"] == job for one in offers), 60
    )
    return next(str(one["offer_id"]) for one in found if one["job"] == job)


async def drive_home(ward: Ward, driver: Volunteer, ride: str) -> None:
    """As soon as the ride has heard of it."""

    async def pick_up() -> int:
        return (await ward.send("POST", f"/volunteers/rides/{ride}/pick-up", as_=driver.token)).status_code

    await eventually(pick_up, lambda status: status == 200)
    await ward.post(f"/volunteers/rides/{ride}/drop-off", as_=driver.token)

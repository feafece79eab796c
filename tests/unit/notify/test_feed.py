"""The event feed: from now on, on from where one was, or `reset`; never silence, never somebody else's."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.chassis.access import Actor, NotYourCentre
from services.contracts.events import AccountChanged, QueueCalled, VolunteerCheckedIn
from services.contracts.words import Because, Event
from services.notify import feed as feeds
from services.notify.feed import (
    CONNECTIONS_AN_ACTOR,
    QUEUE,
    Feed,
    Reader,
    TooManyFeeds,
    UnknownTopic,
    Wants,
    feed_of,
    wants_of,
)
from tests.support import run
from tests.unit.notify.alone import Notifier, from_the_bus, notifier
from tests.unit.notify.build import AN, CENTRE, TICKET

ALL = Wants(frozenset({"queue-called", "volunteer-checked-in"}), None)


def called(number: int, centre: str = CENTRE) -> Event:
    event = QueueCalled(
        centre=centre,
        ticket_id=centre + TICKET[5:],
        code=f"A{number:03}",
        counter=3,
        call_count=1,
        selected_because=Because.LONGEST_WAIT,
        contact_ref="c-" + "0" * 26,
    )
    return from_the_bus(event, sequence=number)


def codes_of(frames: list[str]) -> list[str]:
    return [data(frame)["data"]["code"] for frame in frames if "event: queue-called" in frame]


def data(frame: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(next(line[6:] for line in frame.splitlines() if line.startswith("data: ")))
    return found


def id_of(frame: str) -> str:
    return next(line[4:] for line in frame.splitlines() if line.startswith("id: "))


async def still() -> bool:
    return True


async def read(feed: Feed, reader: Reader, count: int) -> list[str]:
    frames = feed.frames(reader, still)
    try:
        return [await asyncio.wait_for(anext(frames), 1) for _ in range(count)]
    finally:
        await frames.aclose()  # type: ignore[attr-defined]


def test_events_come_with_epoch_and_number_and_without_the_contact() -> None:
    async def story() -> None:
        feed = Feed()
        reader = feed.join("tv", ALL, None)
        feed.take([called(1), called(2)])
        _, one, two = await read(feed, reader, 3)
        assert [id_of(one), id_of(two)] == [f"{feed.epoch}.1", f"{feed.epoch}.2"]
        assert set(data(one)) == {"id", "source", "type", "time", "subject", "data"}
        assert data(one)["type"] == "queue-called"
        assert "c-000" not in one

    run(story())


def test_the_first_frame_says_where_one_is_so_that_nothing_before_the_first_event_is_lost() -> None:
    async def story() -> None:
        feed = Feed()
        feed.take([called(1)])
        (first,) = await read(feed, feed.join("tv", ALL, None), 1)
        feed.take([called(2)])
        frames = await read(feed, feed.join("tv", ALL, id_of(first)), 2)
        assert codes_of(frames) == ["A002"]

    run(story())


def test_who_comes_back_is_given_what_he_missed() -> None:
    async def story() -> None:
        feed = Feed()
        feed.take([called(number) for number in range(1, 6)])
        frames = await read(feed, feed.join("tv", ALL, f"{feed.epoch}.2"), 4)
        assert codes_of(frames) == ["A003", "A004", "A005"]

    run(story())


@pytest.mark.parametrize("last", ["another.3", "{epoch}.99", "{epoch}.", "nonsense", "{epoch}.-1"])
def test_an_unknown_place_is_a_reset(last: str) -> None:
    async def story() -> None:
        feed = Feed()
        feed.take([called(1)])
        reader = feed.join("tv", Wants(ALL.topics, frozenset({CENTRE})), last.format(epoch=feed.epoch))
        _, reset = await read(feed, reader, 2)
        assert "event: reset" in reset
        assert data(reset) == {"because": "another_epoch", "snapshot": [f"/queue/centres/{CENTRE}/board"]}
        assert id_of(reset) == feed.newest

    run(story())


def test_what_the_ring_has_no_more_is_a_reset_and_then_it_goes_on() -> None:
    async def story() -> None:
        feed = Feed(ring=3)
        feed.take([called(number) for number in range(1, 8)])
        reader = feed.join("tv", ALL, f"{feed.epoch}.2")
        feed.take([called(8)])
        frames = await read(feed, reader, 3)
        assert data(next(one for one in frames if "event: reset" in one))["because"] == "history_gone"
        assert codes_of(frames) == ["A008"]

    run(story())


def test_the_oldest_in_the_ring_is_no_reset() -> None:
    feed = Feed(ring=3)
    feed.take([called(number) for number in range(1, 8)])
    assert feed.join("tv", ALL, f"{feed.epoch}.4").reset is None
    assert feed.join("tv", ALL, f"{feed.epoch}.3").reset == "history_gone"


def test_a_slow_reader_is_told_and_let_go_and_nobody_waits_for_him() -> None:
    async def story() -> None:
        feed = Feed()
        slow, quick = feed.join("slow", ALL, None), feed.join("quick", ALL, None)
        feed.take([called(number % 900) for number in range(QUEUE)])
        quick_frames = await read(feed, quick, QUEUE)
        feed.take([called(999)])
        frames = [frame async for frame in feed.frames(slow, still)]
        assert len(quick_frames) == QUEUE
        assert data(frames[-1])["because"] == "too_slow"
        assert feed.readers == 0

    run(story())


def test_a_process_that_ends_lets_everybody_go_with_all_that_he_was_told() -> None:
    async def story() -> None:
        feed = Feed()
        waits, comes_late = feed.join("tv", ALL, None), feed.join("city", ALL, None)
        going = asyncio.create_task(anext_all(feed, waits))
        feed.take([called(1)])
        await asyncio.sleep(0.01)
        feed.close()
        frames = await asyncio.wait_for(going, 1)
        assert id_of(frames[-1]) == f"{feed.epoch}.1"
        assert not any("reset" in frame for frame in await anext_all(feed, comes_late))
        assert feed.readers == 0

    run(story())


async def anext_all(feed: Feed, reader: Reader) -> list[str]:
    return [frame async for frame in feed.frames(reader, still)]


def test_heartbeats_come_and_end_with_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeds, "HEARTBEAT_SECONDS", 0.01)
    answers = iter([True, True, False])

    async def stands() -> bool:
        return next(answers)

    async def story() -> None:
        feed = Feed()
        frames = [frame async for frame in feed.frames(feed.join("tv", ALL, None), stands)]
        assert frames[1:] == [": still here\n\n"] * 2
        assert feed.readers == 0

    run(story())


def test_one_actor_has_so_many_connections() -> None:
    feed = Feed()
    held = [feed.join("tv", ALL, None) for _ in range(CONNECTIONS_AN_ACTOR)]
    with pytest.raises(TooManyFeeds):
        feed.join("tv", ALL, None)
    feed.leave(held.pop())
    held.append(feed.join("tv", ALL, None))
    assert feed.join("another", ALL, None)


def test_a_connection_that_broke_before_its_first_frame_leaves_nothing_behind() -> None:
    feed = Feed()
    frames: AsyncIterator[str] | None = feed.frames(feed.join("tv", ALL, None), still)
    assert (frames, feed.readers) != (None, 0)
    frames = None
    assert feed.readers == 0


# ------------------------------------------------------------------------------------------ who hears what


def actor(role: str, *centres: str) -> Actor:
    return Actor("a-somebody", frozenset({role}), frozenset(centres))


def heard(who: Actor, *events: Event, centre: str | None = None, types: str | None = None) -> int:
    feed = Feed()
    reader = feed.join("x", wants_of(who, centre, types), None)
    feed.take(events)
    return reader.waiting.qsize()


HERE, ELSEWHERE = called(1), called(2, "31510")
CHECKED_IN = from_the_bus(VolunteerCheckedIn(centre=CENTRE, member=AN))
ACCOUNT = from_the_bus(
    AccountChanged(centre=CENTRE, account="a-123456", active=True, roles=(), centres=(), account_version=1)
)


@pytest.mark.parametrize(
    ("who", "count"),
    [
        (actor("display", CENTRE), 1),
        (actor("staff", CENTRE), 2),
        (actor("coordinator", CENTRE), 2),
        (actor("city"), 4),
        (actor("operator"), 4),
    ],
)
def test_each_hears_what_is_his_to_hear(who: Actor, count: int) -> None:
    assert heard(who, HERE, ELSEWHERE, CHECKED_IN, ACCOUNT) == count


def test_a_centre_and_topics_narrow_it() -> None:
    events = (HERE, ELSEWHERE, CHECKED_IN, ACCOUNT)
    assert heard(actor("city"), *events, centre=CENTRE) == 3
    assert heard(actor("city"), *events, types="queue-called, account-changed") == 3
    assert heard(actor("display", CENTRE), *events, types="volunteer-checked-in") == 0


def test_another_centre_and_an_unknown_topic_are_refused() -> None:
    with pytest.raises(NotYourCentre):
        wants_of(actor("staff", CENTRE), "31510", None)
    with pytest.raises(UnknownTopic):
        wants_of(actor("city"), None, "queue-called,queue-caled")


# ------------------------------------------------------------------------------------------ over HTTP


async def listen(ours: Notifier, query: str, role: str, count: int, last: str = "") -> tuple[int, list[str]]:
    """Status and frames of a stream that is cut after `count` frames; spoken to as a server would."""
    arrived: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    headers = [(b"authorization", ours.token(role).encode())]
    if last:
        headers.append((b"last-event-id", last.encode()))
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/notify/feed",
        "raw_path": b"/notify/feed",
        "query_string": query.encode(),
        "headers": headers,
        "http_version": "1.1",
        "scheme": "http",
        "server": ("notify", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "app": ours.app,
    }
    cut = asyncio.Event()

    async def receive() -> dict[str, Any]:
        if receive.asked:  # type: ignore[attr-defined]
            await cut.wait()
            return {"type": "http.disconnect"}
        receive.asked = True  # type: ignore[attr-defined]
        return {"type": "http.request", "body": b"", "more_body": False}

    receive.asked = False  # type: ignore[attr-defined]
    serving = asyncio.create_task(ours.app(scope, receive, arrived.put))
    status = (await arrived.get())["status"]
    frames = []
    while len(frames) < count:
        frames.append((await asyncio.wait_for(arrived.get(), 2))["body"].decode())
    cut.set()
    await asyncio.wait_for(serving, 2)
    return status, frames


def test_a_stream_over_http_ends_when_it_is_cut() -> None:
    async def story() -> None:
        async with notifier() as ours:
            feed = feed_of(ours.running)
            feed.take([called(1)])
            status, frames = await listen(ours, f"centre={CENTRE}", "staff", 2, last=f"{feed.epoch}.0")
            assert (status, codes_of(frames)) == (200, ["A001"])
            assert feed.readers == 0

    run(story())


def test_a_stream_that_may_not_be_is_a_problem() -> None:
    async def story() -> None:
        async with notifier() as ours:
            for role, query, status in [
                ("kiosk", "", 403),
                ("staff", "centre=31510", 403),
                ("city", "types=no-such-thing", 422),
            ]:
                answer = await ours.ask("GET", f"/notify/feed?{query}", as_=ours.token(role))
                assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")

    run(story())


def test_what_is_on_the_bus_is_in_the_feed() -> None:
    async def story() -> None:
        async with notifier() as ours:
            feed = feed_of(ours.running)
            reader = feed.join("city", wants_of(actor("city"), None, None), None)
            contact = await ours.contact("0912345678", "queue_sms")
            erased = await ours.ask("DELETE", f"/notify/contacts/{contact}", as_=ours.token("coordinator"))
            assert erased.status_code == 204
            told = await asyncio.wait_for(reader.waiting.get(), 5)
            assert told.topic == "contact-erased"

    run(story())

"""The event feed: what happens, as it happens, to whoever may know it, by SSE.

Each process reads all topics as a tail into a ring; a message is `<epoch>.<seq>` in it. Who comes back with the last
one that he saw is given what came after; where that is not known (another process, too long ago, too slow a reader) he
is told `reset` and reads everything anew. Nothing waits for a reader.
"""

import asyncio
import contextlib
import json
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Final, Literal
from weakref import WeakKeyDictionary, WeakSet

from fastapi import Header, Query, Request
from pydantic_core import to_json
from starlette.responses import StreamingResponse

from services.chassis import metrics
from services.chassis.access import Access, Actor, NotYourCentre, may
from services.chassis.errors import Invalid, Refusal, Unavailable
from services.chassis.ids import token
from services.chassis.service import Running
from services.chassis.web import Router, TheAccess, own, problems
from services.contracts.events import (
    BY_TOPIC,
    AccountChanged,
    CaseCompleted,
    CentreChanged,
    CompletionUndone,
    CounterClosed,
    CounterOpened,
    DayClosed,
    QueueCalled,
    ServingStarted,
    TicketCancelled,
    TicketHeld,
    TicketIssued,
    TicketNoShow,
    TicketReinstated,
    TicketReturned,
)
from services.contracts.words import CentreRef, Event

router = Router(prefix="/notify", tags=["notify"])

RING: Final = 4_096
QUEUE: Final = 256
CONNECTIONS_AN_ACTOR: Final = 20
CONNECTIONS: Final = 500
HEARTBEAT_SECONDS: Final = 15.0
RETRY_MS: Final = 1_000
ROLES: Final = ("display", "staff", "coordinator", "city", "operator")

BOARD: Final = frozenset(
    event.topic()
    for event in (
        TicketIssued,
        QueueCalled,
        ServingStarted,
        TicketHeld,
        TicketReturned,
        TicketNoShow,
        TicketReinstated,
        TicketCancelled,
        CaseCompleted,
        CompletionUndone,
        CounterOpened,
        CounterClosed,
        DayClosed,
        CentreChanged,
    )
)
"""What a board needs; it hears of no volunteer."""
OF_A_CENTRE: Final = frozenset(BY_TOPIC) - {AccountChanged.topic()}

Why = Literal["another_epoch", "history_gone", "too_slow"]


class UnknownTopic(Invalid):
    en = "`types`: there is no event {topic}."
    vi = "`types`: không có sự kiện {topic}."


class TooManyFeeds(Unavailable):
    status = 429
    en = "Too many open feeds; close one, or try again in {retry_after} s."
    vi = "Đang mở quá nhiều luồng sự kiện, vui lòng đóng bớt hoặc thử lại sau {retry_after} giây."


# ------------------------------------------------------------------------------------------------------ frames


@dataclass(frozen=True, slots=True)
class Told:
    """One event in the ring, as it goes out."""

    seq: int
    topic: str
    centre: str
    data: str


def data_of(event: Event) -> str:
    """References only; the reference of a number is nobody's business here."""
    origin = event.origin
    shown = {
        "id": origin.id,
        "source": origin.source,
        "type": event.topic(),
        "time": origin.time,
        "subject": event.about,
        "data": event,
    }
    return to_json(shown, exclude={"data": {"contact_ref"}}).decode()


def frame(*, id: str, event: str | None = None, data: str | None = None, retry: int | None = None) -> str:
    lines = [f"id: {id}"]
    if event:
        lines.append(f"event: {event}")
    if retry:
        lines.append(f"retry: {retry}")
    if data is not None:
        lines.append(f"data: {data}")
    return "\n".join(lines) + "\n\n"


# -------------------------------------------------------------------------------------------------------- feed


@dataclass(frozen=True, slots=True)
class Wants:
    """`centres` None: every one."""

    topics: frozenset[str]
    centres: frozenset[str] | None

    def this(self, told: Told) -> bool:
        return told.topic in self.topics and (self.centres is None or told.centre in self.centres)


@dataclass(slots=True, eq=False, weakref_slot=True)
class Reader:
    actor: str
    wants: Wants
    waiting: asyncio.Queue[Told | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))
    reset: Why | None = None
    """He must begin anew: at once, or (`too_slow`) he is let go after being told."""

    def wake(self) -> None:
        with contextlib.suppress(asyncio.QueueFull):
            self.waiting.put_nowait(None)


class Feed:
    """The ring of one process, and who reads it."""

    def __init__(self, ring: int = RING) -> None:
        self.epoch = token(10)
        self._ring: deque[Told] = deque(maxlen=ring)
        self._seq = 0
        self._closed = False
        self._readers: WeakSet[Reader] = WeakSet()
        """Weak: a connection that broke before its first frame leaves nothing behind."""

    @property
    def newest(self) -> str:
        return f"{self.epoch}.{self._seq}"

    @property
    def readers(self) -> int:
        return len(self._readers)

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            self._seq += 1
            told = Told(self._seq, event.topic(), event.centre, data_of(event))
            self._ring.append(told)
            for reader in tuple(self._readers):
                if reader.wants.this(told):
                    self._pass_to(reader, told)

    def _pass_to(self, reader: Reader, told: Told) -> None:
        try:
            reader.waiting.put_nowait(told)
        except asyncio.QueueFull:
            reader.reset = "too_slow"
            metrics.dropped_feeds.inc()
            self._readers.discard(reader)

    def join(self, actor: str, wants: Wants, last: str | None) -> Reader:
        """Reads from now on, or from after `last` (`<epoch>.<seq>`). Raises `TooManyFeeds`."""
        mine = Counter(reader.actor for reader in self._readers)[actor]
        if mine >= CONNECTIONS_AN_ACTOR or len(self._readers) >= CONNECTIONS:
            raise TooManyFeeds(retry_after=10)
        reader = Reader(actor, wants)
        if last:
            missed = self._after(last)
            wanted = [told for told in missed if wants.this(told)] if not isinstance(missed, str) else []
            if isinstance(missed, str):
                reader.reset = missed
            elif len(wanted) > QUEUE:
                reader.reset = "history_gone"
            else:
                for told in wanted:
                    reader.waiting.put_nowait(told)
        self._readers.add(reader)
        return reader

    def _after(self, last: str) -> list[Told] | Why:
        epoch, _, number = last.partition(".")
        if epoch != self.epoch or not number.isdecimal() or int(number) > self._seq:
            return "another_epoch"
        seq = int(number)
        if self._ring and seq < self._ring[0].seq - 1:
            return "history_gone"
        return [told for told in self._ring if told.seq > seq]

    def leave(self, reader: Reader) -> None:
        self._readers.discard(reader)

    def close(self) -> None:
        """This process ends: everybody is let go, and comes back to the next one with the last that he saw."""
        self._closed = True
        for reader in tuple(self._readers):
            reader.wake()

    async def frames(self, reader: Reader, stands: Callable[[], Awaitable[bool]]) -> AsyncIterator[str]:
        """What goes over the wire, until he is too slow or `stands` (asked at each heartbeat) says no."""
        metrics.open_feeds.inc()
        try:
            yield frame(id=self.newest, retry=RETRY_MS) if reader.waiting.empty() else f"retry: {RETRY_MS}\n\n"
            if reader.reset and reader.reset != "too_slow":
                why, reader.reset = reader.reset, None
                yield self._reset(reader, why)
            asked = asyncio.get_running_loop().time()
            while reader.reset is None and not self._closed:
                quiet = False
                try:
                    told = await asyncio.wait_for(reader.waiting.get(), HEARTBEAT_SECONDS)
                    if told is None:
                        return
                    yield frame(id=f"{self.epoch}.{told.seq}", event=told.topic, data=told.data)
                except TimeoutError:
                    quiet = True
                now = asyncio.get_running_loop().time()
                if quiet or now - asked >= HEARTBEAT_SECONDS:
                    asked = now
                    if not await stands():
                        return
                    yield ": still here\n\n"
            if reader.reset:
                yield self._reset(reader, reader.reset)
        finally:
            metrics.open_feeds.dec()
            self.leave(reader)

    def _reset(self, reader: Reader, why: Why) -> str:
        centres = sorted(reader.wants.centres or ())
        snapshot = [f"/queue/centres/{centre}/board" for centre in centres]
        return frame(id=self.newest, event="reset", data=json.dumps({"because": why, "snapshot": snapshot}))


_feeds: Final[WeakKeyDictionary[Running, Feed]] = WeakKeyDictionary()
"""The ring of each running notifier of this process; there is one, but in tests."""


def feed_of(running: Running) -> Feed:
    return _feeds.setdefault(running, Feed())


async def let_go(running: Running) -> None:
    """A feed never ends by itself: without this, stopping would wait for every one of them."""
    await running.system.stopping.wait()
    feed_of(running).close()


async def pass_on(events: Sequence[Event], running: Running) -> None:
    feed_of(running).take(events)


# -------------------------------------------------------------------------------------------------------- HTTP


@router.get(
    "/feed",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Server-sent events: `id: <epoch>.<seq>`, `event:` the topic (or `reset`), `data:` JSON "
            "with id, source, type, time, subject and data. A comment every 15 s.",
            "content": {
                "text/event-stream": {
                    "schema": {"type": "string"},
                    "example": 'id: 7hk2m9x4tq.42\nevent: queue-called\ndata: {"id":"…","type":"queue-called",…}\n\n',
                }
            },
        },
        **problems(UnknownTopic, TooManyFeeds),
    },
)
async def follow(
    request: Request,
    running: Annotated[Running, own("notify", Running)],
    access: TheAccess,
    who: Annotated[Actor, may(*ROLES)],
    centre: Annotated[CentreRef | None, Query(description="only of this centre")] = None,
    types: Annotated[
        str | None, Query(max_length=2_000, description="only these topics, with commas", examples=["queue-called"])
    ] = None,
    last_event_id: Annotated[
        str | None, Query(max_length=64, description="where a first connection goes on; the header comes before it")
    ] = None,
    header: Annotated[str | None, Header(alias="Last-Event-ID", max_length=64)] = None,
) -> StreamingResponse:
    """What happens, as it happens: boards hear of tickets and counters, staff and coordinators of their centre, city
    and operator of all."""
    feed = feed_of(running)
    reader = feed.join(who.ref, wants_of(who, centre, types), header or last_event_id)
    return StreamingResponse(
        feed.frames(reader, partial(_still_may, access, request)),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-cache", "X-Accel-Buffering": "no"},
    )


def wants_of(who: Actor, centre: str | None, types: str | None) -> Wants:
    """What of it he may hear and has asked for."""
    if centre is not None and not who.reaches(centre):
        raise NotYourCentre
    everywhere = who.is_a("city", "operator")
    topics = frozenset(BY_TOPIC) if everywhere else OF_A_CENTRE if who.is_a("staff", "coordinator") else BOARD
    asked = frozenset(filter(None, (name.strip() for name in (types or "").split(","))))
    for topic in asked:
        if topic not in BY_TOPIC:
            raise UnknownTopic(topic=topic if topic.replace("-", "").isalpha() else "?")
    own = None if everywhere and not who.centres else who.centres
    return Wants(topics & asked if asked else topics, own if centre is None else frozenset({centre}))


async def _still_may(access: Access, request: Request) -> bool:
    """A session that ended, or an account that was disabled, hears no more."""
    try:
        await access.enter(request, frozenset(ROLES))
    except Refusal:
        return False
    return True

"""What an operator asks of a running system over HTTP: dead letters, looked at, replayed, discarded; the journals, read
and published again.
"""

import json
from datetime import datetime
from typing import Annotated, Any

from fastapi import Path, Query, Request
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from services.chassis.access import Actor, may
from services.chassis.deadletters import DeadLetters, Letter, LetterResolved, NoSuchLetter
from services.chassis.errors import Invalid, NotFound
from services.chassis.marks import MARKS_KEPT
from services.chassis.ports import Entry
from services.chassis.service import Running, System
from services.chassis.web import Router, problems
from services.contracts.events import BY_TOPIC

router = Router(prefix="/ops", tags=["operations"])

Operator = Annotated[Actor, may("operator")]
Topic = Annotated[str, Path(pattern=r"^[a-z][a-z-]{0,80}$", description="an event's name", examples=["queue-called"])]
Place = Annotated[int, Path(ge=0, le=10**15)]


class Fate(BaseModel):
    what: Annotated[str, Field(description="replayed or discarded", examples=["discarded"])]
    by: str
    when: str
    why: str | None = None


class DeadLetter(BaseModel):
    """A record that could not be handled. `event` is its body where the contract can read it; nothing else is shown."""

    model_config = ConfigDict(extra="ignore")
    reference: Annotated[str, Field(examples=["queue-called/0/12"])]
    group: Annotated[str, Field(description="the service that could not handle it", examples=["notify"])]
    reason: Annotated[str, Field(examples=["unknown-hamlet"])]
    detail: str
    topic: str
    partition: int
    offset: int
    when: str
    headers: dict[str, str]
    bytes: int
    event: dict[str, Any] | None
    resolution: Fate | None = None

    @classmethod
    def of(cls, letter: Letter) -> "DeadLetter":
        done = letter.resolution
        fate = Fate(what=done.what, by=done.by, when=done.when.isoformat(), why=done.why) if done else None
        return cls(**letter.shown(), resolution=fate)


class DeadLetterList(BaseModel):
    letters: list[DeadLetter]


class Why(BaseModel):
    model_config = ConfigDict(extra="forbid")
    why: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$", description="one word", examples=["test-data"])]


@router.get("/dlq", operation_id="list_dead_letters")
async def list_dead_letters(
    request: Request,
    who: Operator,
    topic: Annotated[str | None, Query(pattern=r"^[a-z][a-z-]{0,80}$", description="of this event only")] = None,
    resolved: Annotated[bool, Query(description="those replayed or discarded too")] = False,
) -> DeadLetterList:
    """Oldest first by topic."""
    letters = _letters(request)
    topics = [topic] if topic in BY_TOPIC else [] if topic else list(BY_TOPIC)
    found = await (letters.all(topics) if resolved else letters.open(topics))
    return DeadLetterList(letters=[DeadLetter.of(letter) for letter in found])


@router.get("/dlq/{topic}/{partition}/{offset}", responses=problems(NoSuchLetter), operation_id="show_dead_letter")
async def show_dead_letter(
    request: Request, topic: Topic, partition: Place, offset: Place, who: Operator
) -> DeadLetter:
    return DeadLetter.of(await _letters(request).find(f"{topic}/{partition}/{offset}"))


@router.post(
    "/dlq/{topic}/{partition}/{offset}/replay",
    responses=problems(NoSuchLetter, LetterResolved),
    operation_id="replay_dead_letter",
)
async def replay_dead_letter(
    request: Request, topic: Topic, partition: Place, offset: Place, who: Operator
) -> DeadLetter:
    """Puts the original on the bus again, for every service; those that had handled it do nothing."""
    reference = f"{topic}/{partition}/{offset}"
    await _letters(request).replay(reference, by=who.ref)
    return DeadLetter.of(await _letters(request).find(reference))


@router.post(
    "/dlq/{topic}/{partition}/{offset}/discard",
    responses=problems(NoSuchLetter, LetterResolved),
    operation_id="discard_dead_letter",
)
async def discard_dead_letter(
    request: Request, topic: Topic, partition: Place, offset: Place, body: Why, who: Operator
) -> DeadLetter:
    """Leaves it be for good; it can still be looked at until its retention ends."""
    reference = f"{topic}/{partition}/{offset}"
    await _letters(request).discard(reference, by=who.ref, why=body.why)
    return DeadLetter.of(await _letters(request).find(reference))


# ----------------------------------------------------------------------------------------------------- journals


class NoSuchService(NotFound):
    en = "There is no service {service} here; there are {services}."
    vi = "Ở đây không có dịch vụ {service}; chỉ có {services}."


class TooOldToRepublish(Invalid):
    en = "What is older than {days} days is told nobody again: whether it was handled is forgotten by then."
    vi = "Không phát lại sự việc cũ hơn {days} ngày: khi ấy không còn biết việc nào đã xử lý."


class JournalEntry(BaseModel):
    """One fact. What belongs to a person is sealed in it."""

    id: str
    source: Annotated[str, Field(examples=["/queue/hall/31186-20261124"])]
    sequence: int
    type: Annotated[str, Field(examples=["QueueCalled"])]
    time: datetime
    topic: Annotated[str | None, Field(description="null: told to nobody outside of its service")]
    subject: Annotated[str, Field(description="what it is about; empty where it is told to nobody")]
    by: Annotated[str | None, Field(description="the account that gave the command; null for a handler or a timer")]
    body: dict[str, Any]

    @classmethod
    def of(cls, entry: Entry) -> "JournalEntry":
        return cls(
            id=entry.id,
            source=entry.source,
            sequence=entry.sequence,
            type=entry.type,
            time=entry.time,
            topic=entry.topic,
            subject=entry.subject,
            by=entry.by,
            body=json.loads(entry.body),
        )


class JournalPage(BaseModel):
    entries: list[JournalEntry]
    next: Annotated[str | None, Field(description="give it as `after` for the next page")] = None


class Again(BaseModel):
    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"since": "2026-11-24T00:00:00Z"}]})
    since: AwareDatetime


class OwedAgain(BaseModel):
    events: Annotated[dict[str, int], Field(description="how many each service now owes", examples=[{"queue": 12}])]


ServiceName = Annotated[str, Query(pattern=r"^[a-z]{1,20}$", description="whose journal", examples=["queue"])]


@router.get("/journal", responses=problems(NoSuchService), operation_id="read_journal")
async def read_journal(
    request: Request,
    who: Operator,
    service: ServiceName,
    since: Annotated[AwareDatetime | None, Query(description="facts from then on")] = None,
    about: Annotated[
        str | None, Query(pattern=r"^[a-z0-9-]{3,80}$", description="of this ticket, ride, member or document alone")
    ] = None,
    after: Annotated[str | None, Query(max_length=300, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> JournalPage:
    """Oldest first; facts of one document in the order in which they happened."""
    store = _service(request, service).store
    found: list[JournalEntry] = []
    while len(found) < limit:
        entries, cursor = await store.journal(after, limit, since)
        if not entries:
            return JournalPage(entries=found)
        after = cursor
        found += [JournalEntry.of(entry) for entry in entries if about is None or _is_about(entry, about)]
    return JournalPage(entries=found, next=after)


@router.post("/journal/republish", responses=problems(NoSuchService, TooOldToRepublish), operation_id="republish")
async def republish(
    request: Request,
    body: Again,
    who: Operator,
    service: Annotated[
        str | None, Query(pattern=r"^[a-z]{1,20}$", description="of this service alone", examples=["queue"])
    ] = None,
) -> OwedAgain:
    """Every event since then is owed again and published; whoever had handled it does nothing."""
    system: System = request.app.state.system
    if body.since < system.clock() - MARKS_KEPT:
        raise TooOldToRepublish(days=MARKS_KEPT.days)
    chosen = [_service(request, service)] if service else list(system.running.values())
    owed = {}
    for running in chosen:
        owed[running.service.name] = await running.store.rewind(body.since)
        running.relay.wake()
    return OwedAgain(events=owed)


def _is_about(entry: Entry, reference: str) -> bool:
    return entry.subject == reference or entry.source.endswith(f"/{reference}") or reference.encode() in entry.body


def _service(request: Request, name: str) -> Running:
    system: System = request.app.state.system
    running = system.running.get(name)
    if running is None:
        raise NoSuchService(service=name, services=", ".join(system.running))
    return running


def _letters(request: Request) -> DeadLetters:
    system: System = request.app.state.system
    return DeadLetters(system.bus, system.clock)

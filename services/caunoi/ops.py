"""What an operator asks of a running system over HTTP: dead letters, looked at, replayed, discarded."""

from typing import Annotated, Any

from fastapi import Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from services.chassis.access import Actor, may
from services.chassis.deadletters import DeadLetters, Letter, LetterResolved, NoSuchLetter
from services.chassis.service import System
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


def _letters(request: Request) -> DeadLetters:
    system: System = request.app.state.system
    return DeadLetters(system.bus, system.clock)

"""The smallest service there is, for the suites of the heart: a tally that counts up to a limit and rings a bell."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from services.chassis.documents import Kind
from services.chassis.errors import Refused
from services.chassis.views import Projector, Stamp, View
from services.contracts.events import VolunteerCheckedIn
from services.contracts.words import Fact


@dataclass(slots=True)
class Tally:
    id: str
    count: int = 0
    rings: int = 0
    bell: datetime | None = None
    notes: list[int] = field(default_factory=list)


class Counted(Fact):
    """Private: the journal has it, the world does not."""

    to: int


class Noted(Fact):
    number: int


class BellSet(Fact):
    at: datetime


class BellRang(Fact):
    pass


class TallyFull(Refused):
    en = "The tally is full at {limit}."
    vi = "Sổ đã đầy ở {limit}."


def count(tally: Tally, *, now: datetime, limit: int = 1_000_000) -> Sequence[Fact]:
    if tally.count >= limit:
        raise TallyFull(limit=limit)
    return [Counted(to=tally.count + 1)]


def arrive(tally: Tally, *, now: datetime) -> Sequence[Fact]:
    """A fact that is owed to the world."""
    return [VolunteerCheckedIn(centre="31186", member=f"31186-m-{tally.count + 1:06d}"), Counted(to=tally.count + 1)]


def note(tally: Tally, *, now: datetime, number: int) -> Sequence[Fact]:
    return [Noted(number=number)]


def set_bell(tally: Tally, *, now: datetime, seconds: float) -> Sequence[Fact]:
    return [BellSet(at=now + timedelta(seconds=seconds))]


def stumble(tally: Tally, *, now: datetime) -> Sequence[Fact]:
    raise ZeroDivisionError("a bug in a rule")


def evolve(tally: Tally, fact: Fact, at: datetime) -> None:
    match fact:
        case Counted():
            tally.count = fact.to
        case Noted():
            tally.notes.append(fact.number)
        case BellSet():
            tally.bell = fact.at
        case BellRang():
            tally.bell, tally.rings = None, tally.rings + 1


def ring(tally: Tally, *, now: datetime) -> Sequence[Fact]:
    return [BellRang()]


KIND = Kind(new=Tally, evolve=evolve, due=lambda tally: tally.bell, when_due=ring)
FACTS: dict[str, type[Fact]] = {fact.__name__: fact for fact in (Counted, Noted, BellSet, BellRang, VolunteerCheckedIn)}


@dataclass(frozen=True)
class Total:
    id: str
    group: str
    counted: int


def fold_total(total: Total | None, fact: Fact, stamp: Stamp) -> Total:
    before = total.counted if total else 0
    return Total(stamp.id, stamp.id[:1], before + 1 if isinstance(fact, Counted) else before)


TOTALS = View("totals", Tally, Total, keys=lambda fact, stamp: (stamp.id,), fold=fold_total, indexes=("group",))


def projector() -> Projector:
    return Projector([TOTALS], {Tally: "tally"}, FACTS)

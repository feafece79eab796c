"""Builders: events as they come from the bus, and a document that decides and evolves as the heart does."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from services.chassis.errors import Refusal
from services.chassis.sealing import Sealed
from services.contracts.events import (
    CaseCompleted,
    CompletionUndone,
    HelpWanted,
    OfferAccepted,
    TicketCancelled,
    TicketIssued,
    TicketNoShow,
    TicketReinstated,
)
from services.contracts.words import CaseOutcome, Event, Fact, JobKind, Origin, TicketEnd

S = TypeVar("S")
E = TypeVar("E", bound=Event)
F = TypeVar("F", bound=Fact)

NOON = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
"""12:00 in Cần Thơ."""
CENTRE = "31186"
TICKET = "31186-20261124-a1b2c3d4e5f6"
RIDE, HELP = f"{TICKET}-ride", f"{TICKET}-help"
AN, BINH = "31186-m-annnnn", "31186-m-binhhh"
CONTACT = "c-" + "a" * 26
DESTINATION = Sealed(f"s1:{RIDE}:" + "A" * 60)
NAME = Sealed(f"s1:{AN}:" + "A" * 60)


def minute(minutes: float) -> datetime:
    """Noon and so many minutes."""
    return NOON + timedelta(minutes=minutes)


def heard(event: E, sequence: int, at: datetime | None = None, source: str = "/queue/hall/31186-20261124") -> E:
    """As read from the bus; without `at` it happened `sequence` minutes after noon."""
    origin = Origin(f"{source}-{sequence}", source, sequence, minute(sequence) if at is None else at)
    return event.from_origin(origin)


def issued(
    sequence: int = 1, at: datetime | None = None, ticket: str = TICKET, code: str = "A012", **wishes: Any
) -> TicketIssued:
    event = TicketIssued(
        centre=CENTRE,
        ticket_id=ticket,
        code=code,
        number=12,
        series="A",
        service="land",
        contact_ref=CONTACT,
        **wishes,
    )
    return heard(event, sequence, at)


def completed(sequence: int, outcome: CaseOutcome = CaseOutcome.ACCEPTED, at: datetime | None = None) -> CaseCompleted:
    event = CaseCompleted(
        centre=CENTRE,
        ticket_id=TICKET,
        code="A012",
        outcome=outcome,
        services=("land",),
        counter=3,
        wait_seconds=840,
        way_seconds=40,
        transaction_seconds=600,
        contact_ref=CONTACT,
    )
    return heard(event, sequence, at)


def undone(sequence: int) -> CompletionUndone:
    return heard(CompletionUndone(centre=CENTRE, ticket_id=TICKET, code="A012", counter=3), sequence)


def no_show(sequence: int) -> TicketNoShow:
    return heard(TicketNoShow(centre=CENTRE, ticket_id=TICKET, code="A012", counter=3), sequence)


def reinstated(sequence: int) -> TicketReinstated:
    return heard(TicketReinstated(centre=CENTRE, ticket_id=TICKET, code="A012"), sequence)


def ticket_cancelled(sequence: int, reason: TicketEnd = TicketEnd.BY_CITIZEN) -> TicketCancelled:
    return heard(TicketCancelled(centre=CENTRE, ticket_id=TICKET, code="A012", reason=reason), sequence)


def help_wanted(sequence: int) -> HelpWanted:
    return heard(HelpWanted(centre=CENTRE, ticket_id=TICKET, code="A012"), sequence)


def accepted(
    sequence: int, member: str = AN, kind: JobKind = JobKind.RIDE, at: datetime | None = None
) -> OfferAccepted:
    job = RIDE if kind is JobKind.RIDE else HELP
    event = OfferAccepted(centre=CENTRE, offer_id="31186-o-0123456789", job=job, kind=kind, member=member)
    return heard(event, sequence, at, source="/notify/dispatch/31186")


@cache
def _adapter(state: Any) -> TypeAdapter[Any]:
    return TypeAdapter(state)


class Document(Generic[S]):
    """What the heart does, without a store: rules decide, facts pass through JSON, `evolve` applies them."""

    def __init__(self, blank: S, evolve: Callable[[S, Fact, datetime], None]) -> None:
        self.state = blank
        self.said: list[Fact] = []
        self._evolve = evolve
        kind: Any = type(blank)
        self._adapter: TypeAdapter[S] = _adapter(kind)
        self._again = self._adapter.validate_json(self._adapter.dump_json(blank))

    def do(self, rule: Callable[..., Sequence[Fact]], *given: Any, at: datetime = NOON, **named: Any) -> list[Fact]:
        """Decide, evolve twice (as decided, and as read back), and check that both lead to the same."""
        before = self._adapter.dump_json(self.state)
        facts = list(partial(rule, self.state, *given, **named)(now=at))
        assert self._adapter.dump_json(self.state) == before, "a rule touched the state"
        for fact in facts:
            self._evolve(self.state, fact, at)
            self._evolve(self._again, type(fact).model_validate_json(fact.model_dump_json()), at)
        self._again = self._adapter.validate_json(self._adapter.dump_json(self._again))
        assert self._again == self.state
        self.said += facts
        return facts

    def refused(self, rule: Callable[..., Sequence[Fact]], *given: Any, at: datetime = NOON, **named: Any) -> Refusal:
        """The refusal that it meets; whoever is not refused fails the test."""
        try:
            self.do(rule, *given, at=at, **named)
        except Refusal as refusal:
            return refusal
        raise AssertionError("not refused")

    def published(self) -> list[Event]:
        return [fact for fact in self.said if isinstance(fact, Event)]

    def last(self, kind: type[F]) -> F:
        return next(fact for fact in reversed(self.said) if isinstance(fact, kind))


def names(facts: Sequence[Fact]) -> list[str]:
    """The published ones, by name."""
    return [type(fact).__name__ for fact in facts if isinstance(fact, Event)]

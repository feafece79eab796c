"""Builders: events as they come from the bus, a ward of members, documents that decide and evolve as the heart does."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from services.chassis.errors import Refusal
from services.contracts.events import (
    AssistanceCancelled,
    AssistanceFinished,
    AssistanceRequested,
    MemberChanged,
    RideAssigned,
    RideCancelled,
    RideCompleted,
    RideHomeRequested,
    RideReleased,
    Skill,
    VolunteerCheckedIn,
    VolunteerCheckedOut,
)
from services.contracts.words import AssistanceResult, CancelledBy, Event, Fact, Origin, Vehicle
from services.notify import dispatch
from services.notify.dispatch_state import CentreDescribed, Dispatch, Hamlet, evolve

S = TypeVar("S")
E = TypeVar("E", bound=Event)
F = TypeVar("F", bound=Fact)

NOON = datetime(2026, 11, 24, 5, 0, tzinfo=UTC)
"""12:00 in Cần Thơ."""
CENTRE = "31186"
TICKET = "31186-20261124-a1b2c3d4e5f6"
OTHER_TICKET = "31186-20261124-b1b2c3d4e5f6"
RIDE, HELP = f"{TICKET}-ride", f"{TICKET}-help"
AN, BINH, CHI, DUNG, EM = (f"31186-m-{name}" for name in ("annnnn", "binhhh", "chiiii", "dungggg", "emmmmm"))
HAMLETS = {
    "yen-thuong": Hamlet(name="Yên Thượng", lat=9.99, lon=105.74),
    "thoi-hoa": Hamlet(name="Thới Hòa", lat=9.98, lon=105.75),
    "an-binh": Hamlet(name="An Bình", lat=10.02, lon=105.74),
    "far-away": Hamlet(name="Thới Hưng", lat=10.10, lon=105.60),
}
DESCRIBED = CentreDescribed(short_name="P.Cái Răng", lat=9.99, lon=105.75, hamlets=HAMLETS)
_numbers = count(1)


def minute(minutes: float) -> datetime:
    """Noon and so many minutes."""
    return NOON + timedelta(minutes=minutes)


def contact_of(member: str) -> str:
    return "c-" + member[-6:].ljust(26, "0")


def heard(event: E, sequence: int = 0, at: datetime = NOON) -> E:
    """As read from the bus. Without a sequence it is newer than all that were built before."""
    sequence = sequence or next(_numbers)
    return event.from_origin(Origin(f"e{sequence}", f"/volunteers/some/{event.about}", sequence, at))


def changed(member: str, sequence: int = 0, at: datetime = NOON, **about: Any) -> MemberChanged:
    given: dict[str, Any] = {
        "active": True,
        "vehicle": Vehicle.MOTORBIKE,
        "spare_helmet": True,
        "hamlet": "yen-thuong",
        "skills": (Skill(skill="digital-key"),),
        "languages": ("vi",),
        "contact_ref": contact_of(member),
    }
    return heard(MemberChanged(centre=CENTRE, member=member, **given | about), sequence, at)


def arrived(member: str, sequence: int = 0, at: datetime = NOON) -> VolunteerCheckedIn:
    return heard(VolunteerCheckedIn(centre=CENTRE, member=member), sequence, at)


def left(member: str, sequence: int = 0, at: datetime = NOON) -> VolunteerCheckedOut:
    return heard(VolunteerCheckedOut(centre=CENTRE, member=member, minutes=60), sequence, at)


def help_asked(
    sequence: int = 0, at: datetime = NOON, ticket: str = TICKET, language: str = "vi"
) -> AssistanceRequested:
    event = AssistanceRequested(
        centre=CENTRE, assistance_id=f"{ticket}-help", ticket_id=ticket, code="A012", language=language
    )
    return heard(event, sequence, at)


def help_finished(sequence: int = 0, at: datetime = NOON, ticket: str = TICKET) -> AssistanceFinished:
    event = AssistanceFinished(
        centre=CENTRE, assistance_id=f"{ticket}-help", ticket_id=ticket, member=None, result=AssistanceResult.SHOWN
    )
    return heard(event, sequence, at)


def help_cancelled(sequence: int = 0, at: datetime = NOON, ticket: str = TICKET) -> AssistanceCancelled:
    event = AssistanceCancelled(
        centre=CENTRE, assistance_id=f"{ticket}-help", ticket_id=ticket, by=CancelledBy.TICKET_ENDED
    )
    return heard(event, sequence, at)


def ride_due(
    sequence: int = 0, at: datetime = NOON, ticket: str = TICKET, hamlet: str = "yen-thuong", seats: int = 1
) -> RideHomeRequested:
    event = RideHomeRequested(
        centre=CENTRE, ride_id=f"{ticket}-ride", ticket_id=ticket, hamlet=hamlet, seats=seats, code="A012"
    )
    return heard(event, sequence, at)


def ride_assigned(member: str, sequence: int = 0, ticket: str = TICKET, by_hand: bool = True) -> RideAssigned:
    event = RideAssigned(centre=CENTRE, ride_id=f"{ticket}-ride", ticket_id=ticket, member=member, by_hand=by_hand)
    return heard(event, sequence)


def ride_cancelled(
    sequence: int = 0, ticket: str = TICKET, by: CancelledBy = CancelledBy.CITIZEN, member: str | None = None
) -> RideCancelled:
    event = RideCancelled(centre=CENTRE, ride_id=f"{ticket}-ride", ticket_id=ticket, by=by, member=member)
    return heard(event, sequence)


def ride_completed(member: str, sequence: int = 0, ticket: str = TICKET) -> RideCompleted:
    return heard(
        RideCompleted(centre=CENTRE, ride_id=f"{ticket}-ride", ticket_id=ticket, member=member, minutes=22), sequence
    )


def ride_released(member: str, sequence: int = 0, at: datetime = NOON, ticket: str = TICKET) -> RideReleased:
    event = RideReleased(
        centre=CENTRE, ride_id=f"{ticket}-ride", ticket_id=ticket, member=member, hamlet="yen-thuong", code="A012"
    )
    return heard(event, sequence, at)


@cache
def _adapter(state: type[Any]) -> TypeAdapter[Any]:
    return TypeAdapter(state)


class Document(Generic[S]):
    """What the heart does, without a store: timers, then rules, then facts through JSON, then `evolve`."""

    def __init__(
        self,
        blank: S,
        evolve: Callable[[S, Fact, datetime], None],
        due: Callable[[S], datetime | None] = lambda _: None,
        when_due: Callable[..., Sequence[Fact]] = lambda _, *, now: (),
    ) -> None:
        self.state = blank
        self.said: list[Fact] = []
        self._evolve, self._due, self._when_due = evolve, due, when_due
        self._adapter: TypeAdapter[S] = _adapter(type(blank))

    def do(self, rule: Callable[..., Sequence[Fact]], *given: Any, at: datetime = NOON) -> list[Fact]:
        self.tick(at)
        return self._decide(rule, *given, at=at)

    def tick(self, at: datetime) -> list[Fact]:
        """The time comes to `at`, as a timer sees it: never earlier than what is due."""
        said: list[Fact] = []
        while (due := self._due(self.state)) is not None and due <= at:
            said += self._decide(self._when_due, at=due)
            again = self._due(self.state)
            assert again is None or again > due, "a timer would ring for ever"
        return said

    def _decide(self, rule: Callable[..., Sequence[Fact]], *given: Any, at: datetime) -> list[Fact]:
        before = self._adapter.dump_json(self.state)
        facts = list(rule(self.state, *given, now=at))
        assert self._adapter.dump_json(self.state) == before, "a rule touched the state"
        for fact in facts:
            self._evolve(self.state, type(fact).model_validate_json(fact.model_dump_json()), at)
        again = self._adapter.validate_json(self._adapter.dump_json(self.state))
        assert again == self.state
        self.said += facts
        return facts

    def refused(self, rule: Callable[..., Sequence[Fact]], *given: Any, at: datetime = NOON) -> type[Refusal]:
        """The kind of refusal that it meets; whoever is not refused fails the test."""
        try:
            self.do(rule, *given, at=at)
        except Refusal as refusal:
            return type(refusal)
        raise AssertionError("not refused")


class Ward(Document[Dispatch]):
    """A centre's dispatch, and what tests ask of it."""

    def __init__(self, *on_floor: str, off_duty: Sequence[str] = ()) -> None:
        super().__init__(Dispatch(CENTRE), evolve, dispatch.due, dispatch.pass_on)
        self.do(dispatch.describe, DESCRIBED)
        for member in (*on_floor, *off_duty):
            self.do(dispatch.hear_member, changed(member))
        for member in on_floor:
            self.do(dispatch.check_in, arrived(member))

    def asked(self, job: str) -> set[str]:
        """Who has an open offer for it."""
        return {offer.member for offer in self.state.offers.values() if offer.job == job}

    def offer_to(self, member: str, job: str) -> str:
        """His offer for it, open or not, the newest."""
        both = {**self.state.closed, **self.state.offers}
        return [id for id, offer in both.items() if (offer.member, offer.job) == (member, job)][-1]

    def accept(self, member: str, job: str, at: datetime = NOON) -> list[Fact]:
        return self.do(dispatch.accept, self.offer_to(member, job), member, at=at)

    def decline(self, member: str, job: str, at: datetime = NOON) -> list[Fact]:
        return self.do(dispatch.decline, self.offer_to(member, job), member, at=at)


def only(facts: Sequence[Fact], kind: type[F]) -> list[F]:
    return [fact for fact in facts if isinstance(fact, kind)]

"""Histories as a faultless system would leave them, made by hand: what the checker is tested with."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults.history import Attempt, History, Outcome, Published

CENTRE, DAY = "31186", "20261124"
BEGUN = datetime(2026, 11, 24, 1, tzinfo=UTC)
HALL = f"/queue/hall/{CENTRE}-{DAY}"
DISPATCH = f"/notify/dispatch/{CENTRE}"


class Play:
    """Each method is a command that succeeds, with what follows from it; time is a count of steps."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.records: list[Published] = []
        self._tick = 0.0
        self._sequences: dict[str, int] = {}
        self._keys = 0
        self._tickets: list[str] = []
        self._codes: dict[str, str] = {}
        self._calls: dict[str, int] = {}
        self._offers: dict[str, tuple[str, str]] = {}

    def history(self) -> History:
        return History(tuple(self.attempts), tuple(self.records), facts=())

    # ------------------------------------------------------------------------------------- what clients do

    def send(
        self, command: str, about: str, outcome: Outcome = "ok", status: int = 200, *, key: str | None = None,
        counter: int | None = None, **answer: Any,
    ) -> str:  # fmt: skip
        """An attempt of one step; gives its key."""
        if key is None:
            self._keys += 1
            key = f"key-{self._keys}"
        begun, self._tick = self._tick, self._tick + 1
        self.attempts.append(Attempt(command, key, about, begun, begun + 0.5, outcome, status, answer, counter))
        return key

    def publish(self, topic: str, source: str, **data: Any) -> Published:
        sequence = self._sequences[source] = self._sequences.get(source, 0) + 1
        offset = sum(record.topic == topic for record in self.records)
        body = json.dumps({"centre": CENTRE, **data}).encode()
        record = Published(
            topic,
            offset,
            f"e{len(self.records)}",
            source,
            sequence,
            (BEGUN + timedelta(seconds=self._tick)).isoformat(),
            CENTRE,
            (),
            body,
            json.loads(body),
        )
        self.records.append(record)
        return record

    def again(self, record: Published) -> None:
        """The relay publishes it a second time, as after a crash."""
        offset = sum(other.topic == record.topic for other in self.records)
        self.records.append(
            Published(
                record.topic, offset, record.id, record.source, record.sequence, record.time, record.key,
                record.headers, record.body, record.data,
            )
        )  # fmt: skip

    def wait(self, minutes: float) -> None:
        self._tick += minutes * 60

    # --------------------------------------------------------------------------------------------- the hall

    def issue(self, *, needs_help: bool = False, ride_home: bool = False, lost_first: bool = False) -> str:
        """A number; with `lost_first` the first answer got lost and the client asked again."""
        number = len(self._tickets) + 1
        ticket, code = f"{CENTRE}-{DAY}-{number:010d}", f"A{number:03d}"
        self._tickets.append(ticket)
        self._codes[ticket] = code
        key = self.send("issue", CENTRE, "unknown") if lost_first else None
        self.send("issue", CENTRE, status=201, key=key, ticket_id=ticket, code=code)
        self.publish(
            "ticket-issued", HALL, ticket_id=ticket, code=code, number=number, series="A", needs_help=needs_help,
            ride_home=ride_home,
        )  # fmt: skip
        if needs_help:
            self.publish(
                "assistance-requested", self._source(f"{ticket}-help"), assistance_id=f"{ticket}-help", ticket_id=ticket
            )
        if ride_home:
            self.publish("ride-planned", self._source(f"{ticket}-ride"), ride_id=f"{ticket}-ride", ticket_id=ticket)
        return ticket

    def call(self, ticket: str, counter: int = 1) -> None:
        code = self._codes[ticket]
        self.send("call-next", CENTRE, counter=counter, ticket_id=ticket, code=code, because="longest_wait")
        self._called(ticket, counter, "longest_wait")

    def recall(self, ticket: str, counter: int = 1) -> None:
        self.send("recall", ticket)
        self._called(ticket, counter, "recalled")

    def _called(self, ticket: str, counter: int, because: str) -> None:
        count = self._calls[ticket] = self._calls.get(ticket, 0) + 1
        self.publish(
            "queue-called", HALL, ticket_id=ticket, code=self._codes[ticket], counter=counter, call_count=count,
            selected_because=because,
        )  # fmt: skip

    def step(self, command: str, topic: str, ticket: str, counter: int = 1, **said: Any) -> None:
        """A command on a ticket at a counter."""
        self.send(command, ticket)
        self.publish(topic, HALL, ticket_id=ticket, code=self._codes[ticket], counter=counter, **said)

    def start(self, ticket: str, counter: int = 1) -> None:
        self.step("start", "serving-started", ticket, counter)

    def no_show(self, ticket: str, counter: int = 1) -> None:
        self.step("no-show", "ticket-no-show", ticket, counter)
        if ride := self._ride_of(ticket):
            self.publish("ride-cancelled", ride.source, ride_id=f"{ticket}-ride", ticket_id=ticket, by="ticket_ended")

    def reinstate(self, ticket: str) -> None:
        self.step("reinstate", "ticket-reinstated", ticket)
        if ride := self._ride_of(ticket):
            self.publish("ride-planned", ride.source, ride_id=f"{ticket}-ride", ticket_id=ticket)

    def complete(self, ticket: str, counter: int = 1) -> None:
        self.step("complete", "case-completed", ticket, counter, outcome="accepted")
        if ride := self._ride_of(ticket):
            self.publish("ride-home-requested", ride.source, ride_id=f"{ticket}-ride", ticket_id=ticket)

    def visit(self, counter: int = 1, **wishes: bool) -> str:
        """From the number to the end of the case."""
        ticket = self.issue(**wishes)
        self.call(ticket, counter)
        self.start(ticket, counter)
        self.complete(ticket, counter)
        return ticket

    # -------------------------------------------------------------------------------------- offers and rides

    def member(self, member: str) -> None:
        """Off duty, with a motorbike."""
        said: dict[str, Any] = {"active": True, "vehicle": "motorbike", "spare_helmet": True}
        self.publish("member-changed", f"/volunteers/member/{member}", member=member, **said)

    def offer(self, job: str, member: str) -> str:
        offer = f"{CENTRE}-o-{len(self._offers):010d}"
        self._offers[offer] = (job, member)
        self._offer_event("offer-made", offer)
        return offer

    def accept(self, offer: str) -> None:
        job, member = self._offers[offer]
        self.send("accept", offer)
        self._offer_event("offer-accepted", offer)
        ticket = job.rsplit("-", 1)[0]
        if job.endswith("-ride"):
            self.publish(
                "ride-assigned", self._source(job), ride_id=job, ticket_id=ticket, member=member, by_hand=False
            )
        else:
            self.publish("assistance-taken", self._source(job), assistance_id=job, ticket_id=ticket, member=member)

    def too_late(self, offer: str) -> None:
        self.send("accept", offer, "refused", 409)

    def void(self, offer: str) -> None:
        self._offer_event("offer-void", offer, reason="taken")

    def drive(self, job: str, member: str, command: str, topic: str) -> None:
        self.send(command, job)
        self.publish(topic, self._source(job), ride_id=job, ticket_id=job.rsplit("-", 1)[0], member=member)

    def drive_home(self, job: str, member: str) -> None:
        self.drive(job, member, "pick-up", "ride-picked-up")
        self.drive(job, member, "drop-off", "ride-completed")

    def _offer_event(self, topic: str, offer: str, **said: Any) -> None:
        job, member = self._offers[offer]
        self.publish(topic, DISPATCH, offer_id=offer, job=job, member=member, **said)

    def _ride_of(self, ticket: str) -> Published | None:
        return next((record for record in self.records if record.data.get("ride_id") == f"{ticket}-ride"), None)

    @staticmethod
    def _source(job: str) -> str:
        return f"/volunteers/{'ride' if job.endswith('-ride') else 'assistance'}/{job}"


def a_morning() -> Play:
    """One of everything: visits, a recall, a no-show, a lost answer, help, a ride that two wanted, a repeat."""
    play = Play()
    play.visit(counter=1)
    play.visit(counter=2, lost_first=True)
    absent = play.issue()
    play.call(absent, 2)
    play.recall(absent, 2)
    play.no_show(absent, 2)
    ticket = play.issue(needs_help=True, ride_home=True)
    play.accept(play.offer(f"{ticket}-help", "m-lan"))
    play.call(ticket, 1)
    play.start(ticket, 1)
    play.send("call-next", CENTRE, "refused", 409, counter=1)
    play.complete(ticket, 1)
    ride = f"{ticket}-ride"
    first, second = play.offer(ride, "m-minh"), play.offer(ride, "m-an")
    play.accept(second)
    play.void(first)
    play.too_late(first)
    play.drive_home(ride, "m-an")
    play.again(play.records[0])
    return play

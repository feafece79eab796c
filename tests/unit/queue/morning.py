"""A morning in a hall, told by its commands: the state is only ever changed by folding the facts that rules gave."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter

from services.chassis.clock import local_day
from services.contracts.words import Fact
from services.queue import domain
from services.queue.centre import Centre, CentreConfig, plan_for
from services.queue.hall import Hall, Ticket

EIGHT = datetime(2026, 11, 24, 1, tzinfo=UTC)
"""08:00 in Cần Thơ on a Tuesday."""
STORED = TypeAdapter(Hall)
HOURS = ["07:30-11:30", "13:30-17:00"]


def words(vi: str, en: str | None = None) -> dict[str, str]:
    return {"vi": vi, "en": en or vi}


def config(**changes: Any) -> CentreConfig:
    """Counters 1 and 2 for civil status (A) and certification (A too), 2 and 3 for land (B)."""
    described: dict[str, Any] = {
        "name": words("Trung tâm Phục vụ hành chính công phường Cái Răng", "Cái Răng centre"),
        "services": {
            "birth": {"name": words("Khai sinh", "Birth"), "series": "A", "counters": [1, 2]},
            "copies": {"name": words("Chứng thực", "Certified copies"), "series": "A", "counters": [1, 2]},
            "land": {"name": words("Đất đai", "Land"), "series": "B", "counters": [2, 3], "quota": 40},
        },
        "hours": dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), HOURS),
    }
    return CentreConfig.model_validate(described | changes)


def one_line(**changes: Any) -> CentreConfig:
    """One service, two counters."""
    return config(services={"birth": {"name": words("Khai sinh"), "series": "A", "counters": [1, 2]}}, **changes)


class Morning:
    def __init__(self, described: CentreConfig | None = None, now: datetime = EIGHT, counters: tuple[int, ...] = (1,)):
        self.now = now
        self.hall = Hall(f"31186-{local_day(now):%Y%m%d}")
        self.facts: list[tuple[Fact, datetime]] = []
        self.do(domain.plan_day, plan=plan_for(Centre("31186", described or config(), 1), local_day(now)))
        for counter in counters:
            self.do(domain.open_counter, counter=counter)

    def do(self, rule: Any, **given: Any) -> list[Fact]:
        facts = list(rule(self.hall, now=self.now, **given))
        for fact in facts:
            domain.evolve(self.hall, fact, self.now)
            self.facts.append((fact, self.now))
        return facts

    def pass_by(self, **time: float) -> "Morning":
        self.now += timedelta(**time)
        return self

    def issue(self, name: str = "a", service: str = "birth", **given: Any) -> Any:
        return self.do(domain.issue_ticket, ticket_id=ticket(name), service=service, **given)[0]

    def call(self, counter: int = 1) -> Any:
        """The `QueueCalled`, or None when nobody waits for this counter."""
        facts = self.do(domain.call_next, counter=counter)
        return facts[0] if facts else None

    def the(self, name: str = "a") -> Ticket:
        found = self.hall.find(ticket(name))
        assert found is not None
        return found

    def serve(self, name: str = "a", counter: int = 1, minutes: float = 5) -> Any:
        """Called, started and completed."""
        assert self.call(counter).ticket_id == ticket(name)
        self.do(domain.start, ticket_id=ticket(name))
        self.pass_by(minutes=minutes)
        return self.do(domain.complete, ticket_id=ticket(name), outcome="accepted")[0]


def ticket(name: str) -> str:
    return f"31186-20261124-{name:0>12}"


def folded(morning: Morning) -> Hall:
    return folded_from(morning.hall.id, morning.facts)


def folded_from(id: str, facts: Sequence[tuple[Fact, datetime]]) -> Hall:
    """The hall made anew from nothing but its facts, each read back from its bytes."""
    hall = Hall(id)
    for fact, at in facts:
        domain.evolve(hall, type(fact).model_validate_json(fact.model_dump_json()), at)
    return hall

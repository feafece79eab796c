"""How the visit was, in one question after it: the counter, the blue shirts, the waiting. Pure.

It is said with the ticket's pass, by whoever held the number, for as long as its day lasts; said again, the last one
counts. It is never published: the evening report adds it up.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from services.chassis.errors import Refused
from services.contracts.words import Fact


class Score(StrEnum):
    GOOD = "good"
    FAIR = "fair"
    BAD = "bad"


class NotOverYet(Refused):
    en = "Your visit is not over yet: say how it was once the counter has finished."
    vi = "Việc của bác chưa xong, xin cho ý kiến sau khi quầy giải quyết xong."


class VisitIsPast(Refused):
    en = "An opinion can be given on the day of the visit only."
    vi = "Chỉ cho ý kiến được trong ngày đến trung tâm."


class NothingSaid(Refused):
    en = "Choose a face for at least one of the three."
    vi = "Hãy chọn ít nhất một trong ba mục."


class OpinionGiven(Fact):
    """None: she had nothing to say of that."""

    counter: Score | None
    volunteer: Score | None
    waiting: Score | None


@dataclass(slots=True)
class Opinion:
    id: str
    said: OpinionGiven | None = None


def give(opinion: Opinion, *, said: OpinionGiven, now: datetime) -> Sequence[Fact]:
    if said.counter is said.volunteer is said.waiting is None:
        raise NothingSaid
    return [] if said == opinion.said else [said]


def evolve(opinion: Opinion, fact: Fact, at: datetime) -> None:
    match fact:
        case OpinionGiven():
            opinion.said = fact

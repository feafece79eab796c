"""What a restore may lose, and what it must not double.

What was said after the backup began may be lost, acknowledged or not, and nothing else. Of what is left everything
holds as if the lost time had never been; and no message that went out in it goes out again.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from tests.faults.checker import Violation
from tests.faults.history import Attempt, History, Noted, Published


@dataclass(frozen=True)
class Restored:
    """`begun` by the clock of the city; `asked` (for the backup) and `stopped` by the clients'."""

    begun: datetime
    asked: float
    stopped: float
    lost: Sequence[Published]
    """What was on the bus and is in no journal any more."""


def what_may_be_lost(restored: Restored) -> list[Violation]:
    older = [one for one in restored.lost if datetime.fromisoformat(one.time) < restored.begun]
    says = f"{len(older)} events are lost that were said before the backup was begun"
    return [Violation("a backup has all that was said before it", says, tuple(map(str, older[:5])))] * bool(older)


def without_the_lost(history: History, restored: Restored) -> History:
    """Whatever was told between backup and restore is as good as not told."""

    def as_good_as_lost(attempt: Attempt) -> Attempt:
        lost = attempt.outcome == "ok" and restored.asked <= attempt.ended and attempt.begun <= restored.stopped
        return replace(attempt, outcome="unknown", answer={}) if lost else attempt

    return replace(history, attempts=tuple(map(as_good_as_lost, history.attempts)))


def no_message_again(before: Iterable[Noted], after: Iterable[Noted]) -> list[Violation]:
    """For one cause (the same message with the same expiry) something went out before, and again after."""
    before, after = list(before), list(after)
    kept = {fact.id for fact in after}
    once = _sent([fact for fact in before if fact.id not in kept], before)
    known = {fact.id for fact in before}
    again = once & _sent([fact for fact in after if fact.id not in known], after)
    return [
        Violation("no message goes out again", f"{source}, good until {expires}") for source, expires in sorted(again)
    ]


def _sent(facts: Iterable[Noted], planned: Iterable[Noted]) -> set[tuple[str, str]]:
    expires = {fact.source: json.loads(fact.body)["expires"] for fact in planned if fact.type == "MessagePlanned"}
    return {(fact.source, expires[fact.source]) for fact in facts if fact.type == "MessageSent"}

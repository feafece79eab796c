"""The judge of a restore: silent on what a backup may lose, and not on anything else."""

import json
from dataclasses import replace
from datetime import timedelta

from tests.faults.checker import check
from tests.faults.history import History, Noted
from tests.faults.played import BEGUN, Play, a_morning
from tests.faults.restored import Restored, no_message_again, what_may_be_lost, without_the_lost

MESSAGE = "/notify/message/x-called"


def planned(id: str, minutes: int = 10) -> Noted:
    body = json.dumps({"expires": (BEGUN + timedelta(minutes=minutes)).isoformat()}).encode()
    return Noted(id, MESSAGE, 1, "MessagePlanned", None, body)


def sent(id: str) -> Noted:
    return Noted(id, MESSAGE, 2, "MessageSent", None, b"{}")


def one_visit() -> Play:
    play = Play()
    play.visit()
    return play


def after_a_restore(play: Play, *, forgets: int) -> tuple[History, Restored]:
    """A visit after the backup is lost, and so are so many records from before it."""
    before, asked = len(play.records), len(play.attempts)
    play.visit(counter=7)
    lost = play.records[before - forgets :]
    begun = BEGUN + timedelta(seconds=asked + 0.5)
    history = replace(play.history(), records=play.records[: before - forgets])
    return history, Restored(begun, float(asked), float(len(play.attempts)), lost)


def test_what_was_said_after_the_backup_may_be_lost() -> None:
    history, restored = after_a_restore(a_morning(), forgets=0)
    assert check(history)
    assert check(without_the_lost(history, restored)) == what_may_be_lost(restored) == []


def test_what_was_said_before_the_backup_may_not_be_lost() -> None:
    history, restored = after_a_restore(one_visit(), forgets=1)
    assert {one.invariant for one in what_may_be_lost(restored)} == {"a backup has all that was said before it"}
    assert "nothing acknowledged is lost" in {one.invariant for one in check(without_the_lost(history, restored))}


def test_a_message_may_not_go_out_again_for_the_same_cause() -> None:
    before = [planned("p"), sent("in the lost time")]
    assert no_message_again(before, [planned("p"), sent("again")])
    assert no_message_again(before, [planned("anew"), sent("again")])


def test_a_message_may_go_out_that_was_kept_or_has_another_cause() -> None:
    before = [planned("p"), sent("in the lost time")]
    assert no_message_again(before, before) == []
    assert no_message_again(before, [planned("anew", minutes=20), sent("of a second call")]) == []

"""Whether a job that nobody was offered and no coordinator was told of may still wait, from what is known of its ward.

With every driver of a small ward on the way a ride waits for one of them. That is so only while the coordinator is not
due to be told, while the dispatch has it in its books (one that it never heard of is lost), and while all who could be
asked have a job.
"""

import json
from datetime import datetime, timedelta

from tests.faults.history import History, Published

ESCALATED_AFTER = timedelta(minutes=6)
BUSY_MACHINE = timedelta(seconds=20)
"""How long after its moment a timer may be heard on a machine with too much to do, its process just killed."""
SEATS = {"none": 0, "motorbike": 1, "car": 4}
_ENDS = ("assistance-finished", "assistance-cancelled", "ride-completed", "ride-cancelled", "ride-released")


def may_still_wait(history: History, asked: Published, job: str) -> bool:
    """`asked`: the event that says that the job is wanted."""
    ended = max(map(_when, history.events))
    in_time = ended - _when(asked) < ESCALATED_AFTER + BUSY_MACHINE
    return (
        in_time
        and _in_the_books(history, job)
        and not any(_askable(history, asked, who) for who in _of(history, asked))
    )


def _in_the_books(history: History, job: str) -> bool:
    opened = (fact for fact in history.facts or () if fact.type == "JobOpened")
    return any(json.loads(fact.body)["job"] == job for fact in opened)


def _of(history: History, asked: Published) -> list[Published]:
    """The newest description of each member of the centre."""
    return [
        events[-1]
        for events in history.threads(("member-changed",), "member").values()
        if events[-1].key == asked.key and events[-1].data["active"]
    ]


def _askable(history: History, asked: Published, member: Published) -> bool:
    """For help who is on the floor. For a ride who is not, and has a seat: the floor may need those who are on it."""
    who = member.data["member"]
    moves = history.threads(("volunteer-checked-in", "volunteer-checked-out"), "member").get(who)
    on_floor = bool(moves) and moves[-1].topic == "volunteer-checked-in"
    if "ride_id" not in asked.data:
        return on_floor and not _has_a_job(history, who)
    helmet = member.data["spare_helmet"] or member.data["vehicle"] != "motorbike"
    drives = helmet and asked.data.get("seats", 1) <= SEATS[member.data["vehicle"]]
    return drives and not on_floor and not _has_a_job(history, who)


def _has_a_job(history: History, who: str) -> bool:
    return any(not _over(history, took) for took in _taken(history, who))


def _taken(history: History, who: str) -> list[Published]:
    accepted = [one for one in history.of("offer-accepted", member=who) if not _void(history, one)]
    return accepted + [one for one in history.of("ride-assigned", member=who) if one.data["by_hand"]]


def _void(history: History, accepted: Published) -> bool:
    return bool(history.of("offer-void", offer_id=accepted.data["offer_id"]))


def _over(history: History, took: Published) -> bool:
    """An end before it was taken is that of an earlier wish: a ride cancelled with its ticket, which was reinstated."""
    job = took.data.get("job") or took.data["ride_id"]
    ends = (end for topic in _ENDS for name in ("ride_id", "assistance_id") for end in history.of(topic, **{name: job}))
    return any(_when(end) > _when(took) for end in ends)


def _when(event: Published) -> datetime:
    return datetime.fromisoformat(event.time)

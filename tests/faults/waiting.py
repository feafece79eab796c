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
    ended = max(datetime.fromisoformat(event.time) for event in history.events)
    in_time = ended - datetime.fromisoformat(asked.time) < ESCALATED_AFTER + BUSY_MACHINE
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
    taken = {one.data["job"]: one.data["offer_id"] for one in history.of("offer-accepted", member=who)}
    taken |= {one.data["ride_id"]: "" for one in history.of("ride-assigned", member=who) if one.data["by_hand"]}
    return any(
        not history.of("offer-void", offer_id=offer)
        and not history.any_of(_ENDS, ride_id=job)
        and not history.any_of(_ENDS, assistance_id=job)
        for job, offer in taken.items()
    )

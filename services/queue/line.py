"""Who is next and why, how many are ahead, how long it may take. Pure; looks at a hall and changes nothing.

Ratio plus ageing cap. At most `in_a_row` priority calls one after another while an ordinary person waits, counted for
the whole centre. Whoever waits longer than the cap, ordinary or priority, goes by the length of the wait alone: so
nobody waits past the cap while somebody who came later is called, and neither class can starve the other on a day on
which everybody waits that long. Only the ordinary turn that the ratio owes comes before that.
"""

import math
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from services.contracts.words import Because
from services.queue.hall import AT_THE_COUNTER, DayPlan, Hall, State, Ticket

ENOUGH = 3
"""Transactions that must have been seen before anything is said about the wait."""
KEPT = 8
"""Transactions remembered per service."""


def next_in_line(hall: Hall, plan: DayPlan, counter: int, now: datetime) -> tuple[Ticket, Because] | None:
    return pick(hall.waiting(plan.served_at(counter)), hall.in_a_row, plan, now)


def pick(waiting: Sequence[Ticket], in_a_row: int, plan: DayPlan, now: datetime) -> tuple[Ticket, Because] | None:
    """The one to call out of `waiting` (in order of issue), and why."""
    if not waiting:
        return None
    if len(waiting) == 1:
        return waiting[0], Because.ONLY_ONE_WAITING
    priority, ordinary = _front(waiting, True), _front(waiting, False)
    oldest = waiting[0]
    owed = ordinary is not None and in_a_row >= plan.in_a_row
    if aged(oldest, plan, now) and not (owed and oldest.priority):
        return oldest, Because.AGEING_CAP
    if priority and ordinary:
        chosen, because = (ordinary, Because.RATIO) if owed else (priority, Because.PRIORITY_FIRST)
    else:
        chosen, because = priority or ordinary or oldest, Because.LONGEST_WAIT
    return chosen, Because.REINSTATED if chosen.front else because


def order_of_calls(hall: Hall, plan: DayPlan, counter: int, now: datetime) -> list[tuple[Ticket, Because]]:
    """In which order this counter would call those who wait for it now, if it were alone and nobody else came."""
    waiting, in_a_row = hall.waiting(plan.served_at(counter)), hall.in_a_row
    order: list[tuple[Ticket, Because]] = []
    while found := pick(waiting, in_a_row, plan, now):
        order.append(found)
        waiting.remove(found[0])
        in_a_row = row_after(found[0], waiting, in_a_row)
    return order


def row_after(called: Ticket, waiting: Iterable[Ticket], in_a_row: int) -> int:
    """How many priority calls came one after another, now that `called` was taken out of those waiting."""
    if called.priority and any(not ticket.priority for ticket in waiting):
        return in_a_row + 1
    return 0


def aged(ticket: Ticket, plan: DayPlan, now: datetime) -> bool:
    return now - ticket.issued > timedelta(minutes=plan.ageing_minutes)


def _front(waiting: Sequence[Ticket], priority: bool) -> Ticket | None:
    """The first of its class: whoever was reinstated, then whoever took the number first."""
    first = None
    for ticket in waiting:
        if ticket.priority is priority:
            if ticket.front:
                return ticket
            first = first or ticket
    return first


# ---------------------------------------------------------------------------------------------------- estimates


def ahead_of(hall: Hall, plan: DayPlan, me: Ticket, now: datetime) -> int:
    """How many of those who wait at the same counters would be called before `me` (in line, or about to be)."""
    related = plan.rivals[me.service]
    capped = now - timedelta(minutes=plan.ageing_minutes)
    earlier = mine = others = overdue = 0
    passed = False
    for ticket in hall.tickets:
        course = ticket.course
        if ticket is me:
            passed = True
        elif (course is None or course.state is State.WAITING) and ticket.service in related:
            earlier += not passed
            if ticket.priority is me.priority:
                mine += not passed if ticket.front is me.front else ticket.front
            else:
                others += 1
                overdue += ticket.issued < capped
    if aged(me, plan, now):
        return earlier
    if me.priority:
        return mine + min(others, max(overdue, (mine + hall.in_a_row) // plan.in_a_row))
    return mine + min(others, max(0, plan.in_a_row * (mine + 1) - hall.in_a_row))


def wait_range(hall: Hall, plan: DayPlan, service: str, ahead: int) -> tuple[int, int] | None:
    """How many minutes it may take, from and to; None while no counter is open for it or too little is known."""
    counters = [number for number in hall.open_counters if number in plan.services[service].counters]
    times = sorted(seconds for code in plan.rivals[service] for seconds in hall.recent.get(code, ()))
    if not counters or len(times) < ENOUGH:
        return None
    busy = {ticket.counter for ticket in hall.tickets if ticket.course and ticket.course.state in AT_THE_COUNTER}
    turns = max(0, ahead + 1 - sum(number not in busy for number in counters))
    quick, slow = times[len(times) // 4], times[(3 * len(times)) // 4]
    low = max(0, turns - 1) * quick // len(counters) // 60
    return low, max(low + 1, math.ceil(turns * slow / len(counters) / 60))


def waiting_for(hall: Hall, service: str) -> int:
    return sum(ticket.waits and ticket.service == service for ticket in hall.tickets)

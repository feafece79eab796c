"""What happens in the queue when something happened: today's hall follows a change of its centre."""

from datetime import datetime
from functools import partial

from services.chassis.clock import local_day
from services.chassis.documents import Collection
from services.contracts.events import CentreChanged
from services.queue import domain
from services.queue.centre import Centre, plan_for
from services.queue.domain import hall_of
from services.queue.hall import Hall


async def plan_the_day_anew(
    event: CentreChanged, halls: Collection[Hall], centres: Collection[Centre], now: datetime
) -> None:
    """Today's hall, if it is open. It gets the newest description, so it does not matter which change is heard last.

    A hall that is being opened meanwhile looks at its centre once more after it was (`api.in_todays_hall`).
    """
    hall = hall_of(event.centre, now)
    if await halls.read(hall, lambda found: found.plan is not None):
        plan = await centres.read(event.centre, lambda centre: plan_for(centre, local_day(now)))
        await halls.change(hall, partial(domain.plan_day, plan=plan), now=now, because=event)

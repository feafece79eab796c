"""What `/metrics` shows of the halls of this day."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Final

from prometheus_client import Gauge

from services.chassis import metrics
from services.chassis.clock import local_day
from services.chassis.service import Running
from services.queue.views import FIGURES, Figures

CENTRES_AT_MOST: Final = 200
"""With more, one line for all of them: Prometheus pays for each."""
EVERYWHERE: Final = "all"
DAYS_AT_MOST: Final = 10_000

tickets: Final = Gauge(
    "caunoi_hall_tickets",
    "Tickets of this day by what became of them: issued, open, completed, unfinished, no_show, cancelled",
    ("centre", "state"),
    registry=metrics.registry,
)
wait: Final = Gauge(
    "caunoi_hall_wait_mean_seconds",
    "Wait from number to call, mean of those completed this day",
    ("centre",),
    registry=metrics.registry,
)


async def show(running: Running) -> None:
    today = local_day(running.now()).isoformat()
    days = [day for _, day in await running.views.find(FIGURES, limit=DAYS_AT_MOST, day=today)]
    tickets.clear()
    wait.clear()
    for centre, of_one in _by_centre(days):
        issued = sum(day.issued for day in of_one)
        ended = {
            "completed": sum(day.completed for day in of_one),
            "unfinished": sum(day.unfinished for day in of_one),
            "no_show": sum(day.no_show for day in of_one),
            "cancelled": sum(sum(day.cancelled.values()) for day in of_one),
        }
        for state, count in {"issued": issued, "open": issued - sum(ended.values()), **ended}.items():
            tickets.labels(centre, state).set(count)
        if ended["completed"]:
            wait.labels(centre).set(sum(day.wait_seconds for day in of_one) / ended["completed"])


def _by_centre(days: list[Figures]) -> Iterable[tuple[str, list[Figures]]]:
    found: dict[str, list[Figures]] = defaultdict(list)
    for day in days:
        found[day.centre if len(days) <= CENTRES_AT_MOST else EVERYWHERE].append(day)
    return found.items()

"""`caunoi report`: the evening report of a centre. Queue knows the waits, volunteers the people helped; put together
here, since no service calls another.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from services.caunoi import shown
from services.caunoi.client import Caller, connected
from services.chassis.settings import Settings


async def show(settings: Settings, *, centre: str, day: str | None, as_json: bool) -> None:
    async with connected(settings) as operator:
        evening = await read(operator, centre, day)
    if as_json:
        shown.as_json(evening)
    else:
        shown.out.print(table(evening))


async def read(caller: Caller, centre: str, day: str | None = None) -> dict[str, Any]:
    """Both halves: `queue` and `volunteers`, of the same local day (today when none is given)."""
    queue = await caller.get(f"/queue/centres/{centre}/report", day=day)
    volunteers = await caller.get(f"/volunteers/centres/{centre}/report", day=queue["day"])
    return {"centre": centre, "day": queue["day"], "queue": queue, "volunteers": volunteers}


def table(evening: Mapping[str, Any]) -> Table:
    made = Table(
        title=f"Báo cáo cuối ngày · {evening['centre']} · {evening['day']}", title_justify="left", show_header=False
    )
    made.add_column()
    made.add_column(justify="right")
    for name, value in _lines(evening):
        made.add_row(name, value)
    return made

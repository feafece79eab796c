"""`caunoi report`: the evening report of a centre. Queue knows the waits, volunteers the people helped; put together
here, since no service calls another.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table

from services.caunoi import shown
from services.caunoi.client import Caller, connected
from services.caunoi.pages.sentences import WORDS
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
    title = f"Báo cáo cuối ngày · {evening['centre']} · {evening['day']}"
    made = Table(title=title, title_justify="left", show_header=False)
    made.add_column()
    made.add_column(justify="right")
    for name, value in _lines(evening["queue"], evening["volunteers"]):
        made.add_row(name, value)
    return made


def _lines(queue: Mapping[str, Any], volunteers: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    yield "Số đã lấy", str(queue["issued"])
    yield "Hồ sơ hoàn tất", str(queue["completed"])
    for outcome, count in queue["outcomes"].items():
        if count:
            yield f"  {WORDS['outcome'].get(outcome, outcome)}", str(count)
    yield "Chờ trung bình", _minutes(queue["wait_mean_minutes"])
    yield "Một nửa chờ không quá", _minutes(queue["wait_median_minutes"])
    yield "Giao dịch trung bình", _minutes(queue["transaction_mean_minutes"])
    yield "Vắng mặt · huỷ · chưa xong", f"{queue['no_show']} · {queue['cancelled']} · {queue['unfinished']}"
    yield "Còn trong sảnh", str(queue["still_here"])
    yield "Người được hỗ trợ", str(volunteers["people_helped"])
    for result, count in volunteers["results"].items():
        if count:
            yield f"  {WORDS['result'].get(result, result)}", str(count)
    yield "Chuyến xe đã đưa về", f"{volunteers['rides_completed']} / {volunteers['rides_requested']} được nhờ"
    yield "Phút chở khách ghi cho đoàn viên", str(volunteers["minutes_credited"])
    yield "Tình nguyện viên có mặt", str(volunteers["volunteers_present"])


def _minutes(value: float | None) -> str:
    return "–" if value is None else f"{value:g} phút".replace(".", ",")

"""The evening report as a page and as a file."""

import csv
import io
from pathlib import Path

from services.queue.centre import CentreConfig, Words
from tests.unit.queue.morning import config
from tests.unit.queue.running import CENTRE, Desk, eventually, played
from tests.visitor import Visitor

REPORT = f"/coordinator/{CENTRE}/report"


def formula() -> CentreConfig:
    """A ward whose service is called like a formula."""
    plain = config()
    birth = plain.services["birth"].model_copy(update={"name": Words(vi='=HYPERLINK("x")', en="=1+1")})
    return plain.model_copy(update={"services": {**plain.services, "birth": birth}})


def test_the_report_of_a_day_is_shown_and_is_a_file_without_formulas(tmp_path: Path) -> None:
    async def story(desk: Desk) -> None:
        visitor = Visitor(desk.client).become(desk.coordinator)
        assert "Ngày này chưa có ai lấy số" in (await visitor.open(REPORT)).text
        await desk.open(1)
        ticket = (await desk.issue())["ticket_id"]
        await desk.call()
        await desk.at(ticket, "start")
        await desk.at(ticket, "complete", outcome="accepted")

        async def counted() -> bool:
            return "hồ sơ hoàn tất" in (await visitor.open(REPORT)).text

        assert await eventually(counted)
        assert "Ngày này chưa có ai lấy số" in (await visitor.open(f"{REPORT}?day=2026-01-05")).text
        rows = list(csv.reader(io.StringIO((await visitor.open(f"{REPORT}.csv")).source.removeprefix("\ufeff"))))
        assert ["Cả ngày", "Số đã lấy", "1"] in rows and ["Cả ngày", "Còn trong sảnh", "0"] in rows
        assert ['\'=HYPERLINK("x")', "Số đã lấy", "1"] in rows

    played(tmp_path, story, described=formula())

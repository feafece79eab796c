"""The volunteers' half of the evening report, and as CSV; `/coordinator/{centre}/report` fetches it by its id."""

from collections.abc import Iterator
from typing import Annotated

from fastapi import Query, Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.clock import local_day
from services.chassis.downloads import Cell, as_csv
from services.chassis.pages import ThePage
from services.chassis.web import Now, Router
from services.contracts.words import CentreRef
from services.volunteers import api
from services.volunteers.api import OurViews
from services.volunteers.pages.coordinator import INSTEAD, RESULTS
from services.volunteers.shapes import Day, Report

router = Router(prefix="/volunteers/coordinator", tags=["pages"], include_in_schema=False)

Reader = Annotated[Actor, may("coordinator", "city", "operator")]
TheDay = Annotated[Day | None, Query()]


@router.get("/{centre}/report")
async def report(
    centre: CentreRef, page: ThePage, our: OurViews, who: Reader, now: Now, day: TheDay = None
) -> HTMLResponse:
    found = await api.report(centre, our, who, now, day or local_day(now))
    return page.show(
        "volunteers/report.html",
        centre=centre,
        report=found,
        results=RESULTS,
        instead=INSTEAD,
        cancelled_otherwise=_cancelled_otherwise(found),
    )


@router.get("/{centre}/report.csv")
async def report_as_csv(
    centre: CentreRef, page: ThePage, our: OurViews, who: Reader, now: Now, day: TheDay = None
) -> Response:
    found = await api.report(centre, our, who, now, day or local_day(now))
    return as_csv(_rows(found, page), f"{centre}-{found.day}-volunteers.csv")


def _cancelled_otherwise(report: Report) -> int:
    return report.rides_cancelled - sum(report.rides_instead.values())


def _rows(report: Report, page: ThePage) -> Iterator[list[Cell]]:
    _ = page.speech._
    yield [_("Ngày"), report.day.isoformat(), None]
    yield [_("Nhóm"), _("Chỉ tiêu"), _("Số")]
    helped, rides, people = _("Hỗ trợ trong sảnh"), _("Chuyến xe"), _("Đoàn viên")
    yield [helped, _("Người được giúp"), report.people_helped]
    yield [helped, _("Nhờ giúp mà chưa ai đến"), report.unattended]
    for result, text in RESULTS.items():
        yield [helped, _(text), report.results.get(result, 0)]
    yield [helped, _("Thôi không nhờ nữa"), report.assistances_cancelled]
    yield [helped, _("Còn đang mở"), report.assistances_open]
    yield [rides, _("Được nhờ"), report.rides_requested]
    yield [rides, _("Đã đưa về"), report.rides_completed]
    for way, text in INSTEAD.items():
        yield [rides, _(text), report.rides_instead.get(way, 0)]
    yield [rides, _("Huỷ vì lý do khác"), _cancelled_otherwise(report)]
    yield [rides, _("Còn đang mở"), report.rides_open]
    yield [rides, _("Phút chở khách"), report.minutes_credited]
    yield [people, _("Có mặt"), report.volunteers_present]
    yield [people, _("Phút trực"), report.minutes_on_duty]

"""`/coordinator/{centre}/report`: the evening of a day, to look at, to print, and as CSV. The hall's half is ours; the
volunteers' half is fetched from them by the browser, and is a CSV of its own.
"""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Annotated, Final

from fastapi import Query, Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.clock import local_day
from services.chassis.downloads import Cell, as_csv
from services.chassis.pages import ThePage
from services.chassis.pages.speech import N_
from services.chassis.web import Now, Router
from services.contracts.words import CaseOutcome, CentreRef, TicketEnd
from services.queue.api import Centres, Halls, OurViews
from services.queue.api_centre import list_services, show_report
from services.queue.shapes import Report, ServiceFigures

router = Router(tags=["pages"], include_in_schema=False)

Reader = Annotated[Actor, may("coordinator", "city", "operator")]
Day = Annotated[date | None, Query(ge=date(2025, 7, 1), le=date(2099, 12, 31))]

OUTCOMES: Final[Mapping[CaseOutcome, str]] = {
    CaseOutcome.ACCEPTED: N_("đã tiếp nhận"),
    CaseOutcome.RESULT_RETURNED: N_("đã trả kết quả"),
    CaseOutcome.SUPPLEMENT_NEEDED: N_("cần bổ sung"),
    CaseOutcome.FINISHED_ONLINE_WITH_HELP: N_("nộp trực tuyến có hướng dẫn"),
    CaseOutcome.REJECTED: N_("không tiếp nhận"),
}
CANCELLED: Final[Mapping[TicketEnd, str]] = {
    TicketEnd.BY_CITIZEN: N_("người dân trả số"),
    TicketEnd.BY_STAFF: N_("cán bộ huỷ"),
    TicketEnd.DAY_CLOSED: N_("hết ngày còn chờ"),
}


@router.get("/coordinator/{centre}/report")
async def report(
    centre: CentreRef,
    page: ThePage,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Reader,
    now: Now,
    day: Day = None,
) -> HTMLResponse:
    today = local_day(now)
    asked = day or today
    found = await show_report(centre, halls, centres, views, who, now, asked)
    offered = await list_services(centre, halls, centres, who, now)
    return page.show(
        "queue/report.html",
        centre=centre,
        name=getattr(offered.name, page.language),
        day=asked,
        today=today,
        before=asked - timedelta(days=1),
        after=asked + timedelta(days=1) if asked < today else None,
        report=found,
        hours=_hours(found),
        services={service.code: getattr(service.name, page.language) for service in offered.services},
        outcomes=OUTCOMES,
        cancelled=CANCELLED,
    )


WORKING_HOURS: Final = (7, 16)
"""What the picture shows at least."""


def _hours(report: Report) -> list[tuple[str, int, float]]:
    """Each hour of the picture: how many came, how long they waited (minutes, mean)."""
    known = {figures.hour: figures for figures in report.by_hour}
    first, last = min(known, default=WORKING_HOURS[0]), max(known, default=WORKING_HOURS[1])
    shown = range(min(first, WORKING_HOURS[0]), max(last, WORKING_HOURS[1]) + 1)
    each = [(hour, known.get(hour)) for hour in shown]
    return [(f"{hour}h", one.issued if one else 0, (one and one.wait_mean_minutes) or 0) for hour, one in each]


@router.get("/coordinator/{centre}/report.csv")
async def report_as_csv(
    centre: CentreRef,
    page: ThePage,
    halls: Halls,
    centres: Centres,
    views: OurViews,
    who: Reader,
    now: Now,
    day: Day = None,
) -> Response:
    found = await show_report(centre, halls, centres, views, who, now, day or local_day(now))
    offered = await list_services(centre, halls, centres, who, now)
    names = {service.code: getattr(service.name, page.language) for service in offered.services}
    return as_csv(_rows(found, names, page), f"{centre}-{found.day}-hall.csv")


def _rows(report: Report, names: Mapping[str, str], page: ThePage) -> Iterator[list[Cell]]:
    """One figure a line: of what, which, how much."""
    _ = page.speech._
    yield [_("Ngày"), report.day.isoformat(), None]
    yield [_("Nhóm"), _("Chỉ tiêu"), _("Số")]
    whole: dict[str, int | None] = {
        _("Số đã lấy"): report.issued,
        _("Hồ sơ hoàn tất"): report.completed,
        **{_(text): report.outcomes.get(outcome, 0) for outcome, text in OUTCOMES.items()},
        _("Chưa xong khi hết ngày"): report.unfinished,
        _("Vắng mặt"): report.no_show,
        **{_(text): report.cancelled_because.get(end, 0) for end, text in CANCELLED.items()},
        _("Còn trong sảnh"): report.still_here,
        _("Ưu tiên"): report.priority,
        _("Nhờ giúp"): report.needs_help,
        _("Không có xe về"): report.ride_home,
        _("Chờ trung bình (giây)"): _seconds(report.wait_mean_minutes),
        _("Giao dịch trung bình (giây)"): _seconds(report.transaction_mean_minutes),
    }
    for text, count in whole.items():
        yield [_("Cả ngày"), text, count]
    for figures in report.by_hour:
        yield from _of(f"{figures.hour:02}:00", figures, page)
    for code, service in report.by_service.items():
        yield from _of(names.get(code, code), service, page)


def _of(group: str, figures: ServiceFigures, page: ThePage) -> Iterator[list[Cell]]:
    _ = page.speech._
    yield [group, _("Số đã lấy"), figures.issued]
    yield [group, _("Hồ sơ hoàn tất"), figures.completed]
    yield [group, _("Chờ trung bình (giây)"), _seconds(figures.wait_mean_minutes)]


def _seconds(minutes: float | None) -> int | None:
    """Whole: a decimal mark is read differently by spreadsheets in Vietnamese and in English."""
    return None if minutes is None else round(minutes * 60)

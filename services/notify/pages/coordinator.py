"""What the notifier knows for the coordinator's screen: what waits for her, who was asked about what, what became of
messages. A page of its own too; `/coordinator/{centre}` fetches its parts by their ids.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.errors import Refusal
from services.chassis.pages import TheForm, ThePage
from services.chassis.pages.speech import N_
from services.chassis.web import Now, Router
from services.contracts.words import AssistanceRef, CentreRef, EscalatedBecause, JobRef
from services.notify.api import (
    Contacts,
    Dispatches,
    OurSealer,
    OurViews,
    assign_assistance,
    show_candidates,
    show_dispatch,
    tell_of_messages,
)
from services.notify.messages import MessageState, NotSentBecause, Template
from services.notify.shapes import HelperGiven

router = Router(prefix="/notify/coordinator", tags=["pages"], include_in_schema=False)

Coordinator = Annotated[Actor, may("coordinator")]

WHY: Final[Mapping[EscalatedBecause, str]] = {
    EscalatedBecause.NOBODY_ACCEPTED: N_("Đã mời mà chưa ai nhận"),
    EscalatedBecause.NOBODY_ON_DUTY: N_("Lúc được nhờ, không có đoàn viên nào đang trực"),
    EscalatedBecause.BORN_EXPIRED: N_("Hệ thống biết quá muộn nên chưa mời ai"),
    EscalatedBecause.FLOOR_BELOW_MINIMUM: N_("Người có xe đang trực, đi thì sảnh thiếu người"),
}
MESSAGES: Final[Mapping[Template, str]] = {
    Template.TICKET: N_("Đường dẫn đến phiếu"),
    Template.CALLED: N_("Mời đến quầy"),
    Template.RIDE_ASSIGNED: N_("Đã có người chở"),
    Template.RIDE_GIVEN: N_("Giao chuyến xe cho đoàn viên"),
    Template.FETCH: N_("Nhờ gia đình đến đón"),
    Template.OFFER: N_("Mời đoàn viên nhận việc"),
    Template.OFFER_VOID: N_("Báo việc đã có người"),
    Template.SIGN_IN: N_("Mã đăng nhập đoàn viên"),
}
BECAME: Final[Mapping[MessageState, tuple[str, str]]] = {
    MessageState.PENDING: (N_("đang gửi"), "wait"),
    MessageState.SENT: (N_("đã gửi"), "go"),
    MessageState.EXPIRED: (N_("quá hạn, không gửi"), "wait"),
    MessageState.REFUSED: (N_("không gửi được"), "stop"),
}
"""What became of a message, and the kind of its tag."""
NOT_SENT: Final[Mapping[NotSentBecause, str]] = {
    NotSentBecause.NO_CONSENT: N_("người này không đồng ý nhận"),
    NotSentBecause.STOPPED: N_("người này đã yêu cầu thôi nhắn"),
    NotSentBecause.ERASED: N_("số đã được xoá"),
    NotSentBecause.BUDGET: N_("hôm nay đã nhắn số này đủ nhiều"),
    NotSentBecause.CARRIER: N_("nhà mạng không nhận"),
}


@router.get("/{centre}")
async def what_waits(
    centre: CentreRef,
    page: ThePage,
    dispatches: Dispatches,
    our: OurViews,
    sealer: OurSealer,
    contacts: Contacts,
    who: Coordinator,
    now: Now,
) -> HTMLResponse:
    shown = await show_dispatch(centre, dispatches, our, who)
    told = await tell_of_messages(centre, our, sealer, contacts, who, now, 20)
    return page.show(
        "notify/coordinator.html",
        centre=centre,
        dispatch=shown,
        jobs={job.job: job for job in shown.jobs},
        messages=told,
        why=WHY,
        templates=MESSAGES,
        became=BECAME,
        not_sent=NOT_SENT,
    )


@router.get("/jobs/{job}")
async def one_job(job: JobRef, page: ThePage, dispatches: Dispatches, who: Coordinator, now: Now) -> HTMLResponse:
    """What can be done about it: who could take it, in the order of offers."""
    return await _job(job, page, dispatches, who, now, None)


@router.post("/help/{assistance_id}/assign")
async def give_help(
    assistance_id: AssistanceRef, page: ThePage, form: TheForm, dispatches: Dispatches, who: Coordinator, now: Now
) -> Response:
    try:
        given = form.into(HelperGiven, member=form.text("member"))
        await assign_assistance(assistance_id, given, dispatches, who, form.once, now)
    except Refusal as refused:
        return await _job(assistance_id, page, dispatches, who, now, refused)
    return page.go(f"/coordinator/{assistance_id[:5]}")


async def _job(
    job: str, page: ThePage, dispatches: Dispatches, who: Actor, now: Now, refused: Refusal | None
) -> HTMLResponse:
    shown = await show_candidates(job, dispatches, who, now)
    facts: dict[str, Any] = {"centre": job[:5], "shown": shown, "why": WHY}
    return page.show("notify/coordinator-job.html", refused=refused, **facts)

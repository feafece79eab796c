"""Courses and enrolment: sessions, who has a place and who waits, who came and who passed.

Members are references here: their names, and whom there is to choose from, come from the volunteers' service in the
browser.
"""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.errors import Refusal
from services.chassis.pages import TheForm, ThePage
from services.chassis.pages.lists import whole
from services.chassis.pages.page import FormNotValid
from services.chassis.pages.speech import N_
from services.chassis.web import Now, Router
from services.contracts.words import CentreRef, MemberRef, SessionRef
from services.training.api import (
    OurSealer,
    OurViews,
    Sessions,
    cancel_enrolment,
    enrol_learner,
    list_courses,
    list_sessions,
    plan_session,
    record_attendance,
    show_session,
)
from services.training.shapes import AttendanceGiven, EnrolmentGiven, MarkGiven, SessionGiven

router = Router(prefix="/training/settings", tags=["pages"], include_in_schema=False)

Coordinator = Annotated[Actor, may("coordinator")]

MEMBER_MEANT: Final = N_("một đoàn viên trong danh sách")
DAY_MEANT: Final = N_("ngày và giờ bắt đầu")
ONE: Final = "training/settings-session.html"


# ---------------------------------------------------------------------------------------------------------- sessions


@router.get("/{centre}")
async def sessions(centre: CentreRef, page: ThePage, our: OurViews, who: Coordinator, now: Now) -> HTMLResponse:
    return await _sessions(centre, page, our, who, now, None, {})


@router.post("/{centre}")
async def plan(
    centre: CentreRef,
    page: ThePage,
    form: TheForm,
    documents: Sessions,
    our: OurViews,
    sealer: OurSealer,
    who: Coordinator,
    now: Now,
) -> Response:
    typed = {name: form.text(name) for name in ("course", "day", "time", "minutes", "places")}
    try:
        starts = f"{typed['day']}T{typed['time']}:00+07:00"
        numbers = {"minutes": typed["minutes"], "places": typed["places"]}
        given = form.into(SessionGiven, centre=centre, course=typed["course"], starts=starts, **numbers)
        made = await plan_session(given, documents, sealer, who, form.once, now)
    except Refusal as refused:
        return await _sessions(centre, page, our, who, now, _said(refused, page), typed)
    return page.go(f"/training/settings/sessions/{made.session}")


def _said(refused: Refusal, page: ThePage) -> Refusal:
    if isinstance(refused, FormNotValid) and "starts" in refused.fields:
        others = {name: said for name, said in refused.fields.items() if name != "starts"}
        return FormNotValid({"day": page.speech._(DAY_MEANT), **others})
    return refused


async def _sessions(
    centre: str,
    page: ThePage,
    our: OurViews,
    who: Actor,
    now: Now,
    refused: Refusal | None,
    typed: Mapping[str, str],
) -> HTMLResponse:
    found = await whole(partial(list_sessions, centre, our, who), lambda part: part.sessions)
    found.sort(key=lambda one: one.starts)
    facts: dict[str, Any] = {
        "centre": centre,
        "courses": {course.code: course for course in (await list_courses(who)).courses},
        "coming": [one for one in found if one.ends > now],
        "past": [one for one in reversed(found) if one.ends <= now][:20],
        "values": {"course": "", "day": "", "time": "08:00", "minutes": "120", "places": "15"} | dict(typed),
    }
    template = "training/settings.html"
    return page.show(template, refused=refused, **facts)


# -------------------------------------------------------------------------------------------------------- one session


@router.get("/sessions/{session}")
async def one_session(
    session: SessionRef, page: ThePage, documents: Sessions, who: Coordinator, now: Now
) -> HTMLResponse:
    return page.show(ONE, **await _session(session, documents, who, now))


@router.post("/sessions/{session}/enrol")
async def enrol(
    session: SessionRef, page: ThePage, form: TheForm, documents: Sessions, who: Coordinator, now: Now
) -> Response:
    try:
        if not form.text("member"):
            raise FormNotValid({"member": page.speech._(MEMBER_MEANT)})
        given = form.into(EnrolmentGiven, member=form.text("member"))
        await enrol_learner(session, documents, who, form.once, now, given)
    except Refusal as refused:
        if isinstance(refused, FormNotValid):
            refused = FormNotValid({"member": page.speech._(MEMBER_MEANT)})
        return page.refuse(ONE, refused, **await _session(session, documents, who, now))
    return page.go(f"/training/settings/sessions/{session}")


@router.post("/sessions/{session}/enrolments/{member}/cancel")
async def give_back(
    session: SessionRef,
    member: MemberRef,
    page: ThePage,
    form: TheForm,
    documents: Sessions,
    who: Coordinator,
    now: Now,
) -> Response:
    cancelled = cancel_enrolment(session, member, documents, who, form.once, now)
    again = partial(_session, session, documents, who, now)
    return await page.after(cancelled, f"/training/settings/sessions/{session}", ONE, again)


@router.post("/sessions/{session}/attendance")
async def who_came(
    session: SessionRef, page: ThePage, form: TheForm, documents: Sessions, who: Coordinator, now: Now
) -> Response:
    """All of the list at once: who is not ticked was not there."""
    came, passed = set(form.all("present")), set(form.all("passed"))
    try:
        marks = [
            form.into(MarkGiven, member=member, present=member in came, passed=member in passed)
            for member in form.all("learner")
        ]
        given = form.into(AttendanceGiven, marks=marks)
        await record_attendance(session, given, documents, who, form.once, now)
    except Refusal as refused:
        return page.refuse(ONE, refused, **await _session(session, documents, who, now))
    return page.go(f"/training/settings/sessions/{session}")


async def _session(session: str, documents: Sessions, who: Actor, now: Now) -> dict[str, Any]:
    shown = await show_session(session, documents, who)
    courses = {course.code: course for course in (await list_courses(who)).courses}
    return {
        "centre": session[:5],
        "session": shown,
        "course": courses.get(shown.course),
        "begun": shown.starts <= now,
        "booked": [one for one in shown.learners if one.place == "booked"],
        "waiting": [one for one in shown.learners if one.place == "waiting"],
    }

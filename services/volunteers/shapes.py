"""What goes in and out over HTTP: requests that refuse what they do not know, answers that are complete."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticKnownError

from services.chassis.access import TicketOrPass
from services.chassis.places import AtPoint
from services.chassis.text import PlainText
from services.contracts.events import Skill
from services.contracts.words import (
    AssistanceRef,
    AssistanceResult,
    CentreRef,
    Code,
    ContactRef,
    Instead,
    JobKind,
    JobRef,
    Language,
    MemberRef,
    RideRef,
    TicketCode,
    Vehicle,
)
from services.volunteers.assistances import HelpStage
from services.volunteers.rides import RideStage

EXAMPLE_TICKET = "31186-20261124-7hk2m9x4tq0v"
EXAMPLE_MEMBER = "31186-m-4tq0v7hk2m9x"
Name = Annotated[str, PlainText(80), Field(description="full name, as on the list", examples=["Nguyễn Văn An"])]
Destination = Annotated[
    str,
    PlainText(200),
    Field(description="where to; sealed at once", examples=["Nhà văn hoá khu vực 5"]),
]
Hamlet = Annotated[Code, Field(description="code of a hamlet of the centre", examples=["khu-vuc-5"])]
Team = Annotated[Code, Field(description="code of the team", examples=["to-cong-nghe-so"])]
Seats = Annotated[int, Field(ge=1, le=4, description="how many go")]
Skills = Annotated[tuple[Skill, ...], Field(max_length=20)]
Languages = Annotated[tuple[Language, ...], Field(min_length=1, max_length=6, examples=[["vi", "km"]])]
# `not_recorded` is what the completed case writes: nobody says it.
Result = Literal[
    AssistanceResult.SHOWN,
    AssistanceResult.INSTALLED,
    AssistanceResult.ACTIVATED,
    AssistanceResult.PASSWORD_RECOVERED,
    AssistanceResult.FILED_ONLINE,
    AssistanceResult.PAID_CASHLESS,
    AssistanceResult.NOT_FINISHED,
]


Day = Annotated[
    date, Field(ge=date(2025, 7, 1), le=date(2099, 12, 31), description="local day", examples=["2026-11-24"])
]
"""Since there are wards with such centres, and while a calendar can still be reckoned from it."""


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


# ----------------------------------------------------------------------------------------------------- centre


class HamletGiven(AtPoint, Request):
    name: Annotated[str, PlainText(60), Field(examples=["Khu vực 5"])]


class CentreGiven(Request):
    """This service's part of the ward's YAML."""

    hamlets: Annotated[
        dict[Code, HamletGiven],
        Field(max_length=200, examples=[{"khu-vuc-5": {"name": "Khu vực 5", "lat": 10.0, "lon": 105.78}}]),
    ] = {}
    minimum: Annotated[int, Field(ge=1, le=20, description="members on duty a day, at least")] = 2
    maximum: Annotated[int, Field(ge=1, le=20, description="and at most", validate_default=True)] = 3

    @field_validator("maximum")
    @classmethod
    def not_below_the_minimum(cls, maximum: int, info: ValidationInfo) -> int:
        if maximum < (minimum := info.data.get("minimum", maximum)):
            raise PydanticKnownError("greater_than_equal", {"ge": minimum})
        return maximum


class HamletShown(Answer):
    name: str
    lat: float | None
    lon: float | None


class CentreShown(Answer):
    centre: CentreRef
    hamlets: dict[Code, HamletShown]
    minimum: int
    maximum: int


class HamletsShown(Answer):
    hamlets: dict[Code, HamletShown]


# ---------------------------------------------------------------------------------------------------- members


class MemberGiven(Request):
    centre: Annotated[
        CentreRef | None, Field(description="needed by who has more than one centre", examples=["31186"])
    ] = None
    name: Name
    team: Team
    vehicle: Vehicle = Vehicle.NONE
    spare_helmet: bool = False
    hamlet: Hamlet | None = None
    skills: Skills = ()
    languages: Languages = ("vi",)
    contact_ref: ContactRef | None = None


class MemberChanges(Request):
    """Only what is named changes. A member changes his own vehicle, helmet, hamlet, languages and contact."""

    name: Name | None = None
    team: Team | None = None
    active: bool | None = None
    vehicle: Vehicle | None = None
    spare_helmet: bool | None = None
    hamlet: Hamlet | None = None
    skills: Skills | None = None
    languages: Languages | None = None
    contact_ref: ContactRef | None = None


class MemberShown(Answer):
    member: Annotated[MemberRef, Field(examples=[EXAMPLE_MEMBER])]
    name: Annotated[str | None, Field(description="to the coordinator and himself", examples=["Nguyễn Văn An"])]
    team: Code
    active: bool
    vehicle: Vehicle
    spare_helmet: bool
    hamlet: Code | None
    skills: tuple[Skill, ...]
    languages: tuple[Language, ...]
    contact_ref: ContactRef | None


class MemberInFull(MemberShown):
    checked_in_at: CentreRef | None
    checked_in_since: datetime | None
    minutes: Annotated[dict[date, int], Field(description="minutes of rides credited, by day, for 31 days")]


class MembersPage(Answer):
    members: list[MemberShown]
    next: Annotated[str | None, Field(description="give it as `after` for the next page")]


# ----------------------------------------------------------------------------------------------------- duties


class DutyGivenTo(Request):
    day: Day
    member: Annotated[MemberRef | None, Field(description="who; a volunteer means himself")] = None
    override: Annotated[bool, Field(description="one more than the maximum; coordinator only")] = False


class DutyShown(Answer):
    day: date
    member: MemberRef
    override: bool


class OnDuty(Answer):
    member: MemberRef
    name: Annotated[str | None, Field(description="to the coordinator")]


class DutyDay(Answer):
    day: date
    members: list[OnDuty]
    missing: Annotated[int, Field(ge=0, description="how many fewer than the minimum")]


class Duties(Answer):
    minimum: int
    maximum: int
    days: list[DutyDay]


class WhoCheck(Request):
    member: Annotated[MemberRef | None, Field(description="who; a volunteer means himself")] = None


class CheckedIn(Answer):
    member: MemberRef
    centre: CentreRef


class CheckedOut(CheckedIn):
    minutes: Annotated[int, Field(ge=0, description="since the check-in")]


class OnFloor(OnDuty):
    since: datetime
    skills: tuple[Skill, ...]
    languages: tuple[Language, ...]


class Floor(Answer):
    members: list[OnFloor]


# ------------------------------------------------------------------------------------------------------ rides


class RideWanted(Request):
    ticket: TicketOrPass
    destination: Destination | None = None
    hamlet: Annotated[
        Hamlet | None,
        Field(description="read off the destination when it is not given; `elsewhere` when it names none"),
    ] = None
    seats: Seats = 1


class RideChanged(Answer):
    ride_id: Annotated[RideRef, Field(examples=[f"{EXAMPLE_TICKET}-ride"])]
    state: RideStage
    hamlet: Annotated[Code | None, Field(description="when the answer is about where to")] = None
    seats: int | None = None
    member: Annotated[MemberRef | None, Field(description="who drives, when the answer is about that")] = None
    minutes: Annotated[int | None, Field(description="credited, after the drop-off")] = None


class RideShown(Answer):
    ride_id: Annotated[RideRef, Field(examples=[f"{EXAMPLE_TICKET}-ride"])]
    state: RideStage
    since: datetime
    code: TicketCode | None
    hamlet: Code | None
    seats: int
    driver: Annotated[MemberRef | None, Field(description="to the driver and to the centre")]
    driver_name: Annotated[str | None, Field(description="the given name, to the citizen and the coordinator")]
    code_word: Annotated[
        str | None, Field(description="said by the driver; to him and to the citizen", examples=["dừa xanh"])
    ]
    instead: Annotated[Instead | None, Field(description="of a cancelled one: how she gets home")] = None
    destination: Annotated[
        str | None, Field(description="to the citizen, the coordinator, and the driver while open")
    ] = None


class RideEnd(Request):
    instead: Annotated[Instead | None, Field(description="how she gets home; said by the centre only")] = None


class RideListed(Answer):
    ride_id: RideRef
    state: RideStage
    since: datetime
    late: Annotated[bool, Field(description="taken a quarter of an hour ago, and not picked up")]
    code: TicketCode | None
    hamlet: Code | None
    seats: int
    member: MemberRef | None
    minutes: int
    instead: Annotated[Instead | None, Field(description="of a cancelled one: how she got home")] = None


class RidesPage(Answer):
    rides: list[RideListed]
    next: str | None


class GivenTo(Request):
    member: Annotated[MemberRef, Field(examples=[EXAMPLE_MEMBER])]


# ------------------------------------------------------------------------------------------------- assistances


class HelpNeeded(Request):
    ticket: TicketOrPass


class Summons(Request):
    language: Language = "vi"


class WhatCameOfIt(Request):
    result: Result


class AssistanceChanged(Answer):
    assistance_id: Annotated[AssistanceRef, Field(examples=[f"{EXAMPLE_TICKET}-help"])]
    state: Annotated[HelpStage, Field(description="`blank`: asked for, the ticket itself was not heard of yet")]
    result: AssistanceResult | None = None
    member: MemberRef | None = None
    minutes: int | None = None


class AssistanceShown(Answer):
    assistance_id: Annotated[AssistanceRef, Field(examples=[f"{EXAMPLE_TICKET}-help"])]
    state: HelpStage
    code: TicketCode | None
    member: Annotated[MemberRef | None, Field(description="to the centre")]
    helper_name: Annotated[str | None, Field(description="the given name, to the citizen and the coordinator")]
    result: AssistanceResult | None


class AssistanceListed(Answer):
    assistance_id: AssistanceRef
    state: HelpStage
    since: datetime
    code: TicketCode | None
    member: MemberRef | None
    result: AssistanceResult | None
    minutes: int


class AssistancesPage(Answer):
    assistances: list[AssistanceListed]
    next: str | None


# ------------------------------------------------------------------------------------------- jobs and the report


class Job(Answer):
    kind: JobKind
    id: JobRef
    state: Literal["taken", "assigned", "picked_up"]
    since: datetime
    code: TicketCode | None
    hamlet: Code | None
    seats: int | None


class Jobs(Answer):
    jobs: list[Job]


class Done(Answer):
    """What I helped with or drove today; a result `not_recorded` waits for me to say what came of it."""

    kind: JobKind
    id: JobRef
    code: TicketCode | None
    since: datetime
    result: Annotated[AssistanceResult | None, Field(description="of an assistance")]
    minutes: int


class DoneToday(Answer):
    done: list[Done]


class HoursOfDay(Answer):
    """What I did at my centre on one day; minutes on duty and of rides are two counts, never added."""

    day: date
    minutes_on_duty: int
    rides: int
    ride_minutes: int


class Hours(Answer):
    """One month, the newest day first; days on which I was not there are left out."""

    month: Annotated[str, Field(examples=["2026-11"])]
    days: list[HoursOfDay]
    minutes_on_duty: int
    rides: int
    ride_minutes: int


class Report(Answer):
    """What the volunteers did for the tickets of one day. Counts say what they count."""

    centre: CentreRef
    day: date
    people_helped: Annotated[int, Field(description="tickets that somebody helped, however often they asked")]
    unattended: Annotated[int, Field(description="asked, and the case was completed before anybody came")]
    assistances_open: int
    assistances_cancelled: int
    results: Annotated[dict[AssistanceResult, int], Field(description="what came of each help")]
    rides_planned: Annotated[int, Field(description="wished for and not due")]
    rides_requested: Annotated[int, Field(description="that were due at some time of the day")]
    rides_open: int
    rides_completed: int
    rides_cancelled: int
    rides_instead: Annotated[dict[Instead, int], Field(description="of the cancelled: how they got home")]
    minutes_credited: Annotated[int, Field(description="from acceptance to drop-off, all members")]
    minutes_on_duty: int
    volunteers_present: int

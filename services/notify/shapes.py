"""What goes in and out over HTTP: requests that refuse what they do not know, answers that are complete."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from services.chassis.access import TicketOrPass
from services.chassis.places import AtPoint
from services.chassis.text import PlainText
from services.contracts.words import (
    CentreRef,
    Code,
    ContactRef,
    EscalatedBecause,
    JobKind,
    JobRef,
    Language,
    MemberRef,
    OfferRef,
    TicketCode,
)
from services.notify.contacts import Purpose
from services.notify.links import LINK
from services.notify.messages import MessageState, NotSentBecause, Template
from services.notify.texts import SHORT_NAME_AT_MOST

Phone = Annotated[str, PlainText(40), Field(description="a mobile number of Vietnam", examples=["0912 345 678"])]
TheOffer = Annotated[OfferRef, Field(examples=["31186-o-7hk2m9x4tq0v"])]
TheJob = Annotated[JobRef, Field(description="the ride or assistance", examples=["31186-20261124-7hk2m9x4tq0v-ride"])]
TheContact = Annotated[ContactRef, Field(examples=["c-7hk2m9x4tq0v7hk2m9x4tq0v7h"])]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


# ------------------------------------------------------------------------------------------------------ centre


class HamletGiven(AtPoint, Request):
    name: Annotated[str, PlainText(60), Field(examples=["Khu vực 5"])]


class CentreGiven(AtPoint, Request):
    """This service's part of the ward's YAML, with the point where the centre is."""

    short_name: Annotated[
        str, PlainText(SHORT_NAME_AT_MOST), Field(description="every SMS begins with it", examples=["P. Cái Răng"])
    ]
    hamlets: Annotated[
        dict[Code, HamletGiven],
        Field(max_length=200, examples=[{"khu-vuc-5": {"name": "Khu vực 5", "lat": 10.0, "lon": 105.78}}]),
    ] = {}


class HamletShown(Answer):
    name: str
    lat: float | None
    lon: float | None


class CentreShown(Answer):
    centre: CentreRef
    short_name: str
    lat: float | None
    lon: float | None
    hamlets: dict[Code, HamletShown]


# ---------------------------------------------------------------------------------------------------- contacts


class ContactGivenHere(Request):
    """A number, and what its owner agreed to. A holder names the ticket by pass; the others may name a centre."""

    phone: Phone
    purposes: Annotated[
        list[Purpose], Field(min_length=1, max_length=4, description="each was agreed to", examples=[["queue_sms"]])
    ]
    ticket: TicketOrPass | None = None
    centre: Annotated[
        CentreRef | None, Field(description="needed by who has more than one centre", examples=["31186"])
    ] = None
    language: Language = "vi"


class ContactMade(Answer):
    contact_ref: TheContact


class NumberStopped(Request):
    phone: Phone


class ContactState(Answer):
    """`contacts` is how many visits or members this number stands for."""

    contact_ref: TheContact
    stopped: bool


# ------------------------------------------------------------------------------------------------------ sign-in


class CodeAsked(Request):
    phone: Phone


class CodeOnItsWay(Answer):
    """The same whether the number is known or not."""

    valid_minutes: int
    message: Annotated[
        str, Field(examples=["Nếu số này của một đoàn viên, mã đăng nhập sẽ đến bằng tin nhắn trong giây lát."])
    ]


class CodeOrLink(Request):
    """Either `phone` and `code`, or `link`: what stands behind `#` in a link that came by SMS."""

    phone: Phone | None = None
    code: Annotated[str | None, Field(pattern=r"^[0-9]{6}$", examples=["481516"])] = None
    link: Annotated[str | None, Field(pattern=LINK, examples=["o311867hk2m9x4tq0v.0123456789abcdefghjkmnpqrs"])] = None


class VolunteerSession(Answer):
    """`token` goes into `Authorization: Bearer`; the same is set as a cookie for pages."""

    token: str
    expires: datetime
    member: MemberRef
    roles: list[str]
    centres: list[CentreRef]


# ------------------------------------------------------------------------------------------------------ offers


class OfferShown(Answer):
    offer_id: TheOffer
    job: TheJob
    kind: JobKind
    code: Annotated[TicketCode | None, Field(description="the number on her ticket", examples=["A012"])]
    hamlet: Annotated[Code | None, Field(description="where a ride goes", examples=["khu-vuc-5"])]
    hamlet_name: Annotated[str | None, Field(examples=["Khu vực 5"])]
    metres: Annotated[int | None, Field(ge=0, description="from the centre to the middle of the hamlet")]
    made: datetime
    expires: datetime


class MyOffers(Answer):
    """Those that stand, the one that expires first at the head."""

    offers: list[OfferShown]


class OfferLookedAt(OfferShown):
    """One offer made to me; `code` and `hamlet` are gone when its job is."""

    over: Annotated[
        str | None,
        Field(
            description="why it can be taken no longer, as accepting it would say; null while it can",
            examples=["offer-taken"],
        ),
    ]


class OfferTakenUp(Answer):
    """It is yours."""

    offer_id: TheOffer
    job: TheJob
    kind: JobKind
    member: MemberRef


class OfferDeclinedNow(Answer):
    offer_id: TheOffer
    job: TheJob
    kind: JobKind


# ---------------------------------------------------------------------------------------------------- dispatch


class OnTheFloorShown(Answer):
    member: MemberRef
    job: Annotated[JobRef | None, Field(description="what he is doing")]
    open_offers: int
    offers_today: int
    jobs_today: int


class OpenOfferShown(Answer):
    offer_id: OfferRef
    member: MemberRef
    made: datetime
    expires: datetime


class JobShown(Answer):
    job: TheJob
    kind: JobKind
    code: TicketCode | None
    hamlet: Code | None
    seats: int
    since: Annotated[datetime, Field(description="wanted since then")]
    member: Annotated[MemberRef | None, Field(description="who has it")]
    escalated: EscalatedBecause | None
    escalates: Annotated[datetime | None, Field(description="when the coordinator is told, if nobody takes it")]
    open_offers: list[OpenOfferShown]
    asked: Annotated[int, Field(description="how many were asked so far")]
    declined: Annotated[int, Field(description="how many said no")]


class EscalationShown(Answer):
    """Something that waits for the coordinator: a job that nobody took, or a floor on which fewer than two stand."""

    id: str
    since: datetime
    state: Literal["open", "closed"]
    job: JobRef | None
    kind: JobKind | None
    reason: EscalatedBecause | None
    on_floor: Annotated[int | None, Field(description="of a thin floor: how many are left")]


class Escalations(Answer):
    escalations: list[EscalationShown]
    next: Annotated[str | None, Field(description="give it as `after` for the next page")] = None


class DispatchShown(Answer):
    centre: CentreRef
    on_floor: list[OnTheFloorShown]
    minimum_on_floor: int
    jobs: list[JobShown]
    escalations: list[EscalationShown]


class CandidateShown(Answer):
    member: MemberRef
    metres: Annotated[int | None, Field(description="from where he lives to where the ride goes")]
    jobs: Annotated[int, Field(description="done or taken today")]
    on_floor: bool
    busy: Annotated[bool, Field(description="has another job")]
    declined: Annotated[bool, Field(description="said no to this one")]
    asked: Annotated[bool, Field(description="has an open offer for it")]
    thins: Annotated[bool, Field(description="fewer than the minimum would be left on the floor")]


class Candidates(Answer):
    """Who could do it, in the order in which offers go out; last those against whom something speaks."""

    job: JobShown
    hamlet_name: str | None
    candidates: list[CandidateShown]


class HelperGiven(Request):
    member: MemberRef


# ---------------------------------------------------------------------------------------------------- messages


class MessageTold(Answer):
    """What became of a message; what it says is nobody's business here."""

    template: Template
    state: MessageState
    reason: Annotated[NotSentBecause | None, Field(description="why it was refused")]
    to: Annotated[str | None, Field(description="the number, masked", examples=["09••• ••678"])]
    planned: datetime
    ended: Annotated[datetime | None, Field(description="sent, refused or expired")]


class MessagesTold(Answer):
    """The messages of one day, the newest first."""

    day: str
    messages: list[MessageTold]
    count: Annotated[dict[MessageState, int], Field(description="of the whole day, by state")]


class MessageShown(Answer):
    """`text` is what was sent, or what would be; empty when its number was erased or its code is spent."""

    id: str
    template: Template
    state: MessageState
    reason: Annotated[NotSentBecause | None, Field(description="why it was refused")]
    to: Annotated[str | None, Field(description="the number, masked", examples=["09••• ••678"])]
    text: str
    planned: datetime
    expires: datetime
    ended: Annotated[datetime | None, Field(description="sent, refused or expired")]
    carrier: str | None
    segments: int | None


class MessagesPage(Answer):
    """The messages of one day, the newest first."""

    day: str
    messages: list[MessageShown]

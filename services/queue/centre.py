"""A centre as its ward describes it: services with their checklists, counters, hours, the rule of calling. Pure.

`CentreConfig` is the queue's part of the ward's YAML; its texts are of services, never of a person.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from hashlib import blake2b
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from services.chassis.clock import LOCAL, local_midnight_after
from services.chassis.errors import Stale
from services.chassis.text import PlainText
from services.contracts.events import CentreChanged
from services.contracts.words import Code, CounterNumber, Fact
from services.queue.hall import DayPlan, PlannedService, Span
from services.queue.refusals import NoSuchCentre


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Words(_Part):
    """One text in both languages."""

    vi: Annotated[str, PlainText(200)]
    en: Annotated[str, PlainText(200)]


PaperRef = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{12}$")]
"""Names a paper of a procedure by what it is called: moved in the list it stays, called otherwise it is another."""


def paper_ref(paper: Words) -> str:
    return blake2b(paper.vi.encode(), digest_size=6).hexdigest()


class Procedure(_Part):
    """What a citizen must know before she goes: shown at the kiosk, on her ticket and to her helper."""

    papers: Annotated[tuple[Words, ...], Field(max_length=30, description="to bring along")] = ()
    steps: Annotated[tuple[Words, ...], Field(max_length=30, description="what is done, in order")] = ()
    fee_vnd: Annotated[int, Field(ge=0, le=1_000_000_000, description="VND, 0: free")] = 0
    days: Annotated[int | None, Field(ge=0, le=365, description="time limit in working days, 0: at once")] = None
    pay: Annotated[Words | None, Field(description="how to pay without cash")] = None
    note: Words | None = None


class Weekday(StrEnum):
    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class Pictogram(StrEnum):
    """What a tile of the kiosk shows beside the name."""

    LAND = "land"
    COPY = "copy"
    FAMILY = "family"
    RING = "ring"
    CARE = "care"
    HOUSE = "pin"
    SHOP = "shop"
    PHONE = "phone"
    PAPER = "paper"
    MONEY = "money"


class ServiceConfig(_Part):
    name: Words
    pictogram: Annotated[Pictogram, Field(description="beside the name, on the kiosk's tile")] = Pictogram.PAPER
    series: Annotated[str, Field(pattern=r"^[A-Z]$", description="the letter on the ticket; services may share one")]
    counters: Annotated[tuple[CounterNumber, ...], Field(min_length=1, max_length=99)]
    quota: Annotated[int | None, Field(ge=0, le=99_999, description="numbers a day; none: no limit")] = None
    open: bool = True
    weekdays: Annotated[tuple[Weekday, ...] | None, Field(description="only on these days")] = None
    procedure: Procedure = Procedure()


_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"


def _one_after_another(hours: tuple[str, ...]) -> tuple[str, ...]:
    moments = [moment for span in hours for moment in span.split("-")]
    if moments != sorted(set(moments)):
        raise PydanticCustomError("hours_in_order", "hours one after another, without overlap")
    return hours


Hours = Annotated[
    tuple[Annotated[str, StringConstraints(pattern=rf"^{_CLOCK}-({_CLOCK}|24:00)$")], ...],
    AfterValidator(_one_after_another),
    Field(max_length=6, description="local times, e.g. 07:30-11:30 and 13:30-17:00; empty: closed"),
]


class CentreConfig(_Part):
    """The queue's part of a ward's YAML."""

    name: Words
    services: Annotated[dict[Code, ServiceConfig], Field(min_length=1, max_length=60)]
    hours: Annotated[dict[Weekday, Hours], Field(description="a weekday that is missing is closed")] = {}
    exceptions: Annotated[
        dict[date, Hours], Field(max_length=400, description="dates with hours of their own: closed or open")
    ] = {}
    always_open: Annotated[bool, Field(description="numbers day and night: for demo centres")] = False
    in_a_row: Annotated[int, Field(ge=1, le=20, description="priority calls one after another")] = 2
    ageing_minutes: Annotated[int, Field(ge=1, le=480, description="nobody waits longer while others go")] = 20
    early_minutes: Annotated[int, Field(ge=0, le=120, description="numbers are given before each opening")] = 0
    grace_minutes: Annotated[int, Field(ge=0, le=600, description="from the last closing to the day's end")] = 120

    def hours_on(self, day: date) -> Sequence[str]:
        return self.exceptions.get(day, self.hours.get(list(Weekday)[day.weekday()], ()))


class CentreChangedMeanwhile(Stale):
    en = "Somebody else changed the settings of this centre meanwhile. Look at them as they are now, then change them."
    vi = "Trong lúc bạn sửa, người khác đã đổi thiết lập của trung tâm. Hãy xem lại như bên dưới rồi sửa tiếp."


class CentreDescribed(Fact):
    """The whole description anew."""

    config: CentreConfig
    revision: int


@dataclass(slots=True)
class Centre:
    id: str
    config: CentreConfig | None = None
    revision: int = 0

    def known(self) -> CentreConfig:
        if self.config is None:
            raise NoSuchCentre(centre=self.id)
        return self.config


def describe(centre: Centre, *, config: CentreConfig, now: datetime) -> Sequence[Fact]:
    """The ward's YAML was put; the same one again changes nothing."""
    if config == centre.config:
        return []
    revision = centre.revision + 1
    return [CentreDescribed(config=config, revision=revision), CentreChanged(centre=centre.id, revision=revision)]


def amend(centre: Centre, *, config: CentreConfig, revision: int, now: datetime) -> Sequence[Fact]:
    """The same by somebody who looked at `revision` and must not undo what was changed since."""
    if centre.revision != revision:
        raise CentreChangedMeanwhile
    return describe(centre, config=config, now=now)


def evolve(centre: Centre, fact: Fact, at: datetime) -> None:
    match fact:
        case CentreDescribed():
            centre.config, centre.revision = fact.config, fact.revision


def plan_for(centre: Centre, day: date) -> DayPlan:
    """What this description means for the hall on that day. Raises `NoSuchCentre`."""
    config = centre.known()
    early = timedelta(minutes=config.early_minutes)
    midnight = local_midnight_after(day)
    spans = tuple(_span(hours, day, early) for hours in config.hours_on(day))
    ends = spans[-1].closes + timedelta(minutes=config.grace_minutes) if spans and not config.always_open else midnight
    weekday = list(Weekday)[day.weekday()]
    return DayPlan(
        revision=centre.revision,
        day=day,
        services={
            code: PlannedService(
                series=service.series,
                counters=service.counters,
                quota=service.quota,
                open=service.open and (service.weekdays is None or weekday in service.weekdays),
            )
            for code, service in config.services.items()
        },
        hours=spans,
        always_open=config.always_open,
        ends=min(ends, midnight),
        in_a_row=config.in_a_row,
        ageing_minutes=config.ageing_minutes,
    )


def _span(hours: str, day: date, early: timedelta) -> Span:
    opens, closes = hours.split("-")
    start = datetime.combine(day, time.fromisoformat(opens), LOCAL).astimezone(UTC)
    if closes == "24:00":
        return Span(opens=start - early, closes=local_midnight_after(day))
    return Span(opens=start - early, closes=datetime.combine(day, time.fromisoformat(closes), LOCAL).astimezone(UTC))

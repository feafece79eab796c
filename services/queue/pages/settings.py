"""Setting up a centre: services and counters, opening hours and exceptions, and the ward's YAML to keep.

A form is judged by the very model that judges the YAML; what is wrong is said at its field. Who saves what somebody
else has changed meanwhile is told so instead of undoing it.
"""

import re
from collections.abc import Callable, Mapping
from datetime import date
from typing import Annotated, Any, Final

from fastapi import Response
from starlette.responses import HTMLResponse

from services.chassis.access import Actor, may
from services.chassis.clock import local_day
from services.chassis.downloads import as_yaml
from services.chassis.errors import Refusal
from services.chassis.pages import Form, TheForm, ThePage
from services.chassis.pages.page import FormNotValid
from services.chassis.pages.speech import N_
from services.chassis.web import Now, Router
from services.contracts.words import CentreRef, Code
from services.queue.api import Centres
from services.queue.api_centre import describe_centre, show_centre
from services.queue.centre import Centre, CentreConfig, Pictogram, Procedure, ServiceConfig, Weekday
from services.queue.refusals import UnknownService

router = Router(tags=["pages"], include_in_schema=False)

Keeper = Annotated[Actor, may("coordinator", "operator")]

WEEKDAYS: Final[Mapping[Weekday, str]] = {
    Weekday.MON: N_("Thứ Hai"),
    Weekday.TUE: N_("Thứ Ba"),
    Weekday.WED: N_("Thứ Tư"),
    Weekday.THU: N_("Thứ Năm"),
    Weekday.FRI: N_("Thứ Sáu"),
    Weekday.SAT: N_("Thứ Bảy"),
    Weekday.SUN: N_("Chủ nhật"),
}
PICTOGRAMS: Final[Mapping[Pictogram, str]] = {
    Pictogram.LAND: N_("nhà đất"),
    Pictogram.COPY: N_("bản sao"),
    Pictogram.FAMILY: N_("gia đình"),
    Pictogram.RING: N_("nhẫn cưới"),
    Pictogram.CARE: N_("trái tim"),
    Pictogram.HOUSE: N_("nơi ở"),
    Pictogram.SHOP: N_("cửa hàng"),
    Pictogram.PHONE: N_("điện thoại"),
    Pictogram.PAPER: N_("giấy tờ"),
    Pictogram.MONEY: N_("tiền"),
}
NUMBERS: Final = ("in_a_row", "ageing_minutes", "early_minutes", "grace_minutes")
HOURS_MEANT: Final = N_("giờ như 07:00-11:00, 13:00-17:00; khoảng sau bắt đầu sau khoảng trước")
COUNTERS_MEANT: Final = N_("các số quầy từ 1 đến 99, cách nhau bằng dấu phẩy")
SERIES_MEANT: Final = N_("một chữ in hoa từ A đến Z")
CODE_MEANT: Final = N_("chữ thường không dấu, số và gạch nối, ví dụ dat-dai")
LINES_MEANT: Final = N_("số dòng tiếng Anh phải bằng số dòng tiếng Việt")
DAY_MEANT: Final = N_("một ngày")

Fields = Mapping[str, str]


# -------------------------------------------------------------------------------------------------------- the centre


@router.get("/settings")
async def which_centre(page: ThePage, who: Keeper) -> Response:
    if len(who.centres) == 1:
        return page.go(f"/settings/{min(who.centres)}")
    return page.show("queue/settings-centres.html", centres=sorted(who.centres))


@router.post("/settings")
async def that_centre(page: ThePage, form: TheForm, who: Keeper) -> Response:
    """The operator, who has all of them, names one."""
    centre = form.text("centre")
    if not re.fullmatch(r"[0-9]{5}", centre):
        refused = FormNotValid({"centre": page.speech._("mã năm chữ số, ví dụ 31186")})
        return page.refuse("queue/settings-centres.html", refused, centres=sorted(who.centres))
    return page.go(f"/settings/{centre}")


@router.get("/settings/{centre}")
async def overview(centre: CentreRef, page: ThePage, centres: Centres, who: Keeper) -> HTMLResponse:
    config = await centres.read(centre, lambda known: known.config)
    return page.show("queue/settings.html", centre=centre, config=config)


@router.get("/settings/{centre}/ward.yaml")
async def our_part_of_the_yaml(centre: CentreRef, centres: Centres, who: Keeper) -> Response:
    """The queue's part; `static/ward.js` puts the three parts together to what `caunoi seed` takes."""
    config = await show_centre(centre, centres, who)
    return as_yaml({"centre": centre} | config.model_dump(mode="json", exclude_defaults=True), f"{centre}.yaml")


# -------------------------------------------------------------------------------------------------------------- name


@router.get("/settings/{centre}/name")
async def called(centre: CentreRef, page: ThePage, centres: Centres, who: Keeper) -> HTMLResponse:
    return await _called(centre, page, centres, None, {})


@router.post("/settings/{centre}/name")
async def call_it(centre: CentreRef, page: ThePage, form: TheForm, centres: Centres, who: Keeper, now: Now) -> Response:
    typed = {name: form.text(name) for name in ("name.vi", "name.en")}

    def change(known: CentreConfig) -> CentreConfig:
        return form.into(CentreConfig, **(dict(known) | {"name": {"vi": typed["name.vi"], "en": typed["name.en"]}}))

    try:
        await _amend(centre, form, centres, who, now, change)
    except Refusal as refused:
        return await _called(centre, page, centres, refused, typed)
    return page.go(f"/settings/{centre}")


async def _called(centre: str, page: ThePage, centres: Centres, refused: Refusal | None, typed: Fields) -> HTMLResponse:
    config, revision = await centres.read(centre, _known)
    kept = {f"name.{language}": getattr(config.name, language) for language in ("vi", "en")}
    facts: dict[str, Any] = {
        "centre": centre,
        "config": config,
        "revision": revision,
        "values": kept | (dict(typed) if isinstance(refused, FormNotValid) else {}),
    }
    return page.show("queue/settings-name.html", refused=refused, **facts)


# ------------------------------------------------------------------------------------------------------------- hours


@router.get("/settings/{centre}/hours")
async def hours(centre: CentreRef, page: ThePage, centres: Centres, who: Keeper, now: Now) -> HTMLResponse:
    return await _hours(centre, page, centres, now, None, {})


@router.post("/settings/{centre}/hours")
async def set_hours(
    centre: CentreRef, page: ThePage, form: TheForm, centres: Centres, who: Keeper, now: Now
) -> Response:
    typed = {day.value: form.text(f"hours.{day.value}") for day in Weekday}
    numbers = {name: form.text(name) for name in NUMBERS}

    def change(known: CentreConfig) -> CentreConfig:
        given = {day: spans for day, text in typed.items() if (spans := spans_in(text))}
        new = {"hours": given, "always_open": form.ticked("always_open"), **numbers}
        return form.into(CentreConfig, **(dict(known) | new))

    shown = {f"hours.{day}": text for day, text in typed.items()} | numbers
    meant = {f"hours.{day.value}": HOURS_MEANT for day in Weekday}
    try:
        await _amend(centre, form, centres, who, now, change)
    except Refusal as refused:
        return await _hours(centre, page, centres, now, page.at_fields(refused, shown, meant), shown)
    return page.go(f"/settings/{centre}/hours")


@router.post("/settings/{centre}/exceptions")
async def set_exception(
    centre: CentreRef, page: ThePage, form: TheForm, centres: Centres, who: Keeper, now: Now
) -> Response:
    """A day with hours of its own; `remove` takes it off the list again."""
    day, typed = form.text("exception"), form.text("exceptions")

    def change(known: CentreConfig) -> CentreConfig:
        kept = {one: spans for one, spans in known.exceptions.items() if one.isoformat() != form.text("remove")}
        given = {} if form.ticked("remove") else {_day(day, page): spans_in(typed)}
        return form.into(CentreConfig, **(dict(known) | {"exceptions": kept | given}))

    shown = {"exception": day, "exceptions": typed}
    try:
        await _amend(centre, form, centres, who, now, change)
    except Refusal as refused:
        said = page.at_fields(refused, shown, {"exceptions": HOURS_MEANT})
        return await _hours(centre, page, centres, now, said, shown)
    return page.go(f"/settings/{centre}/hours")


async def _hours(
    centre: str, page: ThePage, centres: Centres, now: Now, refused: Refusal | None, typed: Fields
) -> HTMLResponse:
    config, revision = await centres.read(centre, _known)
    keeps = isinstance(refused, FormNotValid)
    kept = {f"hours.{day.value}": ", ".join(config.hours.get(day, ())) for day in Weekday}
    kept |= {name: str(getattr(config, name)) for name in NUMBERS} | {"exception": "", "exceptions": ""}
    today = local_day(now)
    facts: dict[str, Any] = {
        "centre": centre,
        "config": config,
        "revision": revision,
        "values": kept | (dict(typed) if keeps else {}),
        "weekdays": WEEKDAYS,
        "coming": sorted((day, spans) for day, spans in config.exceptions.items() if day >= today),
        "today": today,
    }
    template = "queue/settings-hours.html"
    return page.show(template, refused=refused, **facts)


def spans_in(text: str) -> tuple[str, ...]:
    """`7:00 - 11:00, 13:00-17:00` as the YAML says it."""
    tight = re.sub(r"\s*[-–—]\s*", "-", text)
    return tuple(re.sub(r"\b(\d:)", r"0\1", span) for span in re.split(r"[,;\s]+", tight) if span)


def _day(text: str, page: ThePage) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise FormNotValid({"exception": page.speech._(DAY_MEANT)}) from None


# ---------------------------------------------------------------------------------------------------------- services


@router.get("/settings/{centre}/services")
async def services(centre: CentreRef, page: ThePage, centres: Centres, who: Keeper) -> HTMLResponse:
    config, _ = await centres.read(centre, _known)
    return page.show("queue/settings-services.html", centre=centre, config=config)


@router.get("/settings/{centre}/services/new")
async def another_service(centre: CentreRef, page: ThePage, centres: Centres, who: Keeper) -> HTMLResponse:
    return await _service(centre, None, page, centres, None, {})


@router.get("/settings/{centre}/services/{service}")
async def one_service(centre: CentreRef, service: Code, page: ThePage, centres: Centres, who: Keeper) -> HTMLResponse:
    return await _service(centre, service, page, centres, None, {})


@router.post("/settings/{centre}/services/new")
async def add_service(
    centre: CentreRef, page: ThePage, form: TheForm, centres: Centres, who: Keeper, now: Now
) -> Response:
    return await _keep_service(centre, None, page, form, centres, who, now)


@router.post("/settings/{centre}/services/{service}")
async def change_service(
    centre: CentreRef, service: Code, page: ThePage, form: TheForm, centres: Centres, who: Keeper, now: Now
) -> Response:
    return await _keep_service(centre, service, page, form, centres, who, now)


@router.post("/settings/{centre}/services/{service}/remove")
async def remove_service(
    centre: CentreRef, service: Code, page: ThePage, form: TheForm, centres: Centres, who: Keeper, now: Now
) -> Response:
    def change(known: CentreConfig) -> CentreConfig:
        kept = {code: one for code, one in known.services.items() if code != service}
        return form.into(CentreConfig, **(dict(known) | {"services": kept}))

    try:
        await _amend(centre, form, centres, who, now, change)
    except Refusal as refused:
        return await _service(centre, service, page, centres, refused, {})
    return page.go(f"/settings/{centre}/services")


_TEXTS: Final = ("code", "name.vi", "name.en", "series", "counters", "quota", "pictogram")
_OF_PROCEDURE: Final = ("papers.vi", "papers.en", "steps.vi", "steps.en", "fee_vnd", "days")
_IN_BOTH: Final = ("pay.vi", "pay.en", "note.vi", "note.en")


async def _keep_service(
    centre: str, code: str | None, page: ThePage, form: Form, centres: Centres, who: Actor, now: Now
) -> Response:
    typed = {name: form.text(name) for name in (*_TEXTS, *_OF_PROCEDURE, *_IN_BOTH)}
    weekdays = [day for day in Weekday if day.value in form.all("weekdays")]
    flags = {"open": form.ticked("open"), "weekdays": weekdays}
    meant = {"counters": COUNTERS_MEANT, "series": SERIES_MEANT}

    def change(known: CentreConfig) -> CentreConfig:
        given = form.into(
            ServiceConfig,
            name={"vi": typed["name.vi"], "en": typed["name.en"]},
            pictogram=typed["pictogram"],
            series=typed["series"],
            counters=[number for number in re.split(r"[,;\s]+", typed["counters"]) if number],
            quota=typed["quota"] or None,
            open=form.ticked("open"),
            weekdays=weekdays if 0 < len(weekdays) < len(Weekday) else None,
            procedure=_procedure(typed, page),
        )
        named = code or typed["code"]
        if not re.fullmatch(r"[a-z][a-z0-9-]{0,39}", named):
            raise FormNotValid({"code": CODE_MEANT})
        if code is None and (named in known.services or named == "new"):
            raise FormNotValid({"code": CODE_TAKEN})
        return form.into(CentreConfig, **(dict(known) | {"services": {**known.services, named: given}}))

    try:
        await _amend(centre, form, centres, who, now, change)
    except Refusal as refused:
        said = page.at_fields(refused, typed, meant, within="procedure.")
        return await _service(centre, code, page, centres, said, {**typed, **flags})
    return page.go(f"/settings/{centre}/services")


CODE_TAKEN: Final = N_("một mã chưa dùng ở trung tâm này")


def _procedure(typed: Fields, page: ThePage) -> dict[str, Any]:
    return {
        "papers": _lines(typed, "papers", page),
        "steps": _lines(typed, "steps", page),
        "fee_vnd": typed["fee_vnd"] or 0,
        "days": typed["days"] or None,
        "pay": _both(typed, "pay"),
        "note": _both(typed, "note"),
    }


def _lines(typed: Fields, name: str, page: ThePage) -> list[dict[str, str]]:
    """A text a line, the same number of them in both languages."""
    vi, en = ([line for line in typed[f"{name}.{language}"].splitlines() if line.strip()] for language in ("vi", "en"))
    if len(vi) != len(en):
        raise FormNotValid({f"{name}.en": page.speech._(LINES_MEANT)})
    return [{"vi": one, "en": other} for one, other in zip(vi, en, strict=True)]


def _both(typed: Fields, name: str) -> dict[str, str] | None:
    given = {language: typed[f"{name}.{language}"] for language in ("vi", "en")}
    return given if any(given.values()) else None


async def _service(
    centre: str, code: str | None, page: ThePage, centres: Centres, refused: Refusal | None, typed: Mapping[str, Any]
) -> HTMLResponse:
    config, revision = await centres.read(centre, _known)
    known = config.services.get(code) if code else None
    if code and known is None:
        raise UnknownService(service=code, known=", ".join(config.services))
    values = _values(known) | (dict(typed) if isinstance(refused, FormNotValid) else {})
    facts: dict[str, Any] = {
        "centre": centre,
        "code": code,
        "known": known,
        "values": values,
        "revision": revision,
        "only": len(config.services) == 1,
        "weekdays": WEEKDAYS,
        "pictograms": PICTOGRAMS,
    }
    template = "queue/settings-service.html"
    return page.show(template, refused=refused, **facts)


def _values(service: ServiceConfig | None) -> dict[str, Any]:
    """What stands in the form."""
    procedure = service.procedure if service else Procedure()
    lines = {
        f"{name}.{language}": "\n".join(getattr(line, language) for line in getattr(procedure, name))
        for name in ("papers", "steps")
        for language in ("vi", "en")
    }
    both = {
        f"{name}.{language}": getattr(text, language) if (text := getattr(procedure, name)) else ""
        for name in ("pay", "note")
        for language in ("vi", "en")
    }
    return {
        "code": "",
        "name.vi": service.name.vi if service else "",
        "name.en": service.name.en if service else "",
        "series": service.series if service else "",
        "counters": ", ".join(map(str, service.counters)) if service else "",
        "quota": "" if service is None or service.quota is None else str(service.quota),
        "pictogram": (service.pictogram if service else Pictogram.PAPER).value,
        "open": service.open if service else True,
        "weekdays": list(service.weekdays if service and service.weekdays else Weekday),
        "fee_vnd": str(procedure.fee_vnd),
        "days": "" if procedure.days is None else str(procedure.days),
        **lines,
        **both,
    }


# ------------------------------------------------------------------------------------------------------ for all forms


async def _amend(
    centre: str,
    form: Form,
    centres: Centres,
    who: Actor,
    now: Now,
    change: Callable[[CentreConfig], CentreConfig],
) -> None:
    """`change` of what stands now, if it is what the form was made from."""
    config, _ = await centres.read(centre, _known)
    seen = int(form.text("revision")) if form.text("revision").isdecimal() else 0
    await describe_centre(centre, change(config), centres, who, form.once, now, seen)


def _known(centre: Centre) -> tuple[CentreConfig, int]:
    return centre.known(), centre.revision

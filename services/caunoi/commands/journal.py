"""`caunoi journal`: what happened, fact by fact, as each service keeps it; and telling it to the world again."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from services.caunoi import shown
from services.caunoi.client import Caller, at_the_bus
from services.caunoi.failures import Failed
from services.caunoi.services import SERVICES
from services.chassis.clock import LOCAL, system_clock
from services.chassis.settings import Settings

NAMES: Final = tuple(service.name for service in SERVICES)
_AGO = re.compile(r"(\d{1,5})(m|h|d)")
_UNITS: Final = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}


def moment(text: str, now: datetime) -> datetime:
    """`2h`, `30m`, `3d` ago, or a day or a time, by the clock on the wall of a centre."""
    if ago := _AGO.fullmatch(text):
        return now - int(ago[1]) * _UNITS[ago[2]]
    try:
        told = datetime.fromisoformat(text)
    except ValueError:
        raise Failed(
            f"--since {text}: hãy viết 2026-11-24T08:00, 2026-11-24, hoặc 30m, 2h, 3d trước.",
            f"--since {text}: a time such as 2026-11-24T08:00, or 30m, 2h, 3d ago.",
        ) from None
    return told if told.tzinfo else told.replace(tzinfo=LOCAL)


async def listed(
    settings: Settings, *, service: str | None, since: str, about: str | None, limit: int, as_json: bool
) -> None:
    """Of all services, oldest first."""
    first = moment(since, system_clock())
    async with at_the_bus(settings, stores=True) as operator:
        found = [
            entry
            for name in _chosen(service)
            for entry in await _entries(operator, name, since=first.isoformat(), about=about, limit=limit)
        ]
    found.sort(key=lambda entry: entry["time"])
    if as_json:
        shown.as_json(found[:limit])
        return
    for entry in found[:limit]:
        when = datetime.fromisoformat(entry["time"]).astimezone(LOCAL)
        by = f" bởi {entry['by']}" if entry["by"] else ""
        where = f"{entry['source']}#{entry['sequence']}"
        shown.out.print(f"{when:%Y-%m-%d %H:%M:%S}  {entry['type']:<24} {entry['subject'] or where}{by}", markup=False)
    if len(found) > limit:
        shown.err.print(f"Còn nữa: thêm --since {found[limit]['time']} hoặc --limit. [dim]There is more.[/]")
    elif not found:
        shown.err.print("Không có sự việc nào. [dim]Nothing happened.[/]")


async def _entries(operator: Caller, service: str, *, limit: int, **asked: Any) -> Sequence[dict[str, Any]]:
    """One more than `limit`, so that it is known whether there is more."""
    found: list[dict[str, Any]] = []
    after = None
    while len(found) <= limit:
        page = await operator.get("/ops/journal", service=service, after=after, limit=min(limit + 1, 1_000), **asked)
        found += page["entries"]
        after = page.get("next")
        if after is None:
            break
    return found


async def republish(settings: Settings, *, since: str, service: str | None) -> None:
    first = moment(since, system_clock())
    async with at_the_bus(settings, stores=True) as operator:
        query = f"?service={service}" if service else ""
        owed = (await operator.post(f"/ops/journal/republish{query}", {"since": first.isoformat()}))["events"]
    for name, count in owed.items():
        shown.out.print(f"{name}: {count} sự kiện sẽ được phát lại. [dim]events will be published again[/]")


def _chosen(service: str | None) -> Sequence[str]:
    if service is not None and service not in NAMES:
        raise Failed(f"--service {service}: không có dịch vụ này.", f"--service is one of {', '.join(NAMES)}.")
    return (service,) if service else NAMES

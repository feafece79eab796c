"""`caunoi dlq`: the events that a service could not handle, and what becomes of them."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table

from services.caunoi import shown
from services.caunoi.client import at_the_bus
from services.caunoi.failures import Failed
from services.chassis.settings import Settings


async def listed(settings: Settings, *, topic: str | None, resolved: bool, as_json: bool) -> None:
    async with at_the_bus(settings) as operator:
        letters = (await operator.get("/ops/dlq", topic=topic, resolved=resolved))["letters"]
    if as_json:
        shown.as_json(letters)
    elif not letters:
        shown.out.print("Không có sự kiện nào bị bỏ lại. [dim]No dead letters.[/]")
    else:
        table = Table(title="Sự kiện không xử lý được · dead letters", title_justify="left")
        for heading in ("mã · reference", "dịch vụ · service", "lý do · reason", "lúc · when", ""):
            table.add_column(heading)
        for letter in letters:
            fate = (letter["resolution"] or {}).get("what", "")
            table.add_row(letter["reference"], letter["group"], letter["reason"], letter["when"][:19], fate)
        shown.out.print(table)


async def one(settings: Settings, reference: str, *, as_json: bool) -> None:
    async with at_the_bus(settings) as operator:
        letter = await operator.get(_path(reference))
    if as_json:
        shown.as_json(letter)
        return
    for name, value in letter.items():
        for line in _lines(name, value):
            shown.out.print(line, markup=False)


async def replay(settings: Settings, references: Sequence[str]) -> None:
    async with at_the_bus(settings) as operator:
        for reference in references:
            await operator.post(f"{_path(reference)}/replay")
            shown.out.print(f"{reference}: đã phát lại. [dim]replayed[/]")


async def discard(settings: Settings, references: Sequence[str], why: str) -> None:
    async with at_the_bus(settings) as operator:
        for reference in references:
            await operator.post(f"{_path(reference)}/discard", {"why": why})
            shown.out.print(f"{reference}: đã bỏ ({why}). [dim]discarded[/]")


def _path(reference: str) -> str:
    if reference.count("/") != 2:
        raise Failed(
            f"{reference}: mã phải có dạng queue-called/0/12, như trong `caunoi dlq ls`.",
            "A reference looks like queue-called/0/12, as `caunoi dlq ls` shows it.",
        )
    return f"/ops/dlq/{reference}"


def _lines(name: str, value: Any) -> list[str]:
    if isinstance(value, dict):
        return [f"{name}:", *(f"  {inner}: {said}" for inner, said in value.items())]
    return [f"{name}: {value}"] if value is not None else []

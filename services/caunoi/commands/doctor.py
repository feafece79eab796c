"""`caunoi doctor`: what is reachable, owed or left lying; room, clock, keys, accounts; each with what to do."""

import os
import shutil
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import asdict
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from services.caunoi import shown
from services.caunoi.client import Answered, Caller, at_the_bus, connected
from services.caunoi.commands.accounts import every
from services.caunoi.failures import Failed
from services.caunoi.services import SERVICES
from services.chassis.backends.chosen import Backend
from services.chassis.clock import STEP, system_clock
from services.chassis.datadir import CannotStart
from services.chassis.findings import Finding, Level, clocks, last_backup, room
from services.chassis.keys import Keys
from services.chassis.service import topic_specs
from services.chassis.settings import Settings, SettingsError

BACKUP_OLD = 26
"""Hours: one a day, and some time to take it."""
NAMES = tuple(service.name for service in SERVICES)


async def examine(settings: Settings, *, as_json: bool) -> int:
    found = [finding async for finding in _all(settings)]
    if as_json:
        shown.as_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            sign = {"well": "[green]✓[/]", "look": "[yellow]![/]", "ill": "[red]✗[/]"}[finding.level]
            shown.out.print(f"{sign} {finding.what}" + (f"\n    → {finding.do}" if finding.do else ""))
    return int(any(finding.level == "ill" for finding in found))


async def _all(settings: Settings) -> AsyncIterator[Finding]:
    if not settings.on_servers:
        async with connected(settings) as operator:
            async for finding in _asked(operator, settings):
                yield finding
        yield room(shutil.disk_usage(settings.data).free, "Ổ đĩa")
    else:
        examine = Backend.chosen(settings).examine
        assert examine
        async for finding in examine(NAMES, topic_specs()):
            yield finding
        async for finding in _apart(settings):
            yield finding
    for finding in _seen(settings):
        yield finding


# ------------------------------------------------------------------------------------- a system with files of its own


async def _asked(operator: Caller, settings: Settings) -> AsyncIterator[Finding]:
    """What the system says of itself."""
    if operator.over_http:
        yield Finding("well", f"Hệ thống đang chạy và trả lời ở {operator.http.base_url}")
    else:
        yield Finding("look", f"Không có hệ thống nào chạy trên {settings.data}", "caunoi up")
    readiness = await _readiness(operator, "/readyz")
    for finding in _ready(readiness):
        yield finding
    yield _backup(readiness["services"])
    yield await _letters(operator)
    yield await _accounts(operator)
    if operator.over_http:
        yield await _clock(operator)


# ------------------------------------------------------------------------------------------------- services on servers


async def _apart(settings: Settings) -> AsyncIterator[Finding]:
    """Each service through the gateway, and what lies on the servers."""
    try:
        async with at_the_bus(settings) as here:
            yield await _letters(here)
    except (Failed, CannotStart) as away:
        yield Finding("look", f"Không xem được sự kiện bị bỏ lại: {away.vi}", "sửa điều trên trước")
    async with connected(settings) as operator:
        reached: dict[str, Any] = {}
        for name in NAMES:
            try:
                found = await _readiness(operator, f"/{name}/readyz")
                mine = {"services": {name: found["services"][name]}, "why": found["why"]}
            except (Failed, KeyError) as away:
                why = away.vi if isinstance(away, Failed) else "câu trả lời không phải của dịch vụ này"
                yield Finding(
                    "ill", f"{name}: {why}", f"dịch vụ có chạy không? CAUNOI_GATEWAY_URL={settings.gateway_url}"
                )
                continue
            reached |= mine["services"]
            yield Finding("well", f"{name}: trả lời qua {settings.gateway_url}")
            for finding in _ready(mine):
                yield finding
        if reached:
            yield _backup(reached)
        if "queue" in reached:
            yield await _accounts(operator)
            yield await _clock(operator)


# -------------------------------------------------------------------------------------------------------------- both


async def _readiness(operator: Caller, path: str) -> Any:
    try:
        return await operator.get(path)
    except Answered as answered:
        if "services" in answered.problem:
            return answered.problem
        raise


def _ready(readiness: Any) -> Iterator[Finding]:
    for name, state in readiness["services"].items():
        yield from _service(name, state)
    for why in readiness["why"]:
        yield Finding("look", f"Hoạt động không đầy đủ: {why}", "xem nhật ký (log) của hệ thống")


def _service(name: str, state: dict[str, Any]) -> Iterator[Finding]:
    store = state.get("store", {})
    if trouble := store.get("trouble"):
        yield Finding("ill", f"{name}: kho dữ liệu có sự cố: {trouble}", "kiểm tra ổ đĩa và chỗ trống")
    elif (store.get("journal_mode"), store.get("synchronous")) == ("wal", "full"):
        yield Finding("well", f"{name}: mỗi câu trả lời đều chờ ghi xuống đĩa (wal, full)")
    elif store.get("write_concern") == "majority, journalled":
        yield Finding("well", f"{name}: mỗi câu trả lời đều chờ đa số máy ghi xuống đĩa (majority, journalled)")
    else:
        yield Finding(
            "ill", f"{name}: dữ liệu có thể mất khi mất điện: {store}", "không dùng hệ thống này để làm việc thật"
        )
    if state.get("owed"):
        age = round(state.get("oldest_seconds") or 0)
        level: Level = "look" if age < 60 else "ill"
        yield Finding(
            level, f"{name}: {state['owed']} sự kiện chưa phát, cũ nhất {age} giây", "xem nhật ký (relay_waits)"
        )


def _backup(services: Mapping[str, Any]) -> Finding:
    begun = last_backup(services)
    do = "caunoi backup FILE --keys FILE mỗi ngày, rồi cất ở máy khác"
    if begun is None:
        return Finding("look", "Chưa có bản sao lưu nào của cả hệ thống", do)
    hours = (system_clock() - begun).total_seconds() / 3600
    if hours > BACKUP_OLD:
        return Finding("look", f"Bản sao lưu mới nhất đã {hours:.0f} giờ", do)
    return Finding("well", f"Bản sao lưu mới nhất cách đây {hours:.1f} giờ")


async def _letters(operator: Caller) -> Finding:
    letters = (await operator.get("/ops/dlq"))["letters"]
    if letters:
        return Finding("look", f"{len(letters)} sự kiện không xử lý được", "caunoi dlq ls, rồi replay hoặc discard")
    return Finding("well", "Không có sự kiện nào bị bỏ lại")


async def _accounts(operator: Caller) -> Finding:
    active = [account async for account in every(operator) if account["active"]]
    people = [account for account in active if {"staff", "coordinator"} & set(account["roles"])]
    if people:
        return Finding("well", f"{len(active)} tài khoản đang dùng, {len(people)} của cán bộ và điều phối viên")
    return Finding(
        "look", "Chưa có tài khoản cán bộ hay điều phối viên", "caunoi accounts add NAME --role ... --centre ..."
    )


async def _clock(operator: Caller) -> Finding:
    """By the server's own answer: is what this machine believes the same time?"""
    if system_clock() < datetime.fromisoformat("2026-01-01T00:00:00+00:00"):
        return Finding("ill", "Đồng hồ sai ngày", "bật đồng bộ giờ (timedatectl set-ntp true)")
    try:
        answer = await operator.http.get("/queue/readyz")
    except httpx2.HTTPError:
        return Finding("look", "Hệ thống không trả lời khi được hỏi giờ", "chạy lại lệnh này")
    there = parsedate_to_datetime(answer.headers["date"]) if "date" in answer.headers else system_clock()
    return clocks((system_clock() - there).total_seconds(), "hệ thống", STEP.total_seconds())


def _seen(settings: Settings) -> Iterator[Finding]:
    """The keys that lie on this machine."""
    held = [*settings.secrets_directory.glob("*.key"), *settings.secrets_directory.glob("*.password")]
    open_to_others = [
        str(file)
        for file in [*held, settings.operator_token]
        if file.exists() and stat.S_IMODE(os.stat(file).st_mode) & 0o077
    ]
    if open_to_others:
        yield Finding(
            "ill", f"Người khác đọc được khoá: {', '.join(open_to_others)}", f"chmod 600 {' '.join(open_to_others)}"
        )
    else:
        yield Finding("well", "Khoá chỉ người chạy hệ thống đọc được")
    try:
        Keys.at(settings.secrets_directory, make=False)
    except SettingsError as error:
        yield Finding("ill", str(error), "phục hồi khoá từ bản sao, đừng tạo khoá mới cho dữ liệu cũ")

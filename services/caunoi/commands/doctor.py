"""`caunoi doctor`: what is reachable, owed or left lying; room, clock, keys, accounts; each with what to do."""

import os
import shutil
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

from services.caunoi import shown
from services.caunoi.client import Answered, Caller, connected
from services.caunoi.commands.accounts import every
from services.chassis.clock import system_clock
from services.chassis.settings import Settings

Level = Literal["well", "look", "ill"]
MIB = 1_048_576


@dataclass(frozen=True)
class Finding:
    """`level`: well; look: not urgent; ill: something does not work (exit code 1)."""

    level: Level
    what: str
    do: str = ""


async def examine(settings: Settings, *, as_json: bool) -> int:
    async with connected(settings) as operator:
        found = [finding async for finding in _asked(operator, settings)]
    found.extend(_seen(settings))
    if as_json:
        shown.as_json([asdict(finding) for finding in found])
    else:
        for finding in found:
            sign = {"well": "[green]✓[/]", "look": "[yellow]![/]", "ill": "[red]✗[/]"}[finding.level]
            shown.out.print(f"{sign} {finding.what}" + (f"\n    → {finding.do}" if finding.do else ""))
    return int(any(finding.level == "ill" for finding in found))


async def _asked(operator: Caller, settings: Settings) -> AsyncIterator[Finding]:
    """What the system says of itself."""
    if operator.over_http:
        yield Finding("well", f"Hệ thống đang chạy và trả lời ở {operator.http.base_url}")
    else:
        yield Finding("look", f"Không có hệ thống nào chạy trên {settings.data}", "caunoi up")
    ready = await _readiness(operator)
    for name, state in ready["services"].items():
        for finding in _service(name, state):
            yield finding
    for trouble in ready["why"]:
        yield Finding("look", f"Hoạt động không đầy đủ: {trouble}", "xem nhật ký (log) của hệ thống")
    letters = (await operator.get("/ops/dlq"))["letters"]
    if letters:
        yield Finding("look", f"{len(letters)} sự kiện không xử lý được", "caunoi dlq ls, rồi replay hoặc discard")
    else:
        yield Finding("well", "Không có sự kiện nào bị bỏ lại")
    yield await _accounts(operator)
    if operator.over_http:
        yield await _clock(operator)


async def _readiness(operator: Caller) -> Any:
    try:
        return await operator.get("/readyz")
    except Answered as answered:
        if "services" in answered.problem:
            return answered.problem
        raise


def _service(name: str, state: dict[str, Any]) -> Iterator[Finding]:
    store = state.get("store", {})
    if trouble := store.get("trouble"):
        yield Finding("ill", f"{name}: kho dữ liệu có sự cố: {trouble}", "kiểm tra ổ đĩa và chỗ trống")
    elif (store.get("journal_mode"), store.get("synchronous")) == ("wal", "full"):
        yield Finding("well", f"{name}: mỗi câu trả lời đều chờ ghi xuống đĩa (wal, full)")
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
    answer = await operator.http.get("/livez")
    there = parsedate_to_datetime(answer.headers["date"]) if "date" in answer.headers else system_clock()
    apart = abs((system_clock() - there).total_seconds())
    if apart > 5 or system_clock() < datetime.fromisoformat("2026-01-01T00:00:00+00:00"):
        return Finding(
            "ill", f"Đồng hồ lệch {apart:.0f} giây hoặc sai ngày", "bật đồng bộ giờ (timedatectl set-ntp true)"
        )
    return Finding("well", "Đồng hồ khớp nhau")


def _seen(settings: Settings) -> Iterator[Finding]:
    """What lies on this machine."""
    free = shutil.disk_usage(settings.data).free
    if free < 200 * MIB:
        yield Finding("ill", f"Ổ đĩa chỉ còn {free // MIB} MiB", "giải phóng chỗ trống; khi đầy, lệnh mới bị từ chối")
    elif free < 2048 * MIB:
        yield Finding("look", f"Ổ đĩa còn {free // MIB} MiB", "sớm giải phóng chỗ trống")
    else:
        yield Finding("well", f"Ổ đĩa còn {free // MIB} MiB")
    open_to_others = [
        str(file)
        for file in [*settings.secrets_directory.glob("*.key"), settings.operator_token]
        if file.exists() and stat.S_IMODE(os.stat(file).st_mode) & 0o077
    ]
    if open_to_others:
        yield Finding(
            "ill", f"Người khác đọc được khoá: {', '.join(open_to_others)}", f"chmod 600 {' '.join(open_to_others)}"
        )
    else:
        yield Finding("well", "Khoá chỉ người chạy hệ thống đọc được")

"""What `caunoi doctor` tells, of a server or of this machine: each finding with what to do about it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Level = Literal["well", "look", "ill"]
MIB = 1_048_576


@dataclass(frozen=True, slots=True)
class Finding:
    """`level`: well; look: not urgent; ill: something does not work (exit code 1)."""

    level: Level
    what: str
    do: str = ""


def room(free: int, what: str) -> Finding:
    """How many bytes are free there."""
    if free < 200 * MIB:
        return Finding("ill", f"{what} chỉ còn {free // MIB} MiB", "giải phóng chỗ trống; khi đầy, lệnh mới bị từ chối")
    if free < 2048 * MIB:
        return Finding("look", f"{what} còn {free // MIB} MiB", "sớm giải phóng chỗ trống")
    return Finding("well", f"{what} còn {free // MIB} MiB")


def last_backup(services: Mapping[str, Any]) -> datetime | None:
    """When the last backup of all of them began, by what `/readyz` says of each; None: one is in none, or none says."""
    begun = [state["store"]["backed_up"] for state in services.values() if "backed_up" in state["store"]]
    return None if None in begun or not begun else datetime.fromisoformat(min(begun))


def clocks(apart: float, whose: str, most: float) -> Finding:
    """This machine's clock is `apart` seconds ahead of another one's; over `most` seconds it does harm."""
    if abs(apart) <= 5:
        return Finding("well", f"Đồng hồ máy này khớp với {whose}")
    level: Level = "ill" if abs(apart) > most else "look"
    return Finding(level, f"Đồng hồ máy này lệch {apart:+.0f} giây so với {whose}", "đồng bộ giờ cả hai máy (NTP)")

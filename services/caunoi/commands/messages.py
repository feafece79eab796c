"""`caunoi messages`: the drawer. What would have gone out by SMS, numbers masked, the newest last."""

from datetime import datetime
from typing import Any

from rich.markup import escape

from services.caunoi import shown
from services.caunoi.client import connected
from services.chassis.clock import LOCAL
from services.chassis.settings import Settings

_STATES = {
    "pending": "[yellow]đang chờ[/]",
    "sent": "[green]đã gửi[/]",
    "expired": "[dim]quá hạn[/]",
    "refused": "[red]không gửi[/]",
}
_REASONS = {
    "no_consent": "chưa đồng ý nhận",
    "stopped": "đã nhắn STOP",
    "erased": "số đã xoá",
    "budget": "đã đủ số tin trong ngày",
    "carrier": "nhà mạng từ chối",
}


async def show(settings: Settings, *, centre: str, day: str | None, limit: int, as_json: bool) -> None:
    async with connected(settings) as operator:
        page = await operator.get("/notify/messages", centre=centre, day=day, limit=limit)
    if as_json:
        shown.as_json(page["messages"])
        return
    if not page["messages"]:
        shown.out.print(f"Ngăn kéo trống ({centre}, {page['day']}). [dim]No messages.[/]")
    for message in reversed(page["messages"]):
        shown.out.print(line(message))


def line(message: dict[str, Any]) -> str:
    state = _STATES.get(message["state"], message["state"])
    why = f" ({_REASONS.get(message['reason'], message['reason'])})" if message["reason"] else ""
    to = message["to"] or "số đã xoá"
    return f"[dim]{_local(message['planned'])}[/]  {to:<13} {state}{why}  {escape(message['text']) or '[dim]…[/]'}"


def _local(moment: str) -> str:
    return f"{datetime.fromisoformat(moment).astimezone(LOCAL):%H:%M:%S}"

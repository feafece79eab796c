"""What `/metrics` shows of the notifier: what waits for a coordinator, and what waits to be sent."""

from collections import Counter
from typing import Final

from prometheus_client import Gauge

from services.chassis import metrics
from services.chassis.service import Running
from services.notify.messages import MessageState
from services.notify.views import ESCALATIONS, MESSAGES, every

escalated: Final = Gauge(
    "caunoi_escalations_open",
    "What waits for a coordinator: a ride or an assistance that nobody takes, a floor that is thin",
    ("kind",),
    registry=metrics.registry,
)
pending: Final = Gauge("caunoi_messages_pending", "Messages that are still to be sent", registry=metrics.registry)


async def show(running: Running) -> None:
    views = running.views
    kinds = Counter(
        [row.kind.value if row.kind else "floor" async for _, row in every(views, ESCALATIONS, state="open")]
    )
    waiting = len([key async for key, _ in every(views, MESSAGES, state=MessageState.PENDING.value)])
    escalated.clear()
    for kind, count in kinds.items():
        escalated.labels(kind).set(count)
    pending.set(waiting)

"""Which store and which bus: chosen here, once."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from services.chassis.backends.sqlite_bus import SqliteBus
from services.chassis.backends.sqlite_store import SqliteStore
from services.chassis.ports import Bus, Store
from services.chassis.settings import Settings
from services.chassis.views import Projector


@dataclass(frozen=True)
class Backend:
    """How a store for a service, and the bus, are made."""

    store: Callable[[str, Projector], Store]
    bus: Callable[[], Bus]

    @classmethod
    def chosen(cls, settings: Settings) -> Self:
        match settings.backend:
            case "embedded":
                return cls(
                    store=lambda name, projector: SqliteStore(
                        settings.data / f"{name}.sqlite", projector, timedelta(days=settings.retention_days)
                    ),
                    bus=lambda: SqliteBus(settings.data / "bus.sqlite"),
                )

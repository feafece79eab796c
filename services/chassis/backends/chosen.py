"""Which store and which bus: chosen here, once. A backend that is not chosen is not even imported."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from services.chassis.ports import Bus, Store, Topics
from services.chassis.settings import Settings
from services.chassis.views import Projector


@dataclass(frozen=True)
class Backend:
    """How a store for a service, and the bus, are made."""

    store: Callable[[str, Projector], Store]
    bus: Callable[[], Bus]
    topics: Topics | None = None
    """Where they must be made before anything is published."""

    @classmethod
    def chosen(cls, settings: Settings) -> "Backend":
        match settings.backend:
            case "embedded":
                return _embedded(settings)
            case "distributed":
                return _distributed(settings)


def _embedded(settings: Settings) -> Backend:
    from services.chassis.backends.sqlite_bus import SqliteBus
    from services.chassis.backends.sqlite_store import SqliteStore

    def store(service: str, projector: Projector) -> Store:
        return SqliteStore(settings.data / f"{service}.sqlite", projector, timedelta(days=settings.retention_days))

    return Backend(store, lambda: SqliteBus(settings.data / "bus.sqlite"))


def _distributed(settings: Settings) -> Backend:
    from services.chassis.backends.kafka import KafkaBus
    from services.chassis.backends.kafka_way import KafkaWay
    from services.chassis.backends.mongo import MongoStore
    from services.chassis.backends.mongo_way import MongoWay

    mongo = MongoWay(
        settings.mongo_url,
        settings.mongo_client,
        settings.mongo_user,
        settings.password("mongo"),
        settings.certificates("mongo"),
    )
    kafka = KafkaWay(
        settings.kafka_servers,
        settings.kafka_security,
        settings.kafka_mechanism,
        settings.kafka_user,
        settings.password("kafka"),
        settings.certificates("kafka"),
    )

    def store(service: str, projector: Projector) -> Store:
        keep = timedelta(days=settings.retention_days)
        return MongoStore(mongo, f"{settings.namespace}caunoi-{service}", projector, keep=keep)

    def bus() -> KafkaBus:
        return KafkaBus(kafka, namespace=settings.namespace, replication=settings.kafka_replication)

    return Backend(store, bus, topics=bus())

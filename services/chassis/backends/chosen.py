"""Which store and which bus: chosen here, once. A backend that is not chosen is not even imported."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from services.chassis.findings import Finding
from services.chassis.ports import Bus, Cluster, Copies, Store, TopicSpec
from services.chassis.settings import Settings
from services.chassis.views import Projector


@dataclass(frozen=True)
class Backend:
    """How a store for a service, and the bus, are made."""

    store: Callable[[str, Projector], Store]
    bus: Callable[[], Bus]
    copies: Callable[[Sequence[str]], Copies] | None = None
    """Of what the named services keep, for backups."""
    cluster: Cluster | None = None
    """Where several processes share the servers."""
    examine: Callable[[Sequence[str], Sequence[TopicSpec]], AsyncIterator[Finding]] | None = None
    """What a doctor sees of the servers that the named services and these topics lie on."""

    @classmethod
    def chosen(cls, settings: Settings) -> "Backend":
        match settings.backend:
            case "embedded":
                return _embedded(settings)
            case "distributed":
                return _distributed(settings)


def _embedded(settings: Settings) -> Backend:
    from services.chassis.backends.sqlite_backup import SqliteCopies
    from services.chassis.backends.sqlite_bus import SqliteBus
    from services.chassis.backends.sqlite_store import SqliteStore

    def store(service: str, projector: Projector) -> Store:
        return SqliteStore(settings.data / f"{service}.sqlite", projector, timedelta(days=settings.retention_days))

    return Backend(store, lambda: SqliteBus(settings.data / "bus.sqlite"), copies=partial(SqliteCopies, settings.data))


def _distributed(settings: Settings) -> Backend:
    from services.chassis.backends import examined
    from services.chassis.backends.kafka import KafkaBus
    from services.chassis.backends.kafka_way import KafkaWay
    from services.chassis.backends.mongo import MongoStore
    from services.chassis.backends.mongo_backup import MongoCopies
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

    def database(service: str) -> str:
        return f"{settings.namespace}caunoi-{service}"

    def store(service: str, projector: Projector) -> Store:
        return MongoStore(mongo, database(service), projector, keep=timedelta(days=settings.retention_days))

    def copies(services: Sequence[str]) -> Copies:
        return MongoCopies(mongo, {service: database(service) for service in services})

    def examine(services: Sequence[str], topics: Sequence[TopicSpec]) -> AsyncIterator[Finding]:
        return examined.servers(mongo, [database(service) for service in services], bus(), services, topics)

    def bus() -> KafkaBus:
        return KafkaBus(kafka, namespace=settings.namespace, replication=settings.kafka_replication)

    return Backend(store, bus, copies, bus(), examine)

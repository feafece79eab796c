"""The journal tells the documents: folding every fact of one, in order, gives the very bytes that the store has."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from services.caunoi.services import SERVICES
from services.chassis.deciding import Held, Kind
from services.chassis.ports import Stored
from services.chassis.service import Service
from services.contracts.words import Event, Origin
from tests.faults.books import copied


def unlike(data: Path) -> list[str]:
    """Documents of all services whose facts do not fold to their state. Also says how many were compared."""
    compared, found = 0, list[str]()
    for service in SERVICES:
        for name, same in compare(service, data / f"{service.name}.sqlite").items():
            compared += 1
            if not same:
                found.append(name)
    assert compared, "there was nothing to compare"
    return found


def compare(service: Service, store: Path) -> dict[str, bool]:
    kinds: dict[str, tuple[Kind[Any], TypeAdapter[Any]]] = {
        state.__name__.lower(): (kind, TypeAdapter(state)) for state, kind in service.keeps.items()
    }
    facts = service.facts()
    same: dict[str, bool] = {}
    with copied(store) as connection:
        for name, id, version, body in connection.execute("SELECT kind, id, version, body FROM documents"):
            kind, adapter = kinds[name]
            held = Held((name, id), kind, adapter)
            held.take(Stored(version, body))
            source = f"/{service.name}/{name}/{id}"
            state = kind.new(id)
            rows = connection.execute(
                "SELECT id, sequence, type, time, body FROM journal WHERE source=? ORDER BY sequence", (source,)
            )
            for event_id, sequence, type_, micros, said in rows:
                at = moment(micros)
                fact = facts[type_].model_validate_json(said)
                if isinstance(fact, Event):
                    fact = fact.from_origin(Origin(event_id, source, sequence, at))
                kind.evolve(state, fact, at)
            same[source] = adapter.dump_json(state) == adapter.dump_json(held.state)
    return same


def moment(micros: int) -> datetime:
    return datetime.fromtimestamp(0, UTC) + timedelta(microseconds=micros)

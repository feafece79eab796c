"""The process that holds all four, or some: what one of them knows for the others, what is served beside whom."""

from pathlib import Path

from fastapi import FastAPI

from services.caunoi.app import SERVICES, build
from services.chassis.clock import system_clock
from services.chassis.openapi import routes_of
from services.chassis.sealing import Sealer
from services.chassis.settings import Settings
from services.queue.accounts import Account
from services.queue.accounts_api import ensure_operator
from services.queue.app import service as queue
from tests.support import run


def test_a_silent_bus_is_made_up_for_by_asking_the_queue_how_an_account_stands(tmp_path: Path) -> None:
    async def story() -> None:
        system = build(Settings(data=tmp_path)).state.system
        await system.start()
        try:
            sealer = system.own("queue", Sealer)
            path = tmp_path / "operator.token"
            await ensure_operator(system[Account], sealer, system.access.tokens, path, system_clock())
            verified = system.access.tokens.verify(path.read_text().strip())
            system.access.accounts.follow(lambda: None)
            assert await system.access.accounts.stands(verified)
            assert not system.access.accounts.degraded
        finally:
            await system.stop()

    run(story())


def addresses(app: FastAPI) -> set[str]:
    return {path for _, path, _ in routes_of(app)}


def test_apart_they_serve_together_what_one_process_serves(tmp_path: Path) -> None:
    whole = addresses(build(Settings(data=tmp_path)))
    apart = {one.name: addresses(build(Settings(data=tmp_path), services=[one])) for one in SERVICES}
    assert set.union(*apart.values()) == whole
    assert [name for name, served in apart.items() if "/" in served] == [queue.name]

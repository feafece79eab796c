"""The process that holds all four: what one of them knows for the others."""

from pathlib import Path

from services.caunoi.app import build
from services.chassis.clock import system_clock
from services.chassis.sealing import Sealer
from services.chassis.settings import Settings
from services.queue.accounts import Account
from services.queue.accounts_api import ensure_operator
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

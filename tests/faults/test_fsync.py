"""What a kill cannot show: each command is answered after the fsync of its group, on a real process, seen by strace."""

import asyncio
import secrets
from pathlib import Path

import pytest

from tests.faults.syscalls import Seen, judge, watched
from tests.faults.test_power import a_ward_of_its_own
from tests.journeys.system import RunningSystem
from tests.journeys.ward import ward_in
from tests.support import run
from tests.wire import Wire, request

pytestmark = pytest.mark.needs_tool("strace")
CLIENTS, EACH = 16, 10


def seen_of(system: RunningSystem, out: Path) -> Seen:
    """Sixteen kiosks at once, ten numbers each."""

    async def load() -> None:
        async with ward_in(system) as ward:
            wires = [await Wire.to(system.address) for _ in range(CLIENTS)]

            async def kiosk(wire: Wire) -> None:
                for _ in range(EACH):
                    key = {"Idempotency-Key": secrets.token_hex(12)}
                    path, body = f"/queue/centres/{ward.centre}/tickets", {"service": "ho-tich"}
                    answer = await wire.ask(request("POST", path, body, token=ward.kiosk, headers=key))
                    assert answer.status == 201, answer.body

            assert system.process is not None
            with watched(system.process.pid, out):
                await asyncio.gather(*map(kiosk, wires))

    run(load())
    with out.open(errors="replace") as lines:
        return judge(lines)


def test_one_fsync_a_group_and_no_answer_before_it(tmp_path: Path) -> None:
    with a_ward_of_its_own(tmp_path / "data") as system:
        seen = seen_of(system, tmp_path / "strace.out")
    assert seen.answers == CLIENTS * EACH
    assert not seen.unsynced, "\n".join(seen.unsynced[:5])
    assert seen.syncs < seen.answers / 2


def test_a_build_that_does_not_wait_for_the_disk_is_caught(tmp_path: Path) -> None:
    with a_ward_of_its_own(tmp_path / "data", flaw="never_waits_for_the_disk") as system:
        seen = seen_of(system, tmp_path / "strace.out")
    assert len(seen.unsynced) == seen.answers == CLIENTS * EACH

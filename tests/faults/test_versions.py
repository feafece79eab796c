"""Two processes serve one centre because each write looks at the version: without that, the races are lost."""

from pathlib import Path

import pytest

from tests.journeys.apart import apart
from tests.journeys.racing import called_after_five_came, hall_of, issue, wires
from tests.support import run


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_build_that_looks_at_no_version_loses_the_races(tmp_path: Path) -> None:
    with apart(tmp_path / "city", flaw="looks_at_no_version", queue=2, volunteers=0, training=0, notify=0) as city:

        async def race() -> tuple[list[int], list[str]]:
            said = await called_after_five_came(city)
            async with hall_of(city, "31006") as ward:
                return said, [answer.json["code"] for answer in await issue(ward, await wires(city, 16), 200)]

        said, codes = run(race(), 240)
    assert said[0] == 204, "nobody waits, it says, while five wait"
    assert len(set(codes)) < len(codes), "a number was given twice"

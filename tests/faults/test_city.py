"""The shortest of what `make faults` does: wards under load, services killed at some places, poison among events."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.books import ServerBooks
from tests.faults.city import killed_at_every_failpoint, played, poison
from tests.journeys.apart import City, apart
from tests.support import run

SOME = ("store:after-journal", "relay:after-publish", "consumer:before-position")

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[City, ServerBooks]]:
    with apart(tmp_path_factory.mktemp("faults") / "city") as city, city.books() as books:
        yield city, books


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_when_services_are_killed(city: tuple[City, ServerBooks]) -> None:
    wards = ["31901", "31902"]
    found = run(played(*city, killed_at_every_failpoint, wards, rounds=1, seed=1, pace=0.3, points=SOME), 550)
    assert not found.violations, "\n".join(map(str, found.violations[:5]))
    assert found.again, "nobody was cut off"


def test_poison_is_set_aside_and_everything_else_goes_on(city: tuple[City, ServerBooks], tmp_path: Path) -> None:
    found = run(played(*city, poison, ["31903"], rounds=1, seed=2, pace=0.3), 550)
    assert not found.violations, "\n".join(map(str, found.violations[:5]))

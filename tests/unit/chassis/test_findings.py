"""What `caunoi doctor` and `/metrics` both judge by."""

from typing import Any

import pytest

from services.chassis.findings import last_backup

EARLY, LATE = "2026-11-23T20:00:00+00:00", "2026-11-24T20:00:00+00:00"


@pytest.mark.parametrize(
    ("begun", "last"),
    [
        ((LATE, EARLY), EARLY),
        ((LATE, None), None),
        ((None, None), None),
    ],
)
def test_a_backup_counts_once_every_service_is_in_it(begun: tuple[str | None, ...], last: str | None) -> None:
    services = {str(place): {"store": {"backed_up": moment}} for place, moment in enumerate(begun)}
    found = last_backup(services)
    assert (found.isoformat() if found else None) == last


def test_a_store_that_is_away_says_nothing_of_backups() -> None:
    away: dict[str, Any] = {"store": {"trouble": "no answer"}}
    assert last_backup({"queue": away, "notify": {"store": {"backed_up": LATE}}}) is not None
    assert last_backup({"queue": away}) is None

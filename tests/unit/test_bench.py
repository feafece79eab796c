"""The bench is run by people, not by `make test`; what it stands on must still be there when they do."""

import cProfile
from pathlib import Path

from tests.bench.shares import SIDES, shares
from tests.support import run


def test_each_side_issues_tickets_and_says_what_one_took(tmp_path: Path) -> None:
    took = run(shares(tmp_path, 1, 5, cProfile.Profile(), ""))
    assert set(took) == set(SIDES)
    assert min(took.values()) > 0

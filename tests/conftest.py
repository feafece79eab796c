"""How the tests run: what a missing tool means, and how far hypothesis goes."""

import os
import shutil
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, settings

from services.chassis.clock import local_day, local_midnight_after, system_clock
from tests import servers

ON_CI = os.environ.get("CI", "").lower() in {"1", "true"}

# The same examples every time: a failure that comes and goes teaches nobody. `make test-all` takes new ones, many more.
_slow_machine = [HealthCheck.too_slow]
settings.register_profile(
    "steady", deadline=None, derandomize=True, print_blob=True, suppress_health_check=_slow_machine
)
settings.register_profile(
    "thorough", deadline=None, max_examples=1000, print_blob=True, suppress_health_check=_slow_machine
)
settings.load_profile("steady")


_ways: set[str] = set()
"""How real servers were had, in this process and in the workers of pytest-xdist."""


def pytest_sessionfinish(session: pytest.Session) -> None:
    servers.stop_all()
    if told := servers.told():
        _ways.add(told)
        getattr(session.config, "workeroutput", {})["servers"] = told


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    if told := getattr(node, "workeroutput", {}).get("servers"):
        _ways.add(told)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for way in sorted(_ways):
        terminalreporter.write_line(f"Kafka and MongoDB for these tests: {way}")


REAL: Final = frozenset({"browser", "faults", "journeys"})
"""Whose tests have halls that close at the centres' midnight, by the clock of the machine."""
LONGEST: Final = 180


@pytest.hookimpl(wrapper=True, tryfirst=True)  # outside of what counts against the test's timeout
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that may not be over by midnight begins after it: every live ticket ends then."""
    if not REAL.isdisjoint(Path(item.location[0]).parts):
        mark = item.get_closest_marker("timeout")
        takes = min(LONGEST, mark.args[0] if mark else float(item.config.getini("timeout")))
        now = system_clock()
        left = (local_midnight_after(local_day(now)) - now).total_seconds()
        if left < takes:
            time.sleep(left + 1)
    return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test marked `needs_tool("strace")` is skipped where there is none, but not where CI promised it."""
    for mark in item.iter_markers("needs_tool"):
        tool = mark.args[0]
        if shutil.which(tool) is None:
            if ON_CI:
                pytest.fail(f"{tool} is not installed, and CI=true", pytrace=False)
            pytest.skip(f"{tool} is not installed")

"""One system and one Chromium for the files of a worker; ended before other tests, whose loops its own would forbid."""

from collections.abc import Iterator

import pytest

from tests.browser.hall import Hall, a_hall


@pytest.fixture(scope="package")
def _hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with a_hall(tmp_path_factory.mktemp("hall")) as hall:
        yield hall


@pytest.fixture
def hall(_hall: Hall) -> Iterator[Hall]:
    yield _hall
    _hall.leave()

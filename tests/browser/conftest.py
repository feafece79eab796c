"""One system and one Chromium for all files of a worker."""

from collections.abc import Iterator

import pytest

from tests.browser.hall import Hall, a_hall


@pytest.fixture(scope="session")
def _hall(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hall]:
    with a_hall(tmp_path_factory.mktemp("hall")) as hall:
        yield hall


@pytest.fixture
def hall(_hall: Hall) -> Iterator[Hall]:
    yield _hall
    _hall.leave()

"""How tests come by real servers: the way is said, and one may be asked for."""

import pytest

from tests import servers


@pytest.mark.parametrize("way", ["native", "docker"])
def test_a_way_that_is_asked_for_is_taken(way: str) -> None:
    assert servers.chosen(way) == (way, f"TEST_SERVERS={way}")


def test_a_way_that_is_none_is_told() -> None:
    with pytest.raises(pytest.UsageError, match="podman: it is docker, native, or not set"):
        servers.chosen("podman")


def test_left_to_itself_it_takes_one_and_says_why() -> None:
    way, why = servers.chosen(None)
    assert way in ("native", "docker")
    assert "Docker" in why


def test_what_was_started_is_told_to_who_reads_the_summary() -> None:
    assert servers.mongo().url.startswith("mongodb://127.0.0.1:")
    assert servers.told().startswith(servers.chosen()[0])

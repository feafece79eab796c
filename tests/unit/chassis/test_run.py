"""Where a process listens, and what it says when it cannot."""

import socket

import pytest

from services.chassis.datadir import CannotStart
from services.chassis.run import address_of, listen
from services.chassis.settings import Settings


def test_a_port_can_be_listened_on_once() -> None:
    with listen("127.0.0.1", 0) as first, pytest.raises(CannotStart, match="taken"):
        listen("127.0.0.1", first.getsockname()[1])


def test_a_port_is_free_again_at_once_after_its_process_ended() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), first.accept()[0]:
            pass
    listen("127.0.0.1", port).close()


def test_an_address_that_this_machine_has_not_is_told() -> None:
    with pytest.raises(CannotStart, match="has no address"):
        listen("203.0.113.9", 0)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000"),
        ("0.0.0.0", "http://127.0.0.1:8000"),
        ("::", "http://[::1]:8000"),
        ("::1", "http://[::1]:8000"),
        ("caunoi.local", "http://caunoi.local:8000"),
    ],
)
def test_the_command_line_reaches_it_wherever_it_listens(host: str, address: str) -> None:
    assert address_of(Settings(host=host)) == address

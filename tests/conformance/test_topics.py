"""Topics on a real cluster: made as the contract states them, and what differs from it is said."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from services.chassis.backends.kafka import KafkaBus
from services.chassis.ids import token
from services.chassis.ports import TopicSpec
from tests import servers
from tests.support import run

CALLED = TopicSpec("queue-called", partitions=3)
ACCOUNTS = TopicSpec("account-changed", partitions=1, compacted=True)


def on_kafka(story: Callable[[KafkaBus], Awaitable[None]]) -> None:
    address = servers.kafka().address  # started before there is a loop

    async def play() -> None:
        await story(KafkaBus(address, namespace=f"{token(8)}-"))

    run(play())


def test_topics_are_made_once_and_then_are_as_stated() -> None:
    async def story(bus: KafkaBus) -> None:
        assert await bus.provision([CALLED, ACCOUNTS]) == ["queue-called", "account-changed"]
        assert await bus.provision([CALLED, ACCOUNTS]) == []
        assert await bus.drift([CALLED, ACCOUNTS]) == []

    on_kafka(story)


def test_what_is_missing_or_differs_is_said_a_line_each() -> None:
    async def story(bus: KafkaBus) -> None:
        await bus.provision([CALLED])
        wanted = replace(CALLED, partitions=6, retention=timedelta(days=1))
        assert await bus.drift([wanted, ACCOUNTS]) == [
            "account-changed: missing; run `caunoi topics`",
            "queue-called: 3 partitions, the contract says 6",
            "queue-called: retention.ms=1209600000, expected 86400000",
        ]

    on_kafka(story)

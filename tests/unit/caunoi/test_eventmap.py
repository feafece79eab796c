"""The map of events: computed from the tables, complete, and nobody waits for what nobody says."""

from services.caunoi.eventmap import as_markdown, event_map, told_everything
from services.caunoi.generate import asyncapi, with_region
from services.caunoi.services import SERVICES
from services.chassis.service import Running, Service, Tail
from services.contracts.events import EVENTS, PUBLISHER, AccountChanged, QueueCalled
from services.contracts.words import Event


async def tell_citizen_to_come(event: QueueCalled) -> None: ...


async def pass_on(events: list[Event], running: Running) -> None: ...


def service(name: str, **more: object) -> Service:
    table = {"domain": (), "keeps": {}, "serves": [], "handles": {}, "publishes": []}
    return Service(name, **(table | more))  # type: ignore[arg-type]


TWO = [
    service("queue", publishes=[QueueCalled]),
    service("notify", handles={QueueCalled: tell_citizen_to_come}, tails=[Tail(topics=None, receive=pass_on)]),
]


def test_a_row_says_who_publishes_and_which_function_follows() -> None:
    row = next(row for row in event_map(TWO) if row.event is QueueCalled)
    assert row.as_json() == {
        "topic": "queue-called",
        "published_by": ["queue"],
        "handled_by": [{"service": "notify", "function": f"{__name__}.tell_citizen_to_come", "tail": False}],
    }


def test_what_reads_everything_stands_once_and_not_in_every_row() -> None:
    assert [effect.short for effect in told_everything(TWO)] == ["pass_on"]
    assert as_markdown(TWO).count("pass_on") == 1


def test_every_process_hears_of_accounts() -> None:
    row = next(row for row in event_map(TWO) if row.event is AccountChanged)
    assert [(effect.short, effect.file, effect.tail) for effect in row.effects] == [
        ("AccountsKnown.receive", "services/chassis/access.py", True)
    ]


def test_every_event_is_published_by_the_one_service_that_the_contract_names() -> None:
    assert {row.topic: row.publishers for row in event_map(SERVICES)} == {
        topic: (service,) for topic, service in PUBLISHER.items()
    }


def test_no_event_is_said_to_nobody() -> None:
    unheard = [row.topic for row in event_map(SERVICES) if not row.effects]
    assert told_everything(SERVICES) or unheard == []


def test_what_a_service_publishes_its_rules_know() -> None:
    for one in SERVICES:
        named = {fact for fact in one.facts().values() if issubclass(fact, Event)}
        assert set(one.publishes) <= named, one.name


def test_asyncapi_has_a_channel_for_every_event_and_an_operation_for_every_effect() -> None:
    document = asyncapi(TWO)
    assert set(document["channels"]) == {event.topic() for event in EVENTS}
    told = {"queue-sends-queue-called", "notify-tell-citizen-to-come-on-queue-called"}
    assert {name for name in document["operations"] if not name.startswith("chassis-")} == told
    assert document["channels"]["queue-called"]["bindings"]["kafka"]["partitions"] == 6


def test_the_readme_keeps_what_stands_around_the_map() -> None:
    readme = "a\n<!-- events:start -->\n{}<!-- events:end -->\nb\n"
    assert with_region(readme.format("old\n"), "events", "new\n") == readme.format("new\n")

"""The map of events: who publishes what, and what happens then; computed from the tables of the services.

`caunoi events` shows it, the README holds it as Markdown, `asyncapi.json` says it to machines.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from services.chassis.access import AccountsKnown
from services.chassis.service import Service
from services.contracts.events import EVENTS
from services.contracts.words import Event


@dataclass(frozen=True)
class Effect:
    """A function of a service that is given the event; as a `tail` by every process, otherwise once."""

    service: str
    function: str
    tail: bool = False

    @property
    def file(self) -> str:
        module = self.function.rpartition(".")[0]
        return re.sub(r"/[A-Z]\w*$", "", module.replace(".", "/")) + ".py"

    @property
    def short(self) -> str:
        return re.sub(r"^([a-z_]+\.)+(?=\w)", "", self.function)


@dataclass(frozen=True)
class Row:
    """One event: the services that publish it (one, if all is well) and what it leads to."""

    event: type[Event]
    publishers: tuple[str, ...]
    effects: tuple[Effect, ...]

    @property
    def topic(self) -> str:
        return self.event.topic()

    def as_json(self) -> dict[str, Any]:
        return {
            "topic": self.topic,
            "published_by": list(self.publishers),
            "handled_by": [
                {"service": effect.service, "function": effect.function, "tail": effect.tail} for effect in self.effects
            ],
        }


def event_map(services: Sequence[Service]) -> list[Row]:
    """Every event of the contract, in its order."""
    return [
        Row(
            event,
            tuple(service.name for service in services if event in service.publishes),
            (*(effect for service in services for effect in _effects(service, event)), *_of_every_process(event)),
        )
        for event in EVENTS
    ]


def told_everything(services: Sequence[Service]) -> list[Effect]:
    """What reads all topics, and is left out of the rows."""
    return [
        Effect(service.name, _dotted(tail.receive), tail=True)
        for service in services
        for tail in service.tails
        if tail.topics is None
    ]


def as_table(services: Sequence[Service]) -> Table:
    """For a terminal."""
    table = Table(title="Cầu Nối: sự kiện · events", title_justify="left", row_styles=["", "dim"])
    table.add_column("event", no_wrap=True)
    table.add_column("from")
    table.add_column("leads to")
    for row in event_map(services):
        table.add_row(row.topic, ", ".join(row.publishers), "\n".join(map(_line, row.effects)))
    for effect in told_everything(services):
        table.add_row("every event", "", _line(effect))
    return table


def as_markdown(services: Sequence[Service]) -> str:
    """For the README, whose links lead to the functions' files."""
    lines = ["| event | from | leads to |", "|---|---|---|"]
    for row in event_map(services):
        lines.append(f"| `{row.topic}` | {', '.join(row.publishers)} | {_links(row.effects)} |")
    for effect in told_everything(services):
        lines.append(f"| every event | | {_links([effect])} |")
    return "\n".join(lines) + "\n"


def _effects(service: Service, event: type[Event]) -> list[Effect]:
    handlers = [Effect(service.name, _dotted(handler)) for handler in service.handlers().get(event, ())]
    tails = [
        Effect(service.name, _dotted(tail.receive), tail=True)
        for tail in service.tails
        if tail.topics is not None and event in tail.topics
    ]
    return handlers + tails


def _of_every_process(event: type[Event]) -> list[Effect]:
    """What the chassis hears wherever it runs: whose token is still good."""
    if event not in AccountsKnown.TOPICS:
        return []
    return [Effect("chassis", _dotted(AccountsKnown.receive), tail=True)]


def _dotted(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__qualname__}"


def _line(effect: Effect) -> str:
    return f"{effect.function}{' (every process)' if effect.tail else ''}"


def _links(effects: Iterable[Effect]) -> str:
    return "<br>".join(
        f"{effect.service}: [`{effect.short}`]({effect.file}){' (every process)' if effect.tail else ''}"
        for effect in effects
    )

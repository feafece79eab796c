"""What is computed from the code and committed: JSON Schemas, AsyncAPI, OpenAPI, two tables of the README, and the
catalogues of the pages (their texts; what was translated stays).

`python -m services.caunoi.generate` writes it, `--check` says what is not in step. The golden examples are not among
it: they are kept for ever, and the code is measured by them.
"""

import json
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from services.caunoi.app import build
from services.caunoi.eventmap import as_markdown, event_map
from services.caunoi.services import SERVICES
from services.chassis.pages import catalogue
from services.chassis.ports import TopicSpec
from services.chassis.service import Service, topic_specs
from services.chassis.settings import PREFIX, Settings
from services.contracts.events import EVENTS
from services.contracts.words import Event

ROOT = Path(__file__).parents[2]
CONTRACTS = Path("services/contracts")
SCHEMAS, EXAMPLES = CONTRACTS / "schemas", CONTRACTS / "examples"

_ATTRIBUTES = {
    "ce_specversion": {"const": "1.0"},
    "ce_id": {"description": "unique together with the source; the same again when it is delivered again"},
    "ce_source": {"description": "the document that it happened to: /service/kind/id"},
    "ce_type": {"description": "the topic"},
    "ce_time": {"format": "date-time", "description": "when it happened, UTC: expiries count from here"},
    "ce_subject": {"description": "the reference of what it is about"},
    "ce_dataschema": {"description": "urn:caunoi:<topic>:<version>"},
    "ce_sequence": {"pattern": "^[0-9]{1,15}$", "description": "counts all facts of the source, from 1"},
}


def schema_of(event: type[Event]) -> dict[str, Any]:
    """The JSON Schema of an event's body, as a consumer may rely on it; unknown fields are to be ignored."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": event.dataschema(),
        **event.model_json_schema(),
    }


def asyncapi(services: Sequence[Service]) -> dict[str, Any]:
    """AsyncAPI 3: a channel a topic, and who sends and receives what."""
    specs = {spec.name: spec for spec in topic_specs()}
    rows = event_map(services)
    operations = {
        f"{service}-sends-{row.topic}": _operation("send", row.event, f"{service} publishes it")
        for row in rows
        for service in row.publishers
    } | {
        f"{effect.service}-{re.sub('[._]', '-', effect.short)}-on-{row.topic}": _operation(
            "receive", row.event, effect.function
        )
        for row in rows
        for effect in row.effects
    }
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Cầu Nối",
            "version": "1",
            "description": "A topic is an event type. CloudEvents 1.0 in Kafka's binary mode, at least once, in order "
            "per key within a topic, in no order across topics. Records that nobody could digest lie in <topic>.dlq. "
            "No event holds a name, a phone number, an address, a birth date or free text.",
        },
        "defaultContentType": "application/json",
        "channels": {event.topic(): _channel(event, specs[event.topic()]) for event in EVENTS},
        "operations": operations,
        "components": {
            "messages": {event.__name__: _message(event) for event in EVENTS},
            "messageTraits": {
                "cloudevent": {
                    "contentType": "application/json",
                    "headers": {
                        "type": "object",
                        "required": list(_ATTRIBUTES),
                        "properties": {name: {"type": "string", **more} for name, more in _ATTRIBUTES.items()}
                        | {"traceparent": {"type": "string", "description": "W3C trace context, when there is one"}},
                    },
                }
            },
        },
    }


def openapi() -> dict[str, Any]:
    """OpenAPI of all four services in one process."""
    with tempfile.TemporaryDirectory() as directory:
        return build(Settings(data=Path(directory))).openapi()


def generated() -> Iterator[tuple[Path, str]]:
    """Every generated file, relative to the root of the repository, and what must be in it."""
    for event in EVENTS:
        yield SCHEMAS / f"{event.topic()}.json", _json(schema_of(event))
    yield CONTRACTS / "asyncapi.json", _json(asyncapi(SERVICES))
    yield CONTRACTS / "openapi.json", _json(openapi())
    readme = with_region((ROOT / "README.md").read_text(), "events", as_markdown(SERVICES))
    yield Path("README.md"), with_region(readme, "settings", settings_table())
    for path, text in catalogue.renewed():
        yield path.relative_to(ROOT), text


def settings_table() -> str:
    """What can be set, for the README."""
    lines = ["| variable | default | what it is |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = "" if field.default in (None, "") else f"`{field.default}`"
        lines.append(f"| `{PREFIX}{name.upper()}` | {default} | {field.description} |")
    return "\n".join(lines) + "\n"


def with_region(text: str, name: str, content: str) -> str:
    """`text` with what stands between its two marks of that name replaced."""
    starts, ends = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    before, found, rest = text.partition(starts)
    _, closed, after = rest.partition(ends)
    assert found and closed, f"README.md has no {starts} ... {ends}"
    return f"{before}{starts}\n{content}{ends}{after}"


def out_of_step() -> list[Path]:
    """Generated files that are not what they must be, and schemas of events that are no more."""
    wanted = dict(generated())
    differing = [path for path, text in wanted.items() if not _holds(ROOT / path, text)]
    left_over = [found.relative_to(ROOT) for found in (ROOT / SCHEMAS).glob("*.json")]
    return differing + [path for path in left_over if path not in wanted]


def main() -> None:
    differing = out_of_step()
    if sys.argv[1:] == ["--check"]:
        if differing:
            sys.exit("not in step, `make generate` writes them: " + ", ".join(map(str, differing)))
        return
    wanted = dict(generated())
    for path in differing:
        if path in wanted:
            (ROOT / path).parent.mkdir(exist_ok=True)
            (ROOT / path).write_text(wanted[path])
        else:
            (ROOT / path).unlink()
        sys.stdout.write(f"{path}\n")


def _channel(event: type[Event], spec: TopicSpec) -> dict[str, Any]:
    kafka = {
        "partitions": spec.partitions,
        "topicConfiguration": {
            "cleanup.policy": ["compact" if spec.compacted else "delete"],
            **({} if spec.compacted else {"retention.ms": spec.retention // timedelta(milliseconds=1)}),
        },
    }
    return {
        "address": event.topic(),
        "messages": {event.__name__: {"$ref": f"#/components/messages/{event.__name__}"}},
        "bindings": {"kafka": kafka},
    }


def _message(event: type[Event]) -> dict[str, Any]:
    example = json.loads((ROOT / EXAMPLES / f"{event.topic()}.json").read_text())
    key = "the account" if event.key is not Event.key else "the centre"
    return {
        "name": event.topic(),
        "title": event.__name__,
        **({"summary": event.__doc__} if event.__doc__ else {}),
        "traits": [{"$ref": "#/components/messageTraits/cloudevent"}],
        "payload": {"$ref": f"./schemas/{event.topic()}.json"},
        "bindings": {"kafka": {"key": {"type": "string", "description": key}}},
        "examples": [{"headers": example["headers"], "payload": example["body"]}],
    }


def _operation(action: str, event: type[Event], summary: str) -> dict[str, Any]:
    channel = f"#/channels/{event.topic()}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{event.__name__}"}],
        "summary": summary,
    }


def _holds(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    main()

"""What an operator and an orchestrator ask a process: `/livez`, `/startupz`, `/readyz`, `/metrics`."""

import contextlib
import math
import shutil
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, get_args

import structlog
from fastapi import Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from services.chassis import metrics
from services.chassis.access import Actor, may
from services.chassis.clock import STEP, SteadyClock
from services.chassis.errors import NotFound, Unavailable
from services.chassis.findings import last_backup
from services.chassis.service import SHOWN, Running, System
from services.chassis.web import Router, problems

router = Router(tags=["operations"])

Anyone = Annotated[Actor, may("anyone")]
"""Probes sign in nowhere; none of these answers has a reference or a person in it."""

SILENT: Final = timedelta(seconds=15)
"""The embedded bus answers at least every 5 s, Kafka ten times a second."""

Trouble = Literal["bus", "topics", "reader", "relay", "clock", "accounts", "stopping"]

log = structlog.get_logger()


class NoSuchPart(NotFound):
    en = "There is no part {part} here; there are {parts}."
    vi = "Ở đây không có phần {part}; chỉ có {parts}."


class Readiness(BaseModel):
    """`ready`: commands are taken. `degraded` names what does not work all the same, `why` says it in words."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ready": True,
                    "degraded": ["bus"],
                    "why": ["the bus has been silent for 21 s"],
                    "services": {
                        "notify": {"ready_for": {"serving": True, "reading": False, "publishing": True}, "owed": 0}
                    },
                }
            ]
        }
    )
    ready: bool
    degraded: Annotated[
        list[Trouble],
        Field(
            description="bus: it does not answer, events wait; topics: they are not as the contract states them; "
            "reader, relay: one of ours has ended, restart this process; clock: it jumped, or differs from the "
            "database's; accounts: no news of them; stopping: this process is about to end"
        ),
    ]
    why: list[str]
    services: Annotated[
        dict[str, dict[str, Any]],
        Field(description="Each one's state; `ready_for` says part by part what it can do."),
    ]

    def ready_for(self, part: str | None) -> bool:
        """The whole, or one part of every service that has it; raises `NoSuchPart`."""
        if part is None:
            return self.ready
        known = [state["ready_for"] for state in self.services.values()]
        if not any(part in parts for parts in known):
            raise NoSuchPart(part=part, parts=", ".join(sorted({name for parts in known for name in parts})))
        return all(parts.get(part, True) for parts in known)


@router.get("/livez", operation_id="livez", summary="The event loop turns")
async def livez(who: Anyone) -> dict[str, str]:
    return {"status": "alive"}


@router.get("/startupz", operation_id="startupz", summary="Stores are open and up to date")
async def startupz(request: Request, who: Anyone) -> dict[str, str]:
    if not request.app.state.started:
        raise Unavailable(retry_after=1)
    return {"status": "started"}


@router.get(
    "/readyz",
    operation_id="readyz",
    summary="Its own stores take writes that survive a power cut",
    response_model=Readiness,
    responses={503: {"model": Readiness, "description": "Not ready."}, **problems(NoSuchPart)},
)
async def readyz(
    request: Request,
    response: Response,
    who: Anyone,
    part: Annotated[
        str | None,
        Query(
            pattern=r"^[a-z]{1,20}$",
            description="Ask for one part instead: serving, reading or publishing; at notify also sending.",
            examples=["sending"],
        ),
    ] = None,
) -> Readiness:
    """The bus being away leaves a service ready, and `degraded`: numbers are given and called all the same."""
    found = await readiness(request.app.state.system)
    response.status_code = 200 if found.ready_for(part) else 503
    return found


@router.get("/metrics", operation_id="metrics", summary="For Prometheus", response_class=Response)
async def exposition(request: Request, who: Anyone) -> Response:
    await _measure(request.app.state.system)
    body, kind = metrics.exposition()
    return Response(body, media_type=kind)


async def _measure(system: System) -> None:
    """What is not counted as it happens, but looked at when somebody asks. What is away keeps its last figures."""
    found = await readiness(system)
    for name, state in found.services.items():
        metrics.ready.labels(name).set(state["ready_for"]["serving"])
    for trouble in get_args(Trouble):
        metrics.degraded.labels(trouble).set(trouble in found.degraded)
    metrics.bus_silence.set(max(0.0, system.bus_silent().total_seconds()))
    for topic, left in system.letters_left.counted(system.clock()).items():
        metrics.letters_left.labels(topic).set(left)
    if any("backed_up" in state["store"] for state in found.services.values()):
        begun = last_backup(found.services)
        metrics.backup_age.set((system.clock() - begun).total_seconds() if begun else math.inf)
    with contextlib.suppress(OSError):  # where all that is kept lies on servers there need be no directory
        metrics.free.set(shutil.disk_usage(system.settings.data).free)
    for name, running in system.running.items():
        for show in running.service.gauges:
            try:
                await show(running)
            except Unavailable as away:
                log.warning("gauges_not_shown", service=name, reason=away.slug())


async def readiness(system: System) -> Readiness:
    """What `/readyz` answers."""
    troubles: dict[Trouble, list[str]] = {}

    def note(trouble: Trouble, why: str) -> None:
        troubles.setdefault(trouble, []).append(why)

    silent = system.bus_silent()
    if silent > SILENT:
        because = f": {system.bus_trouble}" if system.bus_trouble else ""
        note("bus", f"the bus has been silent for {silent.total_seconds():.0f} s{because}")
    for difference in system.topics_differ[:SHOWN]:
        note("topics", difference)
    if len(system.topics_differ) > SHOWN:
        note("topics", f"and {len(system.topics_differ) - SHOWN} more: run `caunoi topics --check`")
    services = {}
    for name, running in system.running.items():
        services[name] = state = await _state(running, silent > SILENT)
        ahead = state["store"].get("clock_ahead_seconds", 0)
        if abs(ahead) > STEP.total_seconds():
            note("clock", f"{name}: the clock here is {ahead} s ahead of its database's; set both by NTP")
        if not running.relay.alive:
            note("relay", f"{name} publishes nothing any more")
        elif state["ready_for"]["serving"] and running.relay.trouble:
            note("bus", f"{name}: events wait ({running.relay.trouble})")
        if any(not reader.alive for reader in running.readers):
            note("reader", f"{name} no longer reads the bus")
        if system.leaving:
            state["ready_for"]["serving"] = False
    if isinstance(system.clock, SteadyClock) and system.clock.stepped:
        note("clock", "the clock of this machine jumped")
    if system.access.accounts.degraded:
        note("accounts", "no news of accounts")
    if system.leaving:
        note("stopping", "this process is about to end")
    return Readiness(
        ready=all(state["ready_for"]["serving"] for state in services.values()),
        degraded=list(troubles),
        why=[why for found in troubles.values() for why in found],
        services=services,
    )


async def _state(running: Running, bus_silent: bool) -> dict[str, Any]:
    state: dict[str, Any] = {
        "waiting": running.documents.waiting,
        "documents_in_memory": running.documents.in_memory,
    }
    if running.consumer:
        state["consumer"] = running.consumer.state()
    serving = running.documents.alive
    try:
        state |= await running.relay.state() | {"store": await running.store.health()}
    except Unavailable as trouble:
        state["store"] = {"trouble": trouble.says("en")}
        serving = False
    reading = not bus_silent and all(reader.alive for reader in running.readers)
    publishing = running.relay.alive and running.relay.trouble is None
    parts = {"serving": serving, "reading": reading, "publishing": publishing}
    parts |= dict.fromkeys(running.service.wants_bus_for, serving and reading)
    return {"ready_for": parts, **state}

"""What an operator and an orchestrator ask a process: `/livez`, `/startupz`, `/readyz`, `/metrics`."""

from typing import Annotated, Any

from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict

from services.chassis import metrics
from services.chassis.access import Actor, may
from services.chassis.clock import SteadyClock
from services.chassis.errors import Unavailable
from services.chassis.service import Running, System
from services.chassis.web import Router

router = Router(tags=["operations"])

Anyone = Annotated[Actor, may("anyone")]
"""Probes sign in nowhere; none of these answers has a reference or a person in it."""


class Readiness(BaseModel):
    """`degraded` names what does not work although requests are served; `services` gives each one's state."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"ready": True, "degraded": [], "services": {"queue": {"owed": 0}}}]}
    )
    ready: bool
    degraded: list[str]
    services: dict[str, dict[str, Any]]


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
    responses={503: {"model": Readiness, "description": "Not ready."}},
)
async def readyz(request: Request, response: Response, who: Anyone) -> Readiness:
    """The bus being away leaves a service ready, and `degraded`: numbers are given and called all the same."""
    found = await readiness(request.app.state.system)
    response.status_code = 200 if found.ready else 503
    return found


@router.get("/metrics", operation_id="metrics", summary="For Prometheus", response_class=Response)
async def exposition(request: Request, who: Anyone) -> Response:
    for running in request.app.state.system.running.values():
        await running.relay.state()
    body, kind = metrics.exposition()
    return Response(body, media_type=kind)


async def readiness(system: System) -> Readiness:
    degraded, services, ready = [], {}, True
    for name, running in system.running.items():
        state, well = await _state(running)
        services[name] = state
        ready = ready and well
        if state.get("trouble") or not running.relay.alive:
            degraded.append(f"{name}: events wait for the bus")
        if any(not reader.alive for reader in running.readers):
            degraded.append(f"{name}: no longer reads the bus")
    if isinstance(system.clock, SteadyClock) and system.clock.stepped:
        degraded.append("the clock of this machine jumped")
    if system.access.accounts.degraded:
        degraded.append("no news of accounts")
    return Readiness(ready=ready, degraded=degraded, services=services)


async def _state(running: Running) -> tuple[dict[str, Any], bool]:
    state: dict[str, Any] = await running.relay.state()
    state |= {"waiting": running.documents.waiting, "documents_in_memory": running.documents.in_memory}
    if running.consumer:
        state["consumer"] = running.consumer.state()
    try:
        return state | {"store": await running.store.health()}, running.documents.alive
    except Unavailable as trouble:
        return state | {"store": {"trouble": trouble.says("en")}}, False

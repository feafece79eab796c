"""`python -m tests.compose`: up from nothing, the story, crashes and restarts under load, the checker, down to nothing.

Prints what was done and found; exit code 1 when anything was not as it should be. `--keep` leaves it as it is then.
"""

import asyncio
import secrets
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from tests.compose import look
from tests.compose.morning import Morning, play
from tests.compose.screens import at_screens
from tests.compose.stack import Stack, StackFailed, started
from tests.faults.books import Books, at_rest
from tests.faults.checker import check
from tests.faults.diary import Diary
from tests.faults.history import History

SERVICES = ("queue", "volunteers", "training", "notify")
CRASHED = (*SERVICES, "kafka", "mongo", "gateway")
CENTRE = "31120"
"""No demo ward: what is judged is what this test asked for."""

screen = Console(highlight=False, soft_wrap=True)


@contextmanager
def step(what: str) -> Iterator[list[str]]:
    """A line when it is done: what, how long, and what was found."""
    begun = time.monotonic()
    found: list[str] = []
    yield found
    screen.print(
        f"[green]✓[/] {time.monotonic() - begun:5.1f} s  {what}" + (f": {escape('; '.join(found))}" if found else "")
    )


async def main(folder: Path) -> None:
    project = f"caunoi-test-{secrets.token_hex(3)}"
    keep = "--keep" in sys.argv
    with started(folder, project, keep=keep) as stack:
        if keep:
            screen.print(f"stays: docker compose --project-name {project} --profile '*' down --volumes")
        with step("up from nothing") as found:
            stack.up()
            found.append(f"{len(CRASHED)} containers healthy, secrets and topics ended with 0")
        with step("the containers") as found:
            found.extend(look.at_containers(stack))
        with step("the image") as found:
            found.extend(look.at_image(stack))
        with step("the gateway") as found:
            found.extend(look.at_gateway(stack))
        with step("profile demo: seeds, plays the story, ends with 0") as found:
            found.extend(look.at_demo(stack))
        with step("the screens") as found:
            found.extend(await asyncio.to_thread(at_screens, stack))
        await under_load(stack, folder)
        with step("the story once more") as found:
            found.extend(look.at_story(stack))
        with step("Prometheus") as found:
            found.extend(look.at_prometheus(stack))


async def under_load(stack: Stack, folder: Path) -> None:
    diary = Diary(folder / "diary.jsonl")
    async with play(stack, diary, CENTRE) as morning:
        for service in CRASHED:
            with step(f"{service} killed under load") as found:
                unanswered = diary.in_flight
                back = await morning.while_all_go_on(asyncio.to_thread(_crash, stack, service))
                found.extend([f"{unanswered} requests unanswered", f"back after {back:.1f} s"])
                await morning.goes_on()
        for service in SERVICES:
            with step(f"{service} stopped and started under load") as found:
                found.append(await morning.while_all_go_on(asyncio.to_thread(_restart, stack, service)))
                await morning.goes_on()
        with step("all of it stopped and started under load") as found:
            found.append(await morning.while_all_go_on(asyncio.to_thread(_stop_and_start, stack)))
            await morning.goes_on()
    with stack.books() as books:
        with step("at rest"):
            await at_rest(books, 240)
        with step("the checker") as found:
            found.extend(judged(diary, morning, books))


def _crash(stack: Stack, service: str) -> float:
    before = stack.state(service).restarts
    begun = time.monotonic()
    stack.crash(service)
    stack.until("back", service, lambda state: state.restarts > before and state.health == "healthy")
    return time.monotonic() - begun


def _restart(stack: Stack, service: str) -> str:
    begun = time.monotonic()
    stack.compose("stop", service)
    stopped = time.monotonic() - begun
    ended_well(stack, service)
    stack.start(service)
    stack.until("healthy", service, lambda state: state.health == "healthy")
    return f"ended with 0 after {stopped:.1f} s, healthy again {time.monotonic() - begun - stopped:.1f} s later"


def _stop_and_start(stack: Stack) -> str:
    begun = time.monotonic()
    stack.compose("stop")
    stopped = time.monotonic() - begun
    for service in CRASHED:
        ended_well(stack, service)
    stack.compose("up", "--detach")
    return f"stopped in {stopped:.1f} s, up again in {time.monotonic() - begun - stopped:.1f} s"


def ended_well(stack: Stack, service: str) -> None:
    """By itself, in the time it was given: 137 would say that the engine had to kill it."""
    state = stack.state(service)
    if state.exit_code not in ((0, 143) if service == "kafka" else (0,)):
        raise StackFailed(f"{service} ended with {state.exit_code} when it was told to stop")


def judged(diary: Diary, morning: Morning, books: Books) -> list[str]:
    ours = [record for record in books.records() if record.key == CENTRE]
    letters = books.dead_letters()
    violations = check(History(tuple(diary.attempts), ours, books.facts()))
    if violations or letters:
        raise StackFailed("\n".join(map(str, [*violations[:5], *letters[:5]])))
    commands = len({attempt.key for attempt in diary.attempts})
    return [
        f"{commands} commands, {len(diary.attempts) - commands} asked again",
        f"{len(ours)} records, {len({record.id for record in ours})} events",
        "no violation, no dead letter",
    ]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="caunoi-compose-") as place:
        try:
            asyncio.run(main(Path(place)))
        except (StackFailed, AssertionError) as failed:
            screen.print(f"[bold red]✗[/] {escape(str(failed))}")
            sys.exit(1)

"""What `make bench` measures, each as rows of its table. Nothing is asserted: a machine is as fast as it is."""

import asyncio
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import httpx2

from services.chassis.access import Access
from services.chassis.clock import system_clock
from services.chassis.settings import Settings
from tests.journeys.system import ROOT, running
from tests.servers.process import free_port
from tests.wire import Lost, Wire, request

HOT = "31186"
CALLING = "31187"
FIFTY = [f"32{number:03d}" for number in range(50)]
WAITING = 30
CONNECTIONS = 32
PART = {
    "name": {"vi": "Trung tâm", "en": "Centre"},
    "always_open": True,
    "services": {
        "ho-tich": {"name": {"vi": "Hộ tịch", "en": "Civil status"}, "series": "A", "counters": list(range(1, 50))}
    },
}
"""How `queue` is told of a centre."""


@dataclass(frozen=True)
class Row:
    what: str
    ours: str
    beside: str
    measure: str
    goal: str = ""
    met: bool | None = None


@dataclass
class Server:
    """Something that listens, a token that may do everything there, and its process."""

    at: str
    token: str
    pid: int
    data: Path
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Of centres that have one of their own: one for a whole country would be too long for a header."""


class Load:
    """The load generator, one process for one job after the other."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.load"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, server: Server, do: str, centres: Sequence[str], **more: Any) -> "Measured":
        own = {centre: server.tokens[centre] for centre in centres if centre in server.tokens}
        job = {"at": server.at, "token": server.token, "tokens": own, "do": do, "centres": list(centres), **more}
        assert self._process.stdin and self._process.stdout
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        measured = Measured(**json.loads(self._process.stdout.readline()))
        assert not measured.wrong, f"{measured.wrong} of {measured.requests} answers were wrong: {measured.example}"
        return measured

    def close(self) -> None:
        self._process.terminate()
        self._process.wait()


@dataclass(frozen=True)
class Measured:
    seconds: float
    requests: int
    latencies: list[float]
    wrong: int
    example: str

    @property
    def rate(self) -> float:
        return self.requests / self.seconds

    def quantile(self, part: float) -> float:
        """In milliseconds."""
        return sorted(self.latencies)[min(len(self.latencies) - 1, int(part * len(self.latencies)))] * 1000


# --------------------------------------------------------------------------------------------------- servers


def token_for(data: Path, centres: Sequence[str] = ()) -> str:
    """Of an account that may do everything the bench does: signed with the system's own key."""
    roles = ["kiosk", "staff", "coordinator", "operator"]
    settings = Settings(data=data)
    return Access(settings, system_clock).tokens.issue("a-bench00000000", roles, centres).token


@contextmanager
def product(data: Path) -> Iterator[Server]:
    """`caunoi up` with the hot centre and fifty others."""
    with running(data) as system:
        assert system.process
        centres = [HOT, *FIFTY]
        server = Server(system.address, token_for(data, [*centres, CALLING]), system.process.pid, data)
        describe(server, centres)
        yield server


def describe(server: Server, centres: Sequence[str]) -> None:
    with httpx2.Client(base_url=server.at, timeout=30) as http:
        for centre in centres:
            token = server.tokens.get(centre, server.token)
            answer = http.put(f"/queue/centres/{centre}", json=PART, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200, answer.text


@contextmanager
def queue_alone(data: Path) -> Iterator[Server]:
    """`python -m services.queue`: nobody handles its events in the same process."""
    with _served(data, "services.queue") as server:
        describe(server, [HOT, *FIFTY])
        yield server


@contextmanager
def bare_server(data: Path) -> Iterator[Server]:
    with _served(data, "tests.bench.bare") as server:
        yield server


@contextmanager
def _served(data: Path, module: str) -> Iterator[Server]:
    port = free_port()
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CAUNOI_")}
    ours = {"CAUNOI_DATA": str(data), "CAUNOI_PORT": str(port), "PYTHONDONTWRITEBYTECODE": ""}
    with data.with_suffix(".log").open("ab") as log:
        process = subprocess.Popen([sys.executable, "-m", module], cwd=ROOT, env=inherited | ours, stderr=log)
    try:
        wait_for((data / "address").exists)
        yield Server(f"http://127.0.0.1:{port}", token_for(data, [HOT, *FIFTY]), process.pid, data)
    finally:
        process.terminate()
        process.wait()


def wait_for(true: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not start"
        time.sleep(0.01)


def until_idle(server: Server) -> None:
    """What follows from the last load (events, handlers, views) must not run beside the next measurement."""

    def busy() -> int:
        fields = Path(f"/proc/{server.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])  # user and system time, in hundredths of a second

    for _ in range(300):
        before = busy()
        time.sleep(0.2)
        if busy() - before <= 2:
            return


# ------------------------------------------------------------------------------------- (a), (b) against a bare route


@dataclass
class Pair:
    """Rounds of ours and of what stands beside it, one after the other."""

    ours: list[Measured] = field(default_factory=list)
    beside: list[Measured] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        return median(ours.rate / beside.rate for ours, beside in zip(self.ours, self.beside, strict=True))

    def row(self, what: str, goal: float, each: int = 1, *, kind: str = "requests") -> Row:
        """`each`: so many requests are one of what is counted."""
        ours, beside = (median(one.rate for one in side) / each for side in (self.ours, self.beside))
        slow = median(one.quantile(0.99) for one in self.ours)
        ratio = self.ratio
        return Row(
            what,
            f"{ours:,.0f} {kind}/s (p99 {slow:.0f} ms)",
            f"{beside:,.0f} {kind}/s",
            f"{ratio:.2f} x",
            f">= {goal}",
            ratio >= goal,
        )


@contextmanager
def loading() -> Iterator[Load]:
    load = Load()
    try:
        yield load
    finally:
        load.close()


def interleaved(rounds: int, ours: Callable[[], Measured], beside: Callable[[], Measured]) -> Pair:
    """One of each first, unmeasured; then in turns, the first of each pair alternating."""
    pair = Pair()
    ours(), beside()
    for place in range(rounds):
        if place % 2:
            pair.beside.append(beside())
            pair.ours.append(ours())
        else:
            pair.ours.append(ours())
            pair.beside.append(beside())
    return pair


def bursts(load: Load, server: Server, centres: Sequence[str], count: int, *, times: int, drain: bool) -> Measured:
    """Several short bursts of issuing, the halls emptied in between unmeasured: a queue in the hundreds is no queue."""
    measured = [load(server, "issue", centres, count=count, drain=drain, connections=CONNECTIONS) for _ in range(times)]
    until_idle(server)
    return Measured(
        sum(one.seconds for one in measured),
        sum(one.requests for one in measured),
        [latency for one in measured for latency in one.latencies],
        0,
        "",
    )


def issue_against_bare(ours: Server, bare: Server, rounds: int, whose: str = "") -> list[Row]:
    with loading() as load:
        hot = interleaved(
            rounds,
            lambda: bursts(load, ours, [HOT], 400, times=4, drain=True),
            lambda: bursts(load, bare, [HOT], 400, times=4, drain=False),
        )
        load(ours, "fill", FIFTY, count=WAITING // 2)
        many = interleaved(
            rounds,
            lambda: bursts(load, ours, FIFTY, WAITING * len(FIFTY), times=1, drain=True),
            lambda: bursts(load, bare, FIFTY, WAITING * len(FIFTY), times=1, drain=False),
        )
    return [
        hot.row(f"(a) issue a ticket, one hot centre{whose}", 0.9),
        many.row(f"(a) issue a ticket, 50 centres of {WAITING} waiting{whose}", 0.75),
    ]


def cycles_against_bare(ours: Server, bare: Server, rounds: int) -> list[Row]:
    """Issue, call, start, complete: every connection is a counter."""
    with loading() as load:
        load(ours, "open", [HOT, *FIFTY], connections=CONNECTIONS)

        def cycles(server: Server, centres: Sequence[str]) -> Measured:
            measured = load(server, "cycle", centres, count=400, connections=CONNECTIONS)
            until_idle(server)
            return measured

        hot = interleaved(rounds, lambda: cycles(ours, [HOT]), lambda: cycles(bare, [HOT]))
        many = interleaved(rounds, lambda: cycles(ours, FIFTY), lambda: cycles(bare, FIFTY))
    return [
        hot.row("(b) issue, call, start, complete; one hot centre", 0.9, 4, kind="cycles"),
        many.row("(b) issue, call, start, complete; 50 centres", 0.75, 4, kind="cycles"),
    ]


# -------------------------------------------------------------------------------------------- (c) call to intent

CALLS = 200


def call_to_sms(ours: Server) -> list[Row]:
    """From `call-next` pressed to the SMS intent durable in the notifier's store, as another process can see it."""
    waited = sorted(asyncio.run(_calls(ours)))
    p50, p99 = (waited[int(part * len(waited))] * 1000 for part in (0.5, 0.99))
    return [
        Row(
            "(c) call-next pressed to SMS intent stored",
            f"p50 {p50:.1f} ms",
            "",
            f"p99 {p99:.1f} ms",
            "<= 25 ms",
            p99 <= 25,
        )
    ]


async def _calls(ours: Server) -> list[float]:
    centre, counter = CALLING, 1
    describe(ours, [centre])
    token = token_for(ours.data, [centre])
    wire = await Wire.to(ours.at)

    async def post(path: str, body: Any = None) -> Any:
        answer = await wire.ask(request("POST", path, body, token=token))
        assert answer.status < 300, f"{path}: {answer.status} {answer.body!r}"
        return answer.json

    await post(f"/queue/centres/{centre}/counters/{counter}/open")
    waited = []
    with closing(sqlite3.connect(f"file:{ours.data / 'notify.sqlite'}?mode=ro", uri=True)) as store:
        for number in range(CALLS):
            phone = f"0912{number:06d}"
            contact = await post("/notify/contacts", {"phone": phone, "purposes": ["queue_sms"], "centre": centre})
            wanted = {"service": "ho-tich", "contact_ref": contact["contact_ref"]}
            await post(f"/queue/centres/{centre}/tickets", wanted)
            until_planned = planned_after(store)
            begun = time.perf_counter()
            called = await post(f"/queue/centres/{centre}/counters/{counter}/call-next")
            until_planned()
            waited.append(time.perf_counter() - begun)
            await post(f"/queue/tickets/{called['ticket_id']}/no-show")
    return waited


def planned_after(store: sqlite3.Connection) -> Callable[[], None]:
    """Waits until a message is planned that was not when this was made."""
    (newest,) = store.execute("SELECT max(n) FROM journal").fetchone()

    def wait() -> None:
        deadline = time.monotonic() + 5
        while not store.execute(
            "SELECT 1 FROM journal WHERE n > ? AND type = 'MessagePlanned' LIMIT 1", (newest or 0,)
        ).fetchone():
            assert time.monotonic() < deadline, "no SMS was planned"
            time.sleep(0.0003)

    return wait


# ------------------------------------------------------------------------------------------ (d) start and memory


def start_and_memory(data: Path) -> list[Row]:
    """A demo directory: the story, 1,000 tickets, five sign-ins; then a second start."""
    with running(data, demo=True) as system:
        wait_for(lambda: _kept(data).get("told") is True, 120)
        kept = _kept(data)
        assert system.process
        pid, token = system.process.pid, kept["devices"]["kiosk.sanh"]
        server = Server(system.address, token, pid, data)
        with loading() as load:
            load(server, "fill", [HOT], count=1000, service="chung-thuc")
        for _ in range(5):
            answer = system.http.post("/session", json={"name": "dieuphoi", "password": kept["password"]})
            assert answer.status_code == 200, answer.text
        until_idle(server)
        peak = _peak_memory(pid)
        system.stop()
        begun = time.perf_counter()
        system.start(wait=False)
        asyncio.run(_first_answer(system.address))
        first = time.perf_counter() - begun
        system.wait_until_ready()
    return [
        Row("(d) first answer after start", "", "", f"{first:.2f} s", "<= 1.5 s", first <= 1.5),
        Row(
            "(d) peak memory: story, 1,000 tickets, 5 sign-ins", "", "", f"{peak:.0f} MB", "<= 150 MB", peak <= 150
        ),
    ]  # fmt: skip


def _kept(data: Path) -> dict[str, Any]:
    file = data / "demo.json"
    return dict(json.loads(file.read_text())) if file.exists() else {}


def _peak_memory(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1000


async def _first_answer(address: str) -> None:
    for _ in range(2_000):
        try:
            answer = await (await Wire.to(address)).ask(request("GET", "/livez"))
            assert answer.status == 200
            return
        except Lost:
            await asyncio.sleep(0.005)
    raise AssertionError("it never answered")


# ----------------------------------------------------------------------------------------------- (e) with a past


def with_a_past(past: Path, empty: Path, tickets: int, rounds: int) -> list[Row]:
    """Issuing in a system that has seen many days, beside one that has seen none."""
    subprocess.run([sys.executable, "-m", "tests.bench.past", str(past), str(tickets)], cwd=ROOT, check=True)
    with product(past) as old, product(empty) as new, loading() as load:
        until_idle(old)
        hot = interleaved(
            rounds,
            lambda: bursts(load, old, [HOT], 400, times=4, drain=True),
            lambda: bursts(load, new, [HOT], 400, times=4, drain=True),
        )
    return [hot.row(f"(e) issue a ticket after {tickets:,} past tickets, beside an empty system", 0.9)]

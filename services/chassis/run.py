"""One process from the first line to the last: lock the directory, listen, start, serve, end in order.

Told to stop it first says so (`/readyz`), still serving for `drain_seconds` if there is somebody who sends requests
elsewhere meanwhile; then takes no more, answers what is in flight, lets handlers finish, keeps their positions,
publishes what is owed and closes, all within `stop_seconds`. What is cut off is on disk or was never acknowledged.

`services.caunoi` runs all services through it, `python -m services.queue` runs one alone (`alone`).
"""

import asyncio
import contextlib
import errno
import gc
import os
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from typing import Final, NoReturn

import structlog
import uvicorn
import uvloop
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from services.chassis import logs, tracing
from services.chassis.datadir import CannotStart, DataDirectory
from services.chassis.errors import Unavailable
from services.chassis.problems import answer_of
from services.chassis.process import application
from services.chassis.service import Service, System
from services.chassis.settings import Settings, SettingsError, traces_wanted

FOR_REQUESTS: Final = 0.2
"""The share of `stop_seconds` that requests in flight get."""
FOR_SERVICES: Final = 0.7

log = structlog.get_logger()

Besides = Callable[[FastAPI, str], Awaitable[None]]
"""What a process does besides serving, once it answers: is given the application and its address."""


class _Server(uvicorn.Server):
    """Signals are `run`'s business (uvicorn would raise them again at the end), and ending is told to somebody."""

    def __init__(self, config: uvicorn.Config, ending: Callable[[], None]) -> None:
        super().__init__(config)
        self._ending = ending

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # Whoever waits for this is woken after the next step, in which we stop listening: a feed that is ended does not
        # come back to us.
        self._ending()
        await super().shutdown(sockets)


def run(
    make: Callable[[Settings], FastAPI],
    settings: Settings,
    directory: DataDirectory | None,
    besides: Besides | None = None,
) -> None:
    """Serve until SIGINT or SIGTERM. `directory` is taken already. Raises `CannotStart` in one line."""
    _start_logs(settings)
    listener = listen(settings.host, settings.port)
    try:
        app = make(settings)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(app, listener, settings, directory, besides))
    except Unavailable as error:
        raise CannotStart(error.says("vi"), error.says("en")) from None
    finally:
        listener.close()


async def _serve(
    app: FastAPI, listener: socket.socket, settings: Settings, directory: DataDirectory | None, besides: Besides | None
) -> None:
    address = address_of(settings)
    system: System = app.state.system
    tasks: list[asyncio.Task[None]] = []

    def answering() -> None:
        if directory:
            directory.announce(address)
        log.info("started", address=address, backend=settings.backend, service=" ".join(system.running))
        _settle_the_heap()
        if besides:
            tasks.append(asyncio.create_task(_kept_from_harm(besides(app, address))))

    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        lifespan="off",  # entered below, so that what fails in it reaches the caller
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_graceful_shutdown=settings.stop_seconds * FOR_REQUESTS,  # type: ignore[arg-type]  # it sleeps so long
    )
    server = _Server(config, system.stopping.set)
    _obey_signals(server, system, tasks)
    if traces_wanted():
        names = tuple(system.running)
        tracing.start(f"caunoi-{names[0]}" if len(names) == 1 else "caunoi")
    stack = contextlib.AsyncExitStack()
    whole = app.build_middleware_stack()
    app.middleware_stack = _not_yet(whole, settings.language)
    serving = asyncio.create_task(server.serve([listener]))
    starting = asyncio.create_task(stack.enter_async_context(app.router.lifespan_context(app)))
    try:
        await asyncio.wait([serving, starting], return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()  # raises what keeps it from starting
            app.middleware_stack = whole
            answering()
            await serving
    finally:
        server.should_exit = True
        for task in (starting, *tasks):
            task.cancel()
        await asyncio.gather(serving, starting, *tasks, return_exceptions=True)
        try:
            await asyncio.wait_for(stack.aclose(), settings.stop_seconds * FOR_SERVICES)
            log.info("stopped")
        except TimeoutError:
            log.warning("stopped_before_all_was_done", seconds=settings.stop_seconds)
        await tracing.stop()


def _not_yet(whole: ASGIApp, language: str) -> ASGIApp:
    """While it starts, which takes as long as its database is away: only probes are answered."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] in ("/livez", "/startupz"):
            await whole(scope, receive, send)
        else:
            await answer_of(Unavailable(retry_after=1), scope, language)(scope, receive, send)

    return answer


def _obey_signals(server: uvicorn.Server, system: System, tasks: list[asyncio.Task[None]]) -> None:
    """The first one ends it in order, what is done besides at once; a second one does not wait for requests."""
    loop = asyncio.get_running_loop()

    def exit() -> None:
        server.should_exit = True

    def stop() -> None:
        for task in tasks:
            task.cancel()
        if system.leaving:
            server.should_exit = server.force_exit = True
            return
        log.info("stopping", seconds=system.settings.drain_seconds + system.settings.stop_seconds)
        system.leaving = True
        if system.settings.drain_seconds:
            loop.call_later(system.settings.drain_seconds, exit)
        else:
            exit()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)


async def _kept_from_harm(work: Awaitable[None]) -> None:
    """What is done besides must not end the serving, and must not fail in silence."""
    try:
        await work
    except Exception:
        log.exception("work_failed", work="besides")


def _settle_the_heap() -> None:
    """What was imported lives for ever: out of the collector's sight, which then runs rarely. It is not asked to
    collect first: that took a tenth of a second and found next to nothing."""
    gc.freeze()
    gc.set_threshold(100_000, 50, 50)
    gc.enable()


def _start_logs(settings: Settings) -> None:
    """On a terminal somebody watches: only what needs him, unless he asked for more."""
    watched = sys.stderr.isatty() and "log_level" not in settings.model_fields_set
    logs.start("warning" if watched else settings.log_level)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there, or `CannotStart`."""
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as error:
        raise _cannot_listen(host, port, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(where)
        # An address may be bound twice until somebody listens on it.
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise _cannot_listen(host, port, error) from None
    listener.set_inheritable(False)
    return listener


def _cannot_listen(host: str, port: int, error: OSError) -> CannotStart:
    if isinstance(error, PermissionError):
        return CannotStart(
            f"Không được phép mở cổng {port}; hãy chọn --port từ 1024 trở lên.",
            f"Port {port} may not be opened; choose a --port of 1024 or more.",
        )
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return CannotStart(
            f"Máy này không có địa chỉ {host}; hãy chọn --host khác.",
            f"This machine has no address {host}; choose another --host.",
        )
    return CannotStart(
        f"Cổng {port} ({host}) đang được một chương trình khác dùng; hãy chọn --port khác.",
        f"Port {port} ({host}) is taken by another program; choose another --port.",
    )


def address_of(settings: Settings) -> str:
    """Where this machine itself reaches it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host and host[0] != '[' else host}:{settings.port}"


@contextlib.contextmanager
def data_directory(settings: Settings) -> Iterator[DataDirectory | None]:
    """The one of this process, taken and settled; none where what is kept lies on servers. Raises `CannotStart`."""
    if settings.on_servers:
        yield None
        return
    directory = DataDirectory(settings.data)
    directory.take()
    try:
        directory.settle(demo=settings.demo)
        yield directory
    finally:
        directory.release()


def alone(service: Service) -> NoReturn:
    """`python -m services.<name>`: this service and nothing else, on its own data directory or on the servers."""
    try:
        settings = Settings.load()
        with data_directory(settings) as directory:
            run(lambda settings: application([service], settings), settings, directory, partial(_say_so, service.name))
    except SettingsError as error:
        _leave(str(error))
    except CannotStart as error:
        _leave(str(error))
    sys.exit(0)


async def _say_so(name: str, app: FastAPI, address: str) -> None:
    backend = app.state.system.settings.backend
    os.write(1, f"{name} ({backend}) đang chạy · is running: {address}   Ctrl-C để dừng · to stop\n".encode())


def _leave(why: str) -> NoReturn:
    os.write(2, f"{why}\n".encode())
    sys.exit(2)

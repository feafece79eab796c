"""One address before services that run apart, as Caddy is in production: `python -m tests.journeys.gateway PORT`.

`queue=http://127.0.0.1:8001,http://127.0.0.1:8002 volunteers=...` follow. The first part of a path names the service;
of several processes of one service each takes its turn, and one that does not answer is passed over.
"""

import asyncio
import contextlib
import re
import sys
from collections.abc import Mapping
from itertools import cycle
from urllib.parse import urlsplit

ROUTES = (
    (re.compile(rb"/(queue|volunteers|training|notify)(/|$)"), None),
    (re.compile(rb"/(session/code|v|v/.*|o)$"), b"notify"),
    (re.compile(rb"/volunteer(/|$)"), b"volunteers"),
    (re.compile(rb"/"), b"queue"),
)
"""What a volunteer opens out of an SMS is the notifier's; all else without a service's name is the queue's."""


def service_of(path: bytes) -> str:
    for pattern, service in ROUTES:
        if found := pattern.match(path):
            return (service or found[1]).decode()
    return "queue"


class Gateway:
    """A connection carries one request, whatever its length, and its answer until that ends."""

    def __init__(self, services: Mapping[str, list[str]]) -> None:
        self._counts = {name: len(addresses) for name, addresses in services.items()}
        self._turns = {name: cycle(addresses) for name, addresses in services.items()}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = await reader.readuntil(b"\r\n\r\n")
            path = head.split(b" ", 2)[1].partition(b"?")[0]
            try:
                there, back = await self._reach(service_of(path))
            except OSError:
                writer.write(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n")
            else:
                back.write(_closing(head))
                sending = asyncio.create_task(_pass_on(reader, back))
                await _pass_on(there, writer)
                sending.cancel()
                back.close()
        writer.close()

    async def _reach(self, service: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """The next process of it that takes the connection."""
        for left in reversed(range(self._counts[service])):
            where = urlsplit(next(self._turns[service]))
            try:
                return await asyncio.open_connection(where.hostname, where.port)
            except OSError:
                if not left:
                    raise
        raise AssertionError(service)


def _closing(head: bytes) -> bytes:
    """The same head, asking for one answer and no more."""
    lines = [line for line in head[:-4].split(b"\r\n") if not line.lower().startswith(b"connection:")]
    return b"\r\n".join([*lines, b"Connection: close", b"", b""])


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(65_536):
            writer.write(piece)
            await writer.drain()


async def main(port: int, *services: str) -> None:
    found = {name: addresses.split(",") for name, _, addresses in (one.partition("=") for one in services)}
    server = await asyncio.start_server(Gateway(found).serve, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), *sys.argv[2:]))

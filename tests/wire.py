"""A small HTTP/1.1 client on raw sockets: keep-alive, one request at a time a connection, and it costs little.

For load, races and kills: it tells a lost answer (`Lost`) from a given one, which libraries that retry do not.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit


class Lost(Exception):
    """No whole answer came: nobody knows whether the request was carried out."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes
    head: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body) if self.body else {}

    def header(self, name: str) -> str:
        """Of the first header of that name; "" when there is none."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.decode().lower() == name:
                return value.decode().strip()
        return ""


def request(
    method: str, path: str, body: Any = None, *, token: str | None = None, headers: Mapping[str, str] | None = None
) -> bytes:
    """The bytes of a request; `body` is sent as JSON, or as it is when it is bytes."""
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
    if token:
        lines.append(f"Authorization: {token if ' ' in token else f'Bearer {token}'}")
    if body is not None:
        lines += ["Content-Type: application/json"]
    if body is not None or method != "GET":
        lines.append(f"Content-Length: {len(raw)}")
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    return "\r\n".join([*lines, "", ""]).encode() + raw


class Wire(asyncio.Protocol):
    """One connection. `ask` sends and waits; a connection that broke is not used again."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answer] | None = None
        self._got = bytearray()
        self._whole = -1
        self._head = b""
        self.broken = False

    @classmethod
    async def to(cls, base: str) -> "Wire":
        """A connection to `http://host:port`; raises `Lost` when nobody listens there."""
        host, _, port = urlsplit(base).netloc.partition(":")
        try:
            _, wire = await asyncio.get_running_loop().create_connection(cls, host, int(port))
        except OSError as error:
            raise Lost(str(error)) from None
        return wire

    async def ask(self, raw: bytes) -> Answer:
        """Raises `Lost`."""
        if self._transport is None or self.broken:
            raise Lost("the connection is gone")
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(raw)
        return await self._answer

    def close(self) -> None:
        self.broken = True
        if self._transport:
            self._transport.abort()

    # ------------------------------------------------------------------------------ what asyncio tells us

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's is one and says so to nobody

    def connection_lost(self, exc: Exception | None) -> None:
        self.broken = True
        if self._answer and not self._answer.done():
            self._answer.set_exception(Lost("the connection ended before the answer"))

    def data_received(self, data: bytes) -> None:
        self._got += data
        if self._whole < 0:
            end = self._got.find(b"\r\n\r\n")
            if end < 0:
                return
            self._head = bytes(self._got[:end])
            self._whole = end + 4 + _length(self._head)
        if len(self._got) >= self._whole and self._answer and not self._answer.done():
            start = len(self._head) + 4
            answer = Answer(int(self._head[9:12]), bytes(self._got[start : self._whole]), self._head)
            del self._got[: self._whole]
            self._whole = -1
            self._answer.set_result(answer)


def _length(head: bytes) -> int:
    at = head.lower().find(b"\r\ncontent-length:")
    if at < 0:
        return 0
    end = head.find(b"\r\n", at + 2)
    return int(head[at + 17 : end if end > 0 else None])

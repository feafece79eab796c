"""Somebody on the way to MongoDB, who passes on what is said, but for the next write of a document if told so."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Literal

import bson

from tests.servers.process import free_port

_WRITE = b"\x02update\x00\x0a\x00\x00\x00documents\x00"
_LOOK_FOR_TOKENS = b"\x10tokens\x00\x01\x00\x00\x00"

What = Literal["nothing", "lose the reply", "hold the write", "hold it until the next look"]


class Between:
    """Tell it `what` to do with the next write. In each case the client's connection breaks."""

    def __init__(self, port: int) -> None:
        self._server_port = port
        self.port = free_port()
        self.what: What = "nothing"
        self.went_on = asyncio.Event()
        """A write that is held goes on when this is set."""
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        """What the server said to a write whose client was gone."""
        self.refuses: bytes | None = None
        """A write in which this occurs is refused as a whole, as a server does that will not even begin it."""
        self._looks = False
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"mongodb://127.0.0.1:{self.port}/?directConnection=true"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        self._writers |= {writer, to_server}
        try:
            while True:
                message = await _message(reader)
                if self.what != "nothing" and _WRITE in message:
                    return await self._not_as_usual(message, from_server, to_server, writer)
                if self.refuses and self.refuses in message and _WRITE in message:
                    writer.write(_refusal(message))
                    continue
                to_server.write(message)
                reply = await _message(from_server)
                if self._looks and _LOOK_FOR_TOKENS in message:
                    self.went_on.set()
                    await self.answer
                writer.write(reply)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            to_server.close()

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()

    async def _not_as_usual(
        self,
        message: bytes,
        from_server: asyncio.StreamReader,
        to_server: asyncio.StreamWriter,
        writer: asyncio.StreamWriter,
    ) -> None:
        what, self.what = self.what, "nothing"
        if what != "lose the reply":
            writer.close()
            self._looks = what == "hold it until the next look"
            await self.went_on.wait()
        to_server.write(message)
        self.answer.set_result(await _message(from_server))


async def _message(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readexactly(4)
    return head + await reader.readexactly(int.from_bytes(head, "little") - 4)


def _refusal(request: bytes) -> bytes:
    said = b"\0" * 5 + bson.encode({"ok": 0.0, "code": 2, "codeName": "BadValue", "errmsg": "refused on the way"})
    return struct.pack("<iiii", 16 + len(said), 1, int.from_bytes(request[4:8], "little"), 2013) + said


@asynccontextmanager
async def between(port: int) -> AsyncIterator[Between]:
    somebody = Between(port)
    server = await asyncio.start_server(somebody.serve, "127.0.0.1", somebody.port)
    try:
        yield somebody
    finally:
        server.close()
        somebody.hang_up()
        await asyncio.sleep(0.05)  # for those who served to see it

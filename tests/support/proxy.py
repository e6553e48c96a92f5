"""A proxy before PostgreSQL that loses connections at chosen moments.

It listens on a Unix socket and speaks the frontend protocol just far enough to cut between two messages (every message
after the first is a type byte and a length). Source: PostgreSQL documentation, chapter "Frontend/Backend Protocol".
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from enum import Enum
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit, urlunsplit


class Fate(Enum):
    """What becomes of a message from the client."""

    PASS = "pass"
    #: The connection breaks before the server has it.
    LOSE = "lose"
    #: The server acts on it; the connection breaks before its answer is heard.
    SWALLOW_ANSWER = "swallow answer"
    #: The connection breaks at once for the client; the server gets the message, and goes on with it, a while later.
    ARRIVE_LATE = "arrive late"
    #: The server acts on it and its answer is never heard, yet the connection seems to live.
    SILENCE = "silence"


#: Judges a message: (number of the connection, number of the message in it after the log-in, type, payload).
Judge = Callable[[int, int, bytes, bytes], Fate]


def is_commit(kind: bytes, payload: bytes) -> bool:
    """Is this the message that makes a transaction durable?"""
    return kind == b"Q" and payload.rstrip(b"; \x00").upper().endswith(b"COMMIT")


class Proxy:
    """`judge` may be exchanged at any time. `cuts` counts the connections that were broken."""

    def __init__(self, upstream: str) -> None:
        self._upstream = upstream
        self.judge: Judge = lambda connection, number, kind, payload: Fate.PASS
        self.connections = 0
        self.cuts = 0
        #: Numbers of connections that the server ends as soon as they are logged in, and says so, without hanging up yet.
        self.farewells: set[int] = set()
        self._clients: dict[int, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def bid_farewell(self, connection: int) -> None:
        """Tell the client that the server ends this connection. The end itself comes a while after the word of it."""
        self._clients[connection].write(_FAREWELL)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        server_reader, server_writer = await asyncio.open_unix_connection(self._upstream)
        self._clients[self.connections] = writer
        answers = asyncio.create_task(_pump(server_reader, writer, self.connections in self.farewells))
        self._tasks.add(answers)
        try:
            await self._relay(self.connections, reader, server_writer, writer, answers)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            answers.cancel()
            for each in (writer, server_writer):
                each.close()

    async def _relay(
        self,
        connection: int,
        reader: asyncio.StreamReader,
        server: asyncio.StreamWriter,
        client: asyncio.StreamWriter,
        answers: asyncio.Task[None],
    ) -> None:
        size = await reader.readexactly(4)
        server.write(size + await reader.readexactly(int.from_bytes(size, "big") - 4))
        number = 0
        while True:
            kind, size = await reader.readexactly(1), await reader.readexactly(4)
            payload = await reader.readexactly(int.from_bytes(size, "big") - 4)
            message = kind + size + payload
            # "p" is a password message: the log-in is not over yet.
            number += kind != b"p"
            fate = Fate.PASS if kind == b"p" else self.judge(connection, number, kind, payload)
            if fate is Fate.PASS:
                server.write(message)
                await server.drain()
                continue
            self.cuts += 1
            if fate is Fate.LOSE:
                return
            answers.cancel()
            if fate is Fate.SWALLOW_ANSWER:
                server.write(message)
                # Until the server has surely acted; a Flush makes it say so even within an extended query.
                await server.drain()
                await asyncio.sleep(0.03)
                return
            if fate is Fate.ARRIVE_LATE:
                client.close()
                await asyncio.sleep(0.25)
                server.write(message)
                await server.drain()
                await asyncio.sleep(0.1)
                return
            server.write(message)
            await reader.read(-1)
            return


_READY = b"Z\x00\x00\x00\x05I"
_WORDS = b"SFATAL\x00VFATAL\x00C57P01\x00Mterminating connection due to administrator command\x00\x00"
_FAREWELL = b"E" + (len(_WORDS) + 4).to_bytes(4, "big") + _WORDS


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, farewell: bool) -> None:
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            if farewell and data.endswith(_READY):
                writer.write(_FAREWELL)
                farewell = False
            await writer.drain()
    writer.close()


@asynccontextmanager
async def proxied(dsn: str, directory: Path) -> AsyncIterator[tuple[Proxy, str]]:
    """A proxy in front of the server of `dsn` (which names a socket's directory), and the URL that goes through it."""
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    port = query.get("port", ["5432"])[0]
    proxy = Proxy(f"{query['host'][0]}/.s.PGSQL.{port}")
    listener = await asyncio.start_unix_server(proxy.serve, path=f"{directory}/.s.PGSQL.{port}")
    query["host"] = [str(directory)]
    try:
        yield proxy, urlunsplit(parts._replace(query=urlencode(query, doseq=True)))
    finally:
        listener.close()
        await listener.wait_closed()

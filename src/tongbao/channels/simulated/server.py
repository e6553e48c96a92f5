"""Running a simulated program: its socket, its signals, and the one line by which it says that it is ready."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

import uvicorn
from litestar import Litestar
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tongbao.channels.simulated.door import CUT, Door


class ClosingProtocol(HttpToolsProtocol):
    """Lets the application cut a connection without a reply, which ASGI has no word for."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][CUT] = self.transport.abort


class _Server(uvicorn.Server):
    """Says when it is ready, in one line that a parent process can wait for; lets go of held answers when it stops."""

    def __init__(self, config: uvicorn.Config, doors: Sequence[Door], name: str) -> None:
        super().__init__(config)
        self._doors = doors
        self._name = name

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and sockets:
            print(f"{self._name} ready on http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for door in self._doors:
            door.stopping.set()
        await super().shutdown(sockets=sockets)


@contextmanager
def listening(port: int) -> Iterator[socket.socket | None]:
    """A socket bound to the port (0: the system chooses); None, once it is said why, if that cannot be."""
    # Named TCP, because asyncio turns off Nagle's delay (40 ms an answer) only for sockets that say so.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except OSError as error:
            print(f"port {port}: {error.strerror}", file=sys.stderr)
            yield None
        else:
            yield listener


def serve(app: Litestar, doors: Sequence[Door], listener: socket.socket, name: str) -> None:
    """Serve until SIGTERM or SIGINT, then exit with status 0."""
    config = uvicorn.Config(
        app,
        http=ClosingProtocol,
        ws="none",
        log_level="warning",
        access_log=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=2,
    )
    # The server shuts down in order, then hands the signal on to whoever had it before: us, who call that a good end.
    signal.signal(signal.SIGTERM, _stopped)
    signal.signal(signal.SIGINT, _stopped)
    asyncio.run(_Server(config, doors, name).serve(sockets=[listener]))


def _stopped(number: int, frame: FrameType | None) -> None:
    sys.exit(0)

"""Several server processes over one database, each of which may be killed, paused, stopped and started again on its port."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

import msgspec

from tongbao.app.settings import Settings
from tongbao.app.stack import answering, ended, free_port, spawn
from tongbao.kernel.postgres import EmbeddedPostgres


class Process:
    """One of the product's commands (`serve` or `work`) as a process of its own."""

    def __init__(self, command: str, settings: Settings, log: Path) -> None:
        self.settings = settings
        self.log = log
        self._command = command
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://{self.settings.host}:{self.settings.port}"

    async def start(self, *, wait: bool = True) -> None:
        """`wait`: until it answers."""
        with self.log.open("ab") as output:
            self._process = await spawn(self._command, self.settings, output)
        if wait and self._command == "serve":
            await self.answering()

    async def answering(self) -> None:
        await answering(self.url, self._running())

    async def kill(self) -> None:
        """SIGKILL to it and whatever it started."""
        process = self._running()
        os.killpg(process.pid, signal.SIGKILL)
        await process.wait()

    def signal(self, number: signal.Signals) -> None:
        """SIGTERM, SIGSTOP, SIGCONT."""
        self._running().send_signal(number)

    async def gone(self, within_s: float) -> int:
        """Its exit status. Raises TimeoutError if it stays."""
        return await asyncio.wait_for(self._running().wait(), within_s)

    async def end(self) -> None:
        """Whatever state it is in."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGCONT)
            await ended(self._process)

    def said(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-6_000:] if self.log.exists() else ""

    def _running(self) -> asyncio.subprocess.Process:
        assert self._process is not None, "it was never started"
        assert self._process.returncode is None, f"it had ended by itself with {self._process.returncode}:\n{self.said()}"
        return self._process


@asynccontextmanager
async def more_servers(settings: Settings, number: int, folder: Path) -> AsyncIterator[list[Process]]:
    """`number` servers with the settings' database, keys and bank, each on a port of its own; all answer."""
    async with AsyncExitStack() as cleanup:
        servers = []
        for each in range(number):
            server = Process("serve", msgspec.structs.replace(settings, port=free_port()), folder / f"server {each + 1} log")
            cleanup.push_async_callback(server.end)
            await server.start(wait=False)
            servers.append(server)
        for server in servers:
            await server.answering()
        yield servers


def kill_database(server: EmbeddedPostgres) -> None:
    """SIGKILL to the first process of the server and to all its children, first the parent so that it cannot tidy up."""
    parent = server.pid()
    assert parent is not None, "the server was not running"
    children = [
        int(child) for task in Path(f"/proc/{parent}/task").iterdir() for child in (task / "children").read_text().split()
    ]
    for pid in (parent, *children):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    # A server that this process started would stay as a zombie, and look alive to the next one, until it is waited for.
    with suppress(ChildProcessError):
        os.waitpid(parent, 0)

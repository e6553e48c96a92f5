"""Starting the simulated provider of messages as a child process, and looking into it: for the sandbox and for tests."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import httpx
import msgspec

from tongbao.channels.simulated.messages import KEY_VARIABLE, Delivered, MessageFault

_READY = "messages ready on "


class MessagesProcess:
    """A running provider: `url` and `key` are what `HttpMessages` needs. Start it with `MessagesProcess.start`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, key: str) -> None:
        self._process = process
        self.url = url
        self._client = httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=10.0)

    @classmethod
    async def start(cls, *, key: str, port: int = 0, timeout_s: float = 20.0) -> MessagesProcess:
        """Start the program and wait until it is ready. Raises RuntimeError when it does not become so in time."""
        command = [sys.executable, "-m", "tongbao.channels.simulated.messages", "--port", str(port)]
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, env=os.environ | {KEY_VARIABLE: key}
        )
        assert process.stdout is not None
        line = ""
        try:
            async with asyncio.timeout(timeout_s):
                line = (await process.stdout.readline()).decode().strip()
        except TimeoutError:
            pass
        if not line.startswith(_READY):
            if process.returncode is None:
                process.kill()
            raise RuntimeError(f"the provider of messages did not start (exit status {await process.wait()})")
        return cls(process, line.removeprefix(_READY), key)

    async def outbox(self, to: str = "") -> list[Delivered]:
        """What was delivered, the latest first."""
        answer = await self._client.get("/v1/outbox", params={"to": to})
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=list[Delivered])

    async def add_fault(self, fault: MessageFault) -> None:
        """Order a fault."""
        (await self._client.post("/admin/faults", json=msgspec.to_builtins(fault))).raise_for_status()

    async def stop(self) -> int:
        """End it; answers its exit status."""
        await self._client.aclose()
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        return await self._process.wait()

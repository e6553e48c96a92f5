"""Starting the simulated provider of messages as a child process, and looking into it: for the sandbox and for tests."""

from __future__ import annotations

import asyncio
import re

import httpx
import msgspec

from tongbao.channels.simulated.messages import KEY_VARIABLE, Delivered, MessageFault
from tongbao.channels.simulated.process import Child, started

_CODE = re.compile(r"\b\d{6}\b")


class MessagesProcess(Child):
    """A running provider. Start it with `MessagesProcess.start`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, key: str) -> None:
        super().__init__(process, url, key)
        self._client = httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=10.0)

    @classmethod
    async def start(cls, *, key: str, port: int = 0, timeout_s: float = 20.0) -> MessagesProcess:
        """Start the program and wait until it is ready. Raises RuntimeError when it does not become so in time."""
        return cls(*await started("messages", ["--port", str(port)], {KEY_VARIABLE: key}, timeout_s), key)

    async def outbox(self, to: str = "") -> list[Delivered]:
        """What was delivered, the latest first."""
        answer = await self._client.get("/v1/outbox", params={"to": to})
        answer.raise_for_status()
        return msgspec.json.decode(answer.content, type=list[Delivered])

    async def code_sent(self, to: str, after: int = 0, most_wait_s: float = 10.0) -> str:
        """The code of the last message to a phone or address, once more than `after` with one have come: they are sent aside.
        Raises TimeoutError."""
        async with asyncio.timeout(most_wait_s):
            while True:
                codes: list[str] = [code for each in await self.outbox(to) for code in _CODE.findall(each.text)]
                if len(codes) > after:
                    return codes[0]
                await asyncio.sleep(0.1)

    async def add_fault(self, fault: MessageFault) -> None:
        """Order a fault."""
        (await self._client.post("/admin/faults", json=msgspec.to_builtins(fault))).raise_for_status()

    async def swap_sim(self, phone: str) -> None:
        """Exchange the SIM of a phone."""
        (await self._client.post("/admin/sims", json={"phone": phone})).raise_for_status()

    async def stop(self) -> int:
        """End it cleanly; answers its exit status."""
        await self._client.aclose()
        return await super().stop()

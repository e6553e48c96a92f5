"""Starting the simulated bank as a child process, and its back office: for the sandbox and for tests."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tongbao.channels.simulated.bank import KEY_VARIABLE
from tongbao.channels.simulated.faults import Fault
from tongbao.channels.simulated.rules import Account

_READY = "bank ready on "


class BankProcess:
    """A running bank: `url` and `key` are what `HttpBank` needs. Start it with `BankProcess.start`."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, key: str) -> None:
        self._process = process
        self.url = url
        self.key = key

    @classmethod
    async def start(
        cls, data: Path, *, key: str, port: int = 0, seed: int = 0, magic_amounts: bool = False, timeout_s: float = 20.0
    ) -> BankProcess:
        """Start the program and wait until it is ready. Raises RuntimeError when it does not become so in time."""
        command = [sys.executable, "-m", "tongbao.channels.simulated.bank"]
        command += ["--data", str(data), "--port", str(port), "--seed", str(seed)]
        command += ["--magic-amounts"] if magic_amounts else []
        # The key travels in the environment: arguments can be read by every user of the machine.
        process = await asyncio.create_subprocess_exec(
            *command, stdout=asyncio.subprocess.PIPE, env=os.environ | {KEY_VARIABLE: key}
        )
        assert process.stdout is not None
        try:
            async with asyncio.timeout(timeout_s):
                line = (await process.stdout.readline()).decode().strip()
        except TimeoutError:
            line = ""
        if not line.startswith(_READY):
            if process.returncode is None:
                process.kill()
            raise RuntimeError(f"the bank did not start (exit status {await process.wait()})")
        return cls(process, line.removeprefix(_READY), key)

    @property
    def pid(self) -> int:
        return self._process.pid

    async def stop(self) -> int:
        """End it cleanly; answers its exit status."""
        return await self._end(signal.SIGTERM)

    async def kill(self) -> int:
        """End it as a power cut would."""
        return await self._end(signal.SIGKILL)

    async def _end(self, how: signal.Signals) -> int:
        if self._process.returncode is None:
            self._process.send_signal(how)
        return await self._process.wait()


class BackOffice:
    """The bank's admin routes. Raises httpx.HTTPStatusError when the bank does not agree."""

    def __init__(self, url: str, *, key: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=10.0)

    async def open_account(self, holder_name: str, phone: str, balance_minor: int, currency: str = "CNY") -> Account:
        """Open a customer's account with a first balance."""
        body = {"holder_name": holder_name, "phone": phone, "balance_minor": balance_minor, "currency": currency}
        return msgspec.convert(await self._call("POST", "/admin/accounts", body), Account)

    async def close_account(self, number: str) -> Account:
        """Close a customer's account; its balance stays on it."""
        return msgspec.convert(await self._call("POST", f"/admin/accounts/{number}/close"), Account)

    async def reopen_account(self, number: str) -> Account:
        """Open a closed account again."""
        return msgspec.convert(await self._call("POST", f"/admin/accounts/{number}/reopen"), Account)

    async def add_fault(self, fault: Fault) -> int:
        """Order a fault; answers its number."""
        return int((await self._call("POST", "/admin/faults", msgspec.to_builtins(fault)))["id"])

    async def faults(self) -> list[dict[str, Any]]:
        """The faults still to come."""
        return list(await self._call("GET", "/admin/faults"))

    async def clear_faults(self) -> None:
        """Cancel every fault ordered."""
        await self._call("DELETE", "/admin/faults")

    async def audit(self) -> list[str]:
        """In which ways the bank's books do not add up; empty when they do."""
        return list((await self._call("GET", "/admin/audit"))["problems"])

    async def close(self) -> None:
        await self._client.aclose()

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        response = await self._client.request(method, path, json=body)
        response.raise_for_status()
        return response.json() if response.content else None

"""Starting the simulated programs as child processes, and their back offices: for the sandbox and for tests."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from pathlib import Path
from typing import Any

import httpx
import msgspec

from tongbao.channels.simulated.bank import CARDS_KEY_VARIABLE, KEY_VARIABLE
from tongbao.channels.simulated.card_http import CardState
from tongbao.channels.simulated.card_rules import Card
from tongbao.channels.simulated.faults import Fault
from tongbao.channels.simulated.knowledge import RegistryFault
from tongbao.channels.simulated.links import ShortMessage
from tongbao.channels.simulated.people import Known
from tongbao.channels.simulated.registries import KEY_VARIABLE as REGISTRIES_KEY
from tongbao.channels.simulated.rules import Account


class Child:
    """A running program: `url` and `key` are what its adapter needs."""

    def __init__(self, process: asyncio.subprocess.Process, url: str, key: str) -> None:
        self._process = process
        self.url = url
        self.key = key

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


class BankProcess(Child):
    """A running bank. Start it with `BankProcess.start`."""

    @classmethod
    async def start(
        cls,
        data: Path,
        *,
        key: str,
        cards_key: str = "",
        port: int = 0,
        seed: int = 0,
        magic_amounts: bool = False,
        timeout_s: float = 20.0,
    ) -> BankProcess:
        """Start the program and wait until it is ready. `cards_key`: of its card network; the bank's unless given. Raises
        RuntimeError when it does not become so in time."""
        options = ["--data", str(data), "--port", str(port), "--seed", str(seed)]
        options += ["--magic-amounts"] if magic_amounts else []
        return cls(*await started("bank", options, {KEY_VARIABLE: key, CARDS_KEY_VARIABLE: cards_key}, timeout_s), key)


async def started(
    name: str, options: list[str], secrets: dict[str, str], timeout_s: float
) -> tuple[asyncio.subprocess.Process, str]:
    """Start a program of this package and wait for its line; the process and its URL. Raises RuntimeError."""
    # A key travels in the environment: arguments can be read by every user of the machine.
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tongbao.channels.simulated.{name}", *options,
        stdout=asyncio.subprocess.PIPE, env=os.environ | secrets,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(timeout_s):
            line = (await process.stdout.readline()).decode().strip()
    except TimeoutError:
        line = ""
    ready = f"{name} ready on "
    if not line.startswith(ready):
        if process.returncode is None:
            process.kill()
        raise RuntimeError(f"the {name} did not start (exit status {await process.wait()})")
    return process, line.removeprefix(ready)


class RegistriesProcess(Child):
    """Running registries. Start them with `RegistriesProcess.start`."""

    @classmethod
    async def start(cls, *, key: str, port: int = 0, magic_numbers: bool = False, timeout_s: float = 20.0) -> RegistriesProcess:
        """Start the program and wait until it is ready. Raises RuntimeError when it does not become so in time."""
        options = ["--port", str(port), *(["--magic-numbers"] if magic_numbers else [])]
        return cls(*await started("registries", options, {REGISTRIES_KEY: key}, timeout_s), key)


class RegistriesOffice:
    """The registries' admin routes. Raises httpx.HTTPStatusError when they do not agree."""

    def __init__(self, url: str, *, key: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=10.0)

    async def learn(self, registry: str, known: Known) -> None:
        """A line in a registry's file."""
        (await self._client.put(f"/admin/files/{registry}", content=msgspec.json.encode(known))).raise_for_status()

    async def order(self, fault: RegistryFault) -> None:
        """Order a fault."""
        (await self._client.post("/admin/faults", content=msgspec.json.encode(fault))).raise_for_status()

    async def clear(self) -> None:
        """Cancel every fault ordered."""
        (await self._client.delete("/admin/faults")).raise_for_status()

    async def lookups(self) -> int:
        """How often a file was looked into."""
        response = await self._client.get("/admin/lookups")
        return int(response.raise_for_status().json()["lookups"])

    async def close(self) -> None:
        await self._client.aclose()


class CardsOffice:
    """The card network's admin routes. Raises httpx.HTTPStatusError when it does not agree."""

    def __init__(self, url: str, *, key: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=10.0)

    async def open_card(self, card: Card) -> None:
        """A new card."""
        (await self._client.post("/admin/cards", content=msgspec.json.encode(card))).raise_for_status()

    async def close_card(self, number: str) -> None:
        """Close a card; what is left stays on it."""
        (await self._client.post(f"/admin/cards/{number}/close")).raise_for_status()

    async def available_minor(self, number: str) -> int:
        """What a card has left."""
        response = (await self._client.get(f"/admin/cards/{number}")).raise_for_status()
        return msgspec.json.decode(response.content, type=CardState).available_minor

    async def add_fault(self, fault: Fault) -> None:
        """Order a fault."""
        (await self._client.post("/admin/card-faults", content=msgspec.json.encode(fault))).raise_for_status()

    async def clear_faults(self) -> None:
        """Cancel every fault ordered."""
        (await self._client.delete("/admin/card-faults")).raise_for_status()

    async def close(self) -> None:
        await self._client.aclose()


class BackOffice:
    """The bank's admin routes. Raises httpx.HTTPStatusError when the bank does not agree."""

    def __init__(self, url: str, *, key: str) -> None:
        self._client = httpx.AsyncClient(base_url=url, headers={"authorization": f"Bearer {key}"}, trust_env=False, timeout=10.0)

    async def open_account(
        self, holder_name: str, phone: str, balance_minor: int, currency: str = "CNY", document_number: str = ""
    ) -> Account:
        """Open a customer's account with a first balance."""
        body = {"holder_name": holder_name, "phone": phone, "balance_minor": balance_minor, "currency": currency}
        body["document_number"] = document_number
        return msgspec.convert(await self._call("POST", "/admin/accounts", body), Account)

    async def close_account(self, number: str) -> Account:
        """Close a customer's account; its balance stays on it."""
        return msgspec.convert(await self._call("POST", f"/admin/accounts/{number}/close"), Account)

    async def reopen_account(self, number: str) -> Account:
        """Open a closed account again."""
        return msgspec.convert(await self._call("POST", f"/admin/accounts/{number}/reopen"), Account)

    async def outbox(self, to: str = "") -> list[ShortMessage]:
        """What the bank sent to phones (E.164), the latest first: the codes by which accounts are linked."""
        response = await self._client.get("/admin/outbox", params={"to": to})
        return msgspec.json.decode(response.raise_for_status().content, type=list[ShortMessage])

    async def code_sent(self, to: str) -> str:
        """The code of the last message to a phone. Raises LookupError where none was sent."""
        for message in await self.outbox(to):
            if found := re.search(r"\b\d{6}\b", message.text):
                return found[0]
        raise LookupError(to)

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

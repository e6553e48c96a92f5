"""The banks that the channel tests run against: the one in memory, and the program behind its adapter."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol

from tongbao.channels.api import DEMO_ACCOUNTS, BankChannel, BankRequest, Fault, HttpBank, MemoryBank, TransferKind
from tongbao.channels.simulated.process import BackOffice, BankProcess
from tongbao.kernel.clock import VirtualClock

KEY = "a shared secret for tests"
XIAOMING = DEMO_ACCOUNTS[0]
#: How long the adapter waits in these tests; a fault that should outlast it takes `SLOW_MS`.
TIMEOUT_S = 0.6
SLOW_MS = 900

_numbers = count(1)


def top_up(reference: str = "", amount_minor: int = 10_000, kind: TransferKind = "debit", **changes: str) -> BankRequest:
    """A request that the bank agrees to, under a reference of its own unless one is given."""
    fields = {"account_number": XIAOMING.number, "holder_name": XIAOMING.holder_name, "currency": "CNY"} | changes
    return BankRequest(reference=reference or f"ref-{next(_numbers)}", kind=kind, amount_minor=amount_minor, **fields)


def code_in(text: str) -> str:
    """The six digits in a message."""
    found = re.search(r"\b\d{6}\b", text)
    assert found is not None, text
    return found[0]


class Rig(Protocol):
    """A bank, with a hand on what tests may do to it."""

    @property
    def channel(self) -> BankChannel: ...

    async def order(self, fault: Fault) -> None: ...

    async def open(self, holder_name: str, balance_minor: int, currency: str = "CNY") -> str: ...

    async def set_closed(self, number: str) -> None: ...

    async def code_sent(self, to: str) -> str: ...

    async def messages(self) -> int: ...

    async def wait(self, ms: int) -> None: ...

    def today(self) -> datetime: ...


@dataclass
class MemoryRig:
    channel: MemoryBank
    clock: VirtualClock

    async def order(self, fault: Fault) -> None:
        self.channel.order(fault)

    async def open(self, holder_name: str, balance_minor: int, currency: str = "CNY") -> str:
        return self.channel.open_account(holder_name, "13811112222", balance_minor, currency).number

    async def set_closed(self, number: str) -> None:
        self.channel.set_account_open(number, False)

    async def code_sent(self, to: str) -> str:
        return code_in(self.channel.links.sent(to)[0].text)

    async def messages(self) -> int:
        return len(self.channel.links.sent())

    async def wait(self, ms: int) -> None:
        self.clock.advance(timedelta(milliseconds=ms))

    def today(self) -> datetime:
        return self.clock.now()


@dataclass
class ProgramRig:
    channel: HttpBank
    office: BackOffice
    process: BankProcess

    async def order(self, fault: Fault) -> None:
        await self.office.add_fault(fault)

    async def open(self, holder_name: str, balance_minor: int, currency: str = "CNY") -> str:
        return (await self.office.open_account(holder_name, "13811112222", balance_minor, currency)).number

    async def set_closed(self, number: str) -> None:
        await self.office.close_account(number)

    async def code_sent(self, to: str) -> str:
        return await self.office.code_sent(to)

    async def messages(self) -> int:
        return len(await self.office.outbox())

    async def wait(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)

    def today(self) -> datetime:
        return datetime.now(UTC)


def memory_rig() -> MemoryRig:
    clock = VirtualClock(datetime(2026, 3, 1, 4, 0, tzinfo=UTC))
    return MemoryRig(MemoryBank(clock, timeout_ms=int(TIMEOUT_S * 1000)), clock)

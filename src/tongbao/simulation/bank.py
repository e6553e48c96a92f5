"""The bank of a run: the product's own bank in memory, with strange days, slow lines and answers that get lost."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, get_args

from tongbao.channels.memory import MemoryBank
from tongbao.channels.simulated.faults import Fault, FaultKind
from tongbao.channels.types import BankAnswer, BankRequest, LinkAnswer, LinkRequest, NotFound, StatementLine

_KINDS: tuple[FaultKind, ...] = get_args(FaultKind)
_WAITS_MS = (0, 50, 2_999, 3_000, 9_000, 60_000)
_CODES = ("NSF", "NOT_PERMITTED", "OVER_LIMIT")


class StrangeBank:
    """`BankChannel` over `bank`. `strange`: how often a request meets a fault just now."""

    def __init__(self, bank: MemoryBank, chance: random.Random, strange: Callable[[], float], note: Callable[..., None]) -> None:
        self._bank = bank
        self._chance = chance
        self._strange = strange
        self._note = note

    async def submit(self, request: BankRequest) -> BankAnswer:
        await self._happens("submit", request.reference)
        answer = await self._bank.submit(request)
        await self._travels()
        self._note("bank", answer.state, request.reference)
        return answer

    async def inquire(self, reference: str) -> BankAnswer | NotFound:
        await self._happens("inquire", reference)
        answer = await self._bank.inquire(reference)
        await self._travels()
        self._note("bank", "not found" if isinstance(answer, NotFound) else answer.state, reference)
        return answer

    async def start_link(self, request: LinkRequest) -> LinkAnswer:
        return await self._bank.start_link(request)

    async def confirm_link(self, reference: str, code: str) -> LinkAnswer:
        return await self._bank.confirm_link(reference, code)

    async def inquire_link(self, reference: str) -> LinkAnswer:
        return await self._bank.inquire_link(reference)

    async def reserve_balance(self, currency: str) -> int:
        return await self._bank.reserve_balance(currency)

    async def statement(self, day: date) -> list[StatementLine]:
        return await self._bank.statement(day)

    async def close(self) -> None:
        """Nothing to let go of."""

    async def _happens(self, operation: str, reference: str) -> None:
        chance = self._chance
        await self._travels()
        self._bank.clear_faults()
        if chance.random() < self._strange():
            kind = chance.choice(_KINDS)
            code: Any = chance.choice(_CODES)
            self._bank.order(Fault(kind, delay_ms=chance.choice(_WAITS_MS), code=code))
            self._note("bank", "will", kind, operation, reference)

    async def _travels(self) -> None:
        await asyncio.sleep(self._chance.random() * (2.0 if self._strange() else 0.01))


def settled_after() -> timedelta:
    """So long after the last request nothing is on its way to the bank any more, nor in processing there."""
    return timedelta(milliseconds=max(_WAITS_MS))

"""The card networks that the channel tests run against: the one in memory, and the program behind its adapter."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol
from uuid import UUID, uuid4

from stdnum import luhn

from tests.channels.bank_rigs import TIMEOUT_S, code_in
from tongbao.channels.api import (
    DEMO_CARDS,
    Card,
    CardBinding,
    CardDebit,
    CardKind,
    CardNetwork,
    CardRefund,
    Fault,
    HttpCards,
    MemoryCards,
)
from tongbao.channels.simulated.process import BackOffice, BankProcess, CardsOffice
from tongbao.kernel.clock import VirtualClock

CARDS_KEY = "another secret, of the network"
XIAOMING_DEBIT, XIAOMING_CREDIT = DEMO_CARDS[:2]

_numbers = count(1)


def new_card(available_minor: int, kind: CardKind = "debit", **changes: object) -> Card:
    """A card of somebody whom only this test knows, with a number of its own."""
    index = next(_numbers)
    body = f"621485{index:09d}"
    fields: dict[str, object] = {
        "number": body + luhn.calc_check_digit(body), "bank": "CMB", "kind": kind, "holder_name": "周文",
        "document_number": "330106199001010018", "phone": f"139{index:08d}", "expiry": "1235", "cvn2": "123",
        "available_minor": available_minor,
    }  # fmt: skip
    return Card(**(fields | changes))  # type: ignore[arg-type]


def binding_of(card: Card, **changes: str) -> CardBinding:
    """A question to which the network says yes, under a reference of its own."""
    fields = {
        "number": card.number, "holder_name": card.holder_name, "document_number": card.document_number,
        "phone": f"+86{card.phone}", "expiry": card.expiry, "cvn2": card.cvn2,
    }  # fmt: skip
    return CardBinding(uuid4(), **(fields | changes))


def debit_of(token: str, amount_minor: int = 10_000, currency: str = "CNY") -> CardDebit:
    """A debit under a reference of its own."""
    return CardDebit(uuid4(), token, amount_minor, currency, "山前咖啡")


def refund_of(debit: CardDebit, amount_minor: int) -> CardRefund:
    """A refund under a reference of its own."""
    return CardRefund(uuid4(), debit.reference, amount_minor)


class CardRig(Protocol):
    """A card network, with a hand on what tests may do to it."""

    @property
    def network(self) -> CardNetwork: ...

    async def order(self, fault: Fault) -> None: ...

    async def open(self, card: Card) -> None: ...

    async def set_closed(self, number: str) -> None: ...

    async def available_minor(self, number: str) -> int: ...

    async def code_sent(self, to: str) -> str: ...

    async def messages(self, to: str) -> int: ...

    async def wait(self, ms: int) -> None: ...


async def bound(rig: CardRig, card: Card) -> str:
    """The token of a card, bound as its holder binds it."""
    binding = binding_of(card)
    assert (await rig.network.start_binding(binding)).state == "CODE_SENT"
    answer = await rig.network.confirm_binding(binding.reference, await rig.code_sent(binding.phone))
    assert answer.card is not None, answer
    return answer.card.token


async def opened(rig: CardRig, available_minor: int, kind: CardKind = "debit", **changes: object) -> tuple[Card, str]:
    """A card of its own for a test, and its token."""
    card = new_card(available_minor, kind, **changes)
    await rig.open(card)
    return card, await bound(rig, card)


@dataclass
class MemoryCardRig:
    network: MemoryCards
    clock: VirtualClock

    async def order(self, fault: Fault) -> None:
        self.network.order(fault)

    async def open(self, card: Card) -> None:
        self.network.open_card(card)

    async def set_closed(self, number: str) -> None:
        self.network.set_card_open(number, False)

    async def available_minor(self, number: str) -> int:
        return self.network.available_minor(number)

    async def code_sent(self, to: str) -> str:
        return code_in(self.network.codes.sent(to)[0].text)

    async def messages(self, to: str) -> int:
        return len(self.network.codes.sent(to))

    async def wait(self, ms: int) -> None:
        self.clock.advance(timedelta(milliseconds=ms))


@dataclass
class ProgramCardRig:
    network: HttpCards
    office: CardsOffice
    bank_office: BackOffice
    process: BankProcess

    async def order(self, fault: Fault) -> None:
        await self.office.add_fault(fault)

    async def open(self, card: Card) -> None:
        await self.office.open_card(card)

    async def set_closed(self, number: str) -> None:
        await self.office.close_card(number)

    async def available_minor(self, number: str) -> int:
        return await self.office.available_minor(number)

    async def code_sent(self, to: str) -> str:
        return await self.bank_office.code_sent(to)

    async def messages(self, to: str) -> int:
        return len(await self.bank_office.outbox(to))

    async def wait(self, ms: int) -> None:
        await asyncio.sleep(ms / 1000)


def memory_card_rig() -> MemoryCardRig:
    clock = VirtualClock(datetime(2026, 3, 1, 4, 0, tzinfo=UTC))
    return MemoryCardRig(MemoryCards(clock, timeout_ms=int(TIMEOUT_S * 1000)), clock)


def never() -> UUID:
    """A reference that nobody used."""
    return uuid4()

"""Who lives in a run, and what they know of each other. Thieves know as much as everybody."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any, TypeVar
from uuid import UUID

import msgspec

from tongbao.engine.api import Accepted, Command, Outcome, Relation
from tongbao.identity.types import PinConfirmation
from tongbao.ledger.commands import DefineColour, MoveUpTo, PlaceHold, PostLinked, ReverseJournal
from tongbao.merchants.types import OpenMerchant
from tongbao.payments.types import CreateOrder, PayMerchant, PayOrder
from tongbao.wallet.types import StartBankTransfer

T = TypeVar("T")
CURRENCY = "CNY"
_REMEMBERED = 200


class Person(msgspec.Struct):
    """A customer. `name` is given before anybody knows an id."""

    name: str
    mac: bytes
    thief: bool
    customer_id: UUID | None = None
    cards: list[UUID] = []

    @property
    def pin(self) -> PinConfirmation:
        return PinConfirmation(self.mac)


class Shop(msgspec.Struct, frozen=True):
    """A merchant."""

    merchant_id: UUID
    currency: str
    fee_ppm: int


class Transferring(msgspec.Struct, frozen=True):
    """A bank transfer that was started."""

    bank_transfer_id: UUID
    command: StartBankTransfer


class Town:
    """What everybody may know."""

    def __init__(
        self, chance: random.Random, now: Callable[[], datetime], rows: Callable[[Relation[Any]], Sequence[Any]]
    ) -> None:
        self.chance = chance
        self.now = now
        #: What the edge reads before it makes a command: rows as they are committed.
        self.rows = rows
        self.people: list[Person] = []
        self.shops: list[Shop] = []
        self.orders: deque[CreateOrder] = deque(maxlen=_REMEMBERED)
        self.paid: deque[PayOrder | PayMerchant] = deque(maxlen=_REMEMBERED)
        self.holds: deque[PlaceHold] = deque(maxlen=_REMEMBERED)
        self.transfers: deque[Transferring] = deque(maxlen=_REMEMBERED)
        self.colours: deque[str] = deque(maxlen=20)
        #: Journals that may be reversed.
        self.journals: deque[UUID] = deque(maxlen=_REMEMBERED)
        self.said: deque[Command] = deque(maxlen=_REMEMBERED)
        self._numbers = 0

    def id(self) -> UUID:
        """A fresh identifier."""
        return UUID(int=self.chance.getrandbits(128), version=4)

    def number(self) -> int:
        """A fresh number: mostly new, sometimes one used before."""
        if self._numbers and self.chance.random() < 0.1:
            return self.chance.randint(1, self._numbers)
        self._numbers += 1
        return self._numbers

    def amount(self) -> int:
        """Minor units: often little, often a round sum, now and then nearly all that anybody has."""
        return self.chance.choice((1, 2, 3, 99, 100, 101, 700, 1300, 2500, 5000, self.chance.randint(1, 9999)))

    def someone(self, otherwise: Person) -> Person:
        """Anybody who has been taken on; a few are everybody's friends."""
        friends = 4 if self.chance.random() < 0.5 else len(self.people)
        known = [person for person in self.people[:friends] if person.customer_id]
        return self.chance.choice(known) if known else otherwise

    def one_of(self, things: deque[T]) -> T | None:
        """One of these, more often a late one."""
        if not things:
            return None
        late = self.chance.random() < 0.6
        return things[-1 - int(self.chance.random() * min(len(things), 3 if late else len(things)))]

    def person(self, number: int, *, thief: bool) -> Person:
        """Somebody new."""
        return Person(f"+86138{number:08d}", sha256(b"%d" % number).digest(), thief, cards=[])

    def learn(self, command: Command, outcome: Outcome) -> None:
        """What an answer teaches."""
        self.said.append(command)
        if not isinstance(outcome.decision, Accepted):
            return
        result: Any = outcome.decision.result
        match command:
            case CreateOrder():
                self.orders.append(command)
            case PayOrder() | PayMerchant():
                self.paid.append(command)
            case PlaceHold():
                self.holds.append(command)
            case StartBankTransfer():
                self.transfers.append(Transferring(result.bank_transfer_id, command))
            case OpenMerchant():
                self.shops.append(Shop(result.merchant_id, command.currency, command.fee_ppm))
            case DefineColour():
                self.colours.append(command.code)
            case PostLinked():
                self.journals.extend(result.journal_ids)
            case MoveUpTo() | ReverseJournal():
                self.journals.append(result.journal_id)
            case _:
                pass

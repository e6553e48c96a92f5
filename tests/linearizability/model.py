"""The product as its clients may see it, one operation at a time: balances, orders, refunds.

Fees are left out: the merchants of these tests have none.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from tests.linearizability.history import Answer

OK = "ok"


class Order(msgspec.Struct, frozen=True):
    """What is fixed of an order."""

    number: str
    merchant: str
    minor: int

    def __str__(self) -> str:
        return f"order {self.number} ({self.minor} to {self.merchant})"


class State:
    """Balances by account, payer and refunded sum by order. Immutable; equal when all of it is equal."""

    __slots__ = ("_hash", "balances", "orders")

    def __init__(self, balances: dict[str, int], orders: dict[str, tuple[str, int]] | None = None) -> None:
        self.balances = balances
        self.orders = orders or {}
        self._hash = hash((frozenset(balances.items()), frozenset(self.orders.items())))

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, State) and (self.balances, self.orders) == (other.balances, other.orders)

    def moved(self, minor: int, source: str, target: str, orders: dict[str, tuple[str, int]] | None = None) -> State:
        """With `minor` moved and some orders changed."""
        balances = dict(self.balances)
        balances[source] = balances.get(source, 0) - minor
        balances[target] = balances.get(target, 0) + minor
        return State(balances, self.orders | (orders or {}))

    def __str__(self) -> str:
        orders = {number: f"paid by {payer}, {refunded} refunded" for number, (payer, refunded) in self.orders.items()}
        return ", ".join(f"{name}: {what}" for name, what in sorted({**self.balances, **orders}.items()))


class Transfer(msgspec.Struct, frozen=True):
    """Money from one to another. Answers the payer's balance after it, or what was there when it was not enough."""

    reads_only: ClassVar[bool] = False
    payer: str
    payee: str
    minor: int

    def touches(self) -> tuple[str, ...]:
        return self.payer, self.payee

    def apply(self, state: State) -> tuple[Answer, State]:
        there = state.balances.get(self.payer, 0)
        if there < self.minor:
            return Answer("insufficient_funds", there), state
        return Answer(OK, there - self.minor), state.moved(self.minor, self.payer, self.payee)

    def __str__(self) -> str:
        return f"{self.payer} sends {self.payee} {self.minor}"


class Pay(msgspec.Struct, frozen=True):
    """An order paid in full by one payer, once."""

    reads_only: ClassVar[bool] = False
    order: Order
    payer: str

    def touches(self) -> tuple[str, ...]:
        return self.order.number, self.payer, self.order.merchant

    def apply(self, state: State) -> tuple[Answer, State]:
        if self.order.number in state.orders:
            return Answer("order_paid"), state
        there = state.balances.get(self.payer, 0)
        if there < self.order.minor:
            return Answer("insufficient_funds", there), state
        paid = {self.order.number: (self.payer, 0)}
        return Answer(OK), state.moved(self.order.minor, self.payer, self.order.merchant, paid)

    def __str__(self) -> str:
        return f"{self.payer} pays {self.order}"


class Refund(msgspec.Struct, frozen=True):
    """Part of a payment back to whoever paid it, never more than is left of it. Anybody's wallet may be the payer's."""

    reads_only: ClassVar[bool] = False
    order: Order
    minor: int
    payers: tuple[str, ...]

    def touches(self) -> tuple[str, ...]:
        return self.order.number, self.order.merchant, *self.payers

    def apply(self, state: State) -> tuple[Answer, State]:
        paid = state.orders.get(self.order.number)
        if paid is None:
            return Answer("order_not_paid"), state
        payer, refunded = paid
        left = self.order.minor - refunded
        if self.minor > left:
            return Answer("refund_exceeds_paid", left), state
        given_back = {self.order.number: (payer, refunded + self.minor)}
        return Answer(OK), state.moved(self.minor, self.order.merchant, payer, given_back)

    def __str__(self) -> str:
        return f"refund of {self.minor} on {self.order}"


class Balance(msgspec.Struct, frozen=True):
    """A balance, read. `source` says where: the overview, or the sum of the statement."""

    reads_only: ClassVar[bool] = True
    account: str
    source: str = "overview"

    def touches(self) -> tuple[str, ...]:
        return (self.account,)

    def apply(self, state: State) -> tuple[Answer, State]:
        return Answer(OK, state.balances.get(self.account, 0)), state

    def __str__(self) -> str:
        return f"balance of {self.account} by the {self.source}"


class Look(msgspec.Struct, frozen=True):
    """An order, read: whether it is paid, and how much of it was refunded."""

    reads_only: ClassVar[bool] = True
    order: Order

    def touches(self) -> tuple[str, ...]:
        return (self.order.number,)

    def apply(self, state: State) -> tuple[Answer, State]:
        paid = state.orders.get(self.order.number)
        return (Answer("CREATED", 0) if paid is None else Answer("PAID", paid[1])), state

    def __str__(self) -> str:
        return f"look at {self.order}"

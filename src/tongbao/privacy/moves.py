"""A customer's bills and payments in a copy, as the wallet shows them: other people masked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from tongbao.kernel.money import format_minor
from tongbao.payments.lifecycle import PaymentState
from tongbao.payments.types import PAYMENT
from tongbao.privacy.holdings import PAGE
from tongbao.privacy.types import QUERIES
from tongbao.wallet.statement import Counterparty, Statement
from tongbao.wallet.types import BillKind, BillState, CounterpartyKind, Direction


class BillItem(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the statement. `factors`: how the customer confirmed it (a sum: 1 knows, 2 has, 4 is, 8 signed)."""

    bill_id: str
    kind: BillKind
    direction: Direction
    amount: str
    currency: str
    counterparty: str
    counterparty_kind: CounterpartyKind
    title: str
    note: str
    at: datetime
    state: BillState
    balance_after: str | None
    journal_id: str | None
    reference_id: str | None
    factors: int


class PaymentItem(msgspec.Struct, frozen=True, kw_only=True):
    """An order that the customer paid, or agreed to. `most`: where it was authorised, what they agreed to; `paid`: what was
    taken."""

    payment_id: str
    merchant_id: str
    store_id: str | None
    out_trade_no: str
    subject: str
    amount: str
    most: str | None
    paid: str
    refunded: str
    currency: str
    state: PaymentState
    method: str
    created_at: datetime
    paid_at: datetime | None


class Bills:
    """The statement, newest first. See `holdings.PersonalData`."""

    name, category, item, tables = "bills", "money", BillItem, ("bill",)

    def __init__(self, statement: Statement) -> None:
        self._statement = statement

    async def export(self, customer_id: UUID) -> AsyncIterator[msgspec.Struct]:
        """See `PersonalData.export`."""
        before: UUID | None = None
        while True:
            shown = await self._statement.bills(customer_id, None, None, None, None, before, PAGE - 1)
            states, others = await self._statement.details([each.row for each in shown])
            for each in shown:
                bill = each.row
                other = others.get(bill.counterparty_id) or Counterparty("–", bill.counterparty_kind)
                balance = bill.balance_minor
                yield BillItem(
                    bill_id=str(bill.bill_id), kind=bill.kind, direction=bill.direction,
                    amount=format_minor(bill.amount_minor, bill.currency), currency=bill.currency, counterparty=other.name,
                    counterparty_kind=other.kind, title=bill.title, note=each.note, at=bill.at,
                    state=states.get(bill.bill_id, "SUCCEEDED"),
                    balance_after=None if balance is None else format_minor(balance, bill.currency),
                    journal_id=_text(bill.journal_id), reference_id=_text(bill.reference_id), factors=bill.factors,
                )  # fmt: skip
            if len(shown) < PAGE:
                return
            before = shown[-1].row.bill_id


class Payments:
    """What the customer paid, oldest first, found through the bills; then what they authorised and nobody took. See
    `holdings.PersonalData`."""

    name, category, item, tables = "payments", "money", PaymentItem, (PAYMENT.name,)

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def export(self, customer_id: UUID) -> AsyncIterator[msgspec.Struct]:
        """See `PersonalData.export`."""
        after: UUID | None = None
        while True:
            rows = await self._pool.fetch(QUERIES["payments_of"], customer_id, after, PAGE)
            for row in rows:
                yield _payment(row)
            if len(rows) < PAGE:
                break
            after = rows[-1]["bill_id"]
        place: tuple[datetime | None, UUID | None] = (None, None)
        while True:
            rows = await self._pool.fetch(QUERIES["untaken_of"], customer_id, *place, PAGE)
            for row in rows:
                yield _payment(row)
            if len(rows) < PAGE:
                return
            place = rows[-1]["authorised_at"], rows[-1]["payment_id"]


def _payment(row: asyncpg.Record) -> PaymentItem:
    currency, agreed = row["currency"], row["agreed_minor"]
    return PaymentItem(
        payment_id=str(row["payment_id"]), merchant_id=str(row["merchant_id"]), store_id=_text(row["store_id"]),
        out_trade_no=row["out_trade_no"], subject=row["subject"], amount=format_minor(row["amount_minor"], currency),
        most=format_minor(agreed, currency) if agreed else None, paid=format_minor(row["paid_minor"], currency),
        refunded=format_minor(row["refunded_minor"], currency), currency=currency, state=row["state"],
        method=row["method"], created_at=row["created_at"], paid_at=row["paid_at"],
    )  # fmt: skip


def _text(id: UUID | None) -> str | None:
    return str(id) if id else None

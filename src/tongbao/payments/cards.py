"""Payments and orders as answers: what their payers and their merchants are shown of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from tongbao.identity.service import IdentityService, Person
from tongbao.kernel.clock import Clock
from tongbao.kernel.money import format_minor
from tongbao.merchants.service import MerchantService
from tongbao.merchants.types import Merchant, Store
from tongbao.payments.funding_types import Funding, SourceName
from tongbao.payments.lifecycle import PaymentState
from tongbao.payments.service import PaymentService
from tongbao.payments.types import Capture, Payment, Refund, RefundState
from tongbao.security.masking import mask_name


class MerchantName(msgspec.Struct, frozen=True):
    """Who is paid."""

    merchant_id: str
    name: str


class StoreName(msgspec.Struct, frozen=True):
    """Where."""

    store_id: str
    name: str


class RefundLine(msgspec.Struct, frozen=True):
    """A refund as part of its payment."""

    refund_id: str
    out_refund_no: str
    amount: str
    currency: str
    at: datetime
    reason: str
    state: RefundState


class CaptureLine(msgspec.Struct, frozen=True):
    """A capture as part of its payment. `last`: what was left of the authorisation went back."""

    capture_id: str
    out_capture_no: str
    amount: str
    currency: str
    at: datetime
    last: bool


class FundingLine(msgspec.Struct, frozen=True):
    """A part of a payment: what it drew on a source, and what of that was refunded. `of`: the card's id, or the
    voucher's colour."""

    source: SourceName
    of: str
    amount: str
    refunded: str


class PaymentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An order or payment as its payer sees it. `most`: where paying authorises, the most that may be taken, to be captured until
    `expires_at` once it is authorised. `paid`: what was taken so far; `refunded`: the sum of its refunds. UNKNOWN: a card is
    being debited, and its network has not answered yet. `funding`: what one payment drew on, shown to its payer only; empty where
    that was the balance alone."""

    payment_id: str
    merchant: MerchantName
    store: StoreName | None = None
    out_trade_no: str
    subject: str
    amount: str
    currency: str
    state: PaymentState
    most: str | None = None
    paid: str
    refunded: str
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    payer_masked: str | None = None
    bill_id: str | None = None
    refunds: list[RefundLine]
    captures: list[CaptureLine]
    funding: tuple[FundingLine, ...] = ()


class OrderAnswer(PaymentAnswer, frozen=True, kw_only=True):
    """The same as its merchant sees it: with the fee, and what is left of the amount after it."""

    fee: str
    net: str


class Cards:
    """Turns payments into answers: names and refunds are fetched once a page."""

    def __init__(self, payments: PaymentService, merchants: MerchantService, identity: IdentityService, clock: Clock) -> None:
        self._payments = payments
        self._merchants = merchants
        self._identity = identity
        self._clock = clock

    async def payments(self, rows: Sequence[Payment]) -> list[PaymentAnswer]:
        """As their payers see them."""
        facts = await self._facts(rows)
        return [_answer(PaymentAnswer, row, facts) for row in rows]

    async def payment(self, row: Payment) -> PaymentAnswer:
        """One, as its payer sees it."""
        return _answer(PaymentAnswer, row, await self._facts((row,)))

    async def payment_with_parts(self, row: Payment) -> PaymentAnswer:
        """One, as its payer sees it, with what it drew on."""
        answer = await self.payment(row)
        if row.payer_id is None:
            return answer
        parts = (await self._payments.parts([row.payment_id])).get(row.payment_id, [])
        return msgspec.structs.replace(answer, funding=tuple(_funding_line(part) for part in parts))

    async def orders(self, rows: Sequence[Payment]) -> list[OrderAnswer]:
        """As their merchants see them."""
        facts = await self._facts(rows)
        return [_order_answer(row, facts) for row in rows]

    async def order(self, row: Payment) -> OrderAnswer:
        """One, as its merchant sees it."""
        return _order_answer(row, await self._facts((row,)))

    async def _facts(self, rows: Sequence[Payment]) -> _Facts:
        refunded = [row.payment_id for row in rows if row.refunds]
        captured = [row.payment_id for row in rows if row.agreed_minor and row.paid_minor]
        return _Facts(
            await self._merchants.several({row.merchant_id for row in rows}),
            await self._merchants.several_stores({row.store_id for row in rows if row.store_id}),
            await self._identity.several({row.payer_id for row in rows if row.payer_id}),
            await self._payments.refunds(refunded) if refunded else {},
            await self._payments.captures(captured) if captured else {},
            self._clock.now(),
        )


class _Facts(NamedTuple):
    """What the answers of one page need besides the payments themselves."""

    merchants: Mapping[UUID, Merchant]
    stores: Mapping[UUID, Store]
    payers: Mapping[UUID, Person]
    refunds: Mapping[UUID, Sequence[Refund]]
    captures: Mapping[UUID, Sequence[Capture]]
    now: datetime


A = TypeVar("A", bound=PaymentAnswer)


def _answer(kind: type[A], row: Payment, facts: _Facts, **more: Any) -> A:
    store = facts.stores.get(row.store_id) if row.store_id else None
    payer = facts.payers.get(row.payer_id) if row.payer_id else None
    currency = row.currency
    return kind(
        payment_id=str(row.payment_id),
        merchant=MerchantName(str(row.merchant_id), facts.merchants[row.merchant_id].name),
        store=StoreName(str(store.store_id), store.name) if store else None,
        out_trade_no=row.out_trade_no,
        subject=row.subject,
        amount=format_minor(row.amount_minor, currency),
        currency=currency,
        state=row.state_at(facts.now),
        most=format_minor(row.agreed_minor, currency) if row.agreed_minor else None,
        paid=format_minor(row.paid_minor, currency),
        refunded=format_minor(row.refunded_minor, currency),
        created_at=row.created_at,
        expires_at=row.expires_at,
        paid_at=row.paid_at,
        closed_at=row.closed_at,
        payer_masked=mask_name(payer.name) if payer else None,
        bill_id=str(row.bill_id) if row.bill_id else None,
        refunds=[_refund_line(refund) for refund in facts.refunds.get(row.payment_id, ())],
        captures=[_capture_line(capture) for capture in facts.captures.get(row.payment_id, ())],
        **more,
    )


def _order_answer(row: Payment, facts: _Facts) -> OrderAnswer:
    fee = row.fee_minor - row.fee_returned_minor
    # What will be left of an order that nobody has paid yet; else what is left of what was taken.
    taken = row.paid_minor if row.paid_minor else row.amount_minor
    net = 0 if row.state == "REVERSED" else taken - row.refunded_minor - fee
    return _answer(OrderAnswer, row, facts, fee=format_minor(fee, row.currency), net=format_minor(net, row.currency))


def _funding_line(part: Funding) -> FundingLine:
    refunded = format_minor(part.refunded_minor, part.currency)
    return FundingLine(part.source, part.which, format_minor(part.amount_minor, part.currency), refunded)


def _refund_line(refund: Refund) -> RefundLine:
    return RefundLine(
        str(refund.refund_id), refund.out_refund_no, format_minor(refund.amount_minor, refund.currency), refund.currency,
        refund.at, refund.reason, refund.state,
    )  # fmt: skip


def _capture_line(capture: Capture) -> CaptureLine:
    return CaptureLine(
        str(capture.capture_id), capture.out_capture_no, format_minor(capture.amount_minor, capture.currency), capture.currency,
        capture.at, capture.last,
    )  # fmt: skip

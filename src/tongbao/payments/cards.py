"""Payments and orders as answers: what their payers and their merchants are shown of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from tongbao.identity.service import IdentityService
from tongbao.kernel.clock import Clock
from tongbao.kernel.money import format_minor
from tongbao.merchants.service import MerchantService
from tongbao.payments.service import PaymentService
from tongbao.payments.types import Payment, PaymentState, Refund
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


class PaymentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An order or payment as its payer sees it. `refunded` is the sum of its refunds."""

    payment_id: str
    merchant: MerchantName
    store: StoreName | None = None
    out_trade_no: str
    subject: str
    amount: str
    currency: str
    state: PaymentState
    refunded: str
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    payer_masked: str | None = None
    bill_id: str | None = None
    refunds: list[RefundLine]


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
        return [PaymentAnswer(**fields) for fields in await self._fields(rows)]

    async def orders(self, rows: Sequence[Payment]) -> list[OrderAnswer]:
        """As their merchants see them."""
        answers = []
        for payment, fields in zip(rows, await self._fields(rows), strict=True):
            fee = payment.fee_minor - payment.fee_returned_minor
            net = payment.amount_minor - payment.refunded_minor - fee
            currency = payment.currency
            answers.append(OrderAnswer(**fields, fee=format_minor(fee, currency), net=format_minor(net, currency)))
        return answers

    async def _fields(self, rows: Sequence[Payment]) -> list[dict[str, Any]]:
        merchants = await self._merchants.several({row.merchant_id for row in rows})
        stores = await self._merchants.several_stores({row.store_id for row in rows if row.store_id})
        payers = await self._identity.several([row.payer_id for row in rows if row.payer_id])
        refunds = await self._payments.refunds([row.payment_id for row in rows if row.refunds])
        now = self._clock.now()
        fields = []
        for row in rows:
            store = stores.get(row.store_id) if row.store_id else None
            payer = payers.get(row.payer_id) if row.payer_id else None
            fields.append(
                {
                    "payment_id": str(row.payment_id),
                    "merchant": MerchantName(str(row.merchant_id), merchants[row.merchant_id].name),
                    "store": StoreName(str(store.store_id), store.name) if store else None,
                    "out_trade_no": row.out_trade_no,
                    "subject": row.subject,
                    "amount": format_minor(row.amount_minor, row.currency),
                    "currency": row.currency,
                    "state": row.state_at(now),
                    "refunded": format_minor(row.refunded_minor, row.currency),
                    "created_at": row.created_at,
                    "expires_at": row.expires_at,
                    "paid_at": row.paid_at,
                    "closed_at": row.closed_at,
                    "payer_masked": mask_name(payer.name) if payer else None,
                    "bill_id": str(row.bill_id) if row.bill_id else None,
                    "refunds": [_refund_line(refund) for refund in refunds.get(row.payment_id, ())],
                }
            )
        return fields


def _refund_line(refund: Refund) -> RefundLine:
    return RefundLine(
        str(refund.refund_id), refund.out_refund_no, format_minor(refund.amount_minor, refund.currency), refund.currency,
        refund.at, refund.reason,
    )  # fmt: skip

"""Rows and commands of payments.

CREATED ─pay──▶ PAID ─refund (≤50, never beyond what was paid)─▶ PAID
   │
   ├─close──▶ CLOSED
   └─time───▶ EXPIRED     (at `expires_at`, whether or not the janitor has written it down yet)
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.engine.api import Command, Relation
from tongbao.identity.types import UNSAID, Confirmation
from tongbao.kernel.ids import named_id

PaymentState = Literal["CREATED", "PAID", "CLOSED", "EXPIRED"]


class Payment(msgspec.Struct, frozen=True, gc=False):
    """An order and what became of it. `fee_minor` is fixed when the order is made; it is kept from the merchant's side.
    `factors`: by which the payer was shown to agree (`identity.factors`), once it is paid."""

    payment_id: UUID
    merchant_id: UUID
    store_id: UUID | None
    out_trade_no: str
    subject: str
    amount_minor: int
    currency: str
    fee_minor: int
    state: PaymentState
    method: str
    payer_id: UUID | None
    refunded_minor: int
    fee_returned_minor: int
    refunds: int
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    closed_at: datetime | None
    journal_id: UUID | None
    bill_id: UUID | None
    factors: int | None

    def state_at(self, now: datetime) -> PaymentState:
        """The state as of `now`: an unpaid order past its time is EXPIRED even before the janitor comes by."""
        return "EXPIRED" if self.state == "CREATED" and now >= self.expires_at else self.state


class Refund(msgspec.Struct, frozen=True, gc=False):
    """Part or all of a payment given back to the one who paid it."""

    refund_id: UUID
    payment_id: UUID
    out_refund_no: str
    amount_minor: int
    currency: str
    fee_returned_minor: int
    reason: str
    at: datetime
    journal_id: UUID


PAYMENT: Relation[Payment] = Relation("payment", Payment, key=("payment_id",), rank=400)
REFUND: Relation[Refund] = Relation("refund", Refund, key=("refund_id",), rank=410)


def payment_id_of(merchant_id: UUID, out_trade_no: str, secret: bytes) -> UUID:
    """The one payment a merchant's order number can mean: who knows the number needs no look-up.

    `secret`: the installation's key for ids. Merchant and number are not secret, and whoever knows a payment's id may see what
    is to be paid; so the id must not follow from them alone.
    """
    return named_id("payment", secret.hex(), str(merchant_id), out_trade_no)


def refund_id_of(payment_id: UUID, out_refund_no: str) -> UUID:
    """The one refund a merchant's refund number can mean within a payment."""
    return named_id("refund", str(payment_id), out_refund_no)


class CreateOrder(Command, frozen=True, kw_only=True):
    """A merchant asks to be paid. `payment_id` is `payment_id_of` merchant and number."""

    kind = "payments.create_order"
    payment_id: UUID
    merchant_id: UUID
    store_id: UUID | None
    out_trade_no: str
    subject: str
    amount_minor: int
    currency: str
    expires_in_s: int


class PayOrder(Command, frozen=True, kw_only=True):
    """A customer pays an order. Amount and currency repeat what the customer saw when agreeing."""

    kind = "payments.pay_order"
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    amount_minor: int
    currency: str
    method: str
    confirmation: Confirmation

    def hashed(self) -> PayOrder:
        return msgspec.structs.replace(self, confirmation=UNSAID)


class PayMerchant(Command, frozen=True, kw_only=True):
    """A customer pays a merchant without an order before it (a static code): order and payment in one. `payment_id` as there."""

    kind = "payments.pay_merchant"
    payment_id: UUID
    merchant_id: UUID
    store_id: UUID | None
    out_trade_no: str
    subject: str
    payer_id: UUID
    amount_minor: int
    currency: str
    method: str
    confirmation: Confirmation

    def hashed(self) -> PayMerchant:
        return msgspec.structs.replace(self, confirmation=UNSAID)


class CloseOrder(Command, frozen=True, kw_only=True):
    """The merchant gives the order up."""

    kind = "payments.close_order"
    payment_id: UUID
    merchant_id: UUID


class ExpireOrder(Command, frozen=True, kw_only=True):
    """Write down that an unpaid order's time is over."""

    kind = "payments.expire_order"
    payment_id: UUID


class RefundPayment(Command, frozen=True, kw_only=True):
    """Give back part or all of a payment. `payer_id` and `currency` repeat the payment's, so that its rows are known. `note`: the
    reason, sealed for the payer's bill."""

    kind = "payments.refund"
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    currency: str
    out_refund_no: str
    amount_minor: int
    reason: str
    note: bytes

    def hashed(self) -> RefundPayment:
        return msgspec.structs.replace(self, note=b"")

"""Rows and commands of payments. What may become of one is in `lifecycle`."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.engine.api import Command, Relation
from tongbao.identity.types import UNSAID, Confirmation
from tongbao.kernel.ids import named_id
from tongbao.payments.funding_types import Part
from tongbao.payments.lifecycle import PaymentState


class Payment(msgspec.Struct, frozen=True, gc=False):
    """An order and what became of it.

    `agreed_minor`: 0 where paying takes the money at once; else the payer authorises, and this is the most that may be captured,
    which is `amount_minor` or more. `paid_minor`: what was taken so far, `paid_at`: when something last was. `fee_minor` is kept
    from the merchant's side: that of the whole amount until something is taken, then that of what was. So nothing but the state
    of a payment follows from the time alone. `factors`: by which the payer was shown to agree (`identity.factors`). `expires_at`:
    until when it can be paid, and once it is authorised, captured. `journal_id` and `bill_id` are those of the last capture.
    """

    payment_id: UUID
    merchant_id: UUID
    store_id: UUID | None
    out_trade_no: str
    subject: str
    amount_minor: int
    agreed_minor: int
    currency: str
    fee_minor: int
    state: PaymentState
    method: str
    payer_id: UUID | None
    paid_minor: int
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
        """The state as of `now`: past its time an order is EXPIRED and an authorisation over, though nobody wrote it down yet."""
        if now < self.expires_at:
            return self.state
        if self.state == "AUTHORISED":
            return "PAID" if self.paid_minor else "VOIDED"
        return "EXPIRED" if self.state == "CREATED" else self.state


RefundState = Literal["PENDING", "SUCCEEDED"]


class Refund(msgspec.Struct, frozen=True, gc=False):
    """Part or all of a payment given back to the one who paid it. PENDING while some of it is on its way to a card."""

    refund_id: UUID
    payment_id: UUID
    out_refund_no: str
    amount_minor: int
    currency: str
    fee_returned_minor: int
    reason: str
    at: datetime
    journal_id: UUID
    state: RefundState = "SUCCEEDED"


class Authorisation(msgspec.Struct, frozen=True, gc=False):
    """What a payer agrees to before it is taken: made with its order, filled when they agree. The money is held in the payer's
    wallet under a hold with the payment's id. `counted`: where the rules counted it; `fee_minor`: what capturing the whole amount
    costs. `trusted_at`: when operators last let be taken what was in doubt (`identity.takeover`)."""

    payment_id: UUID
    agreed_minor: int
    currency: str
    capture_within_s: int
    payer_id: UUID | None
    captured_minor: int
    fee_minor: int
    captures: int
    counted: str
    authorised_at: datetime | None
    ended_at: datetime | None
    trusted_at: datetime | None = None


class Capture(msgspec.Struct, frozen=True, gc=False):
    """Part or all of an authorisation, taken. `last`: what was left of it went back to the payer."""

    capture_id: UUID
    payment_id: UUID
    out_capture_no: str
    amount_minor: int
    currency: str
    fee_minor: int
    last: bool
    at: datetime
    journal_id: UUID


PAYMENT: Relation[Payment] = Relation("payment", Payment, key=("payment_id",), rank=400)
REFUND: Relation[Refund] = Relation("refund", Refund, key=("refund_id",), rank=410)
AUTHORISATION: Relation[Authorisation] = Relation("authorisation", Authorisation, key=("payment_id",), rank=420)
CAPTURE: Relation[Capture] = Relation("capture", Capture, key=("capture_id",), rank=430)


def payment_id_of(merchant_id: UUID, out_trade_no: str, secret: bytes) -> UUID:
    """The one payment a merchant's order number can mean: who knows the number needs no look-up.

    `secret`: the installation's key for ids. Merchant and number are not secret, and whoever knows a payment's id may see what
    is to be paid; so the id must not follow from them alone.
    """
    return named_id("payment", secret.hex(), str(merchant_id), out_trade_no)


def refund_id_of(payment_id: UUID, out_refund_no: str) -> UUID:
    """The one refund a merchant's refund number can mean within a payment."""
    return named_id("refund", str(payment_id), out_refund_no)


def capture_id_of(payment_id: UUID, out_capture_no: str) -> UUID:
    """The one capture a merchant's capture number can mean within a payment."""
    return named_id("capture", str(payment_id), out_capture_no)


class CreateOrder(Command, frozen=True, kw_only=True):
    """A merchant asks to be paid. `payment_id` is `payment_id_of` merchant and number. `agreed_minor` above 0: asks for an
    authorisation, of which up to so much may be captured within `capture_within_s`."""

    kind = "payments.create_order"
    payment_id: UUID
    merchant_id: UUID
    store_id: UUID | None
    out_trade_no: str
    subject: str
    amount_minor: int
    currency: str
    expires_in_s: int
    agreed_minor: int = 0
    capture_within_s: int = 0


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
    """Give back part or all of a payment. `payer_id` and `currency` repeat the payment's, so that its rows are known, and `parts`
    what it drew on, where that was not the balance alone. `note`: the reason, sealed for the payer's bill."""

    kind = "payments.refund"
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    currency: str
    out_refund_no: str
    amount_minor: int
    reason: str
    note: bytes
    parts: tuple[Part, ...] = ()

    def hashed(self) -> RefundPayment:
        return msgspec.structs.replace(self, note=b"")


class AuthoriseOrder(Command, frozen=True, kw_only=True):
    """A customer agrees that up to `amount_minor` is taken from them. Amount and currency repeat what they saw."""

    kind = "payments.authorise_order"
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    amount_minor: int
    currency: str
    method: str
    confirmation: Confirmation

    def hashed(self) -> AuthoriseOrder:
        return msgspec.structs.replace(self, confirmation=UNSAID)


class CapturePayment(Command, frozen=True, kw_only=True):
    """Take part or all of what was authorised; the `last` capture frees what is left. `payer_id` and `currency` repeat the
    payment's, so that its rows are known."""

    kind = "payments.capture"
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    currency: str
    out_capture_no: str
    amount_minor: int
    last: bool


class VoidPayment(Command, frozen=True, kw_only=True):
    """The merchant takes no more of what was authorised."""

    kind = "payments.void"
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    currency: str


class LapseAuthorisation(Command, frozen=True, kw_only=True):
    """Write down that an authorisation's time is over."""

    kind = "payments.lapse"
    payment_id: UUID
    payer_id: UUID
    currency: str


class TrustAuthorisation(Command, frozen=True, kw_only=True):
    """Operators looked at an authorisation that is in doubt, and let it be taken."""

    kind = "payments.trust_authorisation"
    payment_id: UUID


class ReversePayment(Command, frozen=True, kw_only=True):
    """Undo a payment as a whole, as if it had not been. `payer_id`, `currency`, `journal_id` and `parts` repeat the
    payment's."""

    kind = "payments.reverse"
    payment_id: UUID
    merchant_id: UUID
    payer_id: UUID
    currency: str
    journal_id: UUID
    parts: tuple[Part, ...] = ()

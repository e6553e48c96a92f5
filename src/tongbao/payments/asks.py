"""Asking a payer: what their instrument alone may not pay, they confirm in their wallet.

till scans ─▶ paid                       the sum is one that needs no PIN
          └─▶ asked ─▶ paid              the payer confirmed, as every order is paid
                   ├─▶ closed            the payer said no, or the merchant gave up
                   └─▶ expired           nobody answered
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity.instruments import check_misses, instrument_keys, misses_keys, use_instrument
from tongbao.identity.types import UNSAID, ClaimConfirmation
from tongbao.kernel.money import share_ppm
from tongbao.ledger import errors as ledger_errors
from tongbao.ledger.api import require_positive
from tongbao.merchants import errors as merchant_errors
from tongbao.merchants.types import MERCHANT_TERMS
from tongbao.payments import errors
from tongbao.payments.lifecycle import step_of
from tongbao.payments.rules import ordered
from tongbao.payments.telling import tell_merchant
from tongbao.payments.types import PAYMENT, CreateOrder


class Ask(msgspec.Struct, frozen=True, gc=False):
    """An order that waits for one payer's word. `method`: by which way they showed who they are. `refused_at`: they said no."""

    payment_id: UUID
    customer_id: UUID
    method: str
    at: datetime
    refused_at: datetime | None


ASK: Relation[Ask] = Relation("payment_ask", Ask, key=("payment_id",), rank=440)


class AskPayer(Command, frozen=True, kw_only=True):
    """Make an order of a merchant's, and ask whoever showed this claim to confirm it. `order`: as its merchant would make it."""

    kind = "payments.ask_payer"
    order: CreateOrder
    payer_id: UUID
    method: str
    confirmation: ClaimConfirmation

    def hashed(self) -> AskPayer:
        return replace(self, confirmation=UNSAID)


class RefuseAsk(Command, frozen=True, kw_only=True):
    """The payer says no."""

    kind = "payments.refuse_ask"
    payment_id: UUID
    customer_id: UUID


def ask_payer(command: AskPayer, view: View, now: datetime) -> Decision:
    """Declines `merchant_not_found`, `currency_mismatch`, `out_trade_no_used`, what `use_instrument` and `check_misses` decline:
    a claim that was used to ask is used."""
    order = command.order
    require_positive(order.amount_minor)
    merchant = view.get(MERCHANT_TERMS, order.merchant_id)
    if merchant is None:
        return Declined(merchant_errors.MERCHANT_NOT_FOUND)
    if merchant.currency != order.currency:
        return Declined(ledger_errors.CURRENCY_MISMATCH)
    if view.get(PAYMENT, order.payment_id) is not None:
        return Declined(errors.OUT_TRADE_NO_USED)
    refused = check_misses(view, order.merchant_id, now) or use_instrument(view, command.payer_id, command.confirmation, now)
    if refused:
        return refused
    payment = ordered(order, share_ppm(order.amount_minor, merchant.fee_ppm), now)
    view.put(PAYMENT, payment)
    view.put(ASK, Ask(order.payment_id, command.payer_id, command.method, now, None))
    tell_merchant(view, payment, "payment.created", now)
    view.emit(f"customer:{command.payer_id}", "payment.asked", {"payment_id": order.payment_id})
    return Accepted()


def refuse_ask(command: RefuseAsk, view: View, now: datetime) -> Decision:
    """Declines `payment_not_found` (also what another was asked), and what `lifecycle` says of the state."""
    ask = view.get(ASK, command.payment_id)
    if ask is None or ask.customer_id != command.customer_id:
        return Declined(errors.PAYMENT_NOT_FOUND)
    payment = view.need(PAYMENT, command.payment_id)
    following = step_of(payment.state_at(now), "close")
    if isinstance(following, Declined):
        return following
    closed = replace(payment, state=following, closed_at=now)
    view.put(ASK, replace(ask, refused_at=now))
    view.put(PAYMENT, closed)
    tell_merchant(view, closed, "payment.closed", now)
    return Accepted()


def _ask_keys(command: AskPayer) -> list[Key]:
    order = command.order
    return [
        Key(MERCHANT_TERMS, order.merchant_id),
        Key(PAYMENT, order.payment_id),
        *instrument_keys(command.confirmation),
        *misses_keys(order.merchant_id),
    ]


DECIDERS = (
    Decider(AskPayer, _ask_keys, ask_payer),
    Decider(RefuseAsk, lambda command: [Key(ASK, command.payment_id), Key(PAYMENT, command.payment_id)], refuse_ask),
)

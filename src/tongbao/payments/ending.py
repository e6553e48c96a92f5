"""How an authorisation ends: what is left goes back, and the payment becomes what was made of it.

An authorisation past its time is over from that very moment, though nobody wrote it down. So every decider that acts upon one has
`ended_by_time` write it down first, in the same commit: nothing is ever done to a row that is not yet what it says it is.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import View
from tongbao.ledger.api import ACCOUNT, CUSTOMER_WALLET, HOLD, VoidHold
from tongbao.ledger.holds import void_hold
from tongbao.payments.telling import tell_merchant
from tongbao.payments.types import AUTHORISATION, PAYMENT, Authorisation, Payment
from tongbao.rules.api import give_back, law_keys
from tongbao.wallet.rules import wallet_of


def ended_by_time(command_id: UUID, view: View, payment: Payment, payer_id: UUID, now: datetime) -> Payment:
    """The payment as it is now, and written down if its authorisation's time is over. The command need not have named the rows
    for that."""
    if payment.state != "AUTHORISED" or now < payment.expires_at:
        return payment
    return free(command_id, view, payment, payer_id, now)


def free(command_id: UUID, view: View, payment: Payment, payer_id: UUID, now: datetime) -> Payment:
    """What is left goes back; the payment that remains. Somebody may have ended the hold by another way: then there is nothing to
    free."""
    view.follow(HOLD, payment.payment_id)
    view.follow(ACCOUNT, wallet_of(payer_id, payment.currency).account_id)
    for needed in law_keys(payer_id):
        view.follow(needed.relation, needed.key)
    void_hold(
        VoidHold(
            command_id=command_id, hold_id=payment.payment_id, code=CUSTOMER_WALLET.code, currency=payment.currency,
            owner_id=payer_id,
        ), view, now,
    )  # fmt: skip
    found = view.follow(AUTHORISATION, payment.payment_id) or view.need(AUTHORISATION, payment.payment_id)
    view.emit(f"customer:{payer_id}", "authorisation.ended", {"payment_id": payment.payment_id})
    return end(view, payment, found, payer_id, now)


def end(view: View, payment: Payment, found: Authorisation, payer_id: UUID, now: datetime) -> Payment:
    """The authorisation is over: what was not taken counts no more, and the merchant is told what has become of it, which is what
    is returned."""
    untaken = payment.agreed_minor - found.captured_minor
    # It counts as a payment unless nothing was taken at all.
    give_back(
        view, now, payer_id, found.counted, untaken, merchant_id=payment.merchant_id, number=not found.captured_minor
    )  # fmt: skip
    view.put(AUTHORISATION, replace(found, ended_at=now))
    if found.captured_minor:
        left, event = replace(payment, state="PAID"), "payment.paid"
    else:
        left, event = replace(payment, state="VOIDED", closed_at=now), "payment.voided"
    view.put(PAYMENT, left)
    tell_merchant(view, left, event, now)
    return left

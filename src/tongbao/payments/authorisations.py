"""Deciders of what is authorised first and taken later, and of the undoing of a payment as a whole.

Authorising holds the order's amount in the payer's wallet. The merchant captures it, in parts if it likes, up to what was agreed:
the amount, or more where the payer agreed to more. The last capture, giving up, or the end of its time frees what is left.
What the rules of the law counted when the payer agreed is given back in as far as it is not taken.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.alerts import tell_of_large
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.standing import STANDING, Standing
from tongbao.identity.takeover import in_doubt
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger import errors as ledger_errors
from tongbao.ledger.api import (
    CUSTOMER_WALLET,
    HOLD,
    REVERSAL,
    Draft,
    Leg,
    PlaceHold,
    Reversal,
    account_keys,
    post,
    post_linked,
)
from tongbao.ledger.holds import place_hold, take_held
from tongbao.payments import errors
from tongbao.payments.ending import end, ended_by_time, free
from tongbao.payments.funded import bill, funded_legs
from tongbao.payments.funding import card_refunds_in, receivable_in
from tongbao.payments.giving_back import draws_of, give_back, giving_back_keys, parts_taken
from tongbao.payments.lifecycle import step_of
from tongbao.payments.rules import merchants_lack, merchants_own, money_keys, payable, paying_legs
from tongbao.payments.telling import tell_merchant
from tongbao.payments.types import (
    AUTHORISATION,
    CAPTURE,
    PAYMENT,
    Authorisation,
    AuthoriseOrder,
    Capture,
    CapturePayment,
    LapseAuthorisation,
    Payment,
    ReversePayment,
    TrustAuthorisation,
    VoidPayment,
    capture_id_of,
)
from tongbao.rules.api import Act, law_keys, weigh
from tongbao.wallet.rules import wallet_of

MOST_CAPTURES = 50
#: How long the money stays held beyond its time, should nobody write down that it is over.
HELD_BEYOND = timedelta(days=1)
#: How long after it was paid a payment can be undone as a whole.
REVERSIBLE = timedelta(hours=24)


class Authorised(msgspec.Struct, frozen=True, gc=False):
    """Result of `AuthoriseOrder`."""

    payment_id: UUID
    factors: int
    capture_by: datetime


class Captured(msgspec.Struct, frozen=True, gc=False):
    """Result of `CapturePayment`."""

    capture_id: UUID
    journal_id: UUID


class Reversed(msgspec.Struct, frozen=True, gc=False):
    """Result of `ReversePayment`."""

    journal_id: UUID


def authorise_order(command: AuthoriseOrder, view: View, now: datetime) -> Decision:
    """Declines what `payable` does, `amount_mismatch`, what `confirm` and `weigh` decline, and what `place_hold` does. Held is
    the order's amount; what the payer agrees to, and what the rules count, is the most that may be taken."""
    payment = payable(command, "authorise", view, now)
    if isinstance(payment, Declined):
        return payment
    if not payment.agreed_minor:
        raise InvariantBroken("an order that is to be paid at once is not authorised")
    if (payment.agreed_minor, payment.currency) != (command.amount_minor, command.currency):
        return Declined(errors.AMOUNT_MISMATCH)
    factors = confirm(view, command.payer_id, command.confirmation, now)
    if isinstance(factors, Declined):
        return factors
    asked = view.need(AUTHORISATION, payment.payment_id)
    wallet = wallet_of(command.payer_id, payment.currency)
    act = Act("payment", payment.agreed_minor, payment.currency, factors, wallet.account_id, command.method, payment.merchant_id)
    weighed = weigh(view, now, command.payer_id, act, can_wait=False)
    if isinstance(weighed, Declined):
        return weighed
    capture_by = now + timedelta(seconds=asked.capture_within_s)
    held = place_hold(
        PlaceHold(
            command_id=command.command_id, hold_id=payment.payment_id, code=CUSTOMER_WALLET.code, currency=payment.currency,
            owner_id=command.payer_id, amount_minor=payment.amount_minor, expires_at=capture_by + HELD_BEYOND,
            agreed_minor=payment.agreed_minor,
        ), view, now,
    )  # fmt: skip
    if isinstance(held, Declined):
        return held
    view.put(AUTHORISATION, replace(asked, payer_id=command.payer_id, counted=weighed.counted, authorised_at=now))
    left = authorised(command, payment, Authorised(payment.payment_id, factors, capture_by))
    view.put(PAYMENT, left)
    # Whoever stole a phone authorises first: its owner is told now, and not when the shop comes to take it.
    tell_of_large(view, command.payer_id, payment.agreed_minor, payment.payment_id, now, "payment_id")
    tell_merchant(view, left, "payment.authorised", now)
    return Accepted(Authorised(payment.payment_id, factors, capture_by))


def authorised(command: AuthoriseOrder, payment: Payment, done: Authorised) -> Payment:
    """The payment that an accepted authorisation left behind, of the unpaid one it found."""
    return replace(
        payment, state="AUTHORISED", method=command.method, payer_id=command.payer_id, expires_at=done.capture_by,
        factors=done.factors,
    )  # fmt: skip


def capture_payment(command: CapturePayment, view: View, now: datetime) -> Decision:
    """Declines `payment_not_found` (also another merchant's), `out_capture_no_used`, what `lifecycle` says of the state,
    `too_many_captures`, `capture_waits` of what is in doubt since its payer reported a takeover, `capture_exceeds_authorised`
    (detail: left_minor; of a suspended payer nothing is taken beyond the hold), `insufficient_funds` where more is taken than was
    held, and what `post` declines. The same capture number with the same terms answers the same capture. Taking all that was
    agreed is the last capture, said or not."""
    payment = view.get(PAYMENT, command.payment_id)
    if payment is None or payment.merchant_id != command.merchant_id:
        return Declined(errors.PAYMENT_NOT_FOUND)
    capture_id = capture_id_of(command.payment_id, command.out_capture_no)
    known = view.get(CAPTURE, capture_id)
    if known is not None:
        # Taking all that was agreed was the last capture, said or not.
        as_said = known.last == command.last or (known.last and payment.paid_minor == payment.agreed_minor)
        if (known.amount_minor, known.currency) != (command.amount_minor, command.currency) or not as_said:
            return Declined(errors.OUT_CAPTURE_NO_USED)
        return Accepted(Captured(capture_id, known.journal_id))
    following = step_of(payment.state_at(now), "capture")
    if isinstance(following, Declined):
        return following
    if (payment.payer_id, payment.currency) != (command.payer_id, command.currency):
        return Declined(errors.PAYMENT_NOT_FOUND)
    found = view.need(AUTHORISATION, payment.payment_id)
    if found.captures >= MOST_CAPTURES:
        return Declined(errors.TOO_MANY_CAPTURES)
    if doubted(view.get(STANDING, command.payer_id), payment, found):
        return Declined(errors.CAPTURE_WAITS)
    return _capture(command, payment, found, capture_id, view, now)


def doubted(standing: Standing | None, payment: Payment, found: Authorisation) -> bool:
    """Whether an authorisation waits for operators, for its payer (whose `standing` it is) reported a takeover and this may be
    the thief's."""
    if found.authorised_at is None:
        return False
    return in_doubt(standing, found.authorised_at, payment.factors or 0, found.trusted_at)


def trust_authorisation(command: TrustAuthorisation, view: View, now: datetime) -> Decision:
    """From now on it can be taken though its payer has reported a takeover; another one that is reported later is doubted anew.
    Declines `payment_not_found`, and what `lifecycle` says of the state."""
    payment = view.get(PAYMENT, command.payment_id)
    if payment is None:
        return Declined(errors.PAYMENT_NOT_FOUND)
    following = step_of(payment.state_at(now), "capture")
    if isinstance(following, Declined):
        return following
    found = view.need(AUTHORISATION, command.payment_id)
    view.put(AUTHORISATION, replace(found, trusted_at=now))
    return Accepted()


def _capture(
    command: CapturePayment, payment: Payment, found: Authorisation, capture_id: UUID, view: View, now: datetime
) -> Decision:
    wallet = wallet_of(command.payer_id, payment.currency)
    taken = found.captured_minor + command.amount_minor
    standing = view.get(STANDING, command.payer_id)
    if taken > payment.amount_minor and standing is not None and standing.suspended:
        # The hold is what the merchant was promised. What goes beyond it leaves the wallet anew, which a suspension does not let.
        left = max(0, payment.amount_minor - found.captured_minor)
        return Declined(errors.CAPTURE_EXCEEDS, {"left_minor": left, "currency": payment.currency})
    last = command.last or taken == payment.agreed_minor
    held = take_held(view, wallet, payment.payment_id, command.amount_minor, now, final=last)
    if isinstance(held, Declined):
        exceeds = held.code in (ledger_errors.CAPTURE_EXCEEDS_HOLD, ledger_errors.CAPTURE_EXCEEDS_AGREED)
        return Declined(errors.CAPTURE_EXCEEDS, {**held.detail, "currency": payment.currency}) if exceeds else held
    # In proportion to all that is captured so far, rounded down: capturing the order's amount costs the order's fee exactly.
    fees = found.fee_minor * taken // payment.amount_minor
    fee = fees - (payment.fee_minor if payment.paid_minor else 0)
    legs = paying_legs(payment, wallet, command.amount_minor, fee)
    journal = post(view, command, now, "capture", legs, str(payment.payment_id))
    if isinstance(journal, Declined):
        return journal
    found = replace(found, captured_minor=taken, captures=found.captures + 1)
    bill_id = bill(view, payment, command.payer_id, journal, "payment", "out", command.amount_minor, now)
    payment = replace(
        payment, paid_minor=taken, fee_minor=fees, paid_at=now, journal_id=journal.journal_id, bill_id=bill_id
    )  # fmt: skip
    tell_of_large(view, command.payer_id, command.amount_minor, bill_id, now)
    view.put(
        CAPTURE,
        Capture(
            capture_id, payment.payment_id, command.out_capture_no, command.amount_minor, payment.currency, fee, last, now,
            journal.journal_id,
        ),
    )  # fmt: skip
    if last:
        end(view, payment, found, command.payer_id, now)
    else:
        view.put(AUTHORISATION, found)
        view.put(PAYMENT, payment)
        tell_merchant(view, payment, "payment.captured", now)
    told = {"payment_id": payment.payment_id, "amount_minor": command.amount_minor, "currency": payment.currency}
    view.emit(f"customer:{command.payer_id}", "payment.captured", told)
    return Accepted(Captured(capture_id, journal.journal_id))


def void_payment(command: VoidPayment, view: View, now: datetime) -> Decision:
    """Free what is left of an authorisation: nothing of it was taken, and the payment is VOIDED, or the captures stand, and it is
    PAID. Declines `payment_not_found` (also another merchant's), and what `lifecycle` says of the state; voiding twice is as
    voiding once."""
    payment = merchants_own(command, "void", view, now)  # wherever one may void, one may finish
    if isinstance(payment, Declined):
        return Accepted() if payment.code is errors.ORDER_VOIDED else payment
    free(command.command_id, view, payment, command.payer_id, now)
    return Accepted()


def lapse_authorisation(command: LapseAuthorisation, view: View, now: datetime) -> Decision:
    """Does nothing unless the payment is authorised and its time is over. Declines `payment_not_found`."""
    payment = view.get(PAYMENT, command.payment_id)
    if payment is None or (payment.payer_id, payment.currency) != (command.payer_id, command.currency):
        return Declined(errors.PAYMENT_NOT_FOUND)
    ended_by_time(command.command_id, view, payment, command.payer_id, now)
    return Accepted()


def reverse_payment(command: ReversePayment, view: View, now: datetime) -> Decision:
    """The exact opposite of the payment's journal: the payer has the money again, the merchant owes no fee. Declines
    `payment_not_found` (also another merchant's), what `lifecycle` says of the state, `order_refunded`, `captured_in_parts`,
    `reversal_too_late`, `merchant_funds_insufficient`, what `post` declines of the payer's account. Reversing twice is as
    reversing once."""
    payment = merchants_own(command, "reverse", view, now)
    if isinstance(payment, Declined):
        known = view.get(REVERSAL, command.journal_id)
        return Accepted(Reversed(known.reversed_by)) if known is not None and payment.code is errors.ORDER_REVERSED else payment
    payment = ended_by_time(command.command_id, view, payment, command.payer_id, now)
    if payment.refunds:
        return Declined(errors.ORDER_REFUNDED)
    found = view.get(AUTHORISATION, payment.payment_id)
    if found is not None and found.captures > 1:
        return Declined(errors.CAPTURED_IN_PARTS)
    if payment.journal_id != command.journal_id:
        raise InvariantBroken("a command names another journal than its payment has")
    if payment.paid_at is None or now - payment.paid_at >= REVERSIBLE:
        return Declined(errors.REVERSAL_TOO_LATE)
    parts = parts_taken(view, payment.payment_id, command.parts)
    legs = paying_legs(payment, wallet_of(command.payer_id, payment.currency), -payment.paid_minor, -payment.fee_minor)
    drafts = [Draft("payment.reversed", legs, payment.out_trade_no, None, payment.journal_id)]
    to_card = 0
    if parts:
        draws = draws_of(payment, command.payer_id, parts)
        opposite = [Leg(leg.place, -leg.amount_minor) for leg in funded_legs(payment, draws)]
        drafts = [Draft("payment.reversed", opposite, payment.out_trade_no, None, payment.journal_id)]
        shares = give_back(view, now, payment, command.payer_id, parts, payment.paid_minor, payment.payment_id, None)
        to_card = shares.to_card_minor
    if to_card:
        # The network took it all the same, and owes it until it has given it back.
        owed = [Leg(receivable_in(payment.currency), -to_card), Leg(card_refunds_in(payment.currency), to_card)]
        drafts.append(Draft("card.given_back", owed, payment.out_trade_no))
    journals = post_linked(view, command, now, drafts)
    if isinstance(journals, Declined):
        return merchants_lack(journals)
    journal = journals[0]
    view.put(REVERSAL, Reversal(payment.journal_id, journal.journal_id, command.kind, now))
    undone = replace(payment, state="REVERSED", closed_at=now)
    view.put(PAYMENT, undone)
    if at_once := payment.paid_minor - to_card:
        bill(view, payment, command.payer_id, journal, "reversal", "in", at_once, now)
    tell_merchant(view, undone, "payment.reversed", now)
    view.emit(f"customer:{command.payer_id}", "payment.reversed", {"payment_id": payment.payment_id})
    return Accepted(Reversed(journal.journal_id))


def _own_keys(payment_id: UUID) -> list[Key]:
    return [Key(PAYMENT, payment_id), Key(AUTHORISATION, payment_id), Key(HOLD, payment_id)]


def _authorise_keys(command: AuthoriseOrder) -> list[Key]:
    agreed = confirmation_keys(command.payer_id, command.confirmation)
    law = law_keys(command.payer_id, command.merchant_id)
    return [*_own_keys(command.payment_id), *agreed, *law, *account_keys([wallet_of(command.payer_id, command.currency)])]


def _capture_keys(command: CapturePayment) -> list[Key]:
    capture = Key(CAPTURE, capture_id_of(command.payment_id, command.out_capture_no))
    money = money_keys(command.payer_id, command.merchant_id, command.currency)
    return [capture, *_own_keys(command.payment_id), *law_keys(command.payer_id), *money]


def _free_keys(command: VoidPayment | LapseAuthorisation) -> list[Key]:
    wallet = account_keys([wallet_of(command.payer_id, command.currency)])
    return [*_own_keys(command.payment_id), *law_keys(command.payer_id), *wallet]


def _reverse_keys(command: ReversePayment) -> list[Key]:
    own = [Key(PAYMENT, command.payment_id), Key(AUTHORISATION, command.payment_id), Key(REVERSAL, command.journal_id)]
    back = giving_back_keys(
        command.payment_id, command.payer_id, command.merchant_id, command.currency, command.parts, command.payment_id
    )
    return [*own, *money_keys(command.payer_id, command.merchant_id, command.currency), *back]


DECIDERS = (
    Decider(AuthoriseOrder, _authorise_keys, authorise_order, Authorised),
    Decider(CapturePayment, _capture_keys, capture_payment, Captured),
    Decider(VoidPayment, _free_keys, void_payment),
    Decider(LapseAuthorisation, _free_keys, lapse_authorisation),
    Decider(
        TrustAuthorisation,
        lambda command: [Key(PAYMENT, command.payment_id), Key(AUTHORISATION, command.payment_id)],
        trust_authorisation,
    ),
    Decider(ReversePayment, _reverse_keys, reverse_payment, Reversed),
)

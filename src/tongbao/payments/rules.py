"""Deciders of payments: flat ladders of checks, each ending in its own named reason.

Money of a payment: the payer's wallet is debited the amount; the merchant's balance is credited the amount less the fee;
the fee account is credited the fee. A refund runs the other way and gives the fee back in proportion, so that a payment
refunded in full has cost the merchant nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import lru_cache
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.alerts import tell_of_large
from tongbao.identity.factors import KNOWLEDGE, Factors
from tongbao.identity.instruments import check_misses, misses_keys, spend_instrument
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.types import ClaimConfirmation
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.money import share_ppm
from tongbao.ledger import errors as ledger_errors
from tongbao.ledger.api import ACCOUNT, FEES, MERCHANT_BALANCE, Leg, Place, account_at, account_keys, post, require_positive
from tongbao.merchants import errors as merchant_errors
from tongbao.merchants.types import MERCHANT_TERMS
from tongbao.payments import errors
from tongbao.payments.ending import ended_by_time
from tongbao.payments.funding_types import PayInParts
from tongbao.payments.giving_back import give_back, giving_back_keys, parts_taken
from tongbao.payments.lifecycle import Step, step_of
from tongbao.payments.telling import tell_merchant
from tongbao.payments.types import (
    AUTHORISATION,
    PAYMENT,
    REFUND,
    Authorisation,
    AuthoriseOrder,
    CloseOrder,
    CreateOrder,
    ExpireOrder,
    Payment,
    PayMerchant,
    PayOrder,
    Refund,
    RefundPayment,
    ReversePayment,
    VoidPayment,
    refund_id_of,
)
from tongbao.rules.api import USAGE, Act, assess, law_keys
from tongbao.wallet.rules import wallet_of
from tongbao.wallet.small_payments import small_payments_keys, without_pin
from tongbao.wallet.types import BILL, Bill

MOST_REFUNDS = 50

OfMerchant = CloseOrder | VoidPayment | ReversePayment


class OrderCreated(msgspec.Struct, frozen=True, gc=False):
    """Result of `CreateOrder`. `known`: this number was ordered before, by another command, and more may have become of it."""

    payment_id: UUID
    fee_minor: int
    known: bool = False


class Paid(msgspec.Struct, frozen=True, gc=False):
    """Result of `PayOrder` and `PayMerchant`."""

    payment_id: UUID
    fee_minor: int
    bill_id: UUID
    journal_id: UUID
    factors: int


class Refunded(msgspec.Struct, frozen=True, gc=False):
    """Result of `RefundPayment`."""

    refund_id: UUID
    journal_id: UUID


@lru_cache(maxsize=20_000)
def merchant_balance(merchant_id: UUID, currency: str) -> Place:
    """Where a merchant's money waits for settlement."""
    return Place(MERCHANT_BALANCE, currency, merchant_id)


@lru_cache(maxsize=256)
def fees_in(currency: str) -> Place:
    """Where what merchants pay us is kept."""
    return Place(FEES, currency)


def create_order(command: CreateOrder, view: View, now: datetime) -> Decision:
    """Declines `merchant_not_found`, `currency_mismatch`, `out_trade_no_used` (the same number for other terms). The same terms
    again answer the same order, whatever the idempotency key: a merchant's number is its own key."""
    require_positive(command.amount_minor)
    merchant = view.get(MERCHANT_TERMS, command.merchant_id)
    if merchant is None:
        return Declined(merchant_errors.MERCHANT_NOT_FOUND)
    if merchant.currency != command.currency:
        return Declined(ledger_errors.CURRENCY_MISMATCH)
    payment_id = command.payment_id
    known = view.get(PAYMENT, payment_id)
    if known is not None:
        if (known.merchant_id, known.out_trade_no) != (command.merchant_id, command.out_trade_no):
            raise InvariantBroken("a payment's id is another order's")
        wished = (command.store_id, command.subject, command.amount_minor, command.agreed_minor, command.currency)
        if (known.store_id, known.subject, known.amount_minor, known.agreed_minor, known.currency) != wished:
            return Declined(errors.OUT_TRADE_NO_USED)
        asked = view.follow(AUTHORISATION, payment_id) if known.agreed_minor else None
        if asked is not None and asked.capture_within_s != command.capture_within_s:
            return Declined(errors.OUT_TRADE_NO_USED)
        return Accepted(OrderCreated(payment_id, known.fee_minor, known=True))
    payment = ordered(command, share_ppm(command.amount_minor, merchant.fee_ppm), now)
    view.put(PAYMENT, payment)
    if command.agreed_minor:
        view.put(AUTHORISATION, asked_for(command, payment.fee_minor))
    tell_merchant(view, payment, "payment.created", now)
    return Accepted(OrderCreated(payment_id, payment.fee_minor))


def asked_for(command: CreateOrder, fee_minor: int) -> Authorisation:
    """The authorisation that an order asks for."""
    return Authorisation(
        command.payment_id, command.agreed_minor, command.currency, command.capture_within_s, None, 0, fee_minor, 0, "", None,
        None,
    )  # fmt: skip


def ordered(command: CreateOrder, fee_minor: int, now: datetime) -> Payment:
    """The order that an accepted command left behind."""
    return Payment(
        command.payment_id, command.merchant_id, command.store_id, command.out_trade_no, command.subject, command.amount_minor,
        command.agreed_minor, command.currency, fee_minor, "CREATED", "order", None, 0, 0, 0, 0, now,
        now + timedelta(seconds=command.expires_in_s), None, None, None, None, None,
    )  # fmt: skip


def pay_order(command: PayOrder, view: View, now: datetime) -> Decision:
    """Declines `payment_not_found`, what `lifecycle` says of the state, `amount_mismatch`, what `confirm` and `assess` decline,
    `insufficient_funds`."""
    payment = payable(command, "pay", view, now)
    if isinstance(payment, Declined):
        return payment
    if payment.agreed_minor:
        raise InvariantBroken("an order that is to be authorised is not paid at once")
    if (payment.amount_minor, payment.currency) != (command.amount_minor, command.currency):
        return Declined(errors.AMOUNT_MISMATCH)
    return _pay(command, payment, view, now)


def payable(command: PayOrder | AuthoriseOrder | PayInParts, step: Step, view: View, now: datetime) -> Payment | Declined:
    """The order that a customer wishes to pay or to authorise, if it can be. Declines `payment_not_found`, and what `lifecycle`
    says of the state, with detail by_you where it is paid or authorised."""
    payment = view.get(PAYMENT, command.payment_id)
    if payment is None or payment.merchant_id != command.merchant_id:
        return Declined(errors.PAYMENT_NOT_FOUND)
    following = step_of(payment.state_at(now), step)
    if isinstance(following, Declined):
        by_you = payment.payer_id == command.payer_id
        return following if payment.payer_id is None else Declined(following.code, {"by_you": by_you})
    return payment


def pay_merchant(command: PayMerchant, view: View, now: datetime) -> Decision:
    """Declines `merchant_not_found`, `currency_mismatch`, `out_trade_no_used`, what `confirm` and `assess` decline,
    `insufficient_funds`; of a claim also `too_many_wrong_proofs`, `instrument_cap`, `payer_must_confirm`."""
    require_positive(command.amount_minor)
    merchant = view.get(MERCHANT_TERMS, command.merchant_id)
    if merchant is None:
        return Declined(merchant_errors.MERCHANT_NOT_FOUND)
    if merchant.currency != command.currency:
        return Declined(ledger_errors.CURRENCY_MISMATCH)
    payment_id = command.payment_id
    if view.get(PAYMENT, payment_id) is not None:
        return Declined(errors.OUT_TRADE_NO_USED)
    return _pay(command, unpaid(command, share_ppm(command.amount_minor, merchant.fee_ppm), now), view, now)


def unpaid(command: PayMerchant | PayInParts, fee_minor: int, now: datetime) -> Payment:
    """What a payment without an order before it begins from."""
    return Payment(
        command.payment_id, command.merchant_id, command.store_id, command.out_trade_no, command.subject, command.amount_minor,
        0, command.currency, fee_minor, "CREATED", command.method, None, 0, 0, 0, 0, now, now, None, None, None, None, None,
    )  # fmt: skip


def paid(command: PayOrder | PayMerchant, payment: Payment, done: Paid, now: datetime) -> Payment:
    """The payment that an accepted command left behind, of the unpaid one it found."""
    return replace(
        payment, state="PAID", method=command.method, payer_id=command.payer_id, paid_minor=payment.amount_minor, paid_at=now,
        journal_id=done.journal_id, bill_id=done.bill_id, factors=done.factors,
    )  # fmt: skip


def _pay(command: PayOrder | PayMerchant, payment: Payment, view: View, now: datetime) -> Decision:
    factors = confirm(view, command.payer_id, command.confirmation, now)
    if isinstance(factors, Declined):
        return factors
    if isinstance(command.confirmation, ClaimConfirmation) and (
        refused := by_claim(view, command.confirmation, factors, command.payer_id, payment, now)
    ):
        return refused
    return take_payment(command, payment, factors, view, now)


def by_claim(
    view: View, claim: ClaimConfirmation, factors: Factors, payer_id: UUID, payment: Payment, now: datetime
) -> Declined | None:
    """What else holds where the payer is not logged in: the till is believed, the instrument may pay that much, and without a PIN
    the sum is one for which the payer wants none."""
    refused = check_misses(view, payment.merchant_id, now)
    refused = refused or spend_instrument(view, claim.number, payment.amount_minor, payment.currency, now)
    if refused or factors & KNOWLEDGE:
        return refused
    agreed = without_pin(view, payer_id, payment.amount_minor, payment.currency, now)
    return agreed if isinstance(agreed, Declined) else None


def take_payment(command: PayOrder | PayMerchant, payment: Payment, factors: Factors, view: View, now: datetime) -> Decision:
    """Move the money of a payment whose payer was shown to agree by these factors, and write it down. Declines what `assess`
    declines, `insufficient_funds`."""
    wallet = wallet_of(command.payer_id, payment.currency)
    act = Act("payment", payment.amount_minor, payment.currency, factors, wallet.account_id, command.method, payment.merchant_id)
    if (refused := assess(view, now, command.payer_id, act)) is not None:
        return refused
    legs = paying_legs(payment, wallet, payment.amount_minor, payment.fee_minor)
    journal = post(view, command, now, "payment", legs, payment.out_trade_no)
    if isinstance(journal, Declined):
        return journal
    bill_id = view.new_id()
    done = Paid(payment.payment_id, payment.fee_minor, bill_id, journal.journal_id, factors)
    left = paid(command, payment, done, now)
    view.put(PAYMENT, left)
    view.put(
        BILL,
        Bill(
            command.payer_id, bill_id, "payment", "out", payment.amount_minor, payment.currency, "merchant", payment.merchant_id,
            payment.subject, b"", now, account_at(view, wallet, now).posted_minor, journal.journal_id, payment.payment_id,
            factors,
        ),
    )  # fmt: skip
    tell_of_large(view, command.payer_id, payment.amount_minor, bill_id, now)
    tell_merchant(view, left, "payment.paid", now)
    return Accepted(done)


def paying_legs(payment: Payment, wallet: Place, amount_minor: int, fee_minor: int) -> list[Leg]:
    """The amount from the payer's wallet, less the fee to the merchant, the fee to us. Turned round where both are negative."""
    legs = [Leg(wallet, -amount_minor)]
    if amount_minor != fee_minor:
        legs.append(Leg(merchant_balance(payment.merchant_id, payment.currency), amount_minor - fee_minor))
    if fee_minor:
        legs.append(Leg(fees_in(payment.currency), fee_minor))
    return legs


def close_order(command: CloseOrder, view: View, now: datetime) -> Decision:
    """Declines `payment_not_found` (also another merchant's), and what `lifecycle` says of the state."""
    payment = merchants_own(command, "close", view, now)
    if isinstance(payment, Declined):
        return payment
    closed = replace(payment, state="CLOSED", closed_at=now)
    view.put(PAYMENT, closed)
    tell_merchant(view, closed, "payment.closed", now)
    return Accepted()


def merchants_own(command: OfMerchant, step: Step, view: View, now: datetime) -> Payment | Declined:
    """A merchant's payment with which it wishes to take a step. Declines `payment_not_found` (also another merchant's), and what
    `lifecycle` says of the state."""
    payment = view.get(PAYMENT, command.payment_id)
    if payment is None or payment.merchant_id != command.merchant_id:
        return Declined(errors.PAYMENT_NOT_FOUND)
    following = step_of(payment.state_at(now), step)
    if isinstance(following, Declined):
        return following
    # The edge named the payer and the currency, from which the rows to load follow.
    if not isinstance(command, CloseOrder) and (payment.payer_id, payment.currency) != (command.payer_id, command.currency):
        return Declined(errors.PAYMENT_NOT_FOUND)
    return payment


def expire_order(command: ExpireOrder, view: View, now: datetime) -> Decision:
    """Does nothing unless the order is unpaid and its time is over."""
    payment = view.get(PAYMENT, command.payment_id)
    if payment is not None and payment.state == "CREATED" and now >= payment.expires_at:
        expired = replace(payment, state="EXPIRED", closed_at=now)
        view.put(PAYMENT, expired)
        tell_merchant(view, expired, "payment.expired", now)
    return Accepted()


def refund_payment(command: RefundPayment, view: View, now: datetime) -> Decision:
    """Declines `payment_not_found` (also another merchant's), `out_refund_no_used`, what `lifecycle` says of the state,
    `refund_exceeds_paid` (detail: left_minor), `too_many_refunds`, `merchant_funds_insufficient`, what `post` declines of the
    payer's account. The same refund number with the same amount answers the same refund. Source: refunds go to the account that
    was debited (PBOC 2015 No. 43, Art. 15)."""
    payment = view.get(PAYMENT, command.payment_id)
    if payment is None or payment.merchant_id != command.merchant_id:
        return Declined(errors.PAYMENT_NOT_FOUND)
    require_positive(command.amount_minor)
    refund_id = refund_id_of(command.payment_id, command.out_refund_no)
    known = view.get(REFUND, refund_id)
    if known is not None:
        if (known.amount_minor, known.currency, known.reason) != (command.amount_minor, command.currency, command.reason):
            return Declined(errors.OUT_REFUND_NO_USED)
        return Accepted(Refunded(refund_id, known.journal_id))
    following = step_of(payment.state_at(now), "refund")
    if isinstance(following, Declined):
        return following
    if (payment.payer_id, payment.currency) != (command.payer_id, command.currency):
        return Declined(errors.ORDER_NOT_PAID)
    payment = ended_by_time(command.command_id, view, payment, command.payer_id, now)
    left = payment.paid_minor - payment.refunded_minor
    if command.amount_minor > left:
        return Declined(errors.REFUND_EXCEEDS_PAID, {"left_minor": left, "currency": payment.currency})
    if payment.refunds >= MOST_REFUNDS:
        return Declined(errors.TOO_MANY_REFUNDS)
    return _refund(command, payment, refund_id, view, now)


def _refund(command: RefundPayment, payment: Payment, refund_id: UUID, view: View, now: datetime) -> Decision:
    refunded = payment.refunded_minor + command.amount_minor
    # In proportion to all that is refunded so far, rounded down: the last refund returns the rest of the fee exactly.
    fee_returned = payment.fee_minor * refunded // payment.paid_minor - payment.fee_returned_minor
    wallet = wallet_of(command.payer_id, payment.currency)
    legs = paying_legs(payment, wallet, -command.amount_minor, -fee_returned)
    to_card = 0
    if parts := parts_taken(view, payment.payment_id, command.parts):
        shares = give_back(view, now, payment, command.payer_id, parts, command.amount_minor, refund_id, refund_id)
        legs, to_card = [*shares.legs, *legs[1:]], shares.to_card_minor
    journal = post(view, command, now, "refund", legs, command.out_refund_no)
    if isinstance(journal, Declined):
        return merchants_lack(journal)
    view.put(
        PAYMENT,
        replace(
            payment, refunded_minor=refunded, fee_returned_minor=payment.fee_returned_minor + fee_returned,
            refunds=payment.refunds + 1,
        ),
    )  # fmt: skip
    refund = Refund(
        refund_id, payment.payment_id, command.out_refund_no, command.amount_minor, payment.currency, fee_returned,
        command.reason, now, journal.journal_id, "PENDING" if to_card else "SUCCEEDED",
    )  # fmt: skip
    view.put(REFUND, refund)
    if at_once := command.amount_minor - to_card:  # what goes to a card has its bill when it arrives
        view.put(
            BILL,
            Bill(
                command.payer_id, view.new_id(), "refund", "in", at_once,
                payment.currency, "merchant", payment.merchant_id, payment.subject, command.note, now,
                account_at(view, wallet, now).posted_minor, journal.journal_id, payment.payment_id, 0,
            ),
        )  # fmt: skip
    tell_merchant(view, payment, "payment.refunded", now, refund)
    view.emit(f"customer:{command.payer_id}", "refund.received", {"payment_id": payment.payment_id, "refund_id": refund_id})
    return Accepted(Refunded(refund_id, journal.journal_id))


def merchants_lack(declined: Declined) -> Declined:
    """A decline of money that leaves the merchant: its lack of funds is the merchant's. Any other reason (the customer's account
    is frozen or closed) is told as what it is."""
    lacking = declined.code is ledger_errors.INSUFFICIENT_FUNDS
    return Declined(errors.MERCHANT_FUNDS, declined.detail) if lacking else declined


def money_keys(payer_id: UUID, merchant_id: UUID, currency: str) -> list[Key]:
    """The accounts between which a payment moves money."""
    return account_keys([wallet_of(payer_id, currency), merchant_balance(merchant_id, currency), fees_in(currency)])


def _create_keys(command: CreateOrder) -> list[Key]:
    return [Key(MERCHANT_TERMS, command.merchant_id), Key(PAYMENT, command.payment_id)]


@lru_cache(maxsize=50_000)
def _payer_keys(payer_id: UUID, currency: str) -> tuple[Key, ...]:
    # Kept, because making a key takes longer than finding its row.
    return *law_keys(payer_id), *account_keys((wallet_of(payer_id, currency), fees_in(currency)))


@lru_cache(maxsize=20_000)
def _payee_keys(merchant_id: UUID, currency: str) -> tuple[Key, ...]:
    balance = merchant_balance(merchant_id, currency).account_id
    return Key(MERCHANT_TERMS, merchant_id), Key(ACCOUNT, balance), Key(USAGE, merchant_id)


def pay_keys(command: PayOrder | PayMerchant) -> list[Key]:
    claimed = isinstance(command.confirmation, ClaimConfirmation)
    return [
        *((*misses_keys(command.merchant_id), *small_payments_keys(command.payer_id)) if claimed else ()),
        Key(PAYMENT, command.payment_id),
        *confirmation_keys(command.payer_id, command.confirmation),
        *_payer_keys(command.payer_id, command.currency),
        *_payee_keys(command.merchant_id, command.currency),
    ]


def _refund_keys(command: RefundPayment) -> list[Key]:
    refund_id = refund_id_of(command.payment_id, command.out_refund_no)
    money = money_keys(command.payer_id, command.merchant_id, command.currency)
    back = giving_back_keys(command.payment_id, command.payer_id, command.merchant_id, command.currency, command.parts, refund_id)
    return [Key(PAYMENT, command.payment_id), Key(REFUND, refund_id), *money, *back]


DECIDERS = (
    Decider(CreateOrder, _create_keys, create_order, OrderCreated),
    Decider(PayOrder, pay_keys, pay_order, Paid),
    Decider(PayMerchant, pay_keys, pay_merchant, Paid),
    Decider(CloseOrder, lambda command: [Key(PAYMENT, command.payment_id)], close_order),
    Decider(ExpireOrder, lambda command: [Key(PAYMENT, command.payment_id)], expire_order),
    Decider(RefundPayment, _refund_keys, refund_payment, Refunded),
)

"""Deciders of payments that draw on several sources.

    CREATED ─ask─▶ UNKNOWN ─settle─▶ PAID          every part is taken in one journal
                           └release─▶ CREATED      every part is free again, and the order can be paid anew
    CREATED ─pay─▶ PAID                            where no part is outside

A debit that succeeds cannot always be used: the payer's wallet may have been frozen, the merchant's closed. Then the parts are
freed and the card is given back what it gave. So is a debit that succeeds after the order was released, which the network's bound
on how late a request may arrive rules out (`channels.cards.ARRIVES_WITHIN`): it would be heard of, booked and given back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.alerts import tell_of_large
from tongbao.identity.factors import KNOWLEDGE
from tongbao.identity.instruments import INSTRUMENT, misses_keys, unspend_instrument
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.types import ClaimConfirmation
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.money import share_ppm
from tongbao.ledger import errors as ledger_errors
from tongbao.ledger.api import Journal, Leg, account_at, account_keys, post
from tongbao.merchants import errors as merchant_errors
from tongbao.merchants.types import MERCHANT_TERMS
from tongbao.payments import errors
from tongbao.payments.funding import (
    Draw,
    card_refunds_in,
    drawn,
    free_all,
    hold_all,
    receivable_in,
    refusal_of,
    source_keys,
    source_of,
)
from tongbao.payments.funding_types import (
    CARD_REQUEST,
    FUNDING,
    MOST_PARTS,
    CardRequest,
    Funding,
    Part,
    PartState,
    PayInParts,
    SettleCardDebit,
    SettleCardRefund,
    card_part,
    debit_id_of,
    giving_back_id_of,
)
from tongbao.payments.giving_back import ask_card_back, draws_of, funding_keys
from tongbao.payments.lifecycle import PaymentState
from tongbao.payments.rules import by_claim, money_keys, payable, paying_legs, unpaid
from tongbao.payments.telling import tell_merchant
from tongbao.payments.types import PAYMENT, REFUND, Payment
from tongbao.rules.api import Act, law_keys, weigh
from tongbao.rules.api import give_back as uncount
from tongbao.wallet.rules import wallet_of
from tongbao.wallet.small_payments import not_without_pin, small_payments_keys
from tongbao.wallet.types import BILL, Bill, BillKind, Direction

#: How long the one who asked has the network to itself before the janitor takes over.
FIRST_ANSWER = timedelta(seconds=10)
#: When the network is asked once more about a debit of which it had never heard: after the first, the second time.
LOOK_AGAIN = (timedelta(hours=1), timedelta(days=1))
#: Ways by which the payer confirmed it themselves: none of it counted as small.
_CONFIRMED = frozenset({"qr_static", "qr_dynamic", "order", "agreement"})
#: How long money waits that the wallet cannot take now.
UNCREDITABLE = timedelta(hours=1)


class PaidInParts(msgspec.Struct, frozen=True, gc=False):
    """Result of `PayInParts`. UNKNOWN: a card is to be debited, under `debit_id`."""

    payment_id: UUID
    state: PaymentState
    debit_id: UUID | None


def check_parts(parts: Sequence[Part], amount_minor: int) -> bool:
    """Whether these can be the parts of a payment: one to five, each of something, no source twice, one card at most, named
    where it needs a name, and together the amount."""
    named = {(part.source, part.which) for part in parts}
    return (
        1 <= len(parts) <= MOST_PARTS
        and len(named) == len(parts)
        and sum(part.source == "card" for part in parts) <= 1
        and all(part.amount_minor > 0 and (part.source == "balance") == (part.which == "") for part in parts)
        and sum(part.amount_minor for part in parts) == amount_minor
    )


def pay_in_parts(command: PayInParts, view: View, now: datetime) -> Decision:
    """Declines what `payable` does, `merchant_not_found`, `currency_mismatch`, `out_trade_no_used`, `parts_not_authorised`,
    `amount_mismatch`, what `confirm` and `weigh` decline, of a claim what `by_claim` does, why a colour may not be spent, and
    what holding or posting the inside parts declines. All parts or none."""
    if not check_parts(command.parts, command.amount_minor):
        raise InvariantBroken("the edge let parts through that are none")
    payment = _order(command, view, now)
    if isinstance(payment, Declined):
        return payment
    if payment.agreed_minor:
        return Declined(errors.PARTS_NOT_AUTHORISED)
    if (payment.amount_minor, payment.currency) != (command.amount_minor, command.currency):
        return Declined(errors.AMOUNT_MISMATCH)
    factors = confirm(view, command.payer_id, command.confirmation, now)
    if isinstance(factors, Declined):
        return factors
    if isinstance(command.confirmation, ClaimConfirmation) and (
        refused := by_claim(view, command.confirmation, factors, command.payer_id, payment, now)
    ):
        return refused
    payment = replace(payment, method=command.method, payer_id=command.payer_id, factors=factors)
    attempt_id = debit_id_of(command.command_id)
    draws = drawn(command.parts, command.payer_id, command.merchant_id, command.currency, attempt_id)
    if (refused := refusal_of(view, draws, now)) is not None:
        return refused
    counted = _weighed(view, now, payment, command, factors)
    if isinstance(counted, Declined):
        return counted
    card = card_part(command.parts)
    if card is None:
        journal = _take(view, command, payment, draws, now)
        return journal if isinstance(journal, Declined) else Accepted(PaidInParts(payment.payment_id, "PAID", None))
    held = hold_all(view, command, draws, now)
    if held is not None:
        return held
    _keep_parts(view, payment, draws, "HELD")
    view.put(
        CARD_REQUEST,
        CardRequest(
            attempt_id, "debit", payment.payment_id, command.payer_id, payment.merchant_id, UUID(card.which), None, None,
            card.amount_minor, payment.currency, "ASKED", "", *counted, 0, now + FIRST_ANSWER, None, now, None,
            _capped_by(view, command),
        ),
    )  # fmt: skip
    asked = replace(payment, state="UNKNOWN")
    view.put(PAYMENT, asked)
    tell_merchant(view, asked, "payment.pending", now)
    return Accepted(PaidInParts(payment.payment_id, "UNKNOWN", attempt_id))


def _order(command: PayInParts, view: View, now: datetime) -> Payment | Declined:
    if not command.out_trade_no:
        return payable(command, "ask" if card_part(command.parts) else "pay", view, now)
    merchant = view.get(MERCHANT_TERMS, command.merchant_id)
    if merchant is None:
        return Declined(merchant_errors.MERCHANT_NOT_FOUND)
    if merchant.currency != command.currency:
        return Declined(ledger_errors.CURRENCY_MISMATCH)
    if view.get(PAYMENT, command.payment_id) is not None:
        return Declined(errors.OUT_TRADE_NO_USED)
    return unpaid(command, share_ppm(command.amount_minor, merchant.fee_ppm), now)


def _weighed(view: View, now: datetime, payment: Payment, command: PayInParts, factors: int) -> tuple[str, str] | Declined:
    """What the rules say, of the part that leaves the wallet and of the card's apart; where each was counted.

    Source: the limits of PBOC announcement 2015 No. 43, Arts. 11 and 24, are of payments from the balance of payment accounts
    (余额付款): what a card pays does not count there. It is quick payment, of Art. 10, and of Yinfa [2017] 296, Art. 12, by the
    card. Vouchers stand in the wallet and count with the balance. The merchant's own limits look at the whole, once.
    """
    card = card_part(command.parts)
    inside = payment.amount_minor - (card.amount_minor if card else 0)
    wallet, counted, by_card = wallet_of(command.payer_id, payment.currency), "", ""
    if inside:
        act = Act(
            "payment", inside, payment.currency, factors, wallet.account_id, command.method, payment.merchant_id,
            merchant_minor=payment.amount_minor,
        )  # fmt: skip
        weighed = weigh(view, now, command.payer_id, act, can_wait=False)
        if isinstance(weighed, Declined):
            return weighed
        counted = weighed.counted
    if card is not None:
        act = Act(
            "quick_payment", card.amount_minor, payment.currency, factors, None, command.method,
            None if inside else payment.merchant_id, UUID(card.which),
        )  # fmt: skip
        weighed = weigh(view, now, command.payer_id, act, can_wait=False)
        if isinstance(weighed, Declined):
            return weighed
        by_card = weighed.counted
    return counted, by_card


def _capped_by(view: View, command: PayInParts) -> int | None:
    """The instrument that counts the payment, where it was by one with caps of its own."""
    if not isinstance(command.confirmation, ClaimConfirmation):
        return None
    instrument = view.need(INSTRUMENT, command.confirmation.number)
    return instrument.number if instrument.most_minor or instrument.day_minor else None


def _keep_parts(view: View, payment: Payment, draws: Sequence[Draw], state: PartState) -> None:
    for number, draw in enumerate(draws, 1):
        part = draw.part
        view.put(
            FUNDING,
            Funding(
                payment.payment_id, number, len(draws), draw.cause_id, part.source, part.which, part.amount_minor,
                payment.currency, 0, state,
            ),
        )  # fmt: skip


def _take(
    view: View, command: PayInParts | SettleCardDebit, payment: Payment, draws: Sequence[Draw], now: datetime
) -> Journal | Declined:
    """Every part in one journal, and the payment is PAID. Leaves nothing where `post` declines."""
    legs = funded_legs(payment, draws)
    journal = post(view, command, now, "payment", legs, payment.out_trade_no)
    if isinstance(journal, Declined):
        return journal
    payer_id = command.payer_id
    bill_id = bill(view, payment, payer_id, journal, "payment", "out", payment.amount_minor, now)
    left = replace(
        payment, state="PAID", paid_minor=payment.amount_minor, paid_at=now, journal_id=journal.journal_id, bill_id=bill_id
    )
    _keep_parts(view, payment, draws, "TAKEN")
    view.put(PAYMENT, left)
    tell_of_large(view, payer_id, payment.amount_minor, bill_id, now)
    tell_merchant(view, left, "payment.paid", now)
    return journal


def funded_legs(payment: Payment, draws: Sequence[Draw]) -> list[Leg]:
    """What the sources give, less the fee to the merchant, the fee to us."""
    given = [leg for draw in draws for leg in source_of(draw).legs(draw, draw.part.amount_minor)]
    wallet = wallet_of(draws[0].payer_id, payment.currency)
    return [*given, *paying_legs(payment, wallet, payment.amount_minor, payment.fee_minor)[1:]]


def bill(
    view: View, payment: Payment, payer_id: UUID, journal: Journal, kind: BillKind, direction: Direction, amount_minor: int,
    now: datetime, note: bytes = b"",
) -> UUID:  # fmt: skip
    """A bill of the payer's, with the balance as it is now."""
    bill_id = view.new_id()
    balance = account_at(view, wallet_of(payer_id, payment.currency), now).posted_minor
    view.put(
        BILL,
        Bill(
            payer_id, bill_id, kind, direction, amount_minor, payment.currency, "merchant", payment.merchant_id, payment.subject,
            note, now, balance, journal.journal_id, payment.payment_id, (payment.factors or 0) if direction == "out" else 0,
        ),
    )  # fmt: skip
    return bill_id


# ── answers of the network ──────────────────────────────────────────────────────────────────────────────────────────────


def settle_card_debit(command: SettleCardDebit, view: View, now: datetime) -> Decision:
    """Apply the network's answer once. Declines `payment_not_found`; hearing the same again changes nothing. A no after a yes is
    declined as `card_answers_differ`, for the operators; a yes after a no is booked and given back to the card."""
    request = view.get(CARD_REQUEST, command.request_id)
    if request is None or _facts(request) != _facts(command) or request.kind != "debit":
        return Declined(errors.PAYMENT_NOT_FOUND)
    if request.state == "SUCCEEDED":
        return Declined(errors.CARD_ANSWERS_DIFFER) if command.state == "REFUSED" else Accepted()
    if request.state == "REFUSED":
        return _heard_late(command, request, view, now)
    if command.state == "UNKNOWN":
        due = now + timedelta(seconds=command.retry_in_s)
        view.put(CARD_REQUEST, replace(request, attempts=request.attempts + 1, next_attempt_at=due))
        return Accepted()
    payment = view.need(PAYMENT, command.payment_id)
    rows = [view.need(FUNDING, (payment.payment_id, number)) for number in range(1, len(command.parts) + 1)]
    if payment.state != "UNKNOWN" or any(row.attempt_id != request.request_id or row.state != "HELD" for row in rows):
        raise InvariantBroken("a card was asked for a payment that does not wait for it")
    draws = draws_of(payment, command.payer_id, rows)
    if command.state == "REFUSED":
        free_all(view, command, draws, now)
        _release(view, command, payment, request, draws, now)
        again = now + LOOK_AGAIN[0] if command.reason == "never_arrived" else None
        view.put(CARD_REQUEST, _ended(request, command, "REFUSED", now, again))
        return Accepted()
    view.put(CARD_REQUEST, _ended(request, command, "SUCCEEDED", now))
    _settle(view, command, payment, request, rows, draws, now)
    return Accepted()


def _settle(
    view: View, command: SettleCardDebit, payment: Payment, request: CardRequest, rows: Sequence[Funding], draws: Sequence[Draw],
    now: datetime,
) -> None:  # fmt: skip
    free_all(view, command, draws, now)
    taken = _take(view, command, payment, draws, now)
    if not isinstance(taken, Declined):
        view.emit(f"customer:{command.payer_id}", "payment.paid", {"payment_id": payment.payment_id})
        return
    # What was held cannot be moved (frozen meanwhile), or the merchant cannot take it: all or none, so the card has it back.
    _release(view, command, payment, request, draws, now)
    _book_and_give_back(view, command, payment, request, next(row for row in rows if row.source == "card"), now)


def _release(
    view: View, command: SettleCardDebit, payment: Payment, request: CardRequest, draws: Sequence[Draw], now: datetime
) -> None:
    """Nothing was taken: what was counted of payer, card, merchant and instrument counts no more, and the order can be paid
    again."""
    whole, merchant_id = payment.amount_minor, payment.merchant_id
    inside = whole - request.amount_minor
    uncount(view, now, command.payer_id, request.counted, inside, None, merchant_id, merchant_minor=whole)
    uncount(view, now, command.payer_id, request.counted_card, request.amount_minor, request.card_id, merchant_id)
    if request.instrument is not None:
        unspend_instrument(view, request.instrument, whole, request.asked_at, now)
    if payment.method not in _CONFIRMED and not (payment.factors or 0) & KNOWLEDGE:
        not_without_pin(view, command.payer_id, payment.amount_minor, request.asked_at, now)
    _keep_parts(view, payment, draws, "FREED")
    # A payment without an order before it stays what it was: past its time, for nobody to pay.
    method = "order" if payment.expires_at > payment.created_at else payment.method
    left = replace(payment, state="CREATED", method=method, payer_id=None, factors=None)
    view.put(PAYMENT, left)
    tell_merchant(view, left, "payment.reopened", now)
    view.emit(f"customer:{command.payer_id}", "payment.card_refused", {"payment_id": payment.payment_id})


def _heard_late(command: SettleCardDebit, request: CardRequest, view: View, now: datetime) -> Decision:
    """Of a debit that was taken for a no: asked twice more in the day after, and given back should it have happened after all."""
    if command.state == "SUCCEEDED":
        view.put(CARD_REQUEST, _ended(request, command, "SUCCEEDED", now))
        payment = view.need(PAYMENT, command.payment_id)
        row = Funding(
            payment.payment_id, 1, 1, request.request_id, "card", str(request.card_id), request.amount_minor, request.currency, 0,
            "FREED",
        )  # fmt: skip
        _book_and_give_back(view, command, payment, request, row, now)
    elif request.next_attempt_at is not None and request.finished_at is not None:
        again = request.finished_at + LOOK_AGAIN[1]
        over = command.state == "REFUSED" and again <= now
        due = again if again > now else now + timedelta(seconds=max(60, command.retry_in_s))
        view.put(CARD_REQUEST, replace(request, attempts=request.attempts + 1, next_attempt_at=None if over else due))
    return Accepted()


def _book_and_give_back(
    view: View, command: SettleCardDebit, payment: Payment, request: CardRequest, row: Funding, now: datetime
) -> None:
    """The network owes us what it took, and all of it is on its way back."""
    currency, amount = request.currency, request.amount_minor
    legs = [Leg(receivable_in(currency), -amount), Leg(card_refunds_in(currency), amount)]
    booked = post(view, command, now, "card.given_back", legs, payment.out_trade_no)
    if isinstance(booked, Declined):
        raise InvariantBroken(f"what a card is given back was declined: {booked.code.name}")
    ask_card_back(view, now, payment, command.payer_id, row, amount, request.request_id, None)


def settle_card_refund(command: SettleCardRefund, view: View, now: datetime) -> Decision:
    """Apply the network's answer once. Declines `payment_not_found`; `card_answers_differ` for another final answer than before.
    What a card cannot take any more goes to its owner's wallet; what the wallet cannot take now (frozen, closed, at its ceiling)
    waits, and the network is asked again."""
    request = view.get(CARD_REQUEST, command.request_id)
    if (
        request is None
        or _facts(request) != _facts(command)
        or request.kind != "refund"
        or request.refund_id != command.refund_id
    ):
        return Declined(errors.PAYMENT_NOT_FOUND)
    if request.state != "ASKED":
        same = command.state in (request.state, "UNKNOWN")
        return Accepted() if same else Declined(errors.CARD_ANSWERS_DIFFER)
    if command.state == "UNKNOWN":
        due = now + timedelta(seconds=command.retry_in_s)
        view.put(CARD_REQUEST, replace(request, attempts=request.attempts + 1, next_attempt_at=due))
        return Accepted()
    payment = view.need(PAYMENT, command.payment_id)
    currency, amount = request.currency, request.amount_minor
    if command.state == "SUCCEEDED":
        kind, target = "card.refunded", receivable_in(currency)
    else:
        kind, target = "card.refund_to_wallet", wallet_of(command.payer_id, currency)
    journal = post(view, command, now, kind, [Leg(card_refunds_in(currency), -amount), Leg(target, amount)], payment.out_trade_no)
    if isinstance(journal, Declined):
        if journal.code is ledger_errors.INSUFFICIENT_FUNDS:
            raise InvariantBroken("what is on its way to a card was not there")
        view.put(CARD_REQUEST, replace(request, attempts=request.attempts + 1, next_attempt_at=now + UNCREDITABLE))
        return Accepted()
    view.put(CARD_REQUEST, _ended(request, command, command.state, now))
    # A debit that came to nothing is in no bill, and so is its way back, unless it ends in the wallet.
    came_to_nothing = request.debit_id is not None and request.request_id == giving_back_id_of(request.debit_id)
    if command.state == "REFUSED" or not came_to_nothing:
        said: BillKind = "reversal" if payment.state == "REVERSED" else "refund"
        bill(view, payment, command.payer_id, journal, said, "in", amount, now)
    arrived = "card" if command.state == "SUCCEEDED" else "wallet"
    told = {"payment_id": payment.payment_id, "amount_minor": amount, "currency": currency, "to": arrived}
    if request.refund_id is not None:
        refund = replace(view.need(REFUND, request.refund_id), state="SUCCEEDED")
        view.put(REFUND, refund)
        tell_merchant(view, payment, "refund.succeeded", now, refund)
    view.emit(f"customer:{command.payer_id}", "refund.arrived", told)
    return Accepted()


def _ended(
    request: CardRequest,
    command: SettleCardDebit | SettleCardRefund,
    state: str,
    now: datetime,
    again: datetime | None = None,
) -> CardRequest:
    return replace(
        request, state=state, reason=command.reason, attempts=request.attempts + 1, next_attempt_at=again,
        network_reference=command.network_reference, finished_at=now,
    )  # fmt: skip


def _facts(each: CardRequest | SettleCardDebit | SettleCardRefund) -> tuple[object, ...]:
    return each.payment_id, each.merchant_id, each.payer_id, each.currency


# ── what they need ──────────────────────────────────────────────────────────────────────────────────────────────────────


def _pay_keys(command: PayInParts) -> list[Key]:
    attempt_id = debit_id_of(command.command_id)
    draws = drawn(command.parts, command.payer_id, command.merchant_id, command.currency, attempt_id)
    card = card_part(command.parts)
    claimed = isinstance(command.confirmation, ClaimConfirmation)
    others = [command.merchant_id, *([UUID(card.which)] if card else [])]
    return [
        Key(PAYMENT, command.payment_id),
        Key(MERCHANT_TERMS, command.merchant_id),
        Key(CARD_REQUEST, attempt_id),
        *funding_keys(command.payment_id, command.parts),
        *((*misses_keys(command.merchant_id), *small_payments_keys(command.payer_id)) if claimed else ()),
        *confirmation_keys(command.payer_id, command.confirmation),
        *law_keys(command.payer_id, *others),
        *money_keys(command.payer_id, command.merchant_id, command.currency),
        *source_keys(draws, holds=card is not None),
    ]


def _settle_debit_keys(command: SettleCardDebit) -> list[Key]:
    draws = drawn(command.parts, command.payer_id, command.merchant_id, command.currency, command.request_id)
    return [
        Key(PAYMENT, command.payment_id),
        Key(CARD_REQUEST, command.request_id),
        Key(CARD_REQUEST, giving_back_id_of(command.request_id)),
        *funding_keys(command.payment_id, command.parts),
        *law_keys(command.payer_id),
        *small_payments_keys(command.payer_id),
        *money_keys(command.payer_id, command.merchant_id, command.currency),
        *account_keys([receivable_in(command.currency), card_refunds_in(command.currency)]),
        *source_keys(draws, holds=True),
    ]


def _settle_refund_keys(command: SettleCardRefund) -> list[Key]:
    currency = command.currency
    places = [receivable_in(currency), card_refunds_in(currency), wallet_of(command.payer_id, currency)]
    refund = [Key(REFUND, command.refund_id)] if command.refund_id is not None else []
    return [Key(PAYMENT, command.payment_id), Key(CARD_REQUEST, command.request_id), *refund, *account_keys(places)]


DECIDERS = (
    Decider(PayInParts, _pay_keys, pay_in_parts, PaidInParts),
    Decider(SettleCardDebit, _settle_debit_keys, settle_card_debit),
    Decider(SettleCardRefund, _settle_refund_keys, settle_card_refund),
)

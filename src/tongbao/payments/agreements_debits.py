"""Deciders of debits under an agreement: told before, taken within the caps, tried again where the money was not enough.

    ──NoticeDebit──▶ NOTICED ──TakeDebit──▶ TAKEN
                        │  └────────────declined: stays NOTICED, and may be taken later
                        └──StopDebit──▶ STOPPED
    ──TakeDebit────▶ TAKEN, or declined and nothing is kept
    ──RecordDeclinedDebit──▶ WAITING ──TakeDebit──▶ TAKEN      only where the payer's money was not enough, as often as
                                │                               the agreement says
                                └──RecordDeclinedDebit──▶ WAITING | FAILED

What was taken in a day, a month and a period is counted in the agreement's own row in the commit that moves the money, so that no
crowd of debits exceeds a cap. What a rule of the law, a freeze or a suspension says of the payer is not the merchant's to know:
all of it is `debit_not_possible`.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.factors import Factors
from tongbao.identity.types import UNSAID
from tongbao.kernel.errors import Code
from tongbao.kernel.money import format_minor, share_ppm
from tongbao.ledger import errors as ledger_errors
from tongbao.ledger.api import require_positive
from tongbao.merchants.types import MERCHANT_TERMS
from tongbao.payments import errors
from tongbao.payments.agreements import tell_merchant_of, tell_payer
from tongbao.payments.agreements_lifecycle import step_of
from tongbao.payments.agreements_types import (
    AGREEMENT,
    DEBIT,
    OPEN,
    Agreement,
    Debit,
    DebitState,
    NoticeDebit,
    Period,
    RecordDeclinedDebit,
    StopDebit,
    TakeDebit,
)
from tongbao.payments.rules import money_keys, take_payment, unpaid
from tongbao.payments.types import PAYMENT, PayMerchant
from tongbao.rules.api import law_keys

#: How a payment under an agreement is said to have been made.
METHOD = "agreement"
#: How long after it could first be taken a debit that was told before may be.
NOTICE_LIVES = timedelta(days=30)
#: At a debit nobody shows anything: it rests on what was shown when the agreement was signed.
_NOBODY_ASKED: Factors = 0

OfMerchant = NoticeDebit | TakeDebit | RecordDeclinedDebit


class DebitDone(msgspec.Struct, frozen=True, gc=False):
    """Result of `NoticeDebit`, `TakeDebit`, `RecordDeclinedDebit` and `StopDebit`: how the debit stands."""

    payment_id: UUID
    state: DebitState


def notice_debit(command: NoticeDebit, view: View, now: datetime) -> Decision:
    """Tell the payer what will be taken. Declines `agreement_not_found` (also another merchant's), `agreement_…` of the state,
    `currency_mismatch`, `debit_exceeds_cap`, `out_trade_no_used`. The same number with the same terms answers the same debit."""
    agreement = _agreement_of(command, view, now)
    if isinstance(agreement, Declined):
        return agreement
    known = view.get(DEBIT, command.payment_id)
    if known is not None and known.agreement_id == agreement.agreement_id and _same(known, command):
        return Accepted(DebitDone(known.payment_id, known.state))
    if known is not None or view.get(PAYMENT, command.payment_id) is not None:
        return Declined(errors.OUT_TRADE_NO_USED)
    if command.amount_minor > agreement.debit_minor:
        return _beyond(errors.DEBIT_EXCEEDS_CAP, agreement, agreement.debit_minor)
    due_at = now + timedelta(hours=agreement.notice_hours)
    view.put(DEBIT, replace(_debit(command, now, "NOTICED"), noticed_at=now, due_at=due_at))
    tell_payer(view, agreement, "noticed", now, **_said(command), due_at=due_at.isoformat())
    return Accepted(DebitDone(command.payment_id, "NOTICED"))


def take_debit(command: TakeDebit, view: View, now: datetime) -> Decision:
    """Declines `agreement_not_found` (also another merchant's), `agreement_…` of the state, `currency_mismatch`,
    `out_trade_no_used`, `debit_stopped`, `debit_failed`, `debit_too_early`, `debit_notice_missing`, `debit_beyond_notice`,
    `debit_notice_lapsed`, `debit_exceeds_cap`, `debit_exceeds_day`, `debit_exceeds_count`, `debit_period_used`,
    `debit_funds_insufficient`, `debit_not_possible`. The same number with the same terms is taken once."""
    agreement = _agreement_of(command, view, now)
    known = view.get(DEBIT, command.payment_id)
    if known is not None and known.state == "TAKEN" and known.merchant_id == command.merchant_id and _same(known, command):
        return Accepted(DebitDone(known.payment_id, "TAKEN"))  # whatever has become of the agreement since
    if isinstance(agreement, Declined):
        return agreement
    if known is not None:
        refused = _standing_in_the_way(known, command, agreement)
        if refused is not None:
            return refused
        if known.state == "WAITING" and command.attempt != known.attempts + 1:
            return Accepted(DebitDone(known.payment_id, "WAITING"))
    if view.get(PAYMENT, command.payment_id) is not None:
        return Declined(errors.OUT_TRADE_NO_USED)
    refused = _too_early(known, command, agreement, now) or _beyond_caps(command, agreement, now)
    if refused is not None:
        return refused
    return _taken(command, known, agreement, view, now)


def _agreement_of(command: OfMerchant, view: View, now: datetime) -> Agreement | Declined:
    require_positive(command.amount_minor)
    found = view.get(AGREEMENT, command.agreement_id)
    if found is None or found.merchant_id != command.merchant_id:
        return Declined(errors.AGREEMENT_NOT_FOUND)
    following = step_of(found.state_at(now), "debit")
    if isinstance(following, Declined):
        return following
    if found.payer_id != command.payer_id:  # the edge named the payer, from whom the rows to load follow
        return Declined(errors.AGREEMENT_NOT_FOUND)
    return Declined(ledger_errors.CURRENCY_MISMATCH) if found.currency != command.currency else found


def _same(known: Debit, command: OfMerchant) -> bool:
    return (known.agreement_id, known.amount_minor, known.currency, known.subject) == (
        command.agreement_id,
        command.amount_minor,
        command.currency,
        command.subject,
    )


def _standing_in_the_way(known: Debit, command: TakeDebit, agreement: Agreement) -> Declined | None:
    """What is known of this number already, if it says no."""
    if known.agreement_id != agreement.agreement_id:
        return Declined(errors.OUT_TRADE_NO_USED)
    if known.state == "STOPPED":
        return Declined(errors.DEBIT_STOPPED)
    if known.state == "FAILED":
        return Declined(errors.DEBIT_FAILED)
    # What was told before may come to less; what is waited for is what was asked.
    if known.state != "NOTICED" and not _same(known, command):
        return Declined(errors.OUT_TRADE_NO_USED)
    return None


def _too_early(known: Debit | None, command: TakeDebit, agreement: Agreement, now: datetime) -> Declined | None:
    if agreement.local(now) < agreement.first_debit_on:
        return Declined(errors.DEBIT_TOO_EARLY, {"not_before": agreement.first_debit_on.isoformat()})
    if known is None or known.state != "NOTICED":
        missing = known is None and agreement.notice_hours
        return Declined(errors.DEBIT_NOTICE_MISSING, {"hours": agreement.notice_hours}) if missing else None
    if command.amount_minor > known.amount_minor:
        return _beyond(errors.DEBIT_BEYOND_NOTICE, agreement, known.amount_minor)
    if now < known.due_at:
        return Declined(errors.DEBIT_TOO_EARLY, {"not_before": known.due_at})
    if now >= known.due_at + NOTICE_LIVES:
        return Declined(errors.DEBIT_NOTICE_LAPSED)
    return None


def _beyond_caps(command: TakeDebit, agreement: Agreement, now: datetime) -> Declined | None:
    """Why the payer's caps say no."""
    today = agreement.local(now)
    if command.amount_minor > agreement.debit_minor:
        return _beyond(errors.DEBIT_EXCEEDS_CAP, agreement, agreement.debit_minor)
    same_day = agreement.day == today.toordinal()
    if (agreement.day_used_minor if same_day else 0) + command.amount_minor > agreement.day_minor:
        return _beyond(errors.DEBIT_EXCEEDS_DAY, agreement, agreement.day_minor)
    if same_day and agreement.day_used_count >= agreement.day_count:
        return Declined(errors.DEBIT_EXCEEDS_COUNT, {"of": "day", "most": agreement.day_count})
    if agreement.month == _month(today) and agreement.month_used_count >= agreement.month_count:
        return Declined(errors.DEBIT_EXCEEDS_COUNT, {"of": "month", "most": agreement.month_count})
    if agreement.period != "any" and period_of(agreement.period, agreement.first_debit_on, today) <= agreement.last_period:
        return Declined(errors.DEBIT_PERIOD_USED, {"period": agreement.period})
    return None


def _beyond(code: Code, agreement: Agreement, most_minor: int) -> Declined:
    return Declined(code, {"most": format_minor(most_minor, agreement.currency), "currency": agreement.currency})


def _month(day: date) -> int:
    return day.year * 12 + day.month


def period_of(period: Period, first: date, day: date) -> int:
    """Which period since the first debit a day belongs to, from 0 on; one that begins on a 31st begins on the last day of a
    shorter month. 0 where there are no periods."""
    if period == "any":
        return 0
    if period == "week":
        return (day - first).days // 7
    months = _month(day) - _month(first)
    last_of_month = (day.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    months -= day.day < min(first.day, last_of_month.day)
    return months if period == "month" else months // 12


def _taken(command: TakeDebit, known: Debit | None, agreement: Agreement, view: View, now: datetime) -> Decision:
    merchant = view.need(MERCHANT_TERMS, command.merchant_id)
    payment = PayMerchant(
        command_id=command.command_id, payment_id=command.payment_id, merchant_id=command.merchant_id, store_id=None,
        out_trade_no=command.out_trade_no, subject=command.subject, payer_id=command.payer_id,
        amount_minor=command.amount_minor, currency=command.currency, method=METHOD, confirmation=UNSAID,
    )  # fmt: skip
    found = unpaid(payment, share_ppm(command.amount_minor, merchant.fee_ppm), now)
    done = take_payment(payment, found, _NOBODY_ASKED, view, now)
    if isinstance(done, Declined):
        lacking = done.code is ledger_errors.INSUFFICIENT_FUNDS
        return Declined(errors.DEBIT_FUNDS if lacking else errors.DEBIT_NOT_POSSIBLE)
    today = agreement.local(now)
    same_day, same_month = agreement.day == today.toordinal(), agreement.month == _month(today)
    counted = replace(
        agreement, day=today.toordinal(), day_used_minor=(agreement.day_used_minor if same_day else 0) + command.amount_minor,
        day_used_count=(agreement.day_used_count if same_day else 0) + 1, month=_month(today),
        month_used_count=(agreement.month_used_count if same_month else 0) + 1,
        last_period=period_of(agreement.period, agreement.first_debit_on, today), debits=agreement.debits + 1, last_debit_at=now,
    )  # fmt: skip
    view.put(AGREEMENT, counted)
    before = known or _debit(command, now, "WAITING")
    view.put(
        DEBIT,
        replace(
            before, state="TAKEN", subject=command.subject, amount_minor=command.amount_minor, attempts=before.attempts + 1,
            next_attempt_at=None, ended_at=now, failure_code=None,
        ),
    )  # fmt: skip
    tell_payer(view, counted, "taken", now, **_said(command))
    tell_merchant_of(view, counted, "debit.taken", now, command.out_trade_no)
    return Accepted(DebitDone(command.payment_id, "TAKEN"))


def record_declined_debit(command: RecordDeclinedDebit, view: View, now: datetime) -> Decision:
    """What becomes of a debit that was declined: waited for, where it was for lack of money and the agreement has attempts left;
    else FAILED. Both sides are told. Declines `agreement_not_found`; what is known already stays as it is."""
    agreement = view.get(AGREEMENT, command.agreement_id)
    if agreement is None or (agreement.merchant_id, agreement.payer_id) != (command.merchant_id, command.payer_id):
        return Declined(errors.AGREEMENT_NOT_FOUND)
    known = view.get(DEBIT, command.payment_id)
    if known is not None and (known.state not in OPEN or known.attempts + 1 != command.attempt):
        return Accepted(DebitDone(known.payment_id, known.state))
    lacking = command.code == errors.DEBIT_FUNDS.name
    waits = lacking and command.attempt < agreement.attempts and agreement.state_at(now) == "ACTIVE"
    state: DebitState = "WAITING" if waits else "FAILED"
    before = known or _debit(command, now, state)
    due = now + timedelta(hours=agreement.retry_hours) if waits else None
    recorded = replace(
        before, state=state, subject=command.subject, amount_minor=command.amount_minor, attempts=command.attempt,
        next_attempt_at=due, ended_at=None if waits else now, failure_code=command.code,
    )  # fmt: skip
    view.put(DEBIT, recorded)
    next_attempt = {} if due is None else {"due_at": due.isoformat()}
    tell_payer(view, agreement, state.lower(), now, **_said(command), **next_attempt)
    tell_merchant_of(view, agreement, f"debit.{state.lower()}", now, command.out_trade_no)
    return Accepted(DebitDone(command.payment_id, state))


def stop_debit(command: StopDebit, view: View, now: datetime) -> Decision:
    """The payer stops a debit that was told or is waited for. Declines `debit_not_found` (also another's), `debit_ended`;
    stopping twice is as stopping once."""
    known = view.get(DEBIT, command.payment_id)
    if known is None or known.payer_id != command.payer_id:
        return Declined(errors.DEBIT_NOT_FOUND)
    if known.state == "STOPPED":
        return Accepted(DebitDone(known.payment_id, "STOPPED"))
    if known.state not in OPEN:
        return Declined(errors.DEBIT_ENDED, {"state": known.state})
    view.put(DEBIT, replace(known, state="STOPPED", next_attempt_at=None, ended_at=now))
    view.emit(
        f"agreements:{known.merchant_id}",
        "debit.stopped",
        {"agreement_id": known.agreement_id, "out_trade_no": known.out_trade_no, "at": now},
    )
    return Accepted(DebitDone(known.payment_id, "STOPPED"))


def _debit(command: OfMerchant, now: datetime, state: DebitState) -> Debit:
    return Debit(
        command.payment_id, command.agreement_id, command.merchant_id, command.payer_id, command.out_trade_no, command.subject,
        command.amount_minor, command.currency, state, 0, now, None, now, None, None, None,
    )  # fmt: skip


def _said(command: OfMerchant) -> dict[str, str]:
    return {"amount": format_minor(command.amount_minor, command.currency), "currency": command.currency}


def _own_keys(command: NoticeDebit | RecordDeclinedDebit) -> list[Key]:
    return [Key(AGREEMENT, command.agreement_id), Key(DEBIT, command.payment_id), Key(PAYMENT, command.payment_id)]


def _take_keys(command: TakeDebit) -> list[Key]:
    return [
        Key(AGREEMENT, command.agreement_id), Key(DEBIT, command.payment_id), Key(PAYMENT, command.payment_id),
        Key(MERCHANT_TERMS, command.merchant_id), *law_keys(command.payer_id, command.merchant_id),
        *money_keys(command.payer_id, command.merchant_id, command.currency),
    ]  # fmt: skip


DECIDERS = (
    Decider(NoticeDebit, _own_keys, notice_debit, DebitDone),
    Decider(TakeDebit, _take_keys, take_debit, DebitDone),
    Decider(RecordDeclinedDebit, _own_keys, record_declined_debit, DebitDone),
    Decider(StopDebit, lambda command: [Key(DEBIT, command.payment_id)], stop_debit, DebitDone),
)

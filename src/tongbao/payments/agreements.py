"""Deciders of agreements to be debited: asked for by a merchant, signed by a customer, who may lower, pause and end it any time.

Source: what is debited without the payer confirming each payment rests on an agreement that the payer confirmed strongly: PSD2
RTS (EU) 2018/389, Art. 14 (recurring transactions: strong authentication when the series is made or changed), for the idea. Of
the rules of the law each debit counts as a payment confirmed by fewer than two factors, for at the debit nobody confirms anything
(PBOC announcement 2015 No. 43, Art. 24(3)).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity.alerts import tell, write
from tongbao.identity.factors import Factors, strength
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.standing import STANDING, standing_keys
from tongbao.identity.types import Confirmation
from tongbao.ledger import errors as ledger_errors
from tongbao.merchants import errors as merchant_errors
from tongbao.merchants.types import MERCHANT_TERMS
from tongbao.payments import errors
from tongbao.payments.agreements_lifecycle import AgreementStep, step_of
from tongbao.payments.agreements_types import (
    AGREEMENT,
    Agreement,
    AskAgreement,
    ChangeAgreement,
    EndAgreement,
    EndedBy,
    ExpireAgreement,
    PauseAgreement,
    ResumeAgreement,
    RevokeAgreement,
    SignAgreement,
)
from tongbao.rules.errors import ACCOUNT_SUSPENDED, STRONGER_CONFIRMATION

#: Messages about agreements and their debits; what they say is in `agreements_words`.
MESSAGE_KIND = "agreement"

OfPayer = SignAgreement | ChangeAgreement | PauseAgreement | ResumeAgreement | RevokeAgreement


class Asked(msgspec.Struct, frozen=True, gc=False):
    """Result of `AskAgreement`."""

    agreement_id: UUID


def ask_agreement(command: AskAgreement, view: View, now: datetime) -> Decision:
    """Declines `merchant_not_found`, `currency_mismatch`, `out_agreement_no_used`. The same number with the same terms answers
    the same agreement."""
    merchant = view.get(MERCHANT_TERMS, command.merchant_id)
    if merchant is None:
        return Declined(merchant_errors.MERCHANT_NOT_FOUND)
    if merchant.currency != command.currency:
        return Declined(ledger_errors.CURRENCY_MISMATCH)
    known = view.get(AGREEMENT, command.agreement_id)
    if known is not None:
        if _terms(known) != _terms(command):
            return Declined(errors.OUT_AGREEMENT_NO_USED)
        return Accepted(Asked(known.agreement_id))
    caps = command.caps
    view.put(
        AGREEMENT,
        Agreement(
            command.agreement_id, command.merchant_id, command.out_agreement_no, command.purpose, command.scene,
            command.currency, caps.debit_minor, caps.day_minor, caps.day_count, caps.month_count, caps.debit_minor,
            caps.day_minor, caps.day_count, caps.month_count, command.period, command.first_debit_on, command.notice_hours,
            command.attempts, command.retry_hours, command.zone, "ASKED", None, None, now,
            min(now + timedelta(seconds=command.sign_within_s), command.ends_at), command.ends_at, None, None, "", "", 0, 0, 0, 0,
            0, -1, 0, None,
        ),
    )  # fmt: skip
    return Accepted(Asked(command.agreement_id))


def _terms(of: AskAgreement | Agreement) -> tuple[object, ...]:
    caps = of.caps if isinstance(of, AskAgreement) else of.asked
    return (
        of.purpose, of.scene, of.currency, caps, of.period, of.first_debit_on, of.notice_hours, of.attempts, of.retry_hours,
        of.ends_at,
    )  # fmt: skip


def sign_agreement(command: SignAgreement, view: View, now: datetime) -> Decision:
    """Declines `agreement_not_found`, `agreement_…` of the state (detail: by_you), `agreement_caps_range`, `account_suspended`,
    what `confirm` does, `stronger_confirmation_needed` below two factors of different kinds."""
    agreement = view.get(AGREEMENT, command.agreement_id)
    if agreement is None:
        return Declined(errors.AGREEMENT_NOT_FOUND)
    following = step_of(agreement.state_at(now), "sign")
    if isinstance(following, Declined):
        return Declined(following.code, {"by_you": agreement.payer_id == command.payer_id})
    if not (command.caps.are_caps() and command.caps.within(agreement.asked)):
        return Declined(errors.AGREEMENT_CAPS_RANGE)
    standing = view.get(STANDING, command.payer_id)
    if standing is not None and standing.suspended:
        return Declined(ACCOUNT_SUSPENDED)
    factors = _strongly(view, command.payer_id, command.confirmation, now)
    if isinstance(factors, Declined):
        return factors
    signed = _with_caps(agreement, command)
    signed = replace(
        signed, state=following, payer_id=command.payer_id, factors=factors, signed_at=now, expires_at=agreement.ends_at
    )
    view.put(AGREEMENT, signed)
    tell(view, command.payer_id, "agreement_signed", {"agreement_id": str(agreement.agreement_id)}, now)
    tell_merchant_of(view, signed, "agreement.signed", now)
    return Accepted()


def _strongly(view: View, payer_id: UUID, confirmation: Confirmation | None, now: datetime) -> Factors | Declined:
    factors = None if confirmation is None else confirm(view, payer_id, confirmation, now)
    if isinstance(factors, Declined):
        return factors
    if factors is None or strength(factors) == "weak":
        named = {"name_zh": "签约或提高委托扣款额度", "name_en": "agreeing to be debited"}
        named |= {"citation": "Tongbao's rules for agreements", "citation_zh": "通宝关于委托扣款的规定"}
        return Declined(STRONGER_CONFIRMATION, {"strength": "medium", **named})
    return factors


def _with_caps(agreement: Agreement, command: SignAgreement | ChangeAgreement) -> Agreement:
    caps = command.caps
    return replace(
        agreement, debit_minor=caps.debit_minor, day_minor=caps.day_minor, day_count=caps.day_count, month_count=caps.month_count
    )


def change_agreement(command: ChangeAgreement, view: View, now: datetime) -> Decision:
    """Declines `agreement_not_found` (also another's), `agreement_…` of the state, `agreement_caps_range`, and where a cap is
    raised what `confirm` does and `stronger_confirmation_needed`."""
    found = _payers_own(command, "change", view, now)
    if isinstance(found, Declined):
        return found
    if not (command.caps.are_caps() and command.caps.within(found.asked)):
        return Declined(errors.AGREEMENT_CAPS_RANGE)
    changed = _with_caps(found, command)
    if not command.caps.within(found.caps):
        factors = _strongly(view, command.payer_id, command.confirmation, now)
        if isinstance(factors, Declined):
            return factors
        changed = replace(changed, factors=factors)
    view.put(AGREEMENT, changed)
    tell_merchant_of(view, changed, "agreement.changed", now)
    return Accepted()


def _payers_own(command: OfPayer, step: AgreementStep, view: View, now: datetime) -> Agreement | Declined:
    """A payer's agreement with which they wish to take a step. Declines `agreement_not_found` (also another's), and what
    `agreements_lifecycle` says of the state."""
    found = view.get(AGREEMENT, command.agreement_id)
    if found is None or found.payer_id != command.payer_id:
        return Declined(errors.AGREEMENT_NOT_FOUND)
    following = step_of(found.state_at(now), step)
    return following if isinstance(following, Declined) else replace(found, state=following)


def pause_agreement(command: PauseAgreement, view: View, now: datetime) -> Decision:
    """Declines `agreement_not_found` (also another's), `agreement_…` of the state. Pausing twice is as pausing once."""
    return _stepped(command, "pause", "agreement.paused", errors.AGREEMENT_PAUSED, view, now)


def resume_agreement(command: ResumeAgreement, view: View, now: datetime) -> Decision:
    """Declines as `pause_agreement`; resuming twice is as resuming once."""
    return _stepped(command, "resume", "agreement.resumed", errors.AGREEMENT_ACTIVE, view, now)


def _stepped(
    command: PauseAgreement | ResumeAgreement, step: AgreementStep, event: str, done: object, view: View, now: datetime
) -> Decision:
    found = _payers_own(command, step, view, now)
    if isinstance(found, Declined):
        return Accepted() if found.code is done else found
    view.put(AGREEMENT, found)
    tell_merchant_of(view, found, event, now)
    return Accepted()


def revoke_agreement(command: RevokeAgreement, view: View, now: datetime) -> Decision:
    """Declines `agreement_not_found` (also another's), `agreement_expired`. Revoking what has ended already is done."""
    found = _payers_own(command, "end", view, now)
    if isinstance(found, Declined):
        return Accepted() if found.code is errors.AGREEMENT_ENDED else found
    _end(view, found, "payer", "", now)
    tell(view, command.payer_id, "agreement_ended", {"agreement_id": str(found.agreement_id)}, now)
    return Accepted()


def end_agreement(command: EndAgreement, view: View, now: datetime) -> Decision:
    """Declines `agreement_not_found` (also another merchant's), `agreement_expired`. Ending what has ended already is done. The
    payer is told."""
    found = view.get(AGREEMENT, command.agreement_id)
    if found is None or found.merchant_id != command.merchant_id:
        return Declined(errors.AGREEMENT_NOT_FOUND)
    following = step_of(found.state_at(now), "end")
    if isinstance(following, Declined):
        return Accepted() if following.code is errors.AGREEMENT_ENDED else following
    _end(view, found, "merchant", command.reason, now)
    if found.payer_id is not None:
        tell_payer(view, found, "ended", now)
    return Accepted()


def end_for_erasure(view: View, customer_id: UUID, agreement_id: UUID, now: datetime) -> None:
    """End an agreement of somebody whose account is closed for ever; anything else is left alone."""
    found = view.need(AGREEMENT, agreement_id)
    if found.payer_id == customer_id and not isinstance(step_of(found.state_at(now), "end"), Declined):
        _end(view, found, "erasure", "", now)


def _end(view: View, found: Agreement, by: EndedBy, reason: str, now: datetime) -> None:
    ended = replace(found, state="ENDED", ended_at=now, ended_by=by, end_reason=reason)
    view.put(AGREEMENT, ended)
    tell_merchant_of(view, ended, "agreement.ended", now)


def expire_agreement(command: ExpireAgreement, view: View, now: datetime) -> Decision:
    """Does nothing unless its time is over and it has not ended."""
    found = view.get(AGREEMENT, command.agreement_id)
    if found is not None and found.state_at(now) == "EXPIRED" and found.state != "EXPIRED":
        expired = replace(found, state="EXPIRED", ended_at=now)
        view.put(AGREEMENT, expired)
        tell_merchant_of(view, expired, "agreement.expired", now)
    return Accepted()


def tell_merchant_of(view: View, agreement: Agreement, kind: str, now: datetime, out_trade_no: str = "") -> None:
    """An event for the merchant's server, of the agreement or of a debit under it; its live page is about orders."""
    told = {"agreement_id": agreement.agreement_id, "out_agreement_no": agreement.out_agreement_no, "at": now}
    which = {"out_trade_no": out_trade_no} if out_trade_no else {}
    view.emit(f"agreements:{agreement.merchant_id}", kind, told | {"state": agreement.state} | which)


def tell_payer(view: View, agreement: Agreement, what: str, now: datetime, **facts: str) -> None:
    """A message to the payer, of this kind of `agreements_words`."""
    if agreement.payer_id is not None:
        said = {"what": what, "agreement_id": str(agreement.agreement_id), "merchant_id": str(agreement.merchant_id), **facts}
        write(view, agreement.payer_id, MESSAGE_KIND, said, now)
        view.emit(f"customer:{agreement.payer_id}", f"agreement.{what}", {"agreement_id": agreement.agreement_id})


def _own(command: PauseAgreement | ResumeAgreement | RevokeAgreement | EndAgreement | ExpireAgreement) -> list[Key]:
    return [Key(AGREEMENT, command.agreement_id)]


def _change_keys(command: ChangeAgreement) -> list[Key]:
    agreed = [] if command.confirmation is None else confirmation_keys(command.payer_id, command.confirmation)
    return [Key(AGREEMENT, command.agreement_id), *agreed]


def _sign_keys(command: SignAgreement) -> list[Key]:
    agreed = confirmation_keys(command.payer_id, command.confirmation)
    return [Key(AGREEMENT, command.agreement_id), *standing_keys(command.payer_id), *agreed]


DECIDERS = (
    Decider(
        AskAgreement,
        lambda command: [Key(MERCHANT_TERMS, command.merchant_id), Key(AGREEMENT, command.agreement_id)],
        ask_agreement,
        Asked,
    ),
    Decider(SignAgreement, _sign_keys, sign_agreement),
    Decider(ChangeAgreement, _change_keys, change_agreement),
    Decider(PauseAgreement, _own, pause_agreement),
    Decider(ResumeAgreement, _own, resume_agreement),
    Decider(RevokeAgreement, _own, revoke_agreement),
    Decider(EndAgreement, _own, end_agreement),
    Decider(ExpireAgreement, _own, expire_agreement),
)

"""Agreements to be debited and their debits as answers: what their payers and their merchants are shown of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta

import msgspec

from tongbao.identity.service import IdentityService
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.money import format_minor
from tongbao.merchants.service import MerchantService
from tongbao.payments.agreements_lifecycle import AgreementState
from tongbao.payments.agreements_service import AgreementService, Place
from tongbao.payments.agreements_types import Agreement, Caps, Debit, DebitState, EndedBy, Period, Scene
from tongbao.payments.cards import MerchantName
from tongbao.security.masking import mask_name


class CapsAnswer(msgspec.Struct, frozen=True):
    """The most that may be taken: of one debit, of a day, and how many a day and a month."""

    per_debit: str
    per_day: str
    debits_a_day: int
    debits_a_month: int


class NextDebit(msgspec.Struct, frozen=True):
    """What comes next: told before, and to be taken from `at` on; or waiting for money, and tried again at `at`."""

    payment_id: str
    amount: str
    at: datetime
    state: DebitState


class AgreementAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An agreement. `asked`: what the merchant asked for; `caps`: what holds, which the payer may have lowered. `expires_at`:
    until when it can be signed, and once it is, its end."""

    agreement_id: str
    out_agreement_no: str
    merchant: MerchantName
    purpose: str
    scene: Scene
    state: AgreementState
    currency: str
    asked: CapsAnswer
    caps: CapsAnswer
    period: Period
    first_debit_on: date
    ends_on: date
    notice_hours: int
    attempts: int
    retry_hours: int
    created_at: datetime
    expires_at: datetime
    signed_at: datetime | None
    ended_at: datetime | None
    ended_by: EndedBy
    end_reason: str
    used_today: str
    debits_today: int
    debits: int
    last_debit_at: datetime | None
    next_debit: NextDebit | None
    payer_masked: str | None = None
    link: str | None = None


class DebitAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What is, was or will be taken. `failure_code`: why it was declined last; `due_at`: from when it may be taken."""

    payment_id: str
    out_trade_no: str
    subject: str
    amount: str
    currency: str
    state: DebitState
    attempts: int
    asked_at: datetime
    noticed_at: datetime | None
    due_at: datetime
    next_attempt_at: datetime | None
    ended_at: datetime | None
    failure_code: str | None


def _caps(caps: Caps, currency: str) -> CapsAnswer:
    debit, day = format_minor(caps.debit_minor, currency), format_minor(caps.day_minor, currency)
    return CapsAnswer(debit, day, caps.day_count, caps.month_count)


async def agreement_answers(
    rows: Sequence[Agreement], agreements: AgreementService, merchants: MerchantService, clock: Clock,
    identity: IdentityService | None = None,
) -> list[AgreementAnswer]:  # fmt: skip
    """`identity`: for the merchant, who sees the payer's masked name and the link to be signed."""
    names = await merchants.several({row.merchant_id for row in rows})
    ahead = await agreements.ahead([row.agreement_id for row in rows if row.state == "ACTIVE"]) if rows else {}
    payers = await identity.several({row.payer_id for row in rows if row.payer_id}) if identity is not None and rows else {}
    now = clock.now()
    answers = []
    for row in rows:
        currency, following = row.currency, ahead.get(row.agreement_id)
        payer = payers.get(row.payer_id) if row.payer_id else None
        today = row.day == row.local(now).toordinal()
        answers.append(
            AgreementAnswer(
                agreement_id=str(row.agreement_id), out_agreement_no=row.out_agreement_no,
                merchant=MerchantName(str(row.merchant_id), names[row.merchant_id].name), purpose=row.purpose, scene=row.scene,
                state=row.state_at(now), currency=currency, asked=_caps(row.asked, currency), caps=_caps(row.caps, currency),
                period=row.period, first_debit_on=row.first_debit_on, ends_on=row.local(row.ends_at) - timedelta(days=1),
                notice_hours=row.notice_hours, attempts=row.attempts, retry_hours=row.retry_hours, created_at=row.created_at,
                expires_at=row.expires_at, signed_at=row.signed_at, ended_at=row.ended_at, ended_by=row.ended_by,
                end_reason=row.end_reason, used_today=format_minor(row.day_used_minor if today else 0, currency),
                debits_today=row.day_used_count if today else 0, debits=row.debits, last_debit_at=row.last_debit_at,
                next_debit=_next(following) if following is not None else None,
                payer_masked=mask_name(payer.name) if payer else None,
                link=agreements.link(row) if identity is not None and row.state_at(now) == "ASKED" else None,
            )
        )  # fmt: skip
    return answers


def _next(row: Debit) -> NextDebit:
    amount = format_minor(row.amount_minor, row.currency)
    return NextDebit(str(row.payment_id), amount, row.next_attempt_at or row.due_at, row.state)


def debit_answer(row: Debit) -> DebitAnswer:
    return DebitAnswer(
        payment_id=str(row.payment_id), out_trade_no=row.out_trade_no, subject=row.subject,
        amount=format_minor(row.amount_minor, row.currency), currency=row.currency, state=row.state, attempts=row.attempts,
        asked_at=row.asked_at, noticed_at=row.noticed_at, due_at=row.due_at, next_attempt_at=row.next_attempt_at,
        ended_at=row.ended_at, failure_code=row.failure_code,
    )  # fmt: skip


async def debits_page(
    agreements: AgreementService, agreement: Agreement, limit: int, cursor: str | None
) -> web.Page[DebitAnswer]:
    place = web.decode_cursor(cursor, Place)  # type: ignore[arg-type]
    found = await agreements.debits(agreement.agreement_id, place, limit)
    rows, following = web.page(found, limit, lambda row: (row.asked_at, row.payment_id))
    return web.Page([debit_answer(row) for row in rows], following)

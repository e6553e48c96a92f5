"""Wishes about agreements to be debited, as a town's people and shops make them."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.support.town import CURRENCY, NOON, RIGHT, Town, order_id
from tongbao.identity.types import PinConfirmation
from tongbao.payments.agreements_types import (
    AskAgreement,
    Caps,
    ChangeAgreement,
    EndAgreement,
    ExpireAgreement,
    NoticeDebit,
    PauseAgreement,
    RecordDeclinedDebit,
    ResumeAgreement,
    RevokeAgreement,
    SignAgreement,
    StopDebit,
    TakeDebit,
    agreement_id_of,
)

#: The PIN, typed on a device that the customer was shown to have: two factors.
HERE = PinConfirmation(RIGHT.mac, on_device=True)
#: 10.00 of one debit, 30.00 of a day, three times a day, five a month.
CAPS = Caps(1000, 3000, 3, 5)
FIRST = date(2026, 3, 1)
ENDS = datetime(2026, 12, 31, 16, tzinfo=NOON.tzinfo)
DAY = timedelta(days=1)


def agreement_id(merchant: UUID, number: str = "agreement") -> UUID:
    return agreement_id_of(merchant, number, b"")


def asking(place: Town, merchant: UUID, number: str = "agreement", **other: Any) -> AskAgreement:
    wish: dict[str, Any] = {
        "purpose": "会员月费", "scene": "membership", "currency": CURRENCY, "caps": CAPS, "period": "any",
        "first_debit_on": FIRST, "notice_hours": 0, "attempts": 3, "retry_hours": 24, "zone": "Asia/Shanghai",
        "sign_within_s": 3600, "ends_at": ENDS,
    } | other  # fmt: skip
    return AskAgreement(
        command_id=place.id(), agreement_id=agreement_id(merchant, number), merchant_id=merchant, out_agreement_no=number, **wish
    )


def signing(place: Town, merchant: UUID, payer: UUID, **other: Any) -> SignAgreement:
    wish: dict[str, Any] = {"agreement_id": agreement_id(merchant), "caps": CAPS, "confirmation": HERE} | other
    return SignAgreement(command_id=place.id(), payer_id=payer, **wish)


def changing(place: Town, merchant: UUID, payer: UUID, caps: Caps, confirmation: Any = None) -> ChangeAgreement:
    return ChangeAgreement(
        command_id=place.id(), agreement_id=agreement_id(merchant), payer_id=payer, caps=caps, confirmation=confirmation
    )


def pausing(place: Town, merchant: UUID, payer: UUID) -> PauseAgreement:
    return PauseAgreement(command_id=place.id(), agreement_id=agreement_id(merchant), payer_id=payer)


def resuming(place: Town, merchant: UUID, payer: UUID) -> ResumeAgreement:
    return ResumeAgreement(command_id=place.id(), agreement_id=agreement_id(merchant), payer_id=payer)


def revoking(place: Town, merchant: UUID, payer: UUID) -> RevokeAgreement:
    return RevokeAgreement(command_id=place.id(), agreement_id=agreement_id(merchant), payer_id=payer)


def ending(place: Town, merchant: UUID, by: UUID | None = None) -> EndAgreement:
    return EndAgreement(command_id=place.id(), agreement_id=agreement_id(merchant), merchant_id=by or merchant, reason="停业")


def expiring(place: Town, merchant: UUID) -> ExpireAgreement:
    return ExpireAgreement(command_id=place.id(), agreement_id=agreement_id(merchant))


def fields(merchant: UUID, payer: UUID, number: str, minor: int, **other: Any) -> dict[str, Any]:
    known = {
        "agreement_id": agreement_id(merchant), "payment_id": order_id(merchant, number), "merchant_id": merchant,
        "payer_id": payer, "out_trade_no": number, "subject": "三月", "amount_minor": minor, "currency": CURRENCY,
    }  # fmt: skip
    return known | other


def noticing(place: Town, merchant: UUID, payer: UUID, number: str = "debit", minor: int = 1000, **other: Any) -> NoticeDebit:
    return NoticeDebit(command_id=place.id(), **fields(merchant, payer, number, minor, **other))


def debiting(place: Town, merchant: UUID, payer: UUID, number: str = "debit", minor: int = 1000, **other: Any) -> TakeDebit:
    return TakeDebit(command_id=place.id(), **fields(merchant, payer, number, minor, **other))


def declined(
    place: Town, merchant: UUID, payer: UUID, attempt: int = 1, code: str = "debit_funds_insufficient", number: str = "debit"
) -> RecordDeclinedDebit:
    known = fields(merchant, payer, number, 1000)
    return RecordDeclinedDebit(command_id=place.id(), attempt=attempt, code=code, **known)


def stopping(place: Town, merchant: UUID, payer: UUID, number: str = "debit") -> StopDebit:
    return StopDebit(command_id=place.id(), payment_id=order_id(merchant, number), payer_id=payer)


async def asked(place: Town, **terms: Any) -> tuple[UUID, UUID]:
    """A merchant who asked, and a customer with 100.00."""
    merchant, payer = await place.merchant(), await place.customer(10_000)
    await place.happens(asking(place, merchant, **terms))
    return merchant, payer


async def signed(place: Town, minor: int = 10_000, **terms: Any) -> tuple[UUID, UUID]:
    """The same, who signed; the customer has so much."""
    merchant, payer = await place.merchant(), await place.customer(minor)
    await place.happens(asking(place, merchant, **terms))
    await place.happens(signing(place, merchant, payer, caps=terms.get("caps", CAPS)))
    return merchant, payer

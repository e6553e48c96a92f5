"""Payments and orders as answers: what their payers and their merchants are shown of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import msgspec

from tongbao.channels.errors import CARD_DECLINES
from tongbao.identity.service import Caller, IdentityService, Person
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.money import format_minor
from tongbao.merchants.service import MerchantService
from tongbao.merchants.types import Merchant, Store
from tongbao.payments import errors
from tongbao.payments.funding_types import Funding, Part, SourceName
from tongbao.payments.going_back import Arrival, GoingBack, going_back
from tongbao.payments.lifecycle import PaymentState
from tongbao.payments.service import PaymentService
from tongbao.payments.sources import Known, Sources
from tongbao.payments.types import Capture, Payment, Refund, RefundState
from tongbao.security.masking import mask_name
from tongbao.wallet.card_numbers import issuers


class MerchantName(msgspec.Struct, frozen=True):
    """Who is paid."""

    merchant_id: str
    name: str


class StoreName(msgspec.Struct, frozen=True):
    """Where."""

    store_id: str
    name: str


class RefundLine(msgspec.Struct, frozen=True):
    """A refund as part of its payment."""

    refund_id: str
    out_refund_no: str
    amount: str
    currency: str
    at: datetime
    reason: str
    state: RefundState


class CaptureLine(msgspec.Struct, frozen=True):
    """A capture as part of its payment. `last`: what was left of the authorisation went back."""

    capture_id: str
    out_capture_no: str
    amount: str
    currency: str
    at: datetime
    last: bool


class FundingLine(msgspec.Struct, frozen=True):
    """A part of a payment: what it drew on a source, and what of that was refunded. `of`: the card's id, or the
    voucher's colour. `name`: the card's bank, or what the voucher is called; with `last4` of a card."""

    source: SourceName
    of: str
    amount: str
    refunded: str
    name: web.Words | None = None
    last4: str = ""


class BackLine(msgspec.Struct, frozen=True):
    """What went back to one source. `refund_id`: by which refund; none where the whole payment was undone. PENDING: on its way to
    the card; ARRIVED; TO_BALANCE: the card takes no more, so the wallet has it. `at`: when it got there, or was sent."""

    refund_id: str | None
    source: SourceName
    of: str
    amount: str
    state: Arrival
    at: datetime
    name: web.Words | None = None
    last4: str = ""


class RefusedCard(msgspec.Struct, frozen=True):
    """Why a card paid nothing."""

    code: str
    message: web.Words


class PaymentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An order or payment as its payer sees it. `most`: where paying authorises, the most that may be taken, to be captured until
    `expires_at` once it is authorised. `paid`: what was taken so far; `refunded`: the sum of its refunds. UNKNOWN: a card is
    being debited, and its network has not answered yet. Shown to its payer only: `funding`, what one payment drew on, empty where
    that was the balance alone; `back`, where what they got back went; `refused`, why their card said no, while it is unpaid."""

    payment_id: str
    merchant: MerchantName
    store: StoreName | None = None
    out_trade_no: str
    subject: str
    amount: str
    currency: str
    state: PaymentState
    most: str | None = None
    paid: str
    refunded: str
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    payer_masked: str | None = None
    bill_id: str | None = None
    refunds: list[RefundLine]
    captures: list[CaptureLine]
    funding: tuple[FundingLine, ...] = ()
    back: tuple[BackLine, ...] = ()
    refused: RefusedCard | None = None


class OrderAnswer(PaymentAnswer, frozen=True, kw_only=True):
    """The same as its merchant sees it: with the fee, and what is left of the amount after it."""

    fee: str
    net: str


class Cards:
    """Turns payments into answers: names and refunds are fetched once a page."""

    def __init__(
        self, payments: PaymentService, merchants: MerchantService, identity: IdentityService, sources: Sources, clock: Clock
    ) -> None:
        self._payments = payments
        self._merchants = merchants
        self._identity = identity
        self._sources = sources
        self._clock = clock

    async def payments(self, rows: Sequence[Payment]) -> list[PaymentAnswer]:
        """As their payers see them."""
        facts = await self._facts(rows)
        return [_answer(PaymentAnswer, row, facts) for row in rows]

    async def payment(self, row: Payment) -> PaymentAnswer:
        """One, as its payer sees it."""
        return _answer(PaymentAnswer, row, await self._facts((row,)))

    async def payment_with_parts(self, row: Payment, viewer: Caller) -> PaymentAnswer:
        """One, as its payer sees it, with what it drew on and where what they got back went; and as whoever tried to pay it sees
        it, with why their card said no."""
        answer = await self.payment(row)
        if row.payer_id is None:
            refused = await self._refused(row.payment_id, viewer.principal_id)
            return answer if refused is None else msgspec.structs.replace(answer, refused=refused)
        parts = (await self._payments.parts([row.payment_id])).get(row.payment_id, [])
        if not parts:
            return answer
        known = await self._sources.known([part.part for part in parts])
        refunds = (await self._payments.refunds([row.payment_id])).get(row.payment_id, []) if row.refunds else []
        returned = await self._payments.card_refunds(row.payment_id) if row.refunds or row.state == "REVERSED" else []
        back = going_back(row, parts, refunds, returned)
        drew, went = [_funding_line(part, known) for part in parts], [_back_line(each, row, known) for each in back]
        return msgspec.structs.replace(answer, funding=tuple(drew), back=tuple(went))

    async def _refused(self, payment_id: UUID, viewer_id: UUID) -> RefusedCard | None:
        state, reason = await self._payments.last_debit(payment_id, viewer_id)
        if state == "SUCCEEDED":
            code = errors.CARD_GIVEN_BACK
        elif state == "REFUSED":
            code = CARD_DECLINES.get(reason, errors.CARD_NOT_REACHED)
        else:
            return None
        return RefusedCard(code.name, web.Words(code.zh, code.en))

    async def orders(self, rows: Sequence[Payment]) -> list[OrderAnswer]:
        """As their merchants see them."""
        facts = await self._facts(rows)
        return [_order_answer(row, facts) for row in rows]

    async def order(self, row: Payment) -> OrderAnswer:
        """One, as its merchant sees it."""
        return _order_answer(row, await self._facts((row,)))

    async def _facts(self, rows: Sequence[Payment]) -> _Facts:
        refunded = [row.payment_id for row in rows if row.refunds]
        captured = [row.payment_id for row in rows if row.agreed_minor and row.paid_minor]
        return _Facts(
            await self._merchants.several({row.merchant_id for row in rows}),
            await self._merchants.several_stores({row.store_id for row in rows if row.store_id}),
            await self._identity.several({row.payer_id for row in rows if row.payer_id}),
            await self._payments.refunds(refunded) if refunded else {},
            await self._payments.captures(captured) if captured else {},
            self._clock.now(),
        )


class _Facts(NamedTuple):
    """What the answers of one page need besides the payments themselves."""

    merchants: Mapping[UUID, Merchant]
    stores: Mapping[UUID, Store]
    payers: Mapping[UUID, Person]
    refunds: Mapping[UUID, Sequence[Refund]]
    captures: Mapping[UUID, Sequence[Capture]]
    now: datetime


A = TypeVar("A", bound=PaymentAnswer)


def _answer(kind: type[A], row: Payment, facts: _Facts, **more: Any) -> A:
    store = facts.stores.get(row.store_id) if row.store_id else None
    payer = facts.payers.get(row.payer_id) if row.payer_id else None
    currency = row.currency
    return kind(
        payment_id=str(row.payment_id),
        merchant=MerchantName(str(row.merchant_id), facts.merchants[row.merchant_id].name),
        store=StoreName(str(store.store_id), store.name) if store else None,
        out_trade_no=row.out_trade_no,
        subject=row.subject,
        amount=format_minor(row.amount_minor, currency),
        currency=currency,
        state=row.state_at(facts.now),
        most=format_minor(row.agreed_minor, currency) if row.agreed_minor else None,
        paid=format_minor(row.paid_minor, currency),
        refunded=format_minor(row.refunded_minor, currency),
        created_at=row.created_at,
        expires_at=row.expires_at,
        paid_at=row.paid_at,
        closed_at=row.closed_at,
        payer_masked=mask_name(payer.name) if payer else None,
        bill_id=str(row.bill_id) if row.bill_id else None,
        refunds=[_refund_line(refund) for refund in facts.refunds.get(row.payment_id, ())],
        captures=[_capture_line(capture) for capture in facts.captures.get(row.payment_id, ())],
        **more,
    )


def _order_answer(row: Payment, facts: _Facts) -> OrderAnswer:
    fee = row.fee_minor - row.fee_returned_minor
    # What will be left of an order that nobody has paid yet; else what is left of what was taken.
    taken = row.paid_minor if row.paid_minor else row.amount_minor
    net = 0 if row.state == "REVERSED" else taken - row.refunded_minor - fee
    return _answer(OrderAnswer, row, facts, fee=format_minor(fee, row.currency), net=format_minor(net, row.currency))


def _named(part: Part, known: Known) -> tuple[web.Words | None, str]:
    """What a source is called: a card by its bank and its last digits, a voucher by its title."""
    if part.source == "card" and (card := known.cards.get(part.which)) is not None:
        issuer = issuers().get(card.bank)
        return (web.Words(issuer.zh, issuer.en) if issuer else web.Words(card.bank, card.bank)), card.last4
    title = known.vouchers.get(part.which) if part.source == "voucher" else None
    return (web.Words(title.zh, title.en) if title else None), ""


def _funding_line(row: Funding, known: Known) -> FundingLine:
    refunded = format_minor(row.refunded_minor, row.currency)
    return FundingLine(row.source, row.which, format_minor(row.amount_minor, row.currency), refunded, *_named(row.part, known))


def _back_line(each: GoingBack, row: Payment, known: Known) -> BackLine:
    return BackLine(
        str(each.refund_id) if each.refund_id else None, each.part.source, each.part.which,
        format_minor(each.amount_minor, row.currency), each.state, each.at, *_named(each.part, known),
    )  # fmt: skip


def _refund_line(refund: Refund) -> RefundLine:
    return RefundLine(
        str(refund.refund_id), refund.out_refund_no, format_minor(refund.amount_minor, refund.currency), refund.currency,
        refund.at, refund.reason, refund.state,
    )  # fmt: skip


def _capture_line(capture: Capture) -> CaptureLine:
    return CaptureLine(
        str(capture.capture_id), capture.out_capture_no, format_minor(capture.amount_minor, capture.currency), capture.currency,
        capture.at, capture.last,
    )  # fmt: skip

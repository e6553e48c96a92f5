"""Use cases of payments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec

from tongbao.engine.api import Engine, accepted
from tongbao.identity.acts import Act
from tongbao.identity.evidence import Given
from tongbao.identity.service import Caller, IdentityService
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import CURRENCY_UNSUPPORTED, Refusal
from tongbao.kernel.gather import Gatherer
from tongbao.kernel.ids import named_id
from tongbao.kernel.money import Money
from tongbao.kernel.rounds import do_every
from tongbao.kernel.sql import Queries
from tongbao.kernel.texts import plain
from tongbao.ledger.api import QUERIES as LEDGER
from tongbao.ledger.api import Account
from tongbao.merchants.service import MerchantService
from tongbao.payments import errors
from tongbao.payments.authorisations import Authorised, authorised
from tongbao.payments.funding_types import Funding, Part
from tongbao.payments.going_back import CardReturn
from tongbao.payments.lifecycle import PaymentState, Step, refusal_of
from tongbao.payments.rules import OrderCreated, Paid, Refunded, merchant_balance, ordered, paid, unpaid
from tongbao.payments.types import (
    Authorisation,
    AuthoriseOrder,
    Capture,
    CapturePayment,
    CloseOrder,
    CreateOrder,
    ExpireOrder,
    LapseAuthorisation,
    Payment,
    PayMerchant,
    PayOrder,
    Refund,
    RefundPayment,
    ReversePayment,
    TrustAuthorisation,
    VoidPayment,
    payment_id_of,
)
from tongbao.security.keys import Keys
from tongbao.security.personal import Vault
from tongbao.wallet.statement import NOTE
from tongbao.wallet.types import BillState

QUERIES = Queries("tongbao.payments")

_NUMBER = re.compile(r"[A-Za-z0-9_-]{1,64}")
_MOST_REMEMBERED = 100_000
#: The most that may be captured, in hundredths of what is held. Source: 银联卡业务运作规章, completion of a pre-authorisation.
_MOST_AGREED_PERCENT = 115

Place = tuple[datetime, UUID]


class Summary(msgspec.Struct, frozen=True):
    """A merchant's day, in minor units. `hours`: (local hour, payments, amount)."""

    paid_count: int
    paid_minor: int
    refunded_count: int
    refunded_minor: int
    fees_minor: int
    balance: Account | None
    hours: list[tuple[int, int, int]]


class PaymentService:
    """Orders, payments, refunds."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        merchants: MerchantService,
        keys: Keys,
        vault: Vault,
        clock: Clock,
        *,
        currency: str,
        zone: ZoneInfo,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._merchants = merchants
        self._secret = keys.ids
        self._vault = vault
        self._clock = clock
        self.currency = currency
        self.zone = zone
        # Recent orders as they were made here, so that paying one asks the database nothing beforehand: while it is unpaid
        # nothing of it changes, and once it is not, the decider says so.
        self._unpaid: dict[UUID, Payment] = {}
        self._by_id = Gatherer(self._fetch)

    def _number(self, given: str | None, prefix: str, command_id: UUID) -> str:
        number = given or f"{prefix}{command_id.hex[:24]}"
        if not _NUMBER.fullmatch(number):
            raise Refusal(errors.OUT_TRADE_NO_FORMAT)
        return number

    def _id(self, merchant_id: UUID, out_trade_no: str) -> UUID:
        return payment_id_of(merchant_id, out_trade_no, self._secret)

    def at_once(self, command_id: UUID, merchant_id: UUID) -> tuple[UUID, str, str]:
        """Id, number and subject of a payment that has no order before it."""
        number = self._number(None, "S", named_id("static", str(command_id)))
        return self._id(merchant_id, number), number, "扫码付款 · Paid by code"

    def own_currency(self, amount: Money) -> Money:
        """The amount, if it is in the installation's currency. Refuses `currency_unsupported`."""
        if amount.currency != self.currency:
            raise Refusal(CURRENCY_UNSUPPORTED, currency=amount.currency, supported=self.currency)
        return amount

    # ── the merchant's side ─────────────────────────────────────────────────────────────────────────────────────────

    async def create_order(
        self,
        command_id: UUID,
        merchant_id: UUID,
        store_id: UUID | None,
        out_trade_no: str | None,
        subject: str,
        amount: Money,
        expires_in_s: int,
        agreed: Money | None = None,
        capture_within_s: int = 0,
    ) -> Payment:
        """`agreed`: asks for an authorisation, of which up to so much may be captured within `capture_within_s`. Refuses
        `out_trade_no_format`, `control_characters`, `subject_format`, `expiry_range`, `currency_unsupported`, `agreed_range`,
        `capture_within_range`; declines `store_not_found`, `out_trade_no_used`."""
        command = await self.order_of(
            command_id, merchant_id, store_id, out_trade_no, subject, amount, expires_in_s, agreed, capture_within_s
        )
        outcome = await self._engine.submit(command)
        created = cast(OrderCreated, accepted(outcome))
        if outcome.repeated or created.known:
            return await self.payment(created.payment_id)
        return self._remember(ordered(command, created.fee_minor, outcome.decided_at))

    async def order_of(
        self,
        command_id: UUID,
        merchant_id: UUID,
        store_id: UUID | None,
        out_trade_no: str | None,
        subject: str,
        amount: Money,
        expires_in_s: int,
        agreed: Money | None = None,
        capture_within_s: int = 0,
        *,
        prefix: str = "T",
    ) -> CreateOrder:
        """The order that a merchant asks for, checked as far as it can be outside a decision; `prefix`: of a number that we make.
        Refuses and declines as `create_order`, but for `out_trade_no_used`."""
        self.own_currency(amount)
        if agreed is not None:
            self.own_currency(agreed)
            if not amount.minor <= agreed.minor <= amount.minor * _MOST_AGREED_PERCENT // 100:
                raise Refusal(errors.AGREED_RANGE)
            if not 60 <= capture_within_s <= 30 * 86_400:
                raise Refusal(errors.CAPTURE_WITHIN_RANGE)
        number = self._number(out_trade_no, prefix, command_id)
        subject = plain(subject.strip())
        if not 1 <= len(subject) <= 127 or not subject.isprintable():
            raise Refusal(errors.SUBJECT_FORMAT)
        if not 30 <= expires_in_s <= 86_400:
            raise Refusal(errors.EXPIRY_RANGE)
        if store_id is not None:
            await self._merchants.store(store_id, merchant_id)
        return CreateOrder(
            command_id=command_id, payment_id=self._id(merchant_id, number), merchant_id=merchant_id, store_id=store_id,
            out_trade_no=number, subject=subject,
            amount_minor=amount.minor, currency=amount.currency, expires_in_s=expires_in_s,
            agreed_minor=agreed.minor if agreed else 0, capture_within_s=capture_within_s if agreed else 0,
        )  # fmt: skip

    async def close_order(self, command_id: UUID, merchant_id: UUID, out_trade_no: str) -> Payment:
        """Declines `payment_not_found`, `order_paid`, `order_closed`, `order_expired`."""
        payment_id = self._id(merchant_id, out_trade_no)
        command = CloseOrder(command_id=command_id, payment_id=payment_id, merchant_id=merchant_id)
        accepted(await self._engine.submit(command))
        return await self.payment(payment_id)

    async def refund(
        self, command_id: UUID, merchant_id: UUID, out_trade_no: str, out_refund_no: str | None, amount: Money, reason: str
    ) -> tuple[Payment, Refund]:
        """Refuses `out_trade_no_format`, `reason_too_long`, `control_characters`; declines `payment_not_found`, `order_not_paid`,
        `currency_unsupported`, `refund_exceeds_paid`, `out_refund_no_used`, `too_many_refunds`, `merchant_funds_insufficient`."""
        number = self._number(out_refund_no, "R", command_id)
        if len(reason) > 80:
            raise Refusal(errors.REASON_TOO_LONG)
        reason = plain(reason.strip())
        payment = await self.order(merchant_id, out_trade_no)
        if payment.payer_id is None or payment.state == "UNKNOWN":
            raise Refusal(refusal_of(payment.state_at(self._clock.now()), "refund"))
        if amount.currency != payment.currency:
            raise Refusal(CURRENCY_UNSUPPORTED, currency=amount.currency, supported=payment.currency)
        command = RefundPayment(
            command_id=command_id, payment_id=payment.payment_id, merchant_id=merchant_id, payer_id=payment.payer_id,
            currency=payment.currency, out_refund_no=number, amount_minor=amount.minor, reason=reason,
            note=await self._note(payment.payer_id, reason), parts=await self._parts(payment),
        )  # fmt: skip
        done = cast(Refunded, accepted(await self._engine.submit(command)))
        row = await self._pool.fetchrow(QUERIES["refund"], done.refund_id)
        return await self.payment(payment.payment_id), Refund(*row)

    async def capture(
        self, command_id: UUID, merchant_id: UUID, out_trade_no: str, out_capture_no: str | None, amount: Money, *, last: bool
    ) -> Payment:
        """Take part or all of what was authorised. Refuses `out_trade_no_format`; declines `payment_not_found`,
        `currency_unsupported`, `order_…`, `out_capture_no_used`, `capture_exceeds_authorised`, `too_many_captures`,
        `insufficient_funds`."""
        number = self._number(out_capture_no, "C", command_id)
        payment = await self.order(merchant_id, out_trade_no)
        if amount.currency != payment.currency:
            raise Refusal(CURRENCY_UNSUPPORTED, currency=amount.currency, supported=payment.currency)
        command = CapturePayment(
            command_id=command_id, out_capture_no=number, amount_minor=amount.minor, last=last, **self._agreed(payment, "capture")
        )
        accepted(await self._engine.submit(command))
        return await self.payment(payment.payment_id)

    async def void(self, command_id: UUID, merchant_id: UUID, out_trade_no: str) -> Payment:
        """Take no more of what was authorised. Declines `payment_not_found`, `order_…`."""
        payment = await self.order(merchant_id, out_trade_no)
        accepted(await self._engine.submit(VoidPayment(command_id=command_id, **self._agreed(payment, "void"))))
        return await self.payment(payment.payment_id)

    async def reverse(self, command_id: UUID, merchant_id: UUID, out_trade_no: str) -> Payment:
        """Undo a payment as a whole. Declines `payment_not_found`, `order_…`, `captured_in_parts`, `reversal_too_late`,
        `merchant_funds_insufficient`."""
        payment = await self.order(merchant_id, out_trade_no)
        if payment.journal_id is None:
            raise Refusal(refusal_of(payment.state_at(self._clock.now()), "reverse"))
        command = ReversePayment(
            command_id=command_id, journal_id=payment.journal_id, parts=await self._parts(payment),
            **self._agreed(payment, "reverse"),
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        return await self.payment(payment.payment_id)

    async def _parts(self, payment: Payment) -> tuple[Part, ...]:
        """What a paid payment drew on, which is for good; none where that was the balance alone."""
        return tuple(row.part for row in (await self.parts([payment.payment_id])).get(payment.payment_id, ()))

    async def void_of_hold(self, command_id: UUID, hold_id: UUID) -> bool:
        """As `void`, by an operator who frees the hold of an authorisation, so that its merchant and its payer are told; whether
        it is one. Declines `order_…`."""
        payment = await self._by_id.get(hold_id)
        if payment is None or payment.payer_id is None:
            return False
        accepted(await self._engine.submit(VoidPayment(command_id=command_id, **self._agreed(payment, "void"))))
        return True

    async def trust(self, command_id: UUID, payment_id: UUID) -> None:
        """Let an authorisation be taken that is in doubt. Declines `payment_not_found`, `order_…`."""
        accepted(await self._engine.submit(TrustAuthorisation(command_id=command_id, payment_id=payment_id)))

    def _agreed(self, payment: Payment, step: Step) -> dict[str, Any]:
        """What a command repeats of a payment that somebody agreed to. Refuses `order_…` where nobody did."""
        if payment.payer_id is None:
            raise Refusal(refusal_of(payment.state_at(self._clock.now()), step))
        return {
            "payment_id": payment.payment_id, "merchant_id": payment.merchant_id, "payer_id": payment.payer_id,
            "currency": payment.currency,
        }  # fmt: skip

    async def _note(self, payer_id: UUID, reason: str) -> bytes:
        try:
            return await self._vault.seal(payer_id, NOTE, reason)
        except Refusal:
            return b""  # the payer's data was erased: they get their money, and nobody reads the note

    async def order(self, merchant_id: UUID, out_trade_no: str) -> Payment:
        """A merchant's own order by its number. Declines `payment_not_found`."""
        return await self.payment(self._id(merchant_id, out_trade_no))

    async def orders(
        self,
        merchant_id: UUID,
        state: str | None,
        query: str | None,
        start: datetime | None,
        end: datetime | None,
        place: Place | None,
        limit: int,
    ) -> list[Payment]:
        """Newest first; `limit` + 1 at most."""
        at, payment_id = place or (None, None)
        text = query.replace("\\", r"\\").replace("%", r"\%").replace("_", r"\_") if query else None
        rows = await self._pool.fetch(
            QUERIES["orders"], merchant_id, state, text, start, end, at, payment_id, limit + 1, self._clock.now()
        )
        return [Payment(*row) for row in rows]

    async def summary(self, merchant_id: UUID, start: datetime, end: datetime) -> Summary:
        """A merchant's day."""
        hours = await self._pool.fetch(QUERIES["paid_by_hour"], merchant_id, start, end, str(self.zone))
        refunded = await self._pool.fetchrow(QUERIES["refunded_on"], merchant_id, start, end)
        return Summary(
            paid_count=sum(row["count"] for row in hours),
            paid_minor=sum(row["amount_minor"] for row in hours),
            refunded_count=refunded["count"],
            refunded_minor=refunded["amount_minor"],
            fees_minor=sum(row["fee_minor"] for row in hours) - refunded["fee_minor"],
            balance=await self.balance(merchant_id),
            hours=[(row["hour"], row["count"], row["amount_minor"]) for row in hours],
        )

    async def balance(self, merchant_id: UUID) -> Account | None:
        """The merchant's account, None before its first entry."""
        row = await self._pool.fetchrow(LEDGER["account"], merchant_balance(merchant_id, self.currency).account_id)
        return Account(*row) if row else None

    # ── the payer's side ────────────────────────────────────────────────────────────────────────────────────────────

    async def pay_order(self, command_id: UUID, payer: Caller, payment_id: UUID, amount: Money, given: Given) -> Payment:
        """Pay an order, or authorise one that asks for that: `amount` is then the most that may be taken. Declines
        `payment_not_found`, `order_…`, `amount_mismatch`, `pin_…`, `insufficient_funds`."""
        order = self._unpaid.get(payment_id) or self._remember(await self.payment(payment_id))
        if amount.currency != order.currency:
            raise Refusal(errors.AMOUNT_MISMATCH)
        act = Act("pay_order", payment_id, amount.minor, amount.currency)
        kind = AuthoriseOrder if order.agreed_minor else PayOrder
        command = kind(
            command_id=command_id, payment_id=payment_id, merchant_id=order.merchant_id, payer_id=payer.principal_id,
            amount_minor=amount.minor, currency=amount.currency, method="qr_dynamic",
            confirmation=await self._identity.confirmation(payer, given, command_id, act),
        )  # fmt: skip
        outcome = await self._engine.submit(command)
        done = accepted(outcome)
        self._unpaid.pop(payment_id, None)
        if outcome.repeated:
            return await self.payment(payment_id)
        if isinstance(command, AuthoriseOrder):
            return authorised(command, order, cast(Authorised, done))
        return paid(command, order, cast(Paid, done), outcome.decided_at)

    async def pay_merchant(
        self, command_id: UUID, payer: Caller, merchant_id: UUID, store_id: UUID | None, amount: Money, given: Given
    ) -> Payment:
        """Pay a static code. Declines `merchant_not_found`, `store_not_found`, `pin_…`, `insufficient_funds`."""
        self.own_currency(amount)
        if store_id is not None:
            await self._merchants.store(store_id, merchant_id)
        payment_id, number, subject = self.at_once(command_id, merchant_id)
        act = Act("pay_merchant", merchant_id, amount.minor, amount.currency)
        command = PayMerchant(
            command_id=command_id, payment_id=payment_id, merchant_id=merchant_id, store_id=store_id,
            out_trade_no=number, subject=subject,
            payer_id=payer.principal_id, amount_minor=amount.minor, currency=amount.currency, method="qr_static",
            confirmation=await self._identity.confirmation(payer, given, command_id, act),
        )  # fmt: skip
        outcome = await self._engine.submit(command)
        done = cast(Paid, accepted(outcome))
        if outcome.repeated:
            return await self.payment(done.payment_id)
        found = unpaid(command, done.fee_minor, outcome.decided_at)
        return paid(command, found, done, outcome.decided_at)

    async def payment_for(self, viewer: Caller, payment_id: UUID) -> Payment:
        """A payment as a customer may see it: an unpaid order to anybody who has its code, a paid one to its payer only."""
        payment = await self.payment(payment_id)
        if payment.payer_id is not None and payment.payer_id != viewer.principal_id:
            raise Refusal(errors.PAYMENT_NOT_FOUND)
        return payment

    # ── everybody ───────────────────────────────────────────────────────────────────────────────────────────────────

    def _remember(self, payment: Payment) -> Payment:
        if payment.state == "CREATED":
            if len(self._unpaid) >= _MOST_REMEMBERED:
                self._unpaid.clear()
            self._unpaid[payment.payment_id] = payment
        return payment

    async def payment(self, payment_id: UUID) -> Payment:
        """One payment, its state as of now. Declines `payment_not_found`."""
        payment = await self._by_id.get(payment_id)
        if payment is None:
            raise Refusal(errors.PAYMENT_NOT_FOUND)
        return payment

    async def _fetch(self, ids: list[UUID]) -> dict[UUID, Payment]:
        return {row["payment_id"]: Payment(*row) for row in await self._pool.fetch(QUERIES["payments"], ids)}

    async def authorised_by(self, payer: Caller, place: Place | None, limit: int) -> list[Payment]:
        """What this customer agreed to and was not taken yet, newest first; `limit` + 1 at most."""
        at, last_id = place or (None, None)
        rows = await self._pool.fetch(QUERIES["authorised_by"], payer.principal_id, self._clock.now(), at, last_id, limit + 1)
        return [Payment(*row) for row in rows]

    async def authorisation(self, payment_id: UUID) -> Authorisation | None:
        """What the payer of an order agrees to; None where paying takes the money at once."""
        row = await self._pool.fetchrow(QUERIES["authorisation"], payment_id)
        return None if row is None else Authorisation(*row)

    async def captures(self, payment_ids: Sequence[UUID]) -> dict[UUID, list[Capture]]:
        """Captures by payment, oldest first."""
        by_payment: dict[UUID, list[Capture]] = {}
        if not payment_ids:
            return by_payment
        for row in await self._pool.fetch(QUERIES["captures_of"], list(payment_ids)):
            by_payment.setdefault(row["payment_id"], []).append(Capture(*row))
        return by_payment

    async def refunds(self, payment_ids: Sequence[UUID]) -> dict[UUID, list[Refund]]:
        """Refunds by payment, oldest first."""
        by_payment: dict[UUID, list[Refund]] = {}
        if not payment_ids:
            return by_payment
        for row in await self._pool.fetch(QUERIES["refunds_of"], list(payment_ids)):
            by_payment.setdefault(row["payment_id"], []).append(Refund(*row))
        return by_payment

    async def parts(self, payment_ids: Sequence[UUID]) -> dict[UUID, list[Funding]]:
        """What payments drew on, or are about to, by payment; nothing of those from the balance alone."""
        by_payment: dict[UUID, list[Funding]] = {}
        for row in await self._pool.fetch(QUERIES["parts_of"], list(payment_ids)):
            by_payment.setdefault(row["payment_id"], []).append(Funding(*row))
        return by_payment

    async def card_refunds(self, payment_id: UUID) -> list[CardReturn]:
        """What the network of cards was asked to give back of a payment, oldest first."""
        return [CardReturn(*row) for row in await self._pool.fetch(QUERIES["card_refunds_of"], payment_id)]

    async def last_debit(self, payment_id: UUID, payer_id: UUID) -> tuple[str, str]:
        """What became of the last debit by which somebody tried to pay, and why; both empty where they tried none."""
        row = await self._pool.fetchrow(QUERIES["last_debit_of"], payment_id, payer_id)
        return (row["state"], row["reason"]) if row else ("", "")

    async def find(
        self,
        state: str | None,
        payment_id: UUID | None,
        out_trade_no: str | None,
        payers: Sequence[UUID] | None,
        merchants: Sequence[UUID] | None,
        start: datetime | None,
        end: datetime | None,
        place: Place | None,
        limit: int,
    ) -> list[Payment]:
        """For the console, newest first; `limit` + 1 at most."""
        at, last_id = place or (None, None)
        rows = await self._pool.fetch(
            QUERIES["find_payments"], state, payment_id, out_trade_no, payers, merchants, start, end, at, last_id, limit + 1,
            self._clock.now(),
        )  # fmt: skip
        return [Payment(*row) for row in rows]

    async def expire_due(self, limit: int = 200) -> int:
        """The janitor's round: write down which orders' and authorisations' time is over. Answers how many."""
        now = self._clock.now()
        rows = await self._pool.fetch(QUERIES["orders_to_expire"], now, limit)

        async def write_down(row: asyncpg.Record) -> None:
            # By the minute: a wish that came to nothing, because a clock was set back, must not stand for all later ones.
            command_id = named_id("expire", str(row["payment_id"]), f"{now:%Y%m%d%H%M}")
            command = (
                ExpireOrder(command_id=command_id, payment_id=row["payment_id"])
                if row["state"] == "CREATED"
                else LapseAuthorisation(
                    command_id=command_id, payment_id=row["payment_id"], payer_id=row["payer_id"], currency=row["currency"]
                )
            )
            accepted(await self._engine.submit(command))

        return await do_every("orders", rows, write_down, lambda row: row["payment_id"])

    async def bill_states(self, ids: Sequence[UUID]) -> Mapping[UUID, BillState]:
        """What a bill shows of its payment: SUCCEEDED, PARTLY_REFUNDED, REFUNDED or REVERSED."""
        rows = await self._pool.fetch(QUERIES["payment_states"], list(ids))
        return {row["payment_id"]: _bill_state(row["state"], row["paid_minor"], row["refunded_minor"]) for row in rows}


def _bill_state(state: PaymentState, paid_minor: int, refunded_minor: int) -> BillState:
    if state == "REVERSED":
        return "REVERSED"
    if refunded_minor == paid_minor:
        return "REFUNDED"
    return "PARTLY_REFUNDED" if refunded_minor else "SUCCEEDED"

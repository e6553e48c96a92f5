"""Routes of payments: the merchant's orders and refunds, the payer's confirmation, the merchant's live events."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import asyncpg
import msgspec
from litestar import Request, get, post
from litestar.params import Parameter
from litestar.response import ServerSentEvent, ServerSentEventMessage

from tongbao.engine.listener import OutboxListener, events_after, format_places, parse_places
from tongbao.engine.types import OutboxRow
from tongbao.identity.service import Caller, IdentityService, command_id_for
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.money import format_minor, parse
from tongbao.merchants import errors as merchant_errors
from tongbao.merchants.service import MerchantService
from tongbao.payments import errors
from tongbao.payments.service import PaymentService
from tongbao.payments.types import Payment, PaymentState, Refund
from tongbao.security.masking import mask_name

Text = Annotated[str, msgspec.Meta(max_length=200)]
PathNumber = Annotated[str, Parameter(max_length=64)]

_PING_S = 15.0


class OrderBody(web.Request, frozen=True, kw_only=True):
    """What is to be paid. Without `out_trade_no` we make one."""

    amount: Text
    currency: Text
    subject: Text
    out_trade_no: Text | None = None
    store_id: Text | None = None
    expires_in_s: int = 900


class RefundBody(web.Request, frozen=True, kw_only=True):
    """How much to give back. Without `out_refund_no` we make one."""

    amount: Text
    currency: Text
    out_refund_no: Text | None = None
    reason: Text = ""


class ConfirmBody(web.Request, frozen=True, kw_only=True):
    """The payer's yes: the amount as they saw it, and their PIN."""

    amount: Text
    currency: Text
    pin: Text


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


class PaymentAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An order or payment as its payer sees it. `refunded` is the sum of its refunds."""

    payment_id: str
    merchant: MerchantName
    store: StoreName | None = None
    out_trade_no: str
    subject: str
    amount: str
    currency: str
    state: PaymentState
    refunded: str
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None = None
    closed_at: datetime | None = None
    payer_masked: str | None = None
    bill_id: str | None = None
    refunds: list[RefundLine]


class OrderAnswer(PaymentAnswer, frozen=True, kw_only=True):
    """The same as its merchant sees it: with the fee, and what is left of the amount after it."""

    fee: str
    net: str


class RefundAnswer(msgspec.Struct, frozen=True):
    """A refund."""

    refund_id: str
    out_refund_no: str
    payment_id: str
    out_trade_no: str
    amount: str
    currency: str
    fee_returned: str
    reason: str
    at: datetime
    state: Literal["SUCCEEDED"] = "SUCCEEDED"


class HourAnswer(msgspec.Struct, frozen=True):
    """What was paid in one local hour."""

    hour: int
    count: int
    amount: str


class SummaryAnswer(msgspec.Struct, frozen=True):
    """A merchant's day."""

    date: str
    currency: str
    paid_count: int
    paid: str
    refunded_count: int
    refunded: str
    fees: str
    net: str
    balance: str
    hours: list[HourAnswer]


class MerchantBalanceAnswer(msgspec.Struct, frozen=True):
    """What waits for settlement."""

    currency: str
    balance: str
    available: str
    held: str


class Cards:
    """Turns payments into answers: names and refunds are fetched once a page."""

    def __init__(self, payments: PaymentService, merchants: MerchantService, identity: IdentityService, clock: Clock) -> None:
        self._payments = payments
        self._merchants = merchants
        self._identity = identity
        self._clock = clock

    async def payments(self, rows: Sequence[Payment]) -> list[PaymentAnswer]:
        """As their payers see them."""
        return [PaymentAnswer(**fields) for fields in await self._fields(rows)]

    async def orders(self, rows: Sequence[Payment]) -> list[OrderAnswer]:
        """As their merchants see them."""
        answers = []
        for payment, fields in zip(rows, await self._fields(rows), strict=True):
            fee = payment.fee_minor - payment.fee_returned_minor
            net = payment.amount_minor - payment.refunded_minor - fee
            currency = payment.currency
            answers.append(OrderAnswer(**fields, fee=format_minor(fee, currency), net=format_minor(net, currency)))
        return answers

    async def _fields(self, rows: Sequence[Payment]) -> list[dict[str, Any]]:
        merchants = await self._merchants.several({row.merchant_id for row in rows})
        stores = await self._merchants.several_stores({row.store_id for row in rows if row.store_id})
        payers = await self._identity.several([row.payer_id for row in rows if row.payer_id])
        refunds = await self._payments.refunds([row.payment_id for row in rows if row.refunds])
        now = self._clock.now()
        fields = []
        for row in rows:
            store = stores.get(row.store_id) if row.store_id else None
            payer = payers.get(row.payer_id) if row.payer_id else None
            fields.append(
                {
                    "payment_id": str(row.payment_id),
                    "merchant": MerchantName(str(row.merchant_id), merchants[row.merchant_id].name),
                    "store": StoreName(str(store.store_id), store.name) if store else None,
                    "out_trade_no": row.out_trade_no,
                    "subject": row.subject,
                    "amount": format_minor(row.amount_minor, row.currency),
                    "currency": row.currency,
                    "state": row.state_at(now),
                    "refunded": format_minor(row.refunded_minor, row.currency),
                    "created_at": row.created_at,
                    "expires_at": row.expires_at,
                    "paid_at": row.paid_at,
                    "closed_at": row.closed_at,
                    "payer_masked": mask_name(payer.name) if payer else None,
                    "bill_id": str(row.bill_id) if row.bill_id else None,
                    "refunds": [_refund_line(refund) for refund in refunds.get(row.payment_id, ())],
                }
            )
        return fields


def _refund_line(refund: Refund) -> RefundLine:
    return RefundLine(
        str(refund.refund_id), refund.out_refund_no, format_minor(refund.amount_minor, refund.currency), refund.currency,
        refund.at, refund.reason,
    )  # fmt: skip


def merchant_of(staff: Caller) -> UUID:
    """The merchant that a member of staff, or a server's key, acts for."""
    assert staff.merchant_id is not None
    return staff.merchant_id


@post("/v1/merchant/orders", tags=["Orders"], status_code=201)
async def create_order(
    staff: Caller, data: OrderBody, payments: PaymentService, cards: Cards, key: web.IdempotencyKey
) -> OrderAnswer:
    """Ask to be paid. The same `out_trade_no` with the same terms answers the same order."""
    store_id = web.parse_id(data.store_id, merchant_errors.STORE_NOT_FOUND) if data.store_id else None
    payment = await payments.create_order(
        command_id_for(staff, key), merchant_of(staff), store_id, data.out_trade_no, data.subject,
        parse(data.amount, data.currency), data.expires_in_s,
    )  # fmt: skip
    return (await cards.orders([payment]))[0]


@get("/v1/merchant/orders", tags=["Orders"])
async def orders(
    staff: Caller,
    payments: PaymentService,
    cards: Cards,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    in_state: Annotated[PaymentState | None, Parameter(query="state")] = None,
    q: Annotated[str | None, Parameter(max_length=64, description="Order number or words of the subject.")] = None,
    first_day: Annotated[str | None, Parameter(query="from", max_length=10)] = None,
    last_day: Annotated[str | None, Parameter(query="to", max_length=10)] = None,
) -> web.Page[OrderAnswer]:
    """This merchant's orders, newest first."""
    start, end = web.local_days(first_day, last_day, payments.zone)
    place = web.decode_cursor(cursor, tuple[datetime, UUID])
    found = await payments.orders(merchant_of(staff), in_state, q, start, end, place, limit)
    rows, following = web.page(found, limit, lambda row: (row.created_at, row.payment_id))
    return web.Page(await cards.orders(rows), following)


@get("/v1/merchant/orders/{out_trade_no:str}", tags=["Orders"])
async def order(staff: Caller, payments: PaymentService, cards: Cards, out_trade_no: PathNumber) -> OrderAnswer:
    """One order of this merchant."""
    return (await cards.orders([await payments.order(merchant_of(staff), out_trade_no)]))[0]


@post("/v1/merchant/orders/{out_trade_no:str}/close", tags=["Orders"], status_code=200)
async def close_order(
    staff: Caller, payments: PaymentService, cards: Cards, out_trade_no: PathNumber, key: web.IdempotencyKey
) -> OrderAnswer:
    """Give an unpaid order up."""
    payment = await payments.close_order(command_id_for(staff, key), merchant_of(staff), out_trade_no)
    return (await cards.orders([payment]))[0]


@post("/v1/merchant/orders/{out_trade_no:str}/refunds", tags=["Orders"], status_code=201)
async def refund(
    staff: Caller, data: RefundBody, payments: PaymentService, out_trade_no: PathNumber, key: web.IdempotencyKey
) -> RefundAnswer:
    """Give back part or all of a payment, to the one who paid, at once."""
    payment, done = await payments.refund(
        command_id_for(staff, key), merchant_of(staff), out_trade_no, data.out_refund_no, parse(data.amount, data.currency),
        data.reason,
    )  # fmt: skip
    return RefundAnswer(
        str(done.refund_id), done.out_refund_no, str(payment.payment_id), payment.out_trade_no,
        format_minor(done.amount_minor, done.currency), done.currency, format_minor(done.fee_returned_minor, done.currency),
        done.reason, done.at,
    )  # fmt: skip


@get("/v1/merchant/summary", tags=["Orders"])
async def summary(
    staff: Caller,
    payments: PaymentService,
    clock: Clock,
    day: Annotated[str | None, Parameter(query="date", max_length=10, description="Local day; today if absent.")] = None,
) -> SummaryAnswer:
    """One day at a glance."""
    wanted = day or clock.now().astimezone(payments.zone).date().isoformat()
    start, end = web.local_days(wanted, wanted, payments.zone)
    assert start is not None and end is not None
    found = await payments.summary(merchant_of(staff), start, end)
    currency = payments.currency
    net = found.paid_minor - found.refunded_minor - found.fees_minor
    hours = [HourAnswer(hour, count, format_minor(amount, currency)) for hour, count, amount in found.hours]
    return SummaryAnswer(
        wanted, currency, found.paid_count, format_minor(found.paid_minor, currency), found.refunded_count,
        format_minor(found.refunded_minor, currency), format_minor(found.fees_minor, currency), format_minor(net, currency),
        format_minor(found.balance.posted_minor if found.balance else 0, currency), hours,
    )  # fmt: skip


@get("/v1/merchant/balance", tags=["Orders"])
async def balance(staff: Caller, payments: PaymentService) -> MerchantBalanceAnswer:
    """What waits for settlement."""
    account = await payments.balance(merchant_of(staff))
    posted, available, held = (account.posted_minor, account.available_minor, account.held_minor) if account else (0, 0, 0)
    return MerchantBalanceAnswer(
        payments.currency, *(format_minor(minor, payments.currency) for minor in (posted, available, held))
    )


@get("/v1/merchant/events", tags=["Orders"], media_type="text/event-stream")
async def events(request: Request[Any, Any, Any], staff: Caller, listener: OutboxListener, pool: asyncpg.Pool) -> ServerSentEvent:
    """What happens to this merchant's orders, as it happens (server-sent events). `Last-Event-ID` is honoured."""
    places = parse_places(request.headers.get("last-event-id", ""))
    return ServerSentEvent(_stream(f"merchant:{merchant_of(staff)}", listener, pool, places))


async def _stream(
    topic: str, listener: OutboxListener, pool: asyncpg.Pool, places: dict[int, int] | None
) -> AsyncIterator[ServerSentEventMessage]:
    async with listener.subscribe(topic) as subscription:
        yield ServerSentEventMessage(data=None, comment="connected", retry=1000)
        if places:
            for row in await events_after(pool, [topic], places, 500):
                places[row.writer] = row.sequence
                yield _message(row, format_places(places))
        while not subscription.lost:
            try:
                heard, at = await asyncio.wait_for(subscription.queue.get(), _PING_S)
            except TimeoutError:
                yield ServerSentEventMessage(data=None, comment="ping")
            else:
                yield _message(heard, at)


def _message(row: OutboxRow, places: str) -> ServerSentEventMessage:
    event = msgspec.json.decode(row.payload)
    currency = event["currency"]
    data = {
        "payment_id": event["payment_id"],
        "out_trade_no": event["out_trade_no"],
        "amount": format_minor(event["amount_minor"], currency),
        "currency": currency,
        "state": event["state"],
        "at": event["at"],
    }
    if "out_refund_no" in event:
        data["refund"] = {"out_refund_no": event["out_refund_no"], "amount": format_minor(event["refund_minor"], currency)}
    return ServerSentEventMessage(data=msgspec.json.encode(data).decode(), event=row.kind, id=places)


@get("/v1/wallet/payments/{payment_id:str}", tags=["Payments"])
async def payment(customer: Caller, payments: PaymentService, cards: Cards, payment_id: PathNumber) -> PaymentAnswer:
    """An order to be paid, or a payment of this customer."""
    wanted = web.parse_id(payment_id, errors.PAYMENT_NOT_FOUND)
    return (await cards.payments([await payments.payment_for(customer, wanted)]))[0]


@post("/v1/wallet/payments/{payment_id:str}/confirm", tags=["Payments"], status_code=200)
async def confirm(
    customer: Caller,
    data: ConfirmBody,
    payments: PaymentService,
    cards: Cards,
    payment_id: PathNumber,
    key: web.IdempotencyKey,
) -> PaymentAnswer:
    """Pay an order. `amount` and `currency` repeat what the payer saw; if the order says otherwise nothing is paid."""
    amount = parse(data.amount, data.currency)
    wanted = web.parse_id(payment_id, errors.PAYMENT_NOT_FOUND)
    paid = await payments.pay_order(command_id_for(customer, key), customer, wanted, amount, data.pin)
    return (await cards.payments([paid]))[0]


ROUTES = (create_order, orders, order, close_order, refund, summary, balance, events, payment, confirm)

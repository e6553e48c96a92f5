"""Routes of payments: the merchant's orders and refunds, and the payer's confirmation."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import PathParameter, QueryParameter

from tongbao.identity.service import Caller, command_id_for
from tongbao.identity.wire import ConfirmedBody
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import Money, format_minor, parse
from tongbao.merchants import errors as merchant_errors
from tongbao.merchants.http import merchant_of
from tongbao.payments import errors, events
from tongbao.payments.cards import Cards, OrderAnswer, PaymentAnswer
from tongbao.payments.funding_service import FundedPayments
from tongbao.payments.funding_types import MOST_PARTS, Part, SourceName
from tongbao.payments.lifecycle import PaymentState
from tongbao.payments.service import PaymentService
from tongbao.payments.types import RefundState

Text = Annotated[str, msgspec.Meta(max_length=200)]
PathNumber = Annotated[str, PathParameter(max_length=64)]


class OrderBody(web.Request, frozen=True, kw_only=True):
    """What is to be paid. Without `out_trade_no` we make one.

    `capture` "later": paying authorises, the amount is held in the payer's wallet, and you take it by captures within
    `capture_within_s` (a minute to 30 days). `most`: the most you may take, where it may come to more than the amount (115 % at
    most); the payer is shown it.
    """

    amount: Text
    currency: Text
    subject: Text
    out_trade_no: Text | None = None
    store_id: Text | None = None
    expires_in_s: int = 900
    capture: Literal["now", "later"] = "now"
    most: Text | None = None
    capture_within_s: int = 7 * 86_400


class CaptureBody(web.Request, frozen=True, kw_only=True):
    """How much to take. Without `out_capture_no` we make one. `last`: what is left goes back to the payer."""

    amount: Text
    currency: Text
    out_capture_no: Text | None = None
    last: bool = True


class RefundBody(web.Request, frozen=True, kw_only=True):
    """How much to give back. Without `out_refund_no` we make one."""

    amount: Text
    currency: Text
    out_refund_no: Text | None = None
    reason: Text = ""


class FundingBody(web.Request, frozen=True, kw_only=True):
    """What a payment draws on one source. `of`: the card's id, or the colour of a voucher; nothing for the balance."""

    source: SourceName
    amount: Text
    of: Text = ""


def parts_of(funding: tuple[FundingBody, ...], amount: Money) -> tuple[Part, ...]:
    """The parts that a body names; none where that is the balance alone. Refuses what `parse` does."""
    parts = tuple(Part(each.source, parse(each.amount, amount.currency).minor, each.of) for each in funding)
    return () if parts == (Part("balance", amount.minor),) else parts


class ConfirmBody(ConfirmedBody, frozen=True, kw_only=True):
    """The payer's yes: the amount as they saw it, confirmed by PIN or in another way. `funding`: what it is to be drawn on, which
    comes to the amount; without it, the balance."""

    amount: Text
    currency: Text
    funding: Annotated[tuple[FundingBody, ...], msgspec.Meta(max_length=MOST_PARTS)] = ()


class RefundAnswer(msgspec.Struct, frozen=True):
    """A refund. PENDING: part of it is on its way to a card, and the card's network has not said that it arrived."""

    refund_id: str
    out_refund_no: str
    payment_id: str
    out_trade_no: str
    amount: str
    currency: str
    fee_returned: str
    reason: str
    at: datetime
    state: RefundState


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


@post("/v1/merchant/orders", tags=["Orders"], status_code=201)
async def create_order(
    staff: Caller, data: OrderBody, payments: PaymentService, cards: Cards, key: web.IdempotencyKey
) -> OrderAnswer:
    """Ask to be paid. The same `out_trade_no` with the same terms answers the same order."""
    store_id = web.parse_id(data.store_id, merchant_errors.STORE_NOT_FOUND) if data.store_id else None
    amount = parse(data.amount, data.currency)
    agreed = (parse(data.most, data.currency) if data.most else amount) if data.capture == "later" else None
    if data.most and agreed is None:
        raise Refusal(errors.AGREED_RANGE)
    payment = await payments.create_order(
        command_id_for(staff, key), merchant_of(staff), store_id, data.out_trade_no, data.subject, amount, data.expires_in_s,
        agreed, data.capture_within_s,
    )  # fmt: skip
    return await cards.order(payment)


@get("/v1/merchant/orders", tags=["Orders"])
async def orders(
    staff: Caller,
    payments: PaymentService,
    cards: Cards,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    in_state: Annotated[PaymentState | None, QueryParameter(name="state")] = None,
    q: Annotated[str | None, QueryParameter(max_length=64, description="Order number or words of the subject.")] = None,
    first_day: Annotated[str | None, QueryParameter(name="from", max_length=10)] = None,
    last_day: Annotated[str | None, QueryParameter(name="to", max_length=10)] = None,
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
    return await cards.order(await payments.order(merchant_of(staff), out_trade_no))


@post("/v1/merchant/orders/{out_trade_no:str}/close", tags=["Orders"], status_code=200)
async def close_order(
    staff: Caller, payments: PaymentService, cards: Cards, out_trade_no: PathNumber, key: web.IdempotencyKey
) -> OrderAnswer:
    """Give an unpaid order up."""
    payment = await payments.close_order(command_id_for(staff, key), merchant_of(staff), out_trade_no)
    return await cards.order(payment)


@post("/v1/merchant/orders/{out_trade_no:str}/captures", tags=["Orders"], status_code=201)
async def capture(
    staff: Caller,
    data: CaptureBody,
    payments: PaymentService,
    cards: Cards,
    out_trade_no: PathNumber,
    key: web.IdempotencyKey,
) -> OrderAnswer:
    """Take part or all of what was authorised. The same `out_capture_no` with the same amount takes it once."""
    payment = await payments.capture(
        command_id_for(staff, key), merchant_of(staff), out_trade_no, data.out_capture_no, parse(data.amount, data.currency),
        last=data.last,
    )  # fmt: skip
    return await cards.order(payment)


@post("/v1/merchant/orders/{out_trade_no:str}/void", tags=["Orders"], status_code=200)
async def void(
    staff: Caller, payments: PaymentService, cards: Cards, out_trade_no: PathNumber, key: web.IdempotencyKey
) -> OrderAnswer:
    """Take no more of what was authorised: what is left is the payer's to spend again. What was captured stays."""
    return await cards.order(await payments.void(command_id_for(staff, key), merchant_of(staff), out_trade_no))


@post("/v1/merchant/orders/{out_trade_no:str}/reverse", tags=["Orders"], status_code=200)
async def reverse(
    staff: Caller, payments: PaymentService, cards: Cards, out_trade_no: PathNumber, key: web.IdempotencyKey
) -> OrderAnswer:
    """Undo a payment as a whole within 24 hours, as if it had not been: no fee is kept. After a refund, refund the rest."""
    return await cards.order(await payments.reverse(command_id_for(staff, key), merchant_of(staff), out_trade_no))


@post("/v1/merchant/orders/{out_trade_no:str}/refunds", tags=["Orders"], status_code=201)
async def refund(
    staff: Caller, data: RefundBody, payments: PaymentService, out_trade_no: PathNumber, key: web.IdempotencyKey
) -> RefundAnswer:
    """Give back part or all of a payment to the one who paid: to what they paid from, a card first, at once but for what goes to
    a card, which is PENDING until it has arrived."""
    payment, done = await payments.refund(
        command_id_for(staff, key), merchant_of(staff), out_trade_no, data.out_refund_no, parse(data.amount, data.currency),
        data.reason,
    )  # fmt: skip
    return RefundAnswer(
        str(done.refund_id), done.out_refund_no, str(payment.payment_id), payment.out_trade_no,
        format_minor(done.amount_minor, done.currency), done.currency, format_minor(done.fee_returned_minor, done.currency),
        done.reason, done.at, done.state,
    )  # fmt: skip


@get("/v1/merchant/summary", tags=["Orders"])
async def summary(
    staff: Caller,
    payments: PaymentService,
    clock: Clock,
    day: Annotated[str | None, QueryParameter(name="date", max_length=10, description="Local day; today if absent.")] = None,
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


@get("/v1/wallet/authorisations", tags=["Payments"])
async def authorisations(
    customer: Caller, payments: PaymentService, cards: Cards, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[PaymentAnswer]:
    """What this customer agreed to and was not taken yet, newest first: held until it is captured, given up or over."""
    found = await payments.authorised_by(customer, web.decode_cursor(cursor, tuple[datetime, UUID]), limit)
    rows, following = web.page(found, limit, lambda row: (row.created_at, row.payment_id))
    return web.Page(await cards.payments(rows), following)


@get("/v1/wallet/payments/{payment_id:str}", tags=["Payments"])
async def payment(customer: Caller, payments: PaymentService, cards: Cards, payment_id: PathNumber) -> PaymentAnswer:
    """An order to be paid, or a payment of this customer."""
    wanted = web.parse_id(payment_id, errors.PAYMENT_NOT_FOUND)
    return await cards.payment_with_parts(await payments.payment_for(customer, wanted), customer)


@post("/v1/wallet/payments/{payment_id:str}/confirm", tags=["Payments"], status_code=200)
async def confirm(
    customer: Caller,
    data: ConfirmBody,
    payments: PaymentService,
    funded: FundedPayments,
    cards: Cards,
    payment_id: PathNumber,
    key: web.IdempotencyKey,
) -> PaymentAnswer:
    """Pay an order, or authorise one that has `most`. `amount` and `currency` repeat what the payer saw (`most`, if it has one):
    if the order says otherwise nothing is paid. With a card in `funding` the answer may be UNKNOWN: its network has not answered
    yet; ask for the payment until it is PAID, or CREATED again, for the card said no and nothing was paid."""
    amount = parse(data.amount, data.currency)
    wanted = web.parse_id(payment_id, errors.PAYMENT_NOT_FOUND)
    if parts := parts_of(data.funding, amount):
        by_parts = await funded.pay_order(command_id_for(customer, key), customer, wanted, amount, parts, data.given())
        return await cards.payment_with_parts(by_parts, customer)
    paid = await payments.pay_order(command_id_for(customer, key), customer, wanted, amount, data.given())
    return await cards.payment(paid)


ROUTES = (
    create_order, orders, order, close_order, capture, void, reverse, refund, summary, balance, *events.ROUTES, authorisations,
    payment, confirm,
)  # fmt: skip

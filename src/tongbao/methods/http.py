"""Routes of tills that are shown something, and of payers who are asked."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import PathParameter

from tongbao.identity.service import Caller, command_id_for
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import parse
from tongbao.merchants import errors as merchant_errors
from tongbao.merchants.http import merchant_of
from tongbao.methods.api import Encounter, Methods
from tongbao.methods.errors import SHOWN_UNKNOWN
from tongbao.payments import errors
from tongbao.payments.cards import Cards, OrderAnswer, PaymentAnswer
from tongbao.payments.claim_service import ClaimService

Text = Annotated[str, msgspec.Meta(max_length=200)]
PathId = Annotated[str, PathParameter(max_length=64)]


class ShownBody(web.Request, frozen=True, kw_only=True):
    """What a payer showed the till: the digits of a code, however they were read. Without `out_trade_no` we make one."""

    shown: Annotated[str, msgspec.Meta(max_length=2048)]
    amount: Text
    currency: Text
    subject: Text
    out_trade_no: Text | None = None
    store_id: Text | None = None


class TillAnswer(msgspec.Struct, frozen=True):
    """What happened at tills in the last five minutes: `asked`, orders that wait for the payer's word (confirm them as any
    order); `waiting`, payments of which the payer's card is being asked (look at them until they are PAID or not); `paid`, those
    that were paid by what the payer showed."""

    asked: list[PaymentAnswer]
    waiting: list[PaymentAnswer]
    paid: list[PaymentAnswer]


@post("/v1/merchant/payments", tags=["Orders"], status_code=201)
async def pay_shown(
    staff: Caller, data: ShownBody, methods: Methods, claims: ClaimService, cards: Cards, clock: Clock, key: web.IdempotencyKey
) -> OrderAnswer:
    """Be paid by what the payer shows. PAID at once where their settings and the law let a sum go without more; UNKNOWN
    while a card of theirs is asked: hand nothing over; else the order is
    CREATED, the payer is asked in their wallet for three minutes, and events or a look at the order tell what they said."""
    shown = data.shown.strip()
    method = methods.of(shown)
    if method is None:
        raise Refusal(SHOWN_UNKNOWN)
    merchant_id, amount = merchant_of(staff), parse(data.amount, data.currency)
    store_id = web.parse_id(data.store_id, merchant_errors.STORE_NOT_FOUND) if data.store_id else None
    claim = await method.verify(shown, Encounter(merchant_id, amount.minor, amount.currency, clock.now()))
    payment = await claims.pay(
        command_id_for(staff, key), merchant_id, store_id, data.out_trade_no, data.subject, amount, claim.payer_id, claim.method,
        claim.confirmation,
    )  # fmt: skip
    return await cards.order(payment)


@get("/v1/wallet/till", tags=["Payments"])
async def till(customer: Caller, claims: ClaimService, cards: Cards) -> TillAnswer:
    """What became of what the customer showed: a wallet that shows a code looks here every other second."""
    found = await claims.at_till(customer.principal_id)
    return TillAnswer(await cards.payments(found.asked), await cards.payments(found.waiting), await cards.payments(found.paid))


@post("/v1/wallet/asks/{payment_id:str}/refuse", tags=["Payments"], status_code=204)
async def refuse_ask(customer: Caller, claims: ClaimService, key: web.IdempotencyKey, payment_id: PathId) -> None:
    """Say no to a till that asks: the order is closed."""
    wanted = web.parse_id(payment_id, errors.PAYMENT_NOT_FOUND)
    await claims.refuse(command_id_for(customer, key), customer.principal_id, wanted)


ROUTES = (pay_shown, till, refuse_ask)

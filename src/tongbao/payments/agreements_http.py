"""Routes of agreements to be debited: the merchant's."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import PathParameter, QueryParameter

from tongbao.identity.service import Caller, IdentityService, command_id_for
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.money import parse
from tongbao.merchants.http import merchant_of
from tongbao.merchants.service import MerchantService
from tongbao.payments.agreements_cards import AgreementAnswer, DebitAnswer, agreement_answers, debit_answer, debits_page
from tongbao.payments.agreements_lifecycle import AgreementState
from tongbao.payments.agreements_service import AgreementService, Place, Terms, Wish
from tongbao.payments.agreements_types import Period, Scene

Text = Annotated[str, msgspec.Meta(max_length=200)]
Number = Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]
PathText = Annotated[str, PathParameter(max_length=64)]


class AgreementBody(web.Request, frozen=True, kw_only=True):
    """What a customer is asked to agree to. Without `out_agreement_no` we make one.

    `per_debit`, `per_day`, `debits_a_day`, `debits_a_month`: the most you may take; the customer may choose less. `period`: "any"
    as it is used, else at most one debit in each week, month or year from `first_debit_on` (today) to `ends_on` (in a year).
    `notice_hours`: so long before each debit you have the customer told. `attempts`: how often a debit is tried, `retry_hours`
    apart, where the customer's money is not enough.
    """

    purpose: Text
    currency: Text
    per_debit: Text
    per_day: Text | None = None
    scene: Scene = "other"
    out_agreement_no: Text | None = None
    debits_a_day: Number = 1
    debits_a_month: Number = 31
    period: Period = "any"
    first_debit_on: date | None = None
    ends_on: date | None = None
    notice_hours: Number = 0
    attempts: Number = 3
    retry_hours: Number = 24
    sign_within_s: Number = 86_400


class EndBody(web.Request, frozen=True, kw_only=True):
    """Why it ends, for the customer to read."""

    reason: Text = ""


class DebitBody(web.Request, frozen=True, kw_only=True):
    """How much to take. Without `out_trade_no` we make one, without `subject` it is the agreement's purpose."""

    amount: Text
    currency: Text
    out_trade_no: Text | None = None
    subject: Text | None = None

    def wish(self) -> Wish:
        """Refuses those of `parse`."""
        return Wish(out_trade_no=self.out_trade_no, subject=self.subject, amount=parse(self.amount, self.currency))


@post("/v1/merchant/agreements", tags=["Agreements"], status_code=201)
async def ask_agreement(
    staff: Caller,
    data: AgreementBody,
    agreements: AgreementService,
    merchants: MerchantService,
    identity: IdentityService,
    clock: Clock,
    key: web.IdempotencyKey,
) -> AgreementAnswer:
    """Ask a customer to be allowed to debit them. `link` is where they read and sign it; `…/code` is the same as a picture."""
    debit = parse(data.per_debit, data.currency)
    terms = Terms(
        purpose=data.purpose, scene=data.scene, debit=debit, day=parse(data.per_day, data.currency) if data.per_day else debit,
        debits_a_day=data.debits_a_day, debits_a_month=data.debits_a_month, period=data.period,
        first_debit_on=data.first_debit_on, ends_on=data.ends_on, notice_hours=data.notice_hours, attempts=data.attempts,
        retry_hours=data.retry_hours, sign_within_s=data.sign_within_s,
    )  # fmt: skip
    asked = await agreements.ask(command_id_for(staff, key), merchant_of(staff), data.out_agreement_no, terms)
    return (await agreement_answers([asked], agreements, merchants, clock, identity))[0]


@get("/v1/merchant/agreements", tags=["Agreements"])
async def merchants_agreements(
    staff: Caller,
    agreements: AgreementService,
    merchants: MerchantService,
    identity: IdentityService,
    clock: Clock,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    in_state: Annotated[AgreementState | None, QueryParameter(name="state")] = None,
) -> web.Page[AgreementAnswer]:
    """This merchant's agreements, newest first."""
    place = web.decode_cursor(cursor, Place)  # type: ignore[arg-type]
    found = await agreements.by_merchant(merchant_of(staff), in_state, place, limit)
    rows, following = web.page(found, limit, lambda row: (row.created_at, row.agreement_id))
    return web.Page(await agreement_answers(rows, agreements, merchants, clock, identity), following)


@get("/v1/merchant/agreements/{out_agreement_no:str}", tags=["Agreements"])
async def merchants_agreement(
    staff: Caller,
    agreements: AgreementService,
    merchants: MerchantService,
    identity: IdentityService,
    clock: Clock,
    out_agreement_no: PathText,
) -> AgreementAnswer:
    """One agreement of this merchant."""
    found = await agreements.of_merchant(merchant_of(staff), out_agreement_no)
    return (await agreement_answers([found], agreements, merchants, clock, identity))[0]


@post("/v1/merchant/agreements/{out_agreement_no:str}/end", tags=["Agreements"], status_code=200)
async def end_agreement(
    staff: Caller,
    data: EndBody,
    agreements: AgreementService,
    merchants: MerchantService,
    identity: IdentityService,
    clock: Clock,
    out_agreement_no: PathText,
    key: web.IdempotencyKey,
) -> AgreementAnswer:
    """End it, signed or not. The payer is told."""
    ended = await agreements.end(command_id_for(staff, key), merchant_of(staff), out_agreement_no, data.reason)
    return (await agreement_answers([ended], agreements, merchants, clock, identity))[0]


@post("/v1/merchant/agreements/{out_agreement_no:str}/notices", tags=["Agreements"], status_code=201)
async def notice_debit(
    staff: Caller, data: DebitBody, agreements: AgreementService, out_agreement_no: PathText, key: web.IdempotencyKey
) -> DebitAnswer:
    """Have the payer told of what you will take under this `out_trade_no`, at most so much, from `due_at` on."""
    number = command_id_for(staff, key)
    return debit_answer(await agreements.notice(number, merchant_of(staff), out_agreement_no, data.wish()))


@post("/v1/merchant/agreements/{out_agreement_no:str}/debits", tags=["Agreements"], status_code=201)
async def take_debit(
    staff: Caller, data: DebitBody, agreements: AgreementService, out_agreement_no: PathText, key: web.IdempotencyKey
) -> DebitAnswer:
    """Take money under the agreement; the same `out_trade_no` takes it once. TAKEN: it is paid, and an order of this number.
    WAITING: the payer's money was not enough, and we try again at `next_attempt_at`."""
    number = command_id_for(staff, key)
    return debit_answer(await agreements.debit(number, merchant_of(staff), out_agreement_no, data.wish()))


@get("/v1/merchant/agreements/{out_agreement_no:str}/debits", tags=["Agreements"])
async def merchants_debits(
    staff: Caller,
    agreements: AgreementService,
    out_agreement_no: PathText,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
) -> web.Page[DebitAnswer]:
    """What was and will be taken under one agreement, newest first."""
    agreement = await agreements.of_merchant(merchant_of(staff), out_agreement_no)
    return await debits_page(agreements, agreement, limit, cursor)


@get("/v1/merchant/agreements/{out_agreement_no:str}/debits/{out_trade_no:str}", tags=["Agreements"])
async def merchants_debit(
    staff: Caller, agreements: AgreementService, out_agreement_no: PathText, out_trade_no: PathText
) -> DebitAnswer:
    """One debit by its number."""
    agreement = await agreements.of_merchant(merchant_of(staff), out_agreement_no)
    return debit_answer(await agreements.merchants_debit(merchant_of(staff), agreement, out_trade_no))


ROUTES = (
    ask_agreement, merchants_agreements, merchants_agreement, end_agreement, notice_debit, take_debit, merchants_debits,
    merchants_debit,
)  # fmt: skip

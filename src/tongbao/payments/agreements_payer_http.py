"""Routes of agreements to be debited: the payer's."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post, put
from litestar.params import PathParameter

from tongbao.identity.service import Caller, command_id_for
from tongbao.identity.wire import ConfirmedBody
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.money import parse
from tongbao.merchants.service import MerchantService
from tongbao.payments import errors
from tongbao.payments.agreements_cards import AgreementAnswer, DebitAnswer, agreement_answers, debit_answer, debits_page
from tongbao.payments.agreements_service import AgreementService, Place
from tongbao.payments.agreements_types import Caps

Text = Annotated[str, msgspec.Meta(max_length=200)]
Number = Annotated[int, msgspec.Meta(ge=0, le=10_000_000)]
PathText = Annotated[str, PathParameter(max_length=64)]


class AgreementCapsBody(ConfirmedBody, frozen=True, kw_only=True):
    """The most that may be taken, never above what was asked for."""

    per_debit: Text
    per_day: Text
    debits_a_day: Number
    debits_a_month: Number

    def caps(self, currency: str) -> Caps:
        """Refuses those of `parse`."""
        debit, day = parse(self.per_debit, currency), parse(self.per_day, currency)
        return Caps(debit.minor, day.minor, self.debits_a_day, self.debits_a_month)


def _id(text: str) -> UUID:
    return web.parse_id(text, errors.AGREEMENT_NOT_FOUND)


@get("/v1/wallet/agreements", tags=["Agreements"])
async def agreements_signed(
    customer: Caller,
    agreements: AgreementService,
    merchants: MerchantService,
    clock: Clock,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
) -> web.Page[AgreementAnswer]:
    """What this customer signed, newest first, also what has ended."""
    place = web.decode_cursor(cursor, Place)  # type: ignore[arg-type]
    found = await agreements.by_payer(customer.principal_id, place, limit)
    rows, following = web.page(found, limit, lambda row: (row.signed_at, row.agreement_id))
    return web.Page(await agreement_answers(rows, agreements, merchants, clock), following)


@get("/v1/wallet/agreements/{agreement_id:str}", tags=["Agreements"])
async def agreement(
    customer: Caller, agreements: AgreementService, merchants: MerchantService, clock: Clock, agreement_id: PathText
) -> AgreementAnswer:
    """One to be signed, whoever has its link; or one of this customer's."""
    found = await agreements.for_customer(customer, _id(agreement_id))
    return (await agreement_answers([found], agreements, merchants, clock))[0]


@post("/v1/wallet/agreements/{agreement_id:str}/sign", tags=["Agreements"], status_code=200)
async def sign_agreement(
    customer: Caller,
    data: AgreementCapsBody,
    agreements: AgreementService,
    merchants: MerchantService,
    clock: Clock,
    agreement_id: PathText,
    key: web.IdempotencyKey,
) -> AgreementAnswer:
    """Agree, to these limits or lower ones. Takes two factors of different kinds: a PIN on one's own device or with a code, a
    passkey, or a certificate."""
    wanted = await agreements.for_customer(customer, _id(agreement_id))
    caps = data.caps(wanted.currency)
    signed = await agreements.sign(command_id_for(customer, key), customer, wanted.agreement_id, caps, data.given())
    return (await agreement_answers([signed], agreements, merchants, clock))[0]


@put("/v1/wallet/agreements/{agreement_id:str}/caps", tags=["Agreements"])
async def change_agreement(
    customer: Caller,
    data: AgreementCapsBody,
    agreements: AgreementService,
    merchants: MerchantService,
    clock: Clock,
    agreement_id: PathText,
    key: web.IdempotencyKey,
) -> AgreementAnswer:
    """Choose other limits. Lowering holds at once, unconfirmed; raising takes what signing takes."""
    wanted = await agreements.for_customer(customer, _id(agreement_id))
    given = data.given() if data.pin is not None or data.confirmation is not None else None
    caps = data.caps(wanted.currency)
    changed = await agreements.change(command_id_for(customer, key), customer, wanted.agreement_id, caps, given)
    return (await agreement_answers([changed], agreements, merchants, clock))[0]


@post("/v1/wallet/agreements/{agreement_id:str}/pause", tags=["Agreements"], status_code=200)
async def pause_agreement(
    customer: Caller,
    agreements: AgreementService,
    merchants: MerchantService,
    clock: Clock,
    agreement_id: PathText,
    key: web.IdempotencyKey,
) -> AgreementAnswer:
    """Let nothing be taken for the time being."""
    paused = await agreements.pause(command_id_for(customer, key), customer, _id(agreement_id))
    return (await agreement_answers([paused], agreements, merchants, clock))[0]


@post("/v1/wallet/agreements/{agreement_id:str}/resume", tags=["Agreements"], status_code=200)
async def resume_agreement(
    customer: Caller,
    agreements: AgreementService,
    merchants: MerchantService,
    clock: Clock,
    agreement_id: PathText,
    key: web.IdempotencyKey,
) -> AgreementAnswer:
    """Let a paused one go on."""
    resumed = await agreements.resume(command_id_for(customer, key), customer, _id(agreement_id))
    return (await agreement_answers([resumed], agreements, merchants, clock))[0]


@post("/v1/wallet/agreements/{agreement_id:str}/revoke", tags=["Agreements"], status_code=200)
async def revoke_agreement(
    customer: Caller,
    agreements: AgreementService,
    merchants: MerchantService,
    clock: Clock,
    agreement_id: PathText,
    key: web.IdempotencyKey,
) -> AgreementAnswer:
    """End it, for ever, from now on. To go on, the merchant asks anew."""
    ended = await agreements.revoke(command_id_for(customer, key), customer, _id(agreement_id))
    return (await agreement_answers([ended], agreements, merchants, clock))[0]


@get("/v1/wallet/agreements/{agreement_id:str}/debits", tags=["Agreements"])
async def debits(
    customer: Caller, agreements: AgreementService, agreement_id: PathText, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[DebitAnswer]:
    """What was and will be taken under one agreement of this customer, newest first."""
    wanted = await agreements.for_customer(customer, _id(agreement_id))
    return await debits_page(agreements, wanted, limit, cursor)


@post("/v1/wallet/agreements/{agreement_id:str}/debits/{payment_id:str}/stop", tags=["Agreements"], status_code=200)
async def stop_debit(
    customer: Caller, agreements: AgreementService, agreement_id: PathText, payment_id: PathText, key: web.IdempotencyKey
) -> DebitAnswer:
    """Stop a debit that you were told of, or that waits for money: it is not taken."""
    wanted = web.parse_id(payment_id, errors.DEBIT_NOT_FOUND)
    stopped = await agreements.stop_debit(command_id_for(customer, key), customer, _id(agreement_id), wanted)
    return debit_answer(stopped)


ROUTES = (
    agreements_signed, agreement, sign_agreement, change_agreement, pause_agreement, resume_agreement, revoke_agreement, debits,
    stop_debit,
)  # fmt: skip

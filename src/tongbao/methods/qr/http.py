"""Routes of the merchant's QR: the codes a cashier shows, and what a scan means."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated

import msgspec
from litestar import get, post
from litestar.params import QueryParameter
from msgspec.structs import replace

from tongbao.identity.service import Caller, command_id_for
from tongbao.identity.wire import ConfirmedBody
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import CURRENCY_UNSUPPORTED, Refusal
from tongbao.kernel.ids import fast_id
from tongbao.kernel.money import Money, format_minor, parse
from tongbao.merchants import errors as merchant_errors
from tongbao.merchants.http import merchant_of
from tongbao.merchants.service import MerchantService
from tongbao.methods.qr.api import (
    CodeSigner,
    DynamicCode,
    Foreign,
    Payee,
    PublicKeys,
    StaticCode,
    dynamic_code,
    read,
    static_code,
    svg,
)
from tongbao.methods.qr.errors import CODE_NOT_STATIC, CODE_SIGNATURE_INVALID
from tongbao.methods.qr.schemes import ContractCode
from tongbao.payments import errors
from tongbao.payments.agreements_lifecycle import refusal_of as agreement_refusal
from tongbao.payments.agreements_service import AgreementService
from tongbao.payments.cards import Cards, MerchantName, PaymentAnswer, StoreName
from tongbao.payments.funding_service import FundedPayments
from tongbao.payments.funding_types import MOST_PARTS
from tongbao.payments.http import FundingBody, PathNumber, parts_of
from tongbao.payments.lifecycle import refusal_of
from tongbao.payments.service import PaymentService

CodeText = Annotated[str, msgspec.Meta(max_length=2048)]
Text = Annotated[str, msgspec.Meta(max_length=200)]
#: Whichever of our addresses it was printed with: the id is looked up in our own books.
_AGREEMENT = re.compile(r"https?://[^/\s]{1,255}/wallet/agreements/([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")


class ScanBody(web.Request, frozen=True, kw_only=True):
    """What the camera read, the picture held, or somebody pasted."""

    text: CodeText


class PayCodeBody(ConfirmedBody, frozen=True, kw_only=True):
    """Pay a merchant's static code: the code itself, how much, and what it is to be drawn on (the balance, unless said);
    confirmed by PIN or in another way."""

    code: CodeText
    amount: Text
    currency: Text
    funding: Annotated[tuple[FundingBody, ...], msgspec.Meta(max_length=MOST_PARTS)] = ()


class OrderScan(msgspec.Struct, frozen=True, tag_field="kind", tag="order"):
    """A merchant's order, waiting to be paid."""

    payment: PaymentAnswer


class StaticScan(msgspec.Struct, frozen=True, tag_field="kind", tag="static"):
    """A merchant's own code. Names come from our books, not from the paper. `amount` is there if the code fixes it."""

    merchant: MerchantName
    store: StoreName | None
    currency: str
    amount: str | None


class ForeignScan(msgspec.Struct, frozen=True, tag_field="kind", tag="foreign"):
    """A code of another scheme, named, with what its finder can do."""

    scheme: web.Words
    code: ContractCode
    message: web.Words


class AgreementScan(msgspec.Struct, frozen=True, tag_field="kind", tag="agreement"):
    """The link of an agreement to be debited, to be read and signed."""

    agreement_id: str


class CodeAnswer(msgspec.Struct, frozen=True):
    """A code as text and as an SVG picture."""

    text: str
    svg: str
    expires_at: datetime | None = None


@get("/v1/merchant/orders/{out_trade_no:str}/code", tags=["Codes"])
async def order_code(
    staff: Caller,
    payments: PaymentService,
    merchants: MerchantService,
    signer: CodeSigner,
    clock: Clock,
    out_trade_no: PathNumber,
) -> CodeAnswer:
    """The signed code of an unpaid order. Declines `order_…` of one that cannot be paid."""
    order = await payments.order(merchant_of(staff), out_trade_no)
    if (state := order.state_at(clock.now())) != "CREATED":
        raise Refusal(refusal_of(state, "pay"))
    merchant = await merchants.merchant(order.merchant_id)
    payee = Payee(
        merchant_id=order.merchant_id, store_id=order.store_id, name=merchant.name, city=merchant.city, mcc=merchant.mcc,
        country=merchant.country,
    )  # fmt: skip
    text = dynamic_code(
        signer, payee, payment_id=order.payment_id, currency=order.currency, amount_minor=order.amount_minor,
        reference=order.out_trade_no, expires_at=order.expires_at,
    )  # fmt: skip
    return CodeAnswer(text, svg(text), order.expires_at)


@get("/v1/merchant/stores/{store_id:str}/code", tags=["Codes"])
async def store_code(
    staff: Caller,
    payments: PaymentService,
    merchants: MerchantService,
    store_id: PathNumber,
    amount: Annotated[str | None, QueryParameter(max_length=30, description="Fix the amount into the code.")] = None,
) -> CodeAnswer:
    """A store's static code, to be printed."""
    store = await merchants.store(web.parse_id(store_id, merchant_errors.STORE_NOT_FOUND), merchant_of(staff))
    merchant = await merchants.merchant(store.merchant_id)
    fixed = parse(amount, payments.currency).minor if amount else None
    payee = Payee(
        merchant_id=merchant.merchant_id, store_id=store.store_id, name=merchant.name, city=store.city, mcc=merchant.mcc,
        country=merchant.country,
    )  # fmt: skip
    text = static_code(payee, payments.currency, fixed)
    return CodeAnswer(text, svg(text))


@get("/v1/merchant/agreements/{out_agreement_no:str}/code", tags=["Codes"])
async def agreement_code(staff: Caller, agreements: AgreementService, clock: Clock, out_agreement_no: PathNumber) -> CodeAnswer:
    """The link of an agreement that is to be signed, as a code. Declines `agreement_…` of one that cannot be."""
    asked = await agreements.of_merchant(merchant_of(staff), out_agreement_no)
    if (state := asked.state_at(clock.now())) != "ASKED":
        raise Refusal(agreement_refusal(state))
    text = agreements.link(asked)
    return CodeAnswer(text, svg(text), asked.expires_at)


@post("/v1/wallet/scan", tags=["Codes"], status_code=200)
async def scan(
    customer: Caller,
    data: ScanBody,
    payments: PaymentService,
    merchants: MerchantService,
    cards: Cards,
    signer: CodeSigner,
    clock: Clock,
) -> OrderScan | StaticScan | AgreementScan | ForeignScan:
    """What a code means. Codes of other schemes are named, not mistaken for ours."""
    if (linked := _AGREEMENT.fullmatch(data.text.strip())) is not None:
        return AgreementScan(linked[1])
    match read(data.text.strip(), clock.now(), signer):
        case DynamicCode() as code:
            payment = await payments.payment_for(customer, code.payment_id)
            # The signature says that we made this code; the order must still be the one it was made for.
            if (payment.amount_minor, payment.currency) != (code.amount_minor, code.currency):
                raise Refusal(errors.AMOUNT_MISMATCH)
            return OrderScan(await cards.payment_with_parts(payment, customer))
        case StaticCode() as code:
            merchant = await merchants.merchant(code.merchant_id)
            store = await merchants.store(code.store_id, code.merchant_id) if code.store_id else None
            return StaticScan(
                MerchantName(str(merchant.merchant_id), merchant.name),
                StoreName(str(store.store_id), store.name) if store else None,
                code.currency,
                None if code.amount_minor is None else format_minor(code.amount_minor, code.currency),
            )
        case Foreign(scheme=scheme):
            return ForeignScan(
                web.Words(scheme.name.zh, scheme.name.en), scheme.code, web.Words(scheme.message.zh, scheme.message.en)
            )


@lru_cache(maxsize=4096)
def _static(text: str) -> StaticCode | None:
    """A printed code means the same for ever: read once, however many pay by it."""
    try:
        code = read(text, datetime.now(UTC), PublicKeys({}))
    except Refusal as refusal:
        if refusal.code is CODE_SIGNATURE_INVALID:
            return None  # a signed code is an order's
        raise
    if not isinstance(code, StaticCode):
        return None
    # Ids of the kind that the rest of a payment handles: they are hashed and printed a dozen times.
    return replace(code, merchant_id=fast_id(code.merchant_id), store_id=fast_id(code.store_id) if code.store_id else None)


@post("/v1/wallet/payments", tags=["Codes"], status_code=201)
async def pay_static(
    customer: Caller,
    data: PayCodeBody,
    payments: PaymentService,
    funded: FundedPayments,
    cards: Cards,
    key: web.IdempotencyKey,
) -> PaymentAnswer:
    """Pay a merchant's static code in one step. A code that fixes its amount takes no other (`amount_mismatch`)."""
    code = _static(data.code.strip())
    if code is None:
        raise Refusal(CODE_NOT_STATIC)
    amount = parse(data.amount, data.currency)
    if code.currency != payments.currency:
        raise Refusal(CURRENCY_UNSUPPORTED, currency=code.currency, supported=payments.currency)
    if code.amount_minor is not None and amount != Money(code.amount_minor, code.currency):
        raise Refusal(errors.AMOUNT_MISMATCH)
    if parts := parts_of(data.funding, amount):
        by_parts = await funded.pay_merchant(
            command_id_for(customer, key), customer, code.merchant_id, code.store_id, amount, parts, data.given()
        )
        return await cards.payment_with_parts(by_parts, customer)
    payment = await payments.pay_merchant(
        command_id_for(customer, key), customer, code.merchant_id, code.store_id, amount, data.given()
    )
    return await cards.payment(payment)


ROUTES = (order_code, store_code, agreement_code, scan, pay_static)

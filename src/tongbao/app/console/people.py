"""Routes of customers and merchants, and the taking on of a merchant."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, cast
from uuid import UUID

import msgspec
from litestar import get, post

from tongbao.app.console.wire import PathId, PersonName, Search
from tongbao.identity.errors import PRINCIPAL_NOT_FOUND
from tongbao.identity.realname.service import RealNameService
from tongbao.identity.service import Caller, IdentityService, Person, command_id_for
from tongbao.identity.standing import reasons
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor
from tongbao.ledger.api import CUSTOMER_WALLET, MERCHANT_BALANCE, account_id
from tongbao.merchants.service import MerchantService
from tongbao.merchants.types import Merchant, NewStore
from tongbao.operators.api import Suspensions
from tongbao.operators.errors import CUSTOMER_NOT_FOUND
from tongbao.operators.suspensions import Suspension, Why
from tongbao.operators.types import MOST_REASON
from tongbao.payments.service import PaymentService
from tongbao.security.masking import mask_login, mask_name
from tongbao.wallet.service import WalletService

Text = Annotated[str, msgspec.Meta(max_length=200)]


class SuspensionAnswer(msgspec.Struct, frozen=True):
    """An operator's suspension in force: why, by whom, since when and until when (null: until it is lifted by two)."""

    why: Why
    text: str
    suspended_by: PersonName
    suspended_at: datetime
    until: datetime | None


class SuspendBody(web.Request, frozen=True, kw_only=True):
    """Why nothing may be paid from this wallet, in a word and in a sentence; `until`: within a year, or until it is lifted."""

    why: Why
    reason: Annotated[str, msgspec.Meta(max_length=MOST_REASON)]
    until: datetime | None = None


class CustomerLine(msgspec.Struct, frozen=True):
    """A customer, masked, with the balance."""

    customer_id: str
    name_masked: str
    login_masked: str
    created_at: datetime
    balance: str
    currency: str
    account_id: str


class CustomerDetail(CustomerLine, frozen=True, kw_only=True):
    """A customer in one place: how well they are known, why they may not pay, and from how many places they could."""

    level: int
    verified_at: datetime | None
    expires_on: date | None
    visitor: bool
    minor: bool
    suspended: list[str]
    cooling_until: datetime | None
    sessions: int
    devices: int
    suspension: SuspensionAnswer | None


class MerchantLine(msgspec.Struct, frozen=True):
    """A merchant with the balance that waits for settlement."""

    merchant_id: str
    name: str
    mcc: str
    city: str
    fee_ppm: int
    created_at: datetime
    balance: str
    currency: str
    account_id: str
    stores: int


class StoreBody(web.Request, frozen=True, kw_only=True):
    """A store."""

    name: Text
    city: Text


class OwnerBody(web.Request, frozen=True, kw_only=True):
    """Who logs in at the cashier first."""

    login: Annotated[str, msgspec.Meta(max_length=254)]
    name: Text
    password: Annotated[str, msgspec.Meta(max_length=1024)]


class MerchantBody(web.Request, frozen=True, kw_only=True):
    """A merchant to be taken on."""

    name: Text
    mcc: Text
    city: Text
    fee_ppm: int
    stores: Annotated[list[StoreBody], msgspec.Meta(max_length=100)]
    owner: OwnerBody


@get("/v1/console/customers", tags=["Console"])
async def customers(
    operator: Caller,
    identity: IdentityService,
    wallet: WalletService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    q: Search = "",
) -> web.Page[CustomerLine]:
    """Customers by phone, email, whole name or id."""
    found = await identity.search("wallet", q.strip(), web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.principal_id)
    return web.Page([await _customer_line(row, wallet) for row in rows], following)


@get("/v1/console/customers/{customer_id:str}", tags=["Console"])
async def customer_detail(
    operator: Caller,
    customer_id: PathId,
    identity: IdentityService,
    names: RealNameService,
    wallet: WalletService,
    suspensions: Suspensions,
) -> CustomerDetail:
    """One customer, masked: their standing, why they were suspended, and how many sessions and devices they have."""
    return await _detail(customer_id, identity, names, wallet, suspensions)


@post("/v1/console/customers/{customer_id:str}/suspend", tags=["Console"], status_code=200)
async def suspend_customer(
    operator: Caller,
    customer_id: PathId,
    data: SuspendBody,
    identity: IdentityService,
    names: RealNameService,
    wallet: WalletService,
    suspensions: Suspensions,
    key: web.IdempotencyKey,
) -> CustomerDetail:
    """Let nothing more be paid from a customer's wallet. Letting go takes two: propose `customer.lift_suspension`."""
    wanted = web.parse_id(customer_id, CUSTOMER_NOT_FOUND)
    until = data.until.astimezone(UTC) if data.until and data.until.tzinfo else data.until
    if until is not None and until.tzinfo is None:
        raise Refusal(web.INVALID_DATE)
    command_id = command_id_for(operator, key)
    await suspensions.suspend(command_id, wanted, data.why, data.reason, until, operator.principal_id)
    return await _detail(customer_id, identity, names, wallet, suspensions)


async def _detail(
    customer_id: str, identity: IdentityService, names: RealNameService, wallet: WalletService, suspensions: Suspensions
) -> CustomerDetail:
    wanted = await identity.person(web.parse_id(customer_id, PRINCIPAL_NOT_FOUND))
    if (await identity.need(wanted.principal_id)).audience != "wallet":
        raise Refusal(PRINCIPAL_NOT_FOUND)
    standing = await names.standing(wanted.principal_id)
    sessions, devices = await identity.doors(wanted.principal_id)
    line = await _customer_line(wanted, wallet)
    suspension = await suspensions.of(wanted.principal_id)
    return CustomerDetail(
        **msgspec.structs.asdict(line), level=standing.level, verified_at=standing.verified_at, expires_on=standing.expires_on,
        visitor=standing.visitor, minor=standing.minor, suspended=list(reasons(standing.suspended)),
        cooling_until=standing.cooling_until, sessions=sessions, devices=devices,
        suspension=await _suspension(suspension, identity) if suspension and suspension.ended_at is None else None,
    )  # fmt: skip


async def _suspension(row: Suspension, identity: IdentityService) -> SuspensionAnswer:
    by = (await identity.several([row.suspended_by])).get(row.suspended_by)
    name = PersonName(str(row.suspended_by), by.name if by else "–")
    return SuspensionAnswer(cast(Why, row.why), row.text, name, row.suspended_at, row.until)


async def _customer_line(row: Person, wallet: WalletService) -> CustomerLine:
    account, _ = await wallet.balance(row.principal_id)
    return CustomerLine(
        str(row.principal_id), mask_name(row.name), mask_login(row.login), row.created_at,
        format_minor(account.posted_minor if account else 0, wallet.currency), wallet.currency,
        str(account_id(CUSTOMER_WALLET, wallet.currency, row.principal_id)),
    )  # fmt: skip


@get("/v1/console/merchants", tags=["Console"])
async def merchants_found(
    operator: Caller,
    merchants: MerchantService,
    payments: PaymentService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    q: Search = "",
) -> web.Page[MerchantLine]:
    """Merchants by id or the beginning of a name."""
    found = await merchants.search(q.strip(), web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.merchant_id)
    return web.Page([await _merchant_line(row, merchants, payments) for row in rows], following)


@post("/v1/console/merchants", tags=["Console"], status_code=201)
async def open_merchant(
    operator: Caller,
    data: MerchantBody,
    merchants: MerchantService,
    payments: PaymentService,
    identity: IdentityService,
    key: web.IdempotencyKey,
) -> MerchantLine:
    """Take on a merchant with its stores and its first log-in."""
    owner = await identity.enrolment(data.owner.login, data.owner.password, data.owner.name, operator.locale, "owner")
    stores = [NewStore(store.name, store.city) for store in data.stores]
    opened = await merchants.open(command_id_for(operator, key), data.name, data.mcc, data.city, data.fee_ppm, stores, owner)
    return await _merchant_line(await merchants.merchant(opened.merchant_id), merchants, payments)


async def _merchant_line(merchant: Merchant, merchants: MerchantService, payments: PaymentService) -> MerchantLine:
    account = await payments.balance(merchant.merchant_id)
    return MerchantLine(
        str(merchant.merchant_id), merchant.name, merchant.mcc, merchant.city, merchant.fee_ppm, merchant.created_at,
        format_minor(account.posted_minor if account else 0, payments.currency), payments.currency,
        str(account_id(MERCHANT_BALANCE, payments.currency, merchant.merchant_id)),
        len(await merchants.stores(merchant.merchant_id)),
    )  # fmt: skip

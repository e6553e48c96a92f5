"""Routes of the operator's console. Reading needs any role; creating needs `admin`."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request, Response, get, post
from litestar.params import PathParameter, QueryParameter

from tongbao.app.books import JOURNAL_NOT_FOUND, Books, Trial
from tongbao.identity.http import LoginBody, device_name, require_role, session_cookie
from tongbao.identity.service import Caller, IdentityService, command_id_for
from tongbao.identity.types import Locale, Principal
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor
from tongbao.ledger.api import CHART, CUSTOMER_WALLET, MERCHANT_BALANCE, Account, AccountType, account_id
from tongbao.ledger.errors import ACCOUNT_NOT_FOUND
from tongbao.merchants.service import MerchantService
from tongbao.merchants.types import Merchant, NewStore
from tongbao.payments import errors as payment_errors
from tongbao.payments.cards import Cards, OrderAnswer
from tongbao.payments.service import PaymentService
from tongbao.payments.types import Payment, PaymentState
from tongbao.security.masking import mask_login, mask_name
from tongbao.wallet.http import BankTransferAnswer, bank_transfer_answer
from tongbao.wallet.service import WalletService
from tongbao.wallet.types import BankTransferState

Text = Annotated[str, msgspec.Meta(max_length=200)]
PathId = Annotated[str, PathParameter(max_length=64)]
Search = Annotated[str, QueryParameter(name="q", max_length=128)]
FirstDay = Annotated[str | None, QueryParameter(name="from", max_length=10)]
LastDay = Annotated[str | None, QueryParameter(name="to", max_length=10)]

_ENDINGS: dict[str, EventKind] = {"CLOSED": "closed", "EXPIRED": "expired"}
_READERS: tuple[Role, ...] = ("support", "finance", "admin")


Role = Literal["support", "finance", "admin"]
EventKind = Literal["created", "paid", "closed", "expired", "refunded"]


class OperatorAnswer(msgspec.Struct, frozen=True):
    """Who is logged in."""

    operator_id: str
    name: str
    roles: list[Role]
    locale: Locale


class OperatorSessionAnswer(msgspec.Struct, frozen=True):
    """A fresh session."""

    session_id: str
    token: str
    operator: OperatorAnswer


class PersonAnswer(msgspec.Struct, frozen=True):
    """A customer, masked."""

    customer_id: str
    name_masked: str
    login_masked: str


class ConsolePayment(OrderAnswer, frozen=True, kw_only=True):
    """A payment as an operator sees it."""

    payer: PersonAnswer | None = None


class JournalEntryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a journal; the amount is credit-positive."""

    account_id: str
    account_code: str
    account_name: web.Words
    owner: str | None
    currency: str
    amount: str
    balance_after: str
    version: int


class JournalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A journal, and which batch of whose chain holds it."""

    journal_id: str
    kind: str
    at: datetime
    command_id: str
    writer: int | None
    sequence: int | None
    memo: str
    entries: list[JournalEntryAnswer]


class EventAnswer(msgspec.Struct, frozen=True):
    """Something that happened to a payment, and who or what did it."""

    kind: EventKind
    at: datetime
    by: Literal["merchant", "customer", "clock"]


class ConsolePaymentDetail(ConsolePayment, frozen=True, kw_only=True):
    """With every journal it caused, and its story."""

    journals: list[JournalAnswer]
    events: list[EventAnswer]


class AccountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An account of the ledger."""

    account_id: str
    code: str
    name: web.Words
    owner: str | None
    currency: str
    balance: str
    held: str
    floor: str | None
    version: int


class StatementLine(msgspec.Struct, frozen=True):
    """An entry with what caused it."""

    journal_id: str
    kind: str
    memo: str
    at: datetime
    amount: str
    balance_after: str
    version: int


class TrialLine(msgspec.Struct, frozen=True):
    """One line of the trial balance: the sum stands on one side."""

    code: str
    name: web.Words
    type: AccountType
    accounts: int
    debit: str
    credit: str


class ReserveAnswer(msgspec.Struct, frozen=True):
    """held = owed + in_transit + own; `at_bank` is the bank's own word, null if it does not answer."""

    held: str
    owed: str
    in_transit: str
    own: str
    equal: bool
    at_bank: str | None


class TrialCurrency(msgspec.Struct, frozen=True):
    """The trial balance of one currency."""

    currency: str
    rows: list[TrialLine]
    total_debit: str
    total_credit: str
    balanced: bool
    reserve: ReserveAnswer


class TrialAnswer(msgspec.Struct, frozen=True):
    """The trial balance as of a moment."""

    at: datetime
    currencies: list[TrialCurrency]


class WriterAnswer(msgspec.Struct, frozen=True):
    """One process's chain."""

    writer: int
    sequence: int
    head: str
    at: datetime
    commands: int


class VerifiedAnswer(msgspec.Struct, frozen=True):
    """The last verification by this server process."""

    at: datetime
    ok: bool
    batches: int
    commands: int
    journals: int
    entries: int
    duration_ms: int
    problem: str | None


class ChainAnswer(msgspec.Struct, frozen=True):
    """The audit chain."""

    writers: list[WriterAnswer]
    verifying: bool
    last_verified: VerifiedAnswer | None


class RunningAnswer(msgspec.Struct, frozen=True):
    """A verification runs."""

    running: bool


class ConsoleBankTransfer(BankTransferAnswer, frozen=True, kw_only=True):
    """A bank transfer as an operator sees it."""

    customer_id: str
    attempts: int
    next_attempt_at: datetime | None
    bank_reference: str | None


class CustomerLine(msgspec.Struct, frozen=True):
    """A customer, masked, with the balance."""

    customer_id: str
    name_masked: str
    login_masked: str
    created_at: datetime
    balance: str
    currency: str
    account_id: str


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


def _operator(caller: Caller) -> OperatorAnswer:
    return OperatorAnswer(
        str(caller.principal_id), caller.name, [role for role in _READERS if role in caller.roles], caller.locale
    )


@post("/v1/console/login", tags=["Console"], status_code=200)
async def log_in(
    request: Request[Any, Any, Any], data: LoginBody, identity: IdentityService, secure_cookies: bool
) -> Response[OperatorSessionAnswer]:
    """Log in at the console."""
    logged_in = await identity.log_in("console", data.login, data.password, device_name(data.device_name, request))
    caller = await identity.authenticate(logged_in.token, "console")
    answer = OperatorSessionAnswer(str(logged_in.session_id), logged_in.token, _operator(caller))
    return Response(answer, status_code=200, cookies=[session_cookie("console", logged_in.token, secure_cookies)])


@post("/v1/console/logout", tags=["Console"], status_code=204)
async def log_out(operator: Caller, identity: IdentityService, secure_cookies: bool) -> Response[None]:
    """End this session."""
    if operator.session_id is not None:
        await identity.end_session(operator.principal_id, operator.session_id)
    return Response(None, status_code=204, cookies=[session_cookie("console", "", secure_cookies)])


@get("/v1/console/me", tags=["Console"])
async def me(operator: Caller) -> OperatorAnswer:
    """Who is logged in."""
    return _operator(operator)


# ── payments ────────────────────────────────────────────────────────────────────────────────────────────────────────────


async def _console_payments(rows: list[Payment], cards: Cards, identity: IdentityService) -> list[dict[str, Any]]:
    payers = await identity.several([row.payer_id for row in rows if row.payer_id])
    answers = []
    for row, card in zip(rows, await cards.orders(rows), strict=True):
        payer = payers.get(row.payer_id) if row.payer_id else None
        answers.append({**msgspec.structs.asdict(card), "payer": _person(payer) if payer else None})
    return answers


def _person(principal: Principal) -> PersonAnswer:
    return PersonAnswer(str(principal.principal_id), mask_name(principal.name), mask_login(principal.login))


@get("/v1/console/payments", tags=["Console"])
async def payments_found(
    operator: Caller,
    payments: PaymentService,
    merchants: MerchantService,
    identity: IdentityService,
    cards: Cards,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    q: Search = "",
    in_state: Annotated[PaymentState | None, QueryParameter(name="state")] = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
) -> web.Page[ConsolePayment]:
    """Find payments by id, out_trade_no, payer's login, or merchant's name."""
    require_role(operator, *_READERS)
    start, end = web.local_days(first_day, last_day, payments.zone)
    place = web.decode_cursor(cursor, tuple[datetime, UUID])
    found: list[Payment] = []
    for payment_id, number, payers, sellers in await _meanings(q.strip(), payments, merchants, identity):
        found = await payments.find(in_state, payment_id, number, payers, sellers, start, end, place, limit)
        if found:
            break
    rows, following = web.page(found, limit, lambda row: (row.created_at, row.payment_id))
    return web.Page([ConsolePayment(**fields) for fields in await _console_payments(list(rows), cards, identity)], following)


Meaning = tuple[UUID | None, str | None, list[UUID] | None, list[UUID] | None]


async def _meanings(query: str, payments: PaymentService, merchants: MerchantService, identity: IdentityService) -> list[Meaning]:
    """What an operator may have meant, likeliest first."""
    if not query:
        return [(None, None, None, None)]
    try:
        wanted = UUID(query)
    except ValueError:
        wanted = None
    meanings: list[Meaning] = [(wanted, None, None, None)] if wanted else []
    meanings.append((None, query, None, None))
    people = await identity.search("wallet", query, None, 50)
    if people:
        meanings.append((None, None, [person.principal_id for person in people], None))
    sellers = await merchants.search(query, None, 50)
    if sellers:
        meanings.append((None, None, None, [seller.merchant_id for seller in sellers]))
    return meanings


@get("/v1/console/payments/{payment_id:str}", tags=["Console"])
async def payment_detail(
    operator: Caller, payments: PaymentService, identity: IdentityService, cards: Cards, books: Books, payment_id: PathId
) -> ConsolePaymentDetail:
    """One payment, its journals and its story."""
    require_role(operator, *_READERS)
    payment = await payments.payment(web.parse_id(payment_id, payment_errors.PAYMENT_NOT_FOUND))
    refunds = (await payments.refunds([payment.payment_id])).get(payment.payment_id, [])
    journal_ids = [payment.journal_id] if payment.journal_id else []
    journals = [await _journal(books, each) for each in [*journal_ids, *(refund.journal_id for refund in refunds)]]
    story = [EventAnswer("created", payment.created_at, "merchant" if payment.method != "qr_static" else "customer")]
    if payment.paid_at:
        story.append(EventAnswer("paid", payment.paid_at, "customer"))
    if payment.closed_at:
        story.append(
            EventAnswer(_ENDINGS[payment.state], payment.closed_at, "merchant" if payment.state == "CLOSED" else "clock")
        )
    story += [EventAnswer("refunded", refund.at, "merchant") for refund in refunds]
    fields = (await _console_payments([payment], cards, identity))[0]
    return ConsolePaymentDetail(**fields, journals=journals, events=story)


@get("/v1/console/journals/{journal_id:str}", tags=["Console"])
async def journal(operator: Caller, books: Books, journal_id: PathId) -> JournalAnswer:
    """One journal."""
    require_role(operator, *_READERS)
    return await _journal(books, web.parse_id(journal_id, JOURNAL_NOT_FOUND))


def _name(code: str) -> web.Words:
    line = CHART[code]
    return web.Words(line.zh, line.en)


async def _journal(books: Books, journal_id: UUID) -> JournalAnswer:
    head, entries = await books.journal(journal_id)
    return JournalAnswer(
        journal_id=str(journal_id),
        kind=head["kind"],
        at=head["posted_at"],
        command_id=str(head["command_id"]),
        writer=head["writer"],
        sequence=head["sequence"],
        memo=head["memo"],
        entries=[
            JournalEntryAnswer(
                account_id=str(entry["account_id"]),
                account_code=entry["code"],
                account_name=_name(entry["code"]),
                owner=str(entry["owner_id"]) if entry["owner_id"] else None,
                currency=entry["currency"],
                amount=format_minor(entry["amount_minor"], entry["currency"]),
                balance_after=format_minor(entry["balance_minor"], entry["currency"]),
                version=entry["version"],
            )
            for entry in entries
        ],
    )


# ── books ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _account(account: Account) -> AccountAnswer:
    currency = account.currency
    return AccountAnswer(
        account_id=str(account.account_id),
        code=account.code,
        name=_name(account.code),
        owner=str(account.owner_id) if account.owner_id else None,
        currency=currency,
        balance=format_minor(account.posted_minor, currency),
        held=format_minor(account.held_minor, currency),
        floor=None if account.floor_minor is None else format_minor(account.floor_minor, currency),
        version=account.version,
    )


@get("/v1/console/accounts", tags=["Console"])
async def accounts(
    operator: Caller,
    books: Books,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    code: Annotated[str | None, QueryParameter(max_length=8)] = None,
    owner: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> web.Page[AccountAnswer]:
    """Accounts by chart line or owner."""
    require_role(operator, *_READERS)
    owner_id = web.parse_id(owner, ACCOUNT_NOT_FOUND) if owner else None
    after = web.decode_cursor(cursor, UUID)
    rows, following = web.page(await books.accounts(code, owner_id, after, limit), limit, lambda row: row.account_id)
    return web.Page([_account(row) for row in rows], following)


@get("/v1/console/accounts/{account:str}", tags=["Console"])
async def one_account(operator: Caller, books: Books, account: PathId) -> AccountAnswer:
    """One account."""
    require_role(operator, *_READERS)
    return _account(await books.account(web.parse_id(account, ACCOUNT_NOT_FOUND)))


@get("/v1/console/accounts/{account:str}/statement", tags=["Console"])
async def statement(
    operator: Caller,
    books: Books,
    payments: PaymentService,
    account: PathId,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
) -> web.Page[StatementLine]:
    """An account's entries with the running balance, newest first."""
    require_role(operator, *_READERS)
    found = await books.account(web.parse_id(account, ACCOUNT_NOT_FOUND))
    start, end = web.local_days(first_day, last_day, payments.zone)
    below = web.decode_cursor(cursor, int)
    entries = await books.statement(found.account_id, below, start, end, limit)
    rows, following = web.page(entries, limit, lambda row: row["version"])
    lines = [
        StatementLine(
            str(row["journal_id"]), row["kind"], row["memo"], row["posted_at"], format_minor(row["amount_minor"], found.currency),
            format_minor(row["balance_minor"], found.currency), row["version"],
        )
        for row in rows
    ]  # fmt: skip
    return web.Page(lines, following)


@get("/v1/console/trial-balance", tags=["Console"])
async def trial_balance(
    operator: Caller, books: Books, wallet: WalletService, clock: Clock, at: datetime | None = None
) -> TrialAnswer:
    """The trial balance, now or as of a moment, and the reserve equation."""
    require_role(operator, *_READERS)
    if at is not None and not web.plausible(at):
        raise Refusal(web.INVALID_DATE)
    currencies = []
    for trial in await books.trial(at):
        at_bank = None
        if at is None:
            try:
                at_bank = format_minor(await wallet.reserve_at_bank_minor(trial.currency), trial.currency)
            except Refusal:
                at_bank = None
        currencies.append(_trial(trial, at_bank))
    return TrialAnswer(at or clock.now(), currencies)


def _trial(trial: Trial, at_bank: str | None) -> TrialCurrency:
    currency = trial.currency
    lines = [
        TrialLine(
            row.code, _name(row.code), CHART[row.code].type, row.accounts, format_minor(max(0, -row.posted_minor), currency),
            format_minor(max(0, row.posted_minor), currency),
        )
        for row in trial.rows
    ]  # fmt: skip
    held, owed, transit, own = trial.reserve_minor
    reserve = ReserveAnswer(
        held=format_minor(held, currency),
        owed=format_minor(owed, currency),
        in_transit=format_minor(transit, currency),
        own=format_minor(own, currency),
        equal=held == owed + transit + own,
        at_bank=at_bank,
    )
    return TrialCurrency(
        currency, lines, format_minor(trial.debit_minor, currency), format_minor(trial.credit_minor, currency),
        trial.debit_minor == trial.credit_minor, reserve,
    )  # fmt: skip


@get("/v1/console/chain", tags=["Console"])
async def chain(operator: Caller, books: Books) -> ChainAnswer:
    """Every writer's head, and what the last verification found."""
    require_role(operator, *_READERS)
    writers = [
        WriterAnswer(writer, sequence, digest.hex(), at, commands)
        for writer, sequence, digest, at, commands in await books.chain()
    ]
    last = books.last_verified
    verified = (
        VerifiedAnswer(
            last.at,
            last.ok,
            last.batches,
            last.commands,
            last.rows["journal"],
            last.rows["entry"],
            last.duration_ms,
            last.problem,
        )
        if last
        else None
    )
    return ChainAnswer(writers, books.verifying, verified)


@post("/v1/console/chain/verify", tags=["Console"], status_code=202)
async def verify_chain(operator: Caller, books: Books, key: web.IdempotencyKey) -> RunningAnswer:
    """Verify everything, in the background; poll the chain for the result."""
    require_role(operator, "finance", "admin")
    books.start_verifying()
    return RunningAnswer(True)


# ── bank, customers, merchants ──────────────────────────────────────────────────────────────────────────────────────────


@get("/v1/console/bank-transfers", tags=["Console"])
async def bank_transfers(
    operator: Caller,
    wallet: WalletService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    in_state: Annotated[BankTransferState | None, QueryParameter(name="state")] = None,
) -> web.Page[ConsoleBankTransfer]:
    """Top-ups and withdrawals, newest first: those the bank has not answered have a next attempt."""
    require_role(operator, *_READERS)
    found = await wallet.bank_transfers(in_state, web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.bank_transfer_id)
    banks = await wallet.bank_accounts_by_id([row.bank_account_id for row in rows])
    answers = [
        ConsoleBankTransfer(
            **msgspec.structs.asdict(bank_transfer_answer(row, banks[row.bank_account_id])),
            customer_id=str(row.customer_id),
            attempts=row.attempts,
            next_attempt_at=row.next_attempt_at,
            bank_reference=row.bank_reference,
        )
        for row in rows
    ]
    return web.Page(answers, following)


@get("/v1/console/customers", tags=["Console"])
async def customers(
    operator: Caller,
    identity: IdentityService,
    wallet: WalletService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    q: Search = "",
) -> web.Page[CustomerLine]:
    """Customers by phone, email or the beginning of a name."""
    require_role(operator, *_READERS)
    found = await identity.search("wallet", q.strip(), web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.principal_id)
    lines = []
    for row in rows:
        account, _ = await wallet.balance(row.principal_id)
        lines.append(
            CustomerLine(
                str(row.principal_id), mask_name(row.name), mask_login(row.login), row.created_at,
                format_minor(account.posted_minor if account else 0, wallet.currency), wallet.currency,
                str(account_id(CUSTOMER_WALLET, wallet.currency, row.principal_id)),
            )
        )  # fmt: skip
    return web.Page(lines, following)


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
    require_role(operator, *_READERS)
    found = await merchants.search(q.strip(), web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.merchant_id)
    return web.Page([await _merchant_line(row, merchants, payments) for row in rows], following)


async def _merchant_line(merchant: Merchant, merchants: MerchantService, payments: PaymentService) -> MerchantLine:
    account = await payments.balance(merchant.merchant_id)
    return MerchantLine(
        str(merchant.merchant_id), merchant.name, merchant.mcc, merchant.city, merchant.fee_ppm, merchant.created_at,
        format_minor(account.posted_minor if account else 0, payments.currency), payments.currency,
        str(account_id(MERCHANT_BALANCE, payments.currency, merchant.merchant_id)),
        len(await merchants.stores(merchant.merchant_id)),
    )  # fmt: skip


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
    require_role(operator, "admin")
    owner = await identity.enrolment(data.owner.login, data.owner.password, data.owner.name, operator.locale, "owner")
    stores = [NewStore(store.name, store.city) for store in data.stores]
    opened = await merchants.open(command_id_for(operator, key), data.name, data.mcc, data.city, data.fee_ppm, stores, owner)
    return await _merchant_line(await merchants.merchant(opened.merchant_id), merchants, payments)


ROUTES = (
    log_in, log_out, me, payments_found, payment_detail, journal, accounts, one_account, statement, trial_balance, chain,
    verify_chain, bank_transfers, customers, merchants_found, open_merchant,
)  # fmt: skip

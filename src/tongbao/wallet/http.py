"""Routes of the wallet."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import delete, get, post
from litestar.params import PathParameter, QueryParameter

from tongbao.identity.service import Caller, command_id_for
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor, parse
from tongbao.security.masking import mask_card, mask_login, mask_name
from tongbao.wallet import errors
from tongbao.wallet.service import BANKS, Counterparty, WalletService
from tongbao.wallet.types import (
    BankAccount,
    BankTransfer,
    BankTransferKind,
    BankTransferState,
    Bill,
    BillKind,
    BillState,
    CounterpartyKind,
    Direction,
)

Text = Annotated[str, msgspec.Meta(max_length=200)]
PathId = Annotated[str, PathParameter(max_length=64)]


class BalanceAnswer(msgspec.Struct, frozen=True):
    """`available` is what can be spent now; `in_transit_out` is on its way to the bank and no longer in `balance`."""

    currency: str
    balance: str
    available: str
    held: str
    in_transit_out: str


class LinkBody(web.Request, frozen=True, kw_only=True):
    """A bank account to link. The holder's name must be the one the bank knows."""

    bank: Text
    account_number: Text
    holder_name: Text


class BankAccountAnswer(msgspec.Struct, frozen=True):
    """A linked bank account, masked."""

    bank_account_id: str
    bank: str
    bank_name: web.Words
    number_masked: str
    holder_masked: str


class BankTransferBody(web.Request, frozen=True, kw_only=True):
    """How much, from or to which linked account, confirmed with the PIN."""

    bank_account_id: Text
    amount: Text
    currency: Text
    pin: Text


class BankTransferAnswer(msgspec.Struct, frozen=True):
    """PENDING or UNKNOWN: the bank is being asked; the money is safe either way. SUCCEEDED and FAILED are final."""

    bank_transfer_id: str
    kind: BankTransferKind
    state: BankTransferState
    amount: str
    currency: str
    bank_account: BankAccountAnswer
    created_at: datetime
    finished_at: datetime | None = None
    failure_code: str | None = None
    bill_id: str | None = None


class ResolveBody(web.Request, frozen=True, kw_only=True):
    """A phone or email."""

    login: Annotated[str, msgspec.Meta(max_length=254)]


class PayeeAnswer(msgspec.Struct, frozen=True):
    """Who would receive, as much as a payer may see before sending."""

    payee_id: str
    name_masked: str
    login_masked: str


class TransferBody(web.Request, frozen=True, kw_only=True):
    """Money for another customer."""

    payee_id: Text
    amount: Text
    currency: Text
    pin: Text
    note: Annotated[str, msgspec.Meta(max_length=400)] = ""


class CounterpartyAnswer(msgspec.Struct, frozen=True):
    """The other side of a bill."""

    name: str
    kind: CounterpartyKind
    login_masked: str | None = None


class BillAnswer(msgspec.Struct, frozen=True):
    """One line of the statement. A payment's state says what was refunded since."""

    bill_id: str
    kind: BillKind
    direction: Direction
    amount: str
    currency: str
    counterparty: CounterpartyAnswer
    title: str
    note: str
    at: datetime
    state: BillState
    balance_after: str | None = None
    journal_id: str | None = None
    payment_id: str | None = None
    bank_transfer_id: str | None = None


class DayAnswer(msgspec.Struct, frozen=True):
    """What came in and went out on one local day."""

    date: date
    in_: str = msgspec.field(name="in")
    out: str = msgspec.field(name="out")


class BillsAnswer(msgspec.Struct, frozen=True):
    """A page of bills, with the totals of every day on it. `zone` is where the days begin and end."""

    items: list[BillAnswer]
    next_cursor: str | None
    days: list[DayAnswer]
    zone: str


def bank_account_answer(account: BankAccount) -> BankAccountAnswer:
    """A bank account as its owner sees it."""
    name = BANKS.get(account.bank, {"zh": account.bank, "en": account.bank})
    return BankAccountAnswer(
        str(account.bank_account_id), account.bank, web.Words(**name), mask_card(account.number), mask_name(account.holder_name)
    )


def bank_transfer_answer(transfer: BankTransfer, account: BankAccount, bill_id: UUID | None = None) -> BankTransferAnswer:
    """A bank transfer as its owner sees it."""
    return BankTransferAnswer(
        str(transfer.bank_transfer_id), transfer.kind, transfer.state, format_minor(transfer.amount_minor, transfer.currency),
        transfer.currency, bank_account_answer(account), transfer.created_at, transfer.finished_at, transfer.failure_code,
        str(bill_id) if bill_id else None,
    )  # fmt: skip


async def _transfer_answer(transfer: BankTransfer, wallet: WalletService) -> BankTransferAnswer:
    account = (await wallet.bank_accounts_by_id([transfer.bank_account_id]))[transfer.bank_account_id]
    return bank_transfer_answer(transfer, account, await wallet.bill_of(transfer.customer_id, transfer.bank_transfer_id))


async def _bill_answers(bills: list[Bill], wallet: WalletService) -> list[BillAnswer]:
    states, people = await wallet.details(bills)
    return [_bill_answer(bill, states, people) for bill in bills]


def _bill_answer(bill: Bill, states: dict[UUID, BillState], people: dict[UUID, Counterparty]) -> BillAnswer:
    other = people.get(bill.counterparty_id) or Counterparty("–", bill.counterparty_kind)
    reference = str(bill.reference_id) if bill.reference_id else None
    paid = bill.kind in ("payment", "refund")
    return BillAnswer(
        bill_id=str(bill.bill_id),
        kind=bill.kind,
        direction=bill.direction,
        amount=format_minor(bill.amount_minor, bill.currency),
        currency=bill.currency,
        counterparty=CounterpartyAnswer(other.name, other.kind, other.login_masked),
        title=bill.title,
        note=bill.note,
        at=bill.at,
        state=states.get(bill.bill_id, "SUCCEEDED"),
        balance_after=None if bill.balance_minor is None else format_minor(bill.balance_minor, bill.currency),
        journal_id=str(bill.journal_id) if bill.journal_id else None,
        payment_id=reference if paid else None,
        bank_transfer_id=None if paid else reference,
    )


@get("/v1/wallet/balance", tags=["Wallet"])
async def balance(customer: Caller, wallet: WalletService) -> BalanceAnswer:
    """The customer's balance."""
    account, transit = await wallet.balance(customer.principal_id)
    currency = wallet.currency
    posted, held = (account.posted_minor, account.held_minor) if account else (0, 0)
    available = account.available_minor if account else 0
    return BalanceAnswer(currency, *(format_minor(minor, currency) for minor in (posted, available, held, transit)))


@get("/v1/wallet/bank-accounts", tags=["Wallet"])
async def bank_accounts(
    customer: Caller, wallet: WalletService, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[BankAccountAnswer]:
    """Linked bank accounts."""
    before = web.decode_cursor(cursor, UUID)
    rows, following = web.page(
        await wallet.bank_accounts(customer.principal_id, before, limit), limit, lambda account: account.bank_account_id
    )
    return web.Page([bank_account_answer(account) for account in rows], following)


@post("/v1/wallet/bank-accounts", tags=["Wallet"], status_code=201)
async def link_bank_account(
    customer: Caller, data: LinkBody, wallet: WalletService, key: web.IdempotencyKey
) -> BankAccountAnswer:
    """Link a bank account; the bank is asked whether number and name belong together."""
    account = await wallet.link_bank_account(
        command_id_for(customer, key), customer, data.bank, data.account_number, data.holder_name
    )
    return bank_account_answer(account)


@delete("/v1/wallet/bank-accounts/{bank_account_id:str}", tags=["Wallet"], status_code=204)
async def unlink_bank_account(customer: Caller, wallet: WalletService, bank_account_id: PathId) -> None:
    """Forget a bank account."""
    await wallet.unlink_bank_account(customer, web.parse_id(bank_account_id, errors.BANK_ACCOUNT_UNKNOWN))


async def _start(
    kind: BankTransferKind, customer: Caller, data: BankTransferBody, wallet: WalletService, key: str
) -> BankTransferAnswer:
    amount = wallet.own_currency(parse(data.amount, data.currency))
    bank_account_id = web.parse_id(data.bank_account_id, errors.BANK_ACCOUNT_UNKNOWN)
    transfer = await wallet.start_bank_transfer(command_id_for(customer, key), customer, kind, bank_account_id, amount, data.pin)
    return await _transfer_answer(transfer, wallet)


@post("/v1/wallet/topups", tags=["Wallet"], status_code=201)
async def top_up(customer: Caller, data: BankTransferBody, wallet: WalletService, key: web.IdempotencyKey) -> BankTransferAnswer:
    """Bring money from the bank. Answers when the bank does, or as UNKNOWN when it does not in time."""
    return await _start("topup", customer, data, wallet, key)


@post("/v1/wallet/withdrawals", tags=["Wallet"], status_code=201)
async def withdraw(
    customer: Caller, data: BankTransferBody, wallet: WalletService, key: web.IdempotencyKey
) -> BankTransferAnswer:
    """Send money to the bank. It leaves the balance at once, and comes back if the bank refuses."""
    return await _start("withdrawal", customer, data, wallet, key)


@get("/v1/wallet/bank-transfers/{bank_transfer_id:str}", tags=["Wallet"])
async def bank_transfer(customer: Caller, wallet: WalletService, bank_transfer_id: PathId) -> BankTransferAnswer:
    """What became of a top-up or withdrawal."""
    wanted = web.parse_id(bank_transfer_id, errors.BANK_TRANSFER_UNKNOWN)
    return await _transfer_answer(await wallet.bank_transfer(wanted, customer.principal_id), wallet)


@post("/v1/wallet/payees/resolve", tags=["Wallet"], status_code=200)
async def resolve_payee(customer: Caller, data: ResolveBody, wallet: WalletService) -> PayeeAnswer:
    """Who has this phone or email, masked, so that the payer can check before sending."""
    payee = await wallet.resolve_payee(customer, data.login)
    return PayeeAnswer(str(payee.principal_id), mask_name(payee.name), mask_login(payee.login))


@post("/v1/wallet/transfers", tags=["Wallet"], status_code=201)
async def transfer(customer: Caller, data: TransferBody, wallet: WalletService, key: web.IdempotencyKey) -> BillAnswer:
    """Send money to another customer, at once."""
    amount = wallet.own_currency(parse(data.amount, data.currency))
    if len(data.note) > 100:
        raise Refusal(errors.NOTE_TOO_LONG)
    payee_id = web.parse_id(data.payee_id, errors.PAYEE_NOT_FOUND)
    bill = await wallet.transfer(command_id_for(customer, key), customer, payee_id, amount, data.note, data.pin)
    return (await _bill_answers([bill], wallet))[0]


@get("/v1/wallet/bills", tags=["Wallet"])
async def bills(
    customer: Caller,
    wallet: WalletService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    first_day: Annotated[str | None, QueryParameter(name="from", max_length=10, description="First local day.")] = None,
    last_day: Annotated[str | None, QueryParameter(name="to", max_length=10, description="Last local day.")] = None,
    kind: BillKind | None = None,
    direction: Direction | None = None,
) -> BillsAnswer:
    """The statement, newest first, with the totals of each day shown."""
    start, end = web.local_days(first_day, last_day, wallet.zone)
    before = web.decode_cursor(cursor, UUID)
    found = await wallet.bills(customer.principal_id, start, end, kind, direction, before, limit)
    rows, following = web.page(found, limit, lambda bill: bill.bill_id)
    totals = await wallet.daily_totals(customer.principal_id, rows)
    days = [
        DayAnswer(day.day, format_minor(day.in_minor, wallet.currency), format_minor(day.out_minor, wallet.currency))
        for day in totals
    ]
    return BillsAnswer(await _bill_answers(list(rows), wallet), following, days, str(wallet.zone))


@get("/v1/wallet/bills/{bill_id:str}", tags=["Wallet"])
async def bill(customer: Caller, wallet: WalletService, bill_id: PathId) -> BillAnswer:
    """One bill."""
    wanted = web.parse_id(bill_id, errors.BILL_NOT_FOUND)
    return (await _bill_answers([await wallet.bill(customer.principal_id, wanted)], wallet))[0]


ROUTES = (
    balance, bank_accounts, link_bank_account, unlink_bank_account, top_up, withdraw, bank_transfer, resolve_payee, transfer,
    bills, bill,
)  # fmt: skip

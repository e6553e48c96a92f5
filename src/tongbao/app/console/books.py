"""Routes of the ledger: accounts, their statements, the trial balance."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tongbao.app.books import Books, Trial
from tongbao.app.console.wire import READERS, FirstDay, LastDay, PathId, chart_name
from tongbao.identity.http import require_role
from tongbao.identity.service import Caller
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor
from tongbao.ledger.api import CHART, Account, AccountType
from tongbao.ledger.errors import ACCOUNT_NOT_FOUND
from tongbao.payments.service import PaymentService
from tongbao.wallet.service import WalletService


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
    require_role(operator, *READERS)
    owner_id = web.parse_id(owner, ACCOUNT_NOT_FOUND) if owner else None
    after = web.decode_cursor(cursor, UUID)
    rows, following = web.page(await books.accounts(code, owner_id, after, limit), limit, lambda row: row.account_id)
    return web.Page([_account(row) for row in rows], following)


@get("/v1/console/accounts/{account:str}", tags=["Console"])
async def one_account(operator: Caller, books: Books, account: PathId) -> AccountAnswer:
    """One account."""
    require_role(operator, *READERS)
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
    require_role(operator, *READERS)
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
    require_role(operator, *READERS)
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


def _account(account: Account) -> AccountAnswer:
    currency = account.currency
    return AccountAnswer(
        account_id=str(account.account_id),
        code=account.code,
        name=chart_name(account.code),
        owner=str(account.owner_id) if account.owner_id else None,
        currency=currency,
        balance=format_minor(account.posted_minor, currency),
        held=format_minor(account.held_minor, currency),
        floor=None if account.floor_minor is None else format_minor(account.floor_minor, currency),
        version=account.version,
    )


def _trial(trial: Trial, at_bank: str | None) -> TrialCurrency:
    currency = trial.currency
    lines = [
        TrialLine(
            row.code, chart_name(row.code), CHART[row.code].type, row.accounts, format_minor(max(0, -row.posted_minor), currency),
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


ROUTES = (accounts, one_account, statement, trial_balance)

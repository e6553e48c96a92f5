"""Routes of single accounts: what they hold, as of any moment or day, their statements, and their state."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tongbao.app.books import Books
from tongbao.app.console.wire import FirstDay, LastDay, PathId, chart_name, day
from tongbao.identity.service import Caller
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor
from tongbao.ledger.api import CHART, Account
from tongbao.ledger.errors import ACCOUNT_NOT_FOUND

AnyDay = Annotated[str | None, QueryParameter(name="date", max_length=10)]


class AccountAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An account of the ledger. `debit_freeze` and `credit_freeze` are the reasons for which nothing may leave or arrive;
    `closable`: it belongs to an owner, so it may be closed and bounded."""

    account_id: str
    code: str
    name: web.Words
    owner: str | None
    currency: str
    balance: str
    held: str
    floor: str | None
    ceiling: str | None
    version: int
    opened_at: datetime
    closed_at: datetime | None
    debit_freeze: list[str]
    credit_freeze: list[str]
    closable: bool


class StatementLine(msgspec.Struct, frozen=True):
    """An entry with what caused it."""

    journal_id: str
    kind: str
    memo: str
    at: datetime
    date: date
    amount: str
    balance_after: str
    version: int


class AccountBalanceAnswer(msgspec.Struct, frozen=True):
    """What an account stood at: posted by a moment, or when a day ended by value date. Credit positive."""

    account_id: str
    currency: str
    at: datetime | None
    date: date | None
    balance: str


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
    owner_id = web.parse_id(owner, ACCOUNT_NOT_FOUND) if owner else None
    after = web.decode_cursor(cursor, UUID)
    rows, following = web.page(await books.accounts(code, owner_id, after, limit), limit, lambda row: row.account_id)
    return web.Page([account_answer(row) for row in rows], following)


@get("/v1/console/accounts/{account:str}", tags=["Console"])
async def one_account(operator: Caller, books: Books, account: PathId) -> AccountAnswer:
    """One account."""
    return account_answer(await books.account(web.parse_id(account, ACCOUNT_NOT_FOUND)))


@get("/v1/console/accounts/{account:str}/balance", tags=["Console"])
async def balance(
    operator: Caller, books: Books, account: PathId, at: datetime | None = None, in_day: AnyDay = None
) -> AccountBalanceAnswer:
    """What an account stood at, at a moment of posting (`at`) or when a day ended by value date (`date`); one of the two."""
    if (at is None) == (in_day is None) or (at is not None and not web.plausible(at)):
        raise Refusal(web.INVALID_DATE)
    found = await books.account(web.parse_id(account, ACCOUNT_NOT_FOUND))
    asked = day(in_day) if in_day is not None else None
    if asked is not None:
        minor = await books.reports.balance_on(found.account_id, asked)
    else:
        assert at is not None
        minor = await books.reports.balance_at(found.account_id, at)
    return AccountBalanceAnswer(str(found.account_id), found.currency, at, asked, format_minor(minor, found.currency))


@get("/v1/console/accounts/{account:str}/statement", tags=["Console"])
async def statement(
    operator: Caller,
    books: Books,
    account: PathId,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    order: Literal["newest", "oldest"] = "newest",
) -> web.Page[StatementLine]:
    """An account's entries with the running balance, newest or oldest first, of the days on which they were posted."""
    found = await books.account(web.parse_id(account, ACCOUNT_NOT_FOUND))
    book = await books.reports.book()
    start, end = web.local_days(first_day, last_day, book.zone)
    entries = await books.reports.statement(
        found.account_id, order=order, beyond=web.decode_cursor(cursor, int), start=start, end=end, limit=limit + 1
    )
    rows, following = web.page(entries, limit, lambda row: row.version)
    lines = [
        StatementLine(
            str(row.journal_id), row.kind, row.memo, row.posted_at, row.value_date,
            format_minor(row.amount_minor, found.currency),
            format_minor(row.balance_minor, found.currency), row.version,
        )
        for row in rows
    ]  # fmt: skip
    return web.Page(lines, following)


def account_answer(account: Account) -> AccountAnswer:
    """An account as it is answered."""
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
        ceiling=None if account.ceiling_minor is None else format_minor(account.ceiling_minor, currency),
        version=account.version,
        opened_at=account.opened_at,
        closed_at=account.closed_at,
        debit_freeze=[reason for reason in account.debit_freeze.split(",") if reason],
        credit_freeze=[reason for reason in account.credit_freeze.split(",") if reason],
        closable=CHART[account.code].owned,
    )

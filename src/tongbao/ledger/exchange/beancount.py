"""The books as a Beancount file that `bean-check` accepts: accounts, journals, holds as notes, balances asserted at the end.

Beancount counts debits positive, the ledger credits; amounts turn their sign on the way. Source: Beancount Language Syntax.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from datetime import date, timedelta

import asyncpg

from tongbao.kernel.money import format_minor
from tongbao.ledger.exchange.names import account_name, commodity
from tongbao.ledger.exchange.snapshot import ExportedEntry, Progress, Shown, accounts, holds, journals
from tongbao.ledger.reports import HoldRow, Reports
from tongbao.ledger.types import QUERIES, Account, Journal


async def write(connection: asyncpg.Connection, progress: Progress, shown: Shown) -> AsyncGenerator[str, None]:
    """The whole books, in pieces of some thousand lines."""
    reports = Reports(connection)
    book = await reports.book()
    begin, end, total = await reports.span()
    opened = await connection.fetchrow(QUERIES["account_span"])
    if not opened["accounts"]:
        yield 'option "title" "Tongbao"\n; The books are empty.\n'
        return
    # Every account opens with the books: a journal may count for a day before its account was made.
    first = min(day for day in (book.day_of(opened["first"]), begin) if day)
    last = max(day for day in (book.day_of(opened["last"]), end) if day)
    yield 'option "title" "Tongbao"\n\n' + await _commodities(connection, first)
    before = None
    async for page in accounts(connection, shown):
        lines = []
        for account in page:
            if (account.code, account.owner_id) != before:
                before = (account.code, account.owner_id)
                lines.append(_open(account, first))
        yield "".join(lines)
    done = 0
    async for journal_page in journals(connection, first, date(2999, 12, 31), shown):
        yield "".join(_transaction(journal, entries) for journal, entries in journal_page)
        done += sum(len(entries) for _, entries in journal_page)
        progress(done, total)
    async for hold_page in holds(connection, shown):
        yield "".join(_note(hold, book.day_of(hold.created_at)) for hold in hold_page)
    async for page in accounts(connection, shown):
        yield "".join(_balance(account, last + timedelta(days=1)) for account in page)


async def _commodities(connection: asyncpg.Connection, first: date) -> str:
    lines = []
    for row in await connection.fetch(QUERIES["export_colours"]):
        name = commodity(f"{row['currency']}:{row['code']}")
        lines.append(
            f"{first} commodity {name}\n  name: {_quoted(row['title_en'])}\n  colour: {_quoted(row['code'])}\n"
            f"  currency: {_quoted(row['currency'])}\n"
        )
    return "".join(lines) + ("\n" if lines else "")


def _open(account: Account, first: date) -> str:
    return f"{first} open {account_name(account.code, account.owner_id)}\n  opened-at: {_quoted(account.opened_at.isoformat())}\n"


def _transaction(journal: Journal, entries: list[ExportedEntry]) -> str:
    lines = [
        f"\n{journal.value_date} * {_quoted(journal.kind)} {_quoted(journal.memo)}\n",
        f'  journal-id: "{journal.journal_id}"\n',
        f'  posted-at: "{journal.posted_at.isoformat()}"\n',
    ]
    if journal.reverses is not None:
        lines.append(f'  reverses: "{journal.reverses}"\n')
    for entry in entries:
        lines.append(f"  {account_name(entry.code, entry.owner_id)}  {_amount(entry.amount_minor, entry.currency)}\n")
    return "".join(lines)


def _note(hold: HoldRow, day: date) -> str:
    currency = hold.currency
    said = f"hold {format_minor(hold.left_minor, currency)} {commodity(hold.currency)} until {hold.expires_at.isoformat()}"
    return f'{day} note {account_name(hold.code, hold.owner_id)} "{said}"\n  hold-id: "{hold.hold_id}"\n'


def _balance(account: Account, day: date) -> str:
    return f"{day} balance {account_name(account.code, account.owner_id)}  {_amount(account.posted_minor, account.currency)}\n"


def _amount(credit_minor: int, currency: str) -> str:
    return f"{format_minor(-credit_minor, currency)} {commodity(currency)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'

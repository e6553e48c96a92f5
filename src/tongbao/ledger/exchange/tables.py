"""The books as CSV: journals, entries, accounts, the trial balance. UTF-8, RFC 4180, a header in English.

A text that a spreadsheet would take for a formula is led by an apostrophe (OWASP, "CSV Injection"); amounts are written by us.
"""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncGenerator, Iterable, Sequence
from datetime import date
from typing import Any

import asyncpg

from tongbao.kernel.money import format_minor
from tongbao.ledger.chart import CHART
from tongbao.ledger.exchange.snapshot import Progress, Shown, accounts, journals
from tongbao.ledger.reports import Reports
from tongbao.ledger.types import QUERIES

Pieces = AsyncGenerator[str, None]

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


async def write_journals(connection: asyncpg.Connection, first: date, last: date, progress: Progress, shown: Shown) -> Pieces:
    """A line a journal, in the order of value dates."""
    _, _, total = await Reports(connection).span()
    done = 0
    yield rows_of([("journal_id", "command_id", "kind", "memo", "value_date", "posted_at", "reverses")])
    async for page in journals(connection, first, last, shown):
        yield rows_of(
            (each.journal_id, each.command_id, text(each.kind), text(each.memo), each.value_date, each.posted_at.isoformat(),
             each.reverses or "")
            for each, _ in page
        )  # fmt: skip
        done += sum(len(entries) for _, entries in page)
        progress(done, total)


async def write_entries(connection: asyncpg.Connection, first: date, last: date, progress: Progress, shown: Shown) -> Pieces:
    """A line an entry, those of a journal together."""
    _, _, total = await Reports(connection).span()
    done = 0
    yield rows_of(
        [("value_date", "posted_at", "journal_id", "leg", "kind", "memo", "code", "name", "owner_id", "account_id", "currency",
          "colour", "debit", "credit", "balance_after", "version")]
    )  # fmt: skip
    async for page in journals(connection, first, last, shown):
        yield rows_of(
            (journal.value_date, journal.posted_at.isoformat(), journal.journal_id, entry.leg, text(journal.kind),
             text(journal.memo), entry.code, text(CHART[entry.code].en), entry.owner_id or "", entry.account_id,
             *money(entry.currency), *sides(entry.amount_minor, entry.currency),
             format_minor(entry.balance_minor, entry.currency), entry.version)
            for journal, entries in page for entry in entries
        )  # fmt: skip
        done += sum(len(entries) for _, entries in page)
        progress(done, total)


async def write_accounts(connection: asyncpg.Connection, progress: Progress, shown: Shown) -> Pieces:
    """A line an account as it stands. Balances are credit positive."""
    total = (await connection.fetchrow(QUERIES["account_span"]))["accounts"]
    done = 0
    yield rows_of(
        [("account_id", "code", "name", "owner_id", "currency", "colour", "posted", "held", "floor", "ceiling", "version",
          "opened_at", "debit_freeze", "credit_freeze", "closed_at")]
    )  # fmt: skip
    async for page in accounts(connection, shown):
        yield rows_of(
            (one.account_id, one.code, text(CHART[one.code].en), one.owner_id or "", *money(one.currency),
             *(
                 "" if minor is None else format_minor(minor, one.currency)
                 for minor in (one.posted_minor, one.held_minor, one.floor_minor, one.ceiling_minor)
             ),
             one.version, one.opened_at.isoformat(), text(one.debit_freeze), text(one.credit_freeze),
             one.closed_at.isoformat() if one.closed_at else "")
            for one in page
        )  # fmt: skip
        done += len(page)
        progress(done, total)


async def write_trial_balance(connection: asyncpg.Connection, first: date, last: date) -> Pieces:
    """A line for each line of the chart and currency: opening and closing balance, what moved between. Credit positive."""
    yield rows_of(
        [("code", "name_zh", "name_en", "type", "currency", "colour", "opening", "debits", "credits", "closing", "entries")]
    )
    rows = await Reports(connection).general_ledger(first, last)
    yield rows_of(
        (row.code, text(CHART[row.code].zh), text(CHART[row.code].en), CHART[row.code].type, *money(row.currency),
         *(format_minor(minor, row.currency)
           for minor in (row.opening_minor, row.debit_minor, row.credit_minor, row.closing_minor)),
         row.entries)
        for row in rows
    )  # fmt: skip


def rows_of(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as CSV text."""
    out = io.StringIO()
    csv.writer(out).writerows(rows)
    return out.getvalue()


def text(value: str) -> str:
    """A text cell that no spreadsheet runs."""
    return f"'{value}" if value.startswith(_FORMULA) else value


def money(currency: str) -> tuple[str, str]:
    """Currency and colour."""
    code, _, colour = currency.partition(":")
    return code, text(colour)


def sides(amount_minor: int, currency: str) -> tuple[str, str]:
    """(debit, credit), one of them empty."""
    shown = format_minor(abs(amount_minor), currency)
    return (shown, "") if amount_minor < 0 else ("", shown)

"""What `tongbao books` prints: tables for people, JSON for programs.

In JSON an amount is a decimal string, as everywhere in the API, and a balance is credit positive; what is counted (entries,
lines, bytes, versions) is a number; a day is `2026-01-31`; states and kinds are their codes, whatever the language.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import click
import msgspec
from rich.console import Console
from rich.table import Table

from tongbao.app.books import Trial
from tongbao.app.commands.books_words import HEADINGS, SIDES, STATES
from tongbao.kernel.money import format_minor
from tongbao.ledger.api import CHART
from tongbao.ledger.periods import Period
from tongbao.ledger.reports import DayRow, LedgerRow

Language = Literal["zh", "en"]


class Said(NamedTuple):
    """How to answer: in which language, and whether for a program."""

    language: Language
    as_json: bool


def words(zh: str, en: str, language: Language) -> str:
    """One of two spellings."""
    return zh if language == "zh" else en


def say_json(value: Any) -> None:
    """One line of JSON."""
    click.echo(msgspec.json.encode(value).decode())


def show(table: Table) -> None:
    """A table as wide as the terminal; wide enough, where there is none."""
    Console(width=None if sys.stdout.isatty() else 200).print(table)


def answer(said: Said, columns: Sequence[str], rows: Sequence[Sequence[str | int]]) -> None:
    """Rows under columns; in JSON, an object a row."""
    if said.as_json:
        say_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    table = _table(said, columns)
    for row in rows:
        table.add_row(*map(str, row))
    show(table)


def _table(said: Said, columns: Sequence[str]) -> Table:
    table = Table()
    words_of = {"account", "code", "currency", "date", "journal", "kind", "memo", "posted", "side"}
    for column in columns:
        table.add_column(words(*HEADINGS[column], said.language), justify="left" if column in words_of else "right")
    return table


def general_ledger(said: Said, rows: Sequence[LedgerRow]) -> None:
    """Every line with its balances on their sides, and under each currency what its lines come to together."""
    if said.as_json:
        say_json(
            [
                {
                    "code": row.code, "account": words(CHART[row.code].zh, CHART[row.code].en, said.language),
                    "currency": row.currency, "opening": format_minor(row.opening_minor, row.currency),
                    "debit": format_minor(row.debit_minor, row.currency), "credit": format_minor(row.credit_minor, row.currency),
                    "closing": format_minor(row.closing_minor, row.currency), "entries": row.entries,
                }
                for row in rows
            ]
        )  # fmt: skip
        return
    columns = (
        "code",
        "account",
        "opening_debit",
        "opening_credit",
        "debit",
        "credit",
        "closing_debit",
        "closing_credit",
        "entries",
    )
    for currency, lines in itertools.groupby(rows, key=lambda row: row.currency):
        table = _table(said, columns)
        table.title = currency
        sums = [0] * 7
        for row in lines:
            opening, closing = row.opening_minor, row.closing_minor
            figures = [max(0, -opening), max(0, opening), row.debit_minor, row.credit_minor, max(0, -closing), max(0, closing)]
            sums = [one + other for one, other in zip(sums, [*figures, row.entries], strict=True)]
            name = words(CHART[row.code].zh, CHART[row.code].en, said.language)
            table.add_row(row.code, name, *(format_minor(each, currency) if each else "" for each in figures), f"{row.entries:,}")
        table.add_section()
        totals = (format_minor(each, currency) for each in sums[:-1])
        table.add_row(words(*HEADINGS["total"], said.language), "", *totals, f"{sums[-1]:,}")
        show(table)


def line_by_day(said: Said, days: Sequence[DayRow], currency: str) -> None:
    """One line of the chart, newest day first: what it moved, and on which side it then stood."""
    if said.as_json:
        say_json(
            [
                {
                    "date": row.day, "debit": format_minor(row.debit_minor, currency),
                    "credit": format_minor(row.credit_minor, currency),
                    "balance": format_minor(row.balance_minor, currency), "entries": row.entries,
                }
                for row in days
            ]
        )  # fmt: skip
        return
    table = _table(said, ("date", "debit", "credit", "side", "balance", "entries"))
    for row in days:
        moved = (format_minor(minor, currency) if minor else "" for minor in (row.debit_minor, row.credit_minor))
        balance = format_minor(abs(row.balance_minor), currency)
        side = SIDES["credit" if row.balance_minor > 0 else "debit" if row.balance_minor < 0 else "none"]
        table.add_row(str(row.day), *moved, words(*side, said.language), balance, f"{row.entries:,}")
    table.add_section()
    sums = sum(row.debit_minor for row in days), sum(row.credit_minor for row in days)
    moved = (format_minor(minor, currency) for minor in sums)
    table.add_row(words(*HEADINGS["total"], said.language), *moved, "", "", f"{sum(row.entries for row in days):,}")
    show(table)


def trial_table(trial: Trial, language: Language) -> Table:
    """A trial balance with both totals."""
    currency = trial.currency
    table = Table(title=currency, show_footer=True)
    table.add_column(words(*HEADINGS["code"], language), words(*HEADINGS["total"], language))
    table.add_column(words(*HEADINGS["account"], language))
    for column, total in (("debit", trial.debit_minor), ("credit", trial.credit_minor)):
        table.add_column(words(*HEADINGS[column], language), format_minor(total, currency), justify="right")
    for row in trial.rows:
        line = CHART[row.code]
        debit = format_minor(-row.posted_minor, currency) if row.posted_minor < 0 else ""
        credit = format_minor(row.posted_minor, currency) if row.posted_minor > 0 else ""
        table.add_row(row.code, words(line.zh, line.en, language), debit, credit)
    return table


def trial_json(trial: Trial) -> dict[str, Any]:
    """The same for programs."""
    rows = [
        {"code": row.code, "debit": format_minor(max(0, -row.posted_minor), trial.currency),
         "credit": format_minor(max(0, row.posted_minor), trial.currency)}
        for row in trial.rows
    ]  # fmt: skip
    return {"currency": trial.currency, "rows": rows, "balanced": trial.debit_minor == trial.credit_minor}


def show_period(said: Said, period: Period) -> None:
    """A period and its state."""
    if said.as_json:
        say_json(period)
        return
    table = Table(show_header=False)
    table.add_row(words(*HEADINGS["through"], said.language), str(period.through))
    table.add_row(words(*HEADINGS["state"], said.language), words(*STATES[period.state], said.language))
    if period.journal_id and period.state == "CARRIED":
        table.add_row(words(*HEADINGS["journal"], said.language), str(period.journal_id))
    show(table)

"""Routes of the books as a whole: the trial balance, the general ledger and what stands behind each of its lines."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tongbao.app.books import Books, Trial
from tongbao.app.console.wire import Code, CurrencyText, chart_name, day
from tongbao.identity.service import Caller
from tongbao.kernel import web
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor
from tongbao.ledger.api import CHART, AccountType
from tongbao.ledger.errors import ACCOUNT_NOT_FOUND
from tongbao.ledger.reports import DayRow, LedgerRow
from tongbao.wallet.service import WalletService

Day = Annotated[str, QueryParameter(name="date", max_length=10)]
AnyDay = Annotated[str | None, QueryParameter(name="date", max_length=10)]
From = Annotated[str, QueryParameter(name="from", max_length=10)]
To = Annotated[str, QueryParameter(name="to", max_length=10)]


class TrialLine(msgspec.Struct, frozen=True):
    """One line of the trial balance: the sum stands on one side."""

    code: str
    name: web.Words
    type: AccountType
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
    """The trial balance of one currency. Restricted money has no reserve of its own."""

    currency: str
    rows: list[TrialLine]
    total_debit: str
    total_credit: str
    balanced: bool
    reserve: ReserveAnswer | None


class TrialAnswer(msgspec.Struct, frozen=True):
    """The trial balance as it stands, or as it stood when a day ended."""

    at: datetime
    date: date | None
    currencies: list[TrialCurrency]


class LedgerLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the general ledger over a period. Opening and closing are credit positive."""

    code: str
    name: web.Words
    type: AccountType
    owned: bool
    currency: str
    opening: str
    debit: str
    credit: str
    closing: str
    entries: int


class LedgerAnswer(msgspec.Struct, frozen=True):
    """The general ledger over a period; `closed_through` is the last day of the books that is closed."""

    first_day: date
    last_day: date
    closed_through: date | None
    rows: list[LedgerLine]


class LedgerDayLine(msgspec.Struct, frozen=True):
    """What one day brought to a line. The balance is credit positive."""

    date: date
    debit: str
    credit: str
    balance_after: str
    entries: int


class LedgerEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One entry on a line, with what caused it. The amount is credit positive."""

    journal_id: str
    kind: str
    memo: str
    at: datetime
    date: date
    account_id: str
    owner: str | None
    amount: str
    currency: str


@get("/v1/console/trial-balance", tags=["Console"])
async def trial_balance(
    operator: Caller, books: Books, wallet: WalletService, clock: Clock, in_day: AnyDay = None
) -> TrialAnswer:
    """The trial balance, now or when a day ended by value date, and the reserve equation."""
    asked = day(in_day) if in_day is not None else None
    currencies = []
    for trial in await books.trial(asked):
        at_bank = None
        if asked is None and ":" not in trial.currency:
            try:
                at_bank = format_minor(await wallet.reserve_at_bank_minor(trial.currency), trial.currency)
            except Refusal:
                at_bank = None
        currencies.append(trial_currency(trial, at_bank))
    return TrialAnswer(clock.now(), asked, currencies)


@get("/v1/console/general-ledger", tags=["Console"])
async def general_ledger(operator: Caller, books: Books, first_day: From, last_day: To) -> LedgerAnswer:
    """Every line of the chart over a period of value dates: opening, debits, credits, closing."""
    first, last = _period(first_day, last_day)
    rows = await books.reports.general_ledger(first, last)
    book = await books.reports.book()
    return LedgerAnswer(first, last, book.closed_through, [_ledger_line(row) for row in rows])


@get("/v1/console/general-ledger/days", tags=["Console"])
async def general_ledger_days(
    operator: Caller,
    books: Books,
    code: Code,
    currency: CurrencyText,
    first_day: From,
    last_day: To,
    limit: web.Limit = 50,
    cursor: web.Cursor = None,
) -> web.Page[LedgerDayLine]:
    """One line by day, newest first, with the balance after each day."""
    _known_line(code, currency)
    first, last = _period(first_day, last_day)
    before = web.decode_cursor(cursor, date)
    if before is not None:
        last = min(last, before)
    found = await books.reports.line_days(code, currency, first, last, limit + 1)
    rows, following = _days_page(found, limit)
    lines = [
        LedgerDayLine(
            row.day, format_minor(row.debit_minor, currency), format_minor(row.credit_minor, currency),
            format_minor(row.balance_minor, currency),
            row.entries,
        )
        for row in rows
    ]  # fmt: skip
    return web.Page(lines, following)


@get("/v1/console/general-ledger/entries", tags=["Console"])
async def general_ledger_entries(
    operator: Caller,
    books: Books,
    code: Code,
    currency: CurrencyText,
    in_day: Day,
    limit: web.Limit = 50,
    cursor: web.Cursor = None,
) -> web.Page[LedgerEntry]:
    """What one day brought to a line, in the order of posting."""
    _known_line(code, currency)
    after = web.decode_cursor(cursor, tuple[datetime, UUID, int])
    found = await books.reports.day_of_line(code, currency, day(in_day), after, limit + 1)
    rows, following = web.page(found, limit, lambda row: (row.posted_at, row.journal_id, row.place))
    lines = [
        LedgerEntry(
            journal_id=str(row.journal_id), kind=row.kind, memo=row.memo, at=row.posted_at, date=row.value_date,
            account_id=str(row.account_id), owner=str(row.owner_id) if row.owner_id else None,
            amount=format_minor(row.amount_minor, currency), currency=currency,
        )
        for row in rows
    ]  # fmt: skip
    return web.Page(lines, following)


def trial_currency(trial: Trial, at_bank: str | None = None) -> TrialCurrency:
    """One currency of a trial balance as it is answered."""
    currency = trial.currency
    lines = [
        TrialLine(
            row.code, chart_name(row.code), CHART[row.code].type, format_minor(max(0, -row.posted_minor), currency),
            format_minor(max(0, row.posted_minor), currency),
        )
        for row in trial.rows
    ]  # fmt: skip
    reserve = None
    if ":" not in currency:
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


def _ledger_line(row: LedgerRow) -> LedgerLine:
    line = CHART[row.code]
    return LedgerLine(
        code=row.code,
        name=chart_name(row.code),
        type=line.type,
        owned=line.owned,
        currency=row.currency,
        opening=format_minor(row.opening_minor, row.currency),
        debit=format_minor(row.debit_minor, row.currency),
        credit=format_minor(row.credit_minor, row.currency),
        closing=format_minor(row.closing_minor, row.currency),
        entries=row.entries,
    )


def _days_page(found: Sequence[DayRow], limit: int) -> tuple[Sequence[DayRow], str | None]:
    return (found, None) if len(found) <= limit else (found[:limit], web.encode_cursor(found[limit].day))


def _period(first_day: str, last_day: str) -> tuple[date, date]:
    first, last = day(first_day), day(last_day)
    if first > last:
        raise Refusal(web.INVALID_DATE)
    return first, last


def _known_line(code: str, currency: str) -> None:
    if code not in CHART:
        raise Refusal(ACCOUNT_NOT_FOUND)
    format_minor(0, currency)  # refuses a currency that there is not

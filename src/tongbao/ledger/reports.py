"""What finance staff and auditors read of the books, quick however many entries there are.

    balance of an account, as of a moment      the last entry before it, found by halving
                           as of a value date  that, and what was posted across that midnight
    statement                                  one range of an account's versions a page, both ways
    trial balance, general ledger              sums of `ledger_day`: a row a day, line and currency
    a day of a line                            its journals, paged

Amounts are minor units, credit positive. A *day* is a value date in the books' time zone; a *moment* is of posting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg
import msgspec

from tongbao.ledger.chart import CHART, account_id
from tongbao.ledger.types import DEFAULT_BOOK, QUERIES

#: The least a cursor can say.
_NOWHERE = UUID(int=0)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_FAR_AHEAD = datetime(2999, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Order = Literal["newest", "oldest"]


class BookState(msgspec.Struct, frozen=True):
    """Whose midnight ends a day, and through which day the books are closed (None: never closed yet)."""

    zone: ZoneInfo
    closed_through: date | None

    def begin(self, day: date) -> datetime:
        """When a day begins."""
        return datetime.combine(day, time(), self.zone).astimezone(UTC)

    def end(self, day: date) -> datetime:
        """When it ends: the first moment of the next."""
        return self.begin(day + timedelta(days=1))

    def day_of(self, moment: datetime) -> date:
        """The day a moment lies in."""
        return moment.astimezone(self.zone).date()


class StatementRow(msgspec.Struct, frozen=True):
    """An entry with what caused it and the balance after it."""

    version: int
    journal_id: UUID
    kind: str
    memo: str
    posted_at: datetime
    value_date: date
    amount_minor: int
    balance_minor: int


class LedgerRow(msgspec.Struct, frozen=True):
    """One line of the chart in one currency over a period. `currency` names the colour too, where there is one."""

    code: str
    currency: str
    opening_minor: int
    debit_minor: int
    credit_minor: int
    entries: int

    @property
    def closing_minor(self) -> int:
        """What the line stands at when the period ends."""
        return self.opening_minor + self.credit_minor - self.debit_minor


class DayRow(msgspec.Struct, frozen=True):
    """What one day brought to a line, and where it left it."""

    day: date
    debit_minor: int
    credit_minor: int
    entries: int
    balance_minor: int


class LinePosting(msgspec.Struct, frozen=True):
    """One entry on a line. `place` tells entries of one moment apart."""

    journal_id: UUID
    kind: str
    memo: str
    posted_at: datetime
    value_date: date
    account_id: UUID
    owner_id: UUID | None
    amount_minor: int
    place: int


class HoldRow(msgspec.Struct, frozen=True):
    """A hold and whose money it sets aside."""

    hold_id: UUID
    account_id: UUID
    code: str
    owner_id: UUID | None
    currency: str
    amount_minor: int
    agreed_minor: int
    captured_minor: int
    state: Literal["ACTIVE", "CAPTURED", "VOIDED", "EXPIRED"]
    expires_at: datetime
    created_at: datetime
    ended_at: datetime | None

    @property
    def left_minor(self) -> int:
        """What it still sets aside."""
        return max(0, self.amount_minor - self.captured_minor) if self.state == "ACTIVE" else 0


#: Where a page of a day's postings ends: the moment, the journal (of a line with many accounts), the leg or version.
DayPlace = tuple[datetime, UUID, int]


class Reports:
    """Reads over a pool or one connection (a snapshot, for instance)."""

    def __init__(self, reader: asyncpg.Pool | asyncpg.Connection) -> None:
        self._reader = reader

    async def book(self) -> BookState:
        """The books' zone and how far they are closed."""
        row = await self._reader.fetchrow(QUERIES["book"])
        return BookState(ZoneInfo(row["zone"]), row["closed_through"]) if row else BookState(ZoneInfo(DEFAULT_BOOK.zone), None)

    # ── one account ─────────────────────────────────────────────────────────────────────────────────────────────────────

    async def balance_at(self, account: UUID, moment: datetime) -> int:
        """What stood posted at `moment`, what was posted in that very microsecond included. An account of nothing stands at 0."""
        row = await self._reader.fetchrow(QUERIES["balance_before"], account, moment + _MICROSECOND)
        return int(row["balance_minor"])

    async def balance_on(self, account: UUID, day: date) -> int:
        """What the account stood at when `day` ended, by value date: what was posted later for that day counts."""
        end = (await self.book()).end(day)
        row = await self._reader.fetchrow(QUERIES["balance_before"], account, end)
        displaced = await self._reader.fetchval(QUERIES["displaced"], account, day, end)
        return int(row["balance_minor"]) + int(displaced)

    async def statement(
        self,
        account: UUID,
        *,
        order: Order = "newest",
        beyond: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        limit: int = 50,
    ) -> list[StatementRow]:
        """A page of an account's entries posted in [start, end), each with the running balance; `beyond`: below (newest first)
        or above (oldest first) this version."""
        first, last = 1, 2**62
        if start is not None or end is not None:
            between = await self._reader.fetchrow(QUERIES["versions_between"], account, start or _LONG_AGO, end or _FAR_AHEAD)
            first, last = between["first"], between["last"]
        if order == "newest":
            last = last if beyond is None else min(last, beyond - 1)
        else:
            first = first if beyond is None else max(first, beyond + 1)
        query = QUERIES["statement_down" if order == "newest" else "statement_up"]
        return [StatementRow(*row) for row in await self._reader.fetch(query, account, first, last, limit)]

    # ── the whole books ─────────────────────────────────────────────────────────────────────────────────────────────────

    async def general_ledger(self, first: date, last: date) -> list[LedgerRow]:
        """Every line in every currency from the first to the last day: opening, debits, credits. Ordered by currency and code."""
        rows = await self._reader.fetch(QUERIES["general_ledger"], first, last)
        return [LedgerRow(code, currency, *map(int, sums)) for code, currency, *sums in rows]

    async def trial_balance(self, day: date) -> list[LedgerRow]:
        """What every line stood at when `day` ended, since the books began."""
        return await self.general_ledger(date(1970, 1, 1), day)

    async def line_days(self, code: str, currency: str, first: date, last: date, limit: int) -> list[DayRow]:
        """A line's days with something in them, newest first, each with the line's balance after it."""
        rows = await self._reader.fetch(QUERIES["line_days"], code, currency, first, last, limit)
        return [DayRow(day, *map(int, sums)) for day, *sums in rows]

    async def day_of_line(self, code: str, currency: str, day: date, after: DayPlace | None, limit: int) -> list[LinePosting]:
        """The entries that a day brought to a line, in the order of posting, beyond a place."""
        moment, journal, place = after or (_LONG_AGO, _NOWHERE, -1)
        if CHART[code].owned:
            rows = await self._reader.fetch(QUERIES["day_of_line"], code, currency, day, moment, journal, place, limit)
        else:
            book, account = await self.book(), account_id(CHART[code], currency)
            begin, end = book.begin(day), book.end(day)
            between = await self._reader.fetchrow(QUERIES["versions_between"], account, begin, end)
            rows = await self._reader.fetch(
                QUERIES["day_of_account"], account, day, between["first"], between["last"], begin, end, moment, place, limit
            )
        return [LinePosting(*row) for row in rows]

    async def span(self) -> tuple[date | None, date | None, int]:
        """The first and the last day the books have anything for, and how many entries there are."""
        row = await self._reader.fetchrow(QUERIES["days"])
        return row["first"], row["last"], row["entries"]

    # ── holds ───────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def holds(self, after: tuple[datetime, UUID] | None, limit: int) -> list[HoldRow]:
        """Active holds of all accounts, soonest to expire first."""
        moment, hold = after or (_LONG_AGO, _NOWHERE)
        return [HoldRow(*row) for row in await self._reader.fetch(QUERIES["holds_active"], moment, hold, limit)]

    async def holds_of_account(self, account: UUID, before: tuple[datetime, UUID] | None, limit: int) -> list[HoldRow]:
        """Every hold of an account, newest first, ended ones too."""
        moment, hold = before or (_FAR_AHEAD, _NOWHERE)
        return [HoldRow(*row) for row in await self._reader.fetch(QUERIES["holds_of_account"], account, moment, hold, limit)]

    async def hold(self, hold: UUID) -> HoldRow | None:
        """One hold, whatever became of it."""
        row = await self._reader.fetchrow(QUERIES["hold_shown"], hold)
        return HoldRow(*row) if row else None


def totals(rows: Sequence[LedgerRow]) -> Mapping[str, tuple[int, int]]:
    """For each currency what stands on the debit and on the credit side when the period ends; equal if the books balance."""
    sums: dict[str, tuple[int, int]] = {}
    for row in rows:
        debit, credit = sums.get(row.currency, (0, 0))
        closing = row.closing_minor
        sums[row.currency] = (debit - min(0, closing), credit + max(0, closing))
    return sums

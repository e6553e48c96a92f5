"""Statements and balances of one account with a million entries: what a page costs from the service layer, wherever it begins.

The books are filled set-wise past the engine, since only reading is measured: the reserve, which took part in a million journals
over a year, and ten thousand wallets on their far side. One journal in a thousand counts for the day before it was posted.

Reads go through the product's own pool, one after another on a connection that stays, with statements that it has prepared.
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from bench.stage import Result, Stage, say, stage
from tongbao.kernel.database import open_pool
from tongbao.ledger.api import RESERVE, account_id
from tongbao.ledger.reports import Reports

ENTRIES = 1_000_000
OTHERS = 10_000
CURRENCY = "CNY"
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
#: Between two journals; so a million take a year.
STEP = timedelta(seconds=31)
PAGE = 50
ROUNDS = 600
WARM_UP = 60

Act = Callable[[], Awaitable[None]]

#: One journal moves 1.00 from the other side to the hot account, the next moves 0.50 back, so balances stay above zero.
_JOURNALS = """
    insert into journal (journal_id, command_id, kind, memo, posted_at, value_date)
    select md5('journal' || n)::uuid, md5('command' || n)::uuid, 'bench.fill', 'memo ' || n, $1::timestamptz + n * $2::interval,
           (($1::timestamptz + n * $2::interval) at time zone 'Asia/Shanghai')::date - (n % 1000 = 0)::int
    from generate_series($3::bigint, $4::bigint) n
"""
_ENTRIES = """
    insert into entry (account_id, version, journal_id, leg, currency, amount_minor, balance_minor, posted_at)
    select side.account_id, side.version, md5('journal' || n)::uuid, side.leg, 'CNY', side.amount, side.balance,
           $1::timestamptz + n * $2::interval
    from generate_series($3::bigint, $4::bigint) n
    cross join lateral (select case when n % 2 = 1 then 100 else -50 end as moved) m
    cross join lateral (values
        ($5::uuid, n, 0, m.moved, (n + 1) / 2 * 100 - n / 2 * 50),
        (md5('other' || n % $6::bigint)::uuid, (n - 1) / $6::bigint + 1, 1, -m.moved, 0)
    ) side (account_id, version, leg, amount, balance)
"""
_ACCOUNTS = """
    insert into account_master (account_id, code, owner_id, currency, held_minor, opened_at, debit_freeze, credit_freeze)
    select $1::uuid, '1001', null, 'CNY', 0, $2::timestamptz, '', ''
    union all
    select md5('other' || n)::uuid, '2001', md5('owner' || n)::uuid, 'CNY', 0, $2::timestamptz, '', ''
    from generate_series(0, $3::bigint - 1) n
"""
_DAYS = """
    insert into ledger_day (day, code, currency, debit_minor, credit_minor, entries)
    select j.value_date, a.code, 'CNY', sum(greatest(0, -e.amount_minor)), sum(greatest(0, e.amount_minor)), count(*)
    from journal j join entry e using (journal_id) join account_master a using (account_id) group by j.value_date, a.code
"""


async def run() -> Result:
    """Fill, measure, report."""
    async with stage() as here:
        hot = account_id(RESERVE, CURRENCY)
        await _fill(here, hot)
        await here.settle()
        pool = await open_pool(here.dsn)
        try:
            return await _measure(Reports(pool), hot)
        finally:
            await pool.close()


async def _fill(here: Stage, hot: UUID) -> None:
    connection = await asyncpg.connect(here.dsn)
    try:
        for table in ("account_master", "ledger_day"):  # what is only read here needs no seal
            await connection.execute(f"alter table {table} alter column seal set default ''")
        await connection.execute(_ACCOUNTS, hot, BEGIN, OTHERS)
        share = 100_000
        for start in range(1, ENTRIES + 1, share):
            last = min(start + share - 1, ENTRIES)
            await connection.execute(_JOURNALS, BEGIN, STEP, start, last)
            await connection.execute(_ENTRIES, BEGIN, STEP, start, last, hot, OTHERS)
            say(f"filled                     {last:>9,} journals")
        await connection.execute(_DAYS)
    finally:
        await connection.close()


async def _measure(reports: Reports, hot: UUID) -> Result:
    dice = random.Random(1)
    book = await reports.book()

    def moment() -> datetime:
        return BEGIN + STEP * dice.randrange(ENTRIES)

    def down(beyond: Callable[[], int | None]) -> Act:
        async def act() -> None:
            below = beyond()
            rows = await reports.statement(hot, order="newest", beyond=below, limit=PAGE)
            first = ENTRIES if below is None else below - 1
            assert [row.version for row in rows] == list(range(first, first - PAGE, -1))

        return act

    def up(beyond: Callable[[], int | None]) -> Act:
        async def act() -> None:
            above = beyond()
            rows = await reports.statement(hot, order="oldest", beyond=above, limit=PAGE)
            first = 1 if above is None else above + 1
            assert [row.version for row in rows] == list(range(first, first + PAGE))

        return act

    async def from_a_day() -> None:
        start = moment()
        rows = await reports.statement(hot, order="oldest", start=start, limit=PAGE)
        assert start <= rows[0].posted_at < start + STEP if rows else start > BEGIN + STEP * (ENTRIES - 1)

    async def of_a_day() -> None:
        day = book.day_of(moment())
        rows = await reports.day_of_line(RESERVE.code, CURRENCY, day, None, PAGE)
        assert rows and all(row.value_date == day for row in rows)

    async def at_a_moment() -> None:
        asked = moment()
        assert await reports.balance_at(hot, asked) == _balance((asked - BEGIN) // STEP)

    async def on_a_day() -> None:
        day = book.day_of(moment())
        posted, next_day = _posted_before(book.end(day)), _posted_before(book.end(day + timedelta(days=1)))
        # What was posted on the next day and counts for this one.
        displaced = -50 * (next_day // 1000 - posted // 1000)
        assert await reports.balance_on(hot, day) == _balance(posted) + displaced

    figures: dict[str, float] = {"entries": ENTRIES}
    for name, act in {
        "page_newest_first": down(lambda: None),
        "page_newest_middle": down(lambda: dice.randrange(PAGE + 1, ENTRIES)),
        "page_newest_last": down(lambda: PAGE + 1),
        "page_oldest_first": up(lambda: None),
        "page_oldest_middle": up(lambda: dice.randrange(ENTRIES - PAGE)),
        "page_oldest_last": up(lambda: ENTRIES - PAGE),
        "page_from_day": from_a_day, "page_of_day": of_a_day, "balance_at": at_a_moment, "balance_on": on_a_day,
    }.items():  # fmt: skip
        figures |= await _timed(name, act)
    slowest = max(value for name, value in figures.items() if name.startswith("page") and name.endswith("p99_ms"))
    return Result("statement", figures, {"slowest_page_to_5_ms": round(slowest / 5, 2)})


def _balance(version: int) -> int:
    """What the account stands at after so many entries."""
    return (version + 1) // 2 * 100 - version // 2 * 50


def _posted_before(moment: datetime) -> int:
    """How many entries were posted by then."""
    return min(ENTRIES, -((BEGIN - moment) // STEP) - 1)


async def _timed(name: str, act: Act) -> dict[str, float]:
    """Half a thousand calls, one after another: p50, p99, and the processor time of our own side, in milliseconds."""
    for _ in range(WARM_UP):
        await act()
    took = []
    spent = time.process_time()
    for _ in range(ROUNDS):
        start = time.perf_counter()
        await act()
        took.append((time.perf_counter() - start) * 1000)
    spent = (time.process_time() - spent) * 1000 / ROUNDS
    took.sort()
    p50, p99 = took[len(took) // 2], took[int(len(took) * 0.99)]
    say(f"{name:<26} {p50:>9.2f} ms p50 {p99:>9.2f} ms p99 {spent:>9.2f} ms of our processor")
    return {f"{name}_p50_ms": round(p50, 2), f"{name}_p99_ms": round(p99, 2), f"{name}_cpu_ms": round(spent, 2)}

"""Statements and balances of one account with a million entries: what a page costs from the service layer, wherever it begins.

The books are filled set-wise past the engine, since only reading is measured: a wallet that took part in a million journals
over a year, and ten thousand others on their far side.
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
from tongbao.ledger.api import CUSTOMER_WALLET, account_id
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

#: One journal moves 1.00 from the other side to the hot account, the next moves 0.50 back, so balances stay above zero.
_JOURNALS = """
    insert into journal (journal_id, command_id, kind, memo, posted_at, value_date)
    select md5('journal' || n)::uuid, md5('command' || n)::uuid, 'bench.fill', 'memo ' || n, $1::timestamptz + n * $2::interval,
           (($1::timestamptz + n * $2::interval) at time zone 'Asia/Shanghai')::date
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
    select $1::uuid, '2001', $2::uuid, 'CNY', 0, $3::timestamptz, '', ''
    union all
    select md5('other' || n)::uuid, '2001', md5('owner' || n)::uuid, 'CNY', 0, $3::timestamptz, '', ''
    from generate_series(0, $4::bigint - 1) n
"""
_DAYS = """
    insert into ledger_day (day, code, currency, debit_minor, credit_minor, entries)
    select j.value_date, '2001', 'CNY', sum(greatest(0, -e.amount_minor)), sum(greatest(0, e.amount_minor)), count(*)
    from journal j join entry e using (journal_id) group by j.value_date
"""


async def run() -> Result:
    """Fill, measure, report."""
    async with stage() as here:
        owner = UUID(int=0x5EED << 64)
        hot = account_id(CUSTOMER_WALLET, CURRENCY, owner)
        await _fill(here, hot, owner)
        await here.settle()
        pool = await open_pool(here.dsn)
        try:
            return await _measure(Reports(pool), hot)
        finally:
            await pool.close()


async def _fill(here: Stage, hot: UUID, owner: UUID) -> None:
    connection = await asyncpg.connect(here.dsn)
    try:
        for table in ("account_master", "ledger_day"):  # what is only read here needs no seal
            await connection.execute(f"alter table {table} alter column seal set default ''")
        await connection.execute(_ACCOUNTS, hot, owner, BEGIN, OTHERS)
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

    def moment() -> datetime:
        return BEGIN + STEP * dice.randrange(ENTRIES)

    async def newest() -> None:
        beyond = dice.randrange(PAGE + 1, ENTRIES)
        rows = await reports.statement(hot, order="newest", beyond=beyond, limit=PAGE)
        assert [row.version for row in rows] == list(range(beyond - 1, beyond - 1 - PAGE, -1))

    async def oldest() -> None:
        beyond = dice.randrange(ENTRIES - PAGE)
        rows = await reports.statement(hot, order="oldest", beyond=beyond, limit=PAGE)
        assert [row.version for row in rows] == list(range(beyond + 1, beyond + 1 + PAGE))

    async def from_a_day() -> None:
        start = moment()
        rows = await reports.statement(hot, order="oldest", start=start, limit=PAGE)
        assert not rows or start <= rows[0].posted_at < start + STEP

    async def at_a_moment() -> None:
        asked = moment()
        version = (asked - BEGIN) // STEP
        assert await reports.balance_at(hot, asked) == (version + 1) // 2 * 100 - version // 2 * 50

    async def on_a_day() -> None:
        assert await reports.balance_on(hot, moment().date()) > 0

    figures: dict[str, float] = {"entries": ENTRIES}
    for name, act in {
        "page_newest": newest, "page_oldest": oldest, "page_from_day": from_a_day, "balance_at": at_a_moment,
        "balance_on": on_a_day,
    }.items():  # fmt: skip
        figures |= await _timed(name, act)
    slowest = max(value for name, value in figures.items() if name.startswith("page") and name.endswith("p99_ms"))
    return Result("statement", figures, {"slowest_page_to_5_ms": round(slowest / 5, 2)})


async def _timed(name: str, act: Callable[[], Awaitable[None]]) -> dict[str, float]:
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

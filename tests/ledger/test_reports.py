"""Reports against a reading of every entry: what halving, sums by day and pages say is what scanning says."""

from __future__ import annotations

import asyncio
import json
import random
from datetime import date, timedelta
from itertools import accumulate
from typing import Any
from uuid import UUID

import pytest

from tests.ledger.books import DAY, NOON, RESERVE_ID, WALLET, Books, books, entries
from tests.support.town import town
from tongbao.engine.api import MemoryStore
from tongbao.kernel.errors import Refusal
from tongbao.ledger.api import (
    CHART,
    CUSTOMER_WALLET,
    QUERIES,
    DraftJournal,
    DraftLeg,
    PlaceName,
    PostBulk,
    Posting,
    PostLinked,
    account_id,
)
from tongbao.ledger.reports import LinePosting, Order, StatementRow, totals
from tongbao.ledger.types import LARGEST_BALANCE_MINOR


async def month(here: Books, seed: int = 7) -> list[UUID]:
    """Forty days of journals for three customers, some backdated; several at one moment. Answers the customers' accounts."""
    dice = random.Random(seed)
    owners = [here.place.id() for _ in range(3)]
    for _ in range(120):
        if dice.random() < 0.6:
            here.at(here.place.clock.now() + timedelta(hours=dice.randrange(1, 20)))
        today = (here.place.clock.now() + timedelta(hours=8)).date()
        back = dice.choice((0, 0, 0, 1, 3, 20))
        await here.post(WALLET, dice.choice(owners), dice.randrange(1, 10_000), day=today - timedelta(days=back))
    return [account_id(CUSTOMER_WALLET, "CNY", owner) for owner in owners]


async def test_a_balance_as_of_a_moment_is_that_of_the_last_entry_before_it(database: str) -> None:
    async with books(database) as here:
        for account in [RESERVE_ID, *await month(here)]:
            every = await entries(here.pool, account)
            moments = [NOON - DAY, *(row["posted_at"] for row in every), here.place.clock.now() + DAY]
            for moment in [*moments, *(moment - timedelta(microseconds=1) for moment in moments)]:
                expected = ([0] + [row["balance_minor"] for row in every if row["posted_at"] <= moment])[-1]
                assert await here.reports.balance_at(account, moment) == expected


async def test_a_balance_as_of_a_value_date_counts_what_was_posted_later_for_that_day(database: str) -> None:
    async with books(database) as here:
        for account in [RESERVE_ID, *await month(here)]:
            every = await entries(here.pool, account)
            assert any(row["value_date"] < row["posted_at"].date() for row in every)
            for day in range(-25, 80):
                asked = NOON.date() + timedelta(days=day)
                expected = sum(row["amount_minor"] for row in every if row["value_date"] <= asked)
                assert await here.reports.balance_on(account, asked) == expected, asked


@pytest.mark.parametrize("order", ["newest", "oldest"])
async def test_a_statement_pages_through_every_entry_once(database: str, order: Order) -> None:
    async with books(database) as here:
        await month(here)
        expected = [row["version"] for row in await entries(here.pool, RESERVE_ID)]
        seen: list[StatementRow] = []
        while page := await here.reports.statement(
            RESERVE_ID,
            order=order,
            beyond=seen[-1].version if seen else None,
            limit=7,
        ):
            seen += page
        assert [row.version for row in seen] == (expected if order == "oldest" else expected[::-1])
        walked = seen if order == "oldest" else seen[::-1]
        assert [row.balance_minor for row in walked] == list(accumulate(row.amount_minor for row in walked))


async def test_a_statement_of_days_holds_what_was_posted_in_them(database: str) -> None:
    async with books(database) as here:
        await month(here)
        book = await here.reports.book()
        every = await entries(here.pool, RESERVE_ID)
        for first in range(0, 60, 7):
            start, end = book.begin(NOON.date() + timedelta(days=first)), book.end(NOON.date() + timedelta(days=first + 3))
            rows = await here.reports.statement(RESERVE_ID, order="oldest", start=start, end=end, limit=500)
            assert [row.version for row in rows] == [row["version"] for row in every if start <= row["posted_at"] < end]


async def test_the_general_ledger_says_what_the_entries_of_the_days_say(database: str) -> None:
    async with books(database) as here:
        await month(here)
        first, last = NOON.date() + timedelta(days=5), NOON.date() + timedelta(days=15)
        rows = {row.code: row for row in await here.reports.general_ledger(first, last)}
        every = await entries(here.pool, RESERVE_ID)
        inside = [row["amount_minor"] for row in every if first <= row["value_date"] <= last]
        reserve = rows["1001"]
        assert reserve.opening_minor == sum(row["amount_minor"] for row in every if row["value_date"] < first)
        assert (reserve.debit_minor, reserve.credit_minor) == (-sum(x for x in inside if x < 0), sum(x for x in inside if x > 0))
        assert reserve.entries == len(inside) > 0
        assert totals(list(rows.values())) == {"CNY": (-reserve.closing_minor, -reserve.closing_minor)}
        days = await here.reports.line_days("1001", "CNY", first, last, 100)
        assert days[0].balance_minor == reserve.closing_minor
        assert sum(day.entries for day in days) == reserve.entries


@pytest.mark.parametrize("code", ["1001", "2001"])
async def test_a_day_of_a_line_pages_through_its_entries_whenever_they_were_posted(database: str, code: str) -> None:
    async with books(database) as here:
        accounts = [RESERVE_ID] if not CHART[code].owned else await month(here)
        if not CHART[code].owned:
            await month(here)
        every = [row for account in accounts for row in await entries(here.pool, account)]
        days = {row["value_date"] for row in every}
        displaced = 0
        for day in sorted(days):
            expected = sorted((row["journal_id"], row["amount_minor"]) for row in every if row["value_date"] == day)
            seen: list[LinePosting] = []
            place = None
            while page := await here.reports.day_of_line(code, "CNY", day, place, 2):
                seen += page
                place = (page[-1].posted_at, page[-1].journal_id, page[-1].place)
            assert sorted((row.journal_id, row.amount_minor) for row in seen) == expected
            assert [row.posted_at for row in seen] == sorted(row.posted_at for row in seen)
            displaced += sum((row.posted_at + timedelta(hours=8)).date() != day for row in seen)
        assert displaced > 10


async def test_an_account_that_never_was_stands_at_nothing(database: str) -> None:
    async with books(database) as here:
        nobody = here.place.id()
        assert await here.reports.balance_at(nobody, NOON) == 0
        assert await here.reports.balance_on(nobody, date(2026, 3, 1)) == 0
        assert await here.reports.statement(nobody) == []
        assert await here.reports.trial_balance(date(2026, 3, 1)) == []


# ── days that move more than a column holds ─────────────────────────────────────────────────────────────────────────────


async def _turned_over(here: Books, owner: UUID, minor: int = LARGEST_BALANCE_MINOR) -> None:
    """There and back; all that an account can hold is half of what a line can move in a day."""
    await here.post(WALLET, owner, minor)
    await here.post(WALLET, owner, -minor)


async def test_what_a_day_cannot_hold_is_refused_alone_and_the_next_day_takes_it(database: str) -> None:
    async with books(database) as here:
        owner, other = here.place.id(), here.place.id()
        quarter = 2**61
        for _ in range(3):
            await _turned_over(here, owner, quarter)
        several = await asyncio.gather(
            here.post(WALLET, other, 1),
            here.post(WALLET, owner, quarter),
            here.post(WALLET, other, 2),
            return_exceptions=True,
        )
        refused = [each for each in several if isinstance(each, BaseException)]
        assert [each.code.name for each in refused if isinstance(each, Refusal)] == ["ledger_day_full"] and len(refused) == 1
        assert await here.reports.balance_at(account_id(CUSTOMER_WALLET, "CNY", other), here.place.clock.now()) == 3
        assert await here.pool.fetchval("select count(*) from command where not accepted") == 0
        here.at(NOON + DAY)
        await here.post(WALLET, owner, quarter)
        assert (await here.reports.trial_balance((NOON + DAY).date()))[-1].closing_minor == quarter + 3


async def test_many_such_days_are_added_up_whatever_their_turnover_comes_to(database: str) -> None:
    async with books(database) as here:
        owner = here.place.id()
        for day in range(4):
            here.at(NOON + day * DAY)
            await _turned_over(here, owner)
        first, last = NOON.date(), (NOON + 3 * DAY).date()
        rows = {row.code: row for row in await here.reports.general_ledger(first, last)}
        assert (rows["2001"].debit_minor, rows["2001"].credit_minor, rows["2001"].closing_minor) == (2**64, 2**64, 0)
        assert [row.closing_minor for row in await here.reports.trial_balance(last)] == [0, 0]
        days = await here.reports.line_days("2001", "CNY", first, last, 10)
        assert [(day.credit_minor, day.balance_minor) for day in days] == [(2**62, 0)] * 4


async def test_without_a_database_a_full_day_is_refused_too() -> None:
    async with town(MemoryStore()) as place:
        owner = place.id()
        for minor in (LARGEST_BALANCE_MINOR, -LARGEST_BALANCE_MINOR):
            await place.happens(_moving(place.id(), owner, minor))
        with pytest.raises(Refusal) as refused:
            await place.submit(_moving(place.id(), owner, LARGEST_BALANCE_MINOR))
        assert refused.value.code.name == "ledger_day_full" and refused.value.detail["line"] in ("1001", "2001")
        await place.happens(_moving(place.id(), owner, 1))


def _moving(command_id: UUID, owner: UUID, minor: int) -> PostLinked:
    legs = (DraftLeg(PlaceName("1001", "CNY"), -minor), DraftLeg(PlaceName(WALLET, "CNY", owner), minor))
    return PostLinked(command_id=command_id, journals=(DraftJournal(legs, "", None),))


async def test_a_page_of_one_account_reads_as_many_entries_as_it_shows(database: str) -> None:
    async with books(database) as here:
        wallets = [owner for owner in (here.place.id() for _ in range(5)) if await here.post(WALLET, owner, 1)]
        targets = [account_id(CUSTOMER_WALLET, "CNY", owner) for owner in wallets]
        for _ in range(12):
            here.at(here.place.clock.now() + DAY)
            several = tuple(Posting(RESERVE_ID, target, 1) for target in targets * 200)
            await here.place.happens(PostBulk(command_id=here.place.id(), postings=several))
        asked = (await here.reports.book()).day_of(here.place.clock.now() - 3 * DAY)
        await here.post(WALLET, wallets[0], 1, day=asked)
        book = await here.reports.book()
        begin, end = book.begin(asked), book.end(asked)
        first, last = await here.pool.fetchrow(QUERIES["versions_between"], RESERVE_ID, begin, end)
        long_ago = NOON - 1000 * DAY
        pages = {
            "statement_down": (RESERVE_ID, 1, 2**62, 50),
            "statement_up": (RESERVE_ID, 5_000, 2**62, 50),
            "displaced": (RESERVE_ID, asked, end),
            "day_of_account": (RESERVE_ID, asked, first, last, begin, end, long_ago, -1, 50),
        }
        await here.pool.execute("analyze")
        for name, arguments in pages.items():
            (explained,) = await here.pool.fetchrow(f"explain (analyze, format json) {QUERIES[name]}", *arguments)
            read = rows_read(json.loads(explained)[0]["Plan"], "entry")
            # The page's, and both of the one journal that was posted on another day.
            assert 1 <= read <= 50 + 2, f"{name} read {read} entries"


def rows_read(plan: dict[str, Any], table: str) -> int:
    """Rows that the scans of a table came across, those not wanted included."""
    mine = 0
    if plan.get("Relation Name") == table:
        mine = round((plan["Actual Rows"] + plan.get("Rows Removed by Filter", 0)) * plan["Actual Loops"])
    return mine + sum(rows_read(each, table) for each in plan.get("Plans", ()))

"""Closing periods: in order, when they are over, with their result carried forward; and opening them again."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import asyncpg
import pytest

from tests.ledger.books import DAY, WALLET, Books, books
from tongbao.engine.api import Declined
from tongbao.engine.findings import ChainBroken
from tongbao.kernel.errors import Refusal
from tongbao.ledger.api import FEES, DraftJournal, DraftLeg, PlaceName, PostLinked
from tongbao.ledger.closing import Closing, check_periods
from tongbao.ledger.periods import CarryForward, ClosePeriod, ReopenPeriod, Result

FIRST, SECOND = date(2026, 3, 1), date(2026, 3, 4)
BOSS = UUID(int=7)


def closing_of(here: Books) -> Closing:
    return Closing(here.place.engine, here.pool, here.place.clock)


async def earned(here: Books, minor: int, day: date | None = None) -> None:
    """Fee income."""
    await here.post(FEES.code, None, minor, day=day)


async def close(here: Books, through: date, after: date | None) -> str:
    return await here.place.says(ClosePeriod(command_id=here.place.id(), through=through, after=after, operator_id=BOSS))


async def test_closing_carries_the_result_into_retained_earnings(database: str) -> None:
    async with books(database) as here:
        await earned(here, 500)
        await here.post(WALLET, here.place.id(), 900)
        here.at(here.place.clock.now() + 2 * DAY)
        await earned(here, 70)
        period = await closing_of(here).close(here.place.id(), FIRST, BOSS)
        assert (period.state, period.closed_by) == ("CARRIED", BOSS)
        sums = {row.code: row.closing_minor for row in await here.reports.trial_balance(FIRST)}
        assert sums == {"1001": -1400, "2001": 900, "3001": 500, "4001": 0}
        later = {row.code: row.closing_minor for row in await here.reports.trial_balance(SECOND)}
        assert (later["3001"], later["4001"]) == (500, 70)
        assert (await here.reports.book()).closed_through == FIRST


async def test_verify_finds_a_period_whose_result_is_not_carried_any_more(database: str) -> None:
    async with books(database) as here:
        await earned(here, 500)
        here.at(here.place.clock.now() + DAY)
        await closing_of(here).close(here.place.id(), FIRST, BOSS)
    connection = await asyncpg.connect(database)
    try:
        await check_periods(connection)
        await connection.execute("update ledger_day set credit_minor = credit_minor + 1 where code = '4001'")
        with pytest.raises(ChainBroken, match="4001 CNY still stands at 1"):
            await check_periods(connection)
        await connection.execute("delete from period")
        with pytest.raises(ChainBroken, match="no period is"):
            await check_periods(connection)
    finally:
        await connection.close()


async def test_a_loss_is_carried_forward_too(database: str) -> None:
    async with books(database) as here:
        await earned(here, 100)
        await earned(here, -250)
        here.at(here.place.clock.now() + DAY)
        await closing_of(here).close(here.place.id(), FIRST, BOSS)
        assert {row.code: row.closing_minor for row in await here.reports.trial_balance(FIRST)}["3001"] == -150


async def test_a_period_without_income_is_closed_without_a_journal(database: str) -> None:
    async with books(database) as here:
        await here.post(WALLET, here.place.id(), 900)
        here.at(here.place.clock.now() + DAY)
        period = await closing_of(here).close(here.place.id(), FIRST, BOSS)
        assert (period.state, period.journal_id) == ("CARRIED", None)


async def test_a_day_that_is_not_over_cannot_be_closed(database: str) -> None:
    async with books(database) as here:
        today = date(2026, 3, 1)
        assert await close(here, today, None) == "period_not_over"
        assert await close(here, today + DAY, None) == "period_not_over"
        assert await close(here, today - DAY, None) == "ok"


async def test_periods_are_closed_in_order(database: str) -> None:
    async with books(database) as here:
        here.at(here.place.clock.now() + 10 * DAY)
        closing = closing_of(here)
        await closing.close(here.place.id(), FIRST, BOSS)
        for through, after in ((FIRST, FIRST), (FIRST - DAY, FIRST), (SECOND, None), (SECOND, SECOND)):
            assert await close(here, through, after) == "period_out_of_order"
        assert await close(here, SECOND, FIRST) == "ok"


async def test_a_period_cannot_be_closed_before_the_last_ones_result_is_carried(database: str) -> None:
    async with books(database) as here:
        here.at(here.place.clock.now() + 10 * DAY)
        assert await close(here, FIRST, None) == "ok"
        assert await close(here, SECOND, FIRST) == "period_unfinished"


async def test_nothing_is_posted_into_a_closed_period(database: str) -> None:
    async with books(database) as here:
        await earned(here, 1)
        here.at(here.place.clock.now() + 2 * DAY)
        assert await close(here, FIRST, None) == "ok"
        for day in (FIRST, FIRST - DAY):
            legs = (DraftLeg(PlaceName("1001", "CNY"), -1), DraftLeg(PlaceName(FEES.code, "CNY"), 1))
            outcome = await here.place.submit(PostLinked(command_id=here.place.id(), journals=(DraftJournal(legs, "", day),)))
            assert isinstance(outcome.decision, Declined) and outcome.decision.code.name == "period_closed"
        await earned(here, 1, FIRST + DAY)


async def test_a_close_that_got_half_way_is_ended_by_the_next_try(database: str) -> None:
    async with books(database) as here:
        await earned(here, 500)
        here.at(here.place.clock.now() + DAY)
        assert await close(here, FIRST, None) == "ok"
        period = await closing_of(here).close(here.place.id(), FIRST, BOSS)
        assert period.state == "CARRIED"
        with pytest.raises(Refusal) as again:
            await closing_of(here).close(here.place.id(), FIRST, BOSS)
        assert again.value.code.name == "period_out_of_order"


async def test_a_result_is_carried_once_and_only_of_a_closed_period(database: str) -> None:
    async with books(database) as here:
        await earned(here, 500)
        here.at(here.place.clock.now() + DAY)

        def carrying() -> CarryForward:
            results = (Result(FEES.code, "CNY", 500),)
            return CarryForward(command_id=here.place.id(), through=FIRST, closed_at=here.place.clock.now(), results=results)

        assert await here.place.says(carrying()) == "period_not_closed"
        assert await close(here, FIRST, None) == "ok"
        assert await here.place.says(carrying()) == "ok"
        assert await here.place.says(carrying()) == "period_carried"


async def test_sums_read_before_a_period_was_opened_and_closed_again_are_not_carried(database: str) -> None:
    async with books(database) as here:
        await earned(here, 500)
        here.at(here.place.clock.now() + DAY)
        assert await close(here, FIRST, None) == "ok"
        read = tuple(await closing_of(here).result(FIRST))
        stale = CarryForward(command_id=here.place.id(), through=FIRST, closed_at=here.place.clock.now(), results=read)
        await closing_of(here).reopen(here.place.id(), FIRST, "a late invoice", BOSS)
        await earned(here, 70, FIRST)
        here.at(here.place.clock.now() + timedelta(minutes=1))
        assert await close(here, FIRST, None) == "ok"
        assert await here.place.says(stale) == "period_not_closed"
        assert (await closing_of(here).close(here.place.id(), FIRST, BOSS)).state == "CARRIED"
        assert {row.code: row.closing_minor for row in await here.reports.trial_balance(FIRST)}["3001"] == 570


async def test_a_reopened_period_takes_postings_and_closes_with_what_was_added(database: str) -> None:
    async with books(database) as here:
        await earned(here, 500)
        here.at(here.place.clock.now() + DAY)
        closing = closing_of(here)
        first = await closing.close(here.place.id(), FIRST, BOSS)
        opened = await closing.reopen(here.place.id(), FIRST, "a late invoice", BOSS)
        assert (opened.state, opened.reason, opened.reopened_by) == ("REOPENED", "a late invoice", BOSS)
        assert (await here.reports.book()).closed_through is None
        await earned(here, 20, FIRST)
        second = await closing.close(here.place.id(), FIRST, BOSS)
        assert second.journal_id not in (None, first.journal_id)
        sums = {row.code: row.closing_minor for row in await here.reports.trial_balance(FIRST)}
        assert (sums["3001"], sums["4001"]) == (520, 0)


async def test_only_the_period_closed_last_is_reopened(database: str) -> None:
    async with books(database) as here:
        here.at(here.place.clock.now() + 10 * DAY)
        closing = closing_of(here)
        await closing.close(here.place.id(), FIRST, BOSS)
        await closing.close(here.place.id(), SECOND, BOSS)

        async def reopening(through: date) -> str:
            return await here.place.says(
                ReopenPeriod(command_id=here.place.id(), through=through, reason="mistake", operator_id=BOSS)
            )

        assert await reopening(FIRST) == "period_not_closed"
        assert await reopening(SECOND) == "ok"
        assert await reopening(SECOND) == "period_not_closed"
        assert await reopening(FIRST) == "ok"
        assert [(each.through, each.state) for each in await closing.periods()] == [(SECOND, "REOPENED"), (FIRST, "REOPENED")]


async def test_the_look_before_closing_names_what_is_not_settled(database: str) -> None:
    async with books(database) as here:
        owner = here.place.id()
        await here.post(WALLET, owner, 900)
        await here.post("2301", None, 40)
        await here.place.happens(here.place.holding(owner, here.place.id(), 300, timedelta(days=5)))
        today = [each.name for each in await closing_of(here).look(FIRST)]
        assert today == ["not_over", "in_transit", "holds"]
        here.at(here.place.clock.now() + DAY)
        tomorrow = await closing_of(here).look(FIRST)
        assert [(each.level, each.name) for each in tomorrow] == [("warning", "in_transit"), ("warning", "holds")]
        assert "40" in tomorrow[0].en and "3.00" in tomorrow[1].zh


async def test_an_account_on_its_unusual_side_is_named(database: str) -> None:
    async with books(database) as here:
        await earned(here, -5)
        here.at(here.place.clock.now() + DAY)
        assert [each.name for each in await closing_of(here).look(FIRST)] == ["wrong_side", "wrong_side"]

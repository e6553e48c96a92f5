"""What one posting of a bulk is told: which are none, whom they may not touch, and how far they may go."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.ledger.test_bulk import PLACES, accounts, two
from tests.support.books import bounding, bulk, freezing, funding, issuing, legs, opening, pair, reserve, wallet
from tests.support.books import colour as defining
from tests.support.leavings import rows
from tests.support.town import NOON, Town, town
from tongbao.engine.api import Accepted, Key, MemoryStore, View, at_once
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.ids import RowIds, named_id
from tongbao.ledger.book import BOOK_KEY
from tongbao.ledger.bulk import post_bulk
from tongbao.ledger.commands import AccountLeg, ManyLegs, PlaceName, PostBulk, Posting, SetBook
from tongbao.ledger.periods import ClosePeriod
from tongbao.ledger.types import ACCOUNT, JOURNAL, LEDGER_DAY, Account

TODAY = NOON.date()
FUNDS = PlaceName("2401", "CNY", named_id("colour", "canteen"))


async def said(place: Town, posting: Posting | ManyLegs) -> str:
    """ "ok" or the code of its decline."""
    done = await place.happens(bulk(place, [posting]))
    return done.declined[0].code if done.declined else "ok"


@pytest.mark.parametrize("amount", [0, -5])
async def test_a_pair_of_nothing_or_less_is_a_bug(amount: int) -> None:
    async with town() as place:
        one, other = await two(place)
        with pytest.raises(InvariantBroken, match=f"an amount of {amount}"):
            await place.submit(bulk(place, [pair(one, other, amount)]))


@pytest.mark.parametrize(
    ("amounts", "says"),
    [((), "legs_unbalanced"), ((-5, 5, 0), "legs_unbalanced"), ((-5, 5, 1), "legs_unbalanced"), ((-5, 4, 1), "ok")],
)
async def test_legs_are_at_least_one_and_all_move_and_balance(amounts: tuple[int, ...], says: str) -> None:
    async with town() as place:
        one, other = await two(place)
        assert await said(place, legs(*zip((one, other, reserve()), amounts, strict=False))) == says


async def test_legs_balance_in_each_currency() -> None:
    async with town() as place:
        one, other = await two(place)
        dollars, cents = reserve("USD"), wallet(place.id(), "USD")
        await place.happens(opening(place, dollars, cents))
        assert await said(place, legs((one, -5), (other, 5), (cents, 1))) == "legs_unbalanced"
        assert await said(place, legs((one, -5), (other, 5), (dollars, -1), (cents, 1))) == "ok"


@pytest.mark.parametrize("several", [False, True], ids=["pair", "legs"])
@pytest.mark.parametrize(("amount", "says"), [(69, "ok"), (70, "ok"), (71, "insufficient_funds")])
async def test_an_account_gives_down_to_its_floor_and_what_is_held(amount: int, says: str, several: bool) -> None:
    async with town() as place:
        one, other = await two(place)
        assert one.owner_id is not None
        await place.happens(place.holding(one.owner_id, place.id(), 20))
        await place.happens(bounding(place, one, floor=10))
        wished = legs((one, 1 - amount), (one, -1), (other, amount)) if several else pair(one, other, amount)
        assert await said(place, wished) == says


@pytest.mark.parametrize("several", [False, True], ids=["pair", "legs"])
@pytest.mark.parametrize(("amount", "says"), [(9, "ok"), (10, "ok"), (11, "balance_ceiling")])
async def test_an_account_takes_up_to_its_ceiling(amount: int, says: str, several: bool) -> None:
    async with town() as place:
        one, other = await two(place)
        await place.happens(bounding(place, other, ceiling=10))
        wished = legs((one, -amount), (other, amount - 1), (other, 1)) if several else pair(one, other, amount)
        assert await said(place, wished) == says


@pytest.mark.parametrize(
    "posting",
    [
        lambda one: pair(FUNDS, one, 1), lambda one: pair(one, FUNDS, 1), lambda one: legs((FUNDS, -1), (one, 1)),
        lambda one: legs((one, -1), (FUNDS, 1)),
    ],
    ids=["pair from it", "pair to it", "legs from it", "legs to it"],
)  # fmt: skip
async def test_the_money_behind_restricted_money_is_not_for_bulk(posting: Callable[[PlaceName], Posting | ManyLegs]) -> None:
    async with town() as place:
        one, _ = await two(place)
        await place.happens(defining(place, "canteen"))
        await place.happens(issuing(place, "canteen", reserve(), place.id(), 50))
        assert await said(place, posting(one)) == "line_not_by_hand"


async def test_each_posting_finds_the_accounts_as_those_before_it_left_them() -> None:
    async with town() as place:
        one, other = await two(place)
        done = await place.happens(bulk(place, [pair(one, other, 30), pair(one, other, 40), pair(other, one, 70)]))
        assert done.declined == ()
        assert await said(place, pair(other, one, 1)) == "insufficient_funds"
        assert await said(place, pair(one, other, 100)) == "ok"


@pytest.mark.parametrize("several", [False, True], ids=["pair", "legs"])
def test_a_closed_account_gives_nothing_even_where_it_might_owe(several: bool) -> None:
    rows = accounts()
    closed = next(row for key, row in rows.items() if key.relation is ACCOUNT and row and row.closed_at)
    rows[Key(ACCOUNT, closed.account_id)] = replace(closed, floor_minor=None)
    one, other = closed.account_id, PLACES[0].account_id
    wished = ManyLegs((AccountLeg(one, -5), AccountLeg(other, 5)), "") if several else Posting(one, other, 5)
    decision = at_once(post_bulk(PostBulk(command_id=UUID(int=1), postings=(wished,)), View(rows, RowIds(NOON, 1, 1)), NOON))
    assert isinstance(decision, Accepted)
    assert [each.code for each in decision.result.declined] == ["account_closed"]


async def test_no_more_is_moved_than_there_is_room_for() -> None:
    async with town() as place:
        one, other = await two(place)
        await place.happens(funding(place, other, 9))
        await place.happens(bounding(place, other, ceiling=10))
        assert await said(place, pair(one, other, 5, at_most=True)) == "ok"
        assert await said(place, pair(one, other, 5, at_most=True)) == "nothing_to_move"


async def test_what_there_is_is_moved_to_the_last_cent_and_then_there_is_nothing() -> None:
    async with town() as place:
        one, other = await two(place)
        await place.happens(funding(place, other, 1))
        assert await said(place, pair(other, one, 5, at_most=True)) == "ok"
        assert await said(place, pair(other, one, 5, at_most=True)) == "nothing_to_move"
        # Of an account that is frozen, that is what is said.
        await place.happens(freezing(place, one, credits=True))
        assert await said(place, pair(other, one, 5, at_most=True)) == "account_frozen_credit"


async def test_postings_count_to_their_value_dates_on_the_side_where_they_were_entered() -> None:
    store = MemoryStore()
    async with town(store) as place:
        one, other = await two(place)
        back = TODAY - timedelta(days=2)
        wished: list[Posting | ManyLegs] = [
            pair(reserve(), one, 7, value_date=back), pair(one, other, 5), legs((reserve(), -1), (other, 1), value_date=back),
        ]  # fmt: skip
        await place.happens(bulk(place, wished))
    assert {(row.day, row.code): (row.debit_minor, row.credit_minor, row.entries) for row in rows(store, LEDGER_DAY)} == {
        (TODAY, "1001"): (100, 0, 1), (TODAY, "2001"): (5, 105, 3), (back, "1001"): (8, 0, 2), (back, "2001"): (0, 8, 2),
    }  # fmt: skip


async def test_a_chain_that_is_declined_counts_nowhere() -> None:
    store = MemoryStore()
    async with town(store) as place:
        one, other = await two(place)
        await place.happens(bulk(place, [pair(reserve(), one, 60, linked=True), pair(other, one, 1), pair(reserve(), one, 5)]))
    assert {row.code: (row.debit_minor, row.credit_minor, row.entries) for row in rows(store, LEDGER_DAY)} == {
        "1001": (105, 0, 2), "2001": (0, 105, 2),
    }  # fmt: skip


@pytest.mark.parametrize(("postings", "turns"), [(1, 1), (64, 1), (65, 2), (128, 2), (129, 3)])
def test_others_have_a_turn_after_every_64_postings(postings: int, turns: int) -> None:
    one, other = (Account(UUID(int=each), "2001", None, "CNY", 9999, 0, 0, None, 1, NOON) for each in (1, 2))
    view = View({BOOK_KEY: None, **{Key(ACCOUNT, each.account_id): each for each in (one, other)}}, RowIds(NOON, 1, 1))
    command = PostBulk(command_id=UUID(int=3), postings=(Posting(one.account_id, other.account_id, 1),) * postings)
    assert len(list(post_bulk(command, view, NOON))) == turns
    assert len(view.changes(accepted=True).appended[JOURNAL]) == postings


async def test_where_today_is_closed_an_open_day_is_posted_to_all_the_same() -> None:
    async with town() as place:
        one, other = await two(place)
        # East of the date line a day is over, and is closed, that has not ended in the west.
        await place.happens(SetBook(command_id=place.id(), zone="Pacific/Kiritimati", backdating_days=0, forward_days=3))
        await place.happens(ClosePeriod(command_id=place.id(), through=TODAY, after=None, operator_id=place.id()))
        await place.happens(SetBook(command_id=place.id(), zone="Pacific/Pago_Pago", backdating_days=0, forward_days=3))
        tomorrow = TODAY + timedelta(days=1)
        assert await said(place, pair(one, other, 5)) == "period_closed"
        assert await said(place, pair(one, other, 5, value_date=tomorrow)) == "ok"
        assert await said(place, legs((one, -5), (other, 5), value_date=tomorrow)) == "ok"

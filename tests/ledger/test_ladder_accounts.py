"""What becomes of accounts and of postings to them, situation by situation."""

from __future__ import annotations

from datetime import date, timedelta
from uuid import UUID

import pytest

from tests.support.books import (
    bounding,
    ending,
    freezing,
    funding,
    journal,
    moving,
    opening,
    posting,
    reopening,
    reserve,
    shop,
    unfreezing,
    wallet,
)
from tests.support.ladder import Row, answer, ladder
from tests.support.town import NOON, Town
from tongbao.engine.api import Command
from tongbao.ledger.commands import PlaceName, SetBook

ROWS, says = ladder()
TODAY = NOON.date()


async def frozen(place: Town, *, debits: bool = False, credits: bool = False) -> UUID:
    """A customer with 500 whose account is frozen."""
    owner = await place.customer(500)
    await place.happens(freezing(place, wallet(owner), debits=debits, credits=credits))
    return owner


async def empty(place: Town) -> UUID:
    """A customer whose account is open and empty."""
    owner = await place.customer()
    await place.happens(opening(place, wallet(owner)))
    return owner


async def closed(place: Town) -> UUID:
    owner = await empty(place)
    await place.happens(ending(place, wallet(owner)))
    return owner


# ── freezes ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("account_frozen_debit")
async def sending_from_an_account_frozen_for_debits(place: Town) -> Command:
    return place.transferring(await frozen(place, debits=True), await place.customer(), 1)


@says("ok")
async def receiving_in_an_account_frozen_for_debits(place: Town) -> Command:
    return place.transferring(await place.customer(500), await frozen(place, debits=True), 1)


@says("account_frozen_credit")
async def receiving_in_an_account_frozen_for_credits(place: Town) -> Command:
    return place.transferring(await place.customer(500), await frozen(place, credits=True), 1)


@says("ok")
async def sending_from_an_account_frozen_for_credits(place: Town) -> Command:
    return place.transferring(await frozen(place, credits=True), await place.customer(), 1)


@says("account_frozen_debit")
async def holding_on_an_account_frozen_for_debits(place: Town) -> Command:
    return place.holding(await frozen(place, debits=True), place.id(), 1)


@says("account_frozen_debit")
async def capturing_from_an_account_frozen_meanwhile(place: Town) -> Command:
    owner, hold = await place.customer(500), place.id()
    await place.happens(place.holding(owner, hold, 100))
    await place.happens(freezing(place, wallet(owner), debits=True))
    return place.capturing(owner, hold, await place.merchant(), 100)


@says("ok")
async def voiding_on_an_account_frozen_meanwhile(place: Town) -> Command:
    owner, hold = await place.customer(500), place.id()
    await place.happens(place.holding(owner, hold, 100))
    await place.happens(freezing(place, wallet(owner), debits=True, credits=True))
    return place.voiding(owner, hold)


@says("account_frozen_credit")
async def refunding_into_an_account_frozen_for_credits(place: Town) -> Command:
    payer, merchant = await place.customer(1000), await place.merchant()
    await place.happens(place.paying_at_once(merchant, "order", payer, 1000))
    await place.happens(freezing(place, wallet(payer), credits=True))
    return place.refunding(merchant, "order", payer, "refund", 1000)


@says("account_closed")
async def refunding_into_a_closed_account(place: Town) -> Command:
    payer, merchant = await place.customer(1000), await place.merchant()
    await place.happens(place.paying_at_once(merchant, "order", payer, 1000))
    await place.happens(ending(place, wallet(payer)))
    return place.refunding(merchant, "order", payer, "refund", 1000)


@says("ok")
async def freezing_an_account_that_was_never_opened(place: Town) -> Command:
    return freezing(place, wallet(await place.customer()), credits=True)


@says("ok")
async def freezing_for_a_second_reason(place: Town) -> Command:
    return freezing(place, wallet(await frozen(place, debits=True)), debits=True, reason="fraud")


@says("ok")
async def freezing_the_other_side_for_the_same_reason(place: Town) -> Command:
    return freezing(place, wallet(await frozen(place, debits=True)), debits=True, credits=True)


@says("freeze_exists")
async def freezing_twice_for_one_reason(place: Town) -> Command:
    return freezing(place, wallet(await frozen(place, debits=True)), debits=True)


@says("account_closed")
async def freezing_a_closed_account(place: Town) -> Command:
    return freezing(place, wallet(await closed(place)), debits=True)


@says("freeze_not_found")
async def lifting_a_freeze_of_another_reason(place: Town) -> Command:
    return unfreezing(place, wallet(await frozen(place, debits=True)), debits=True, reason="fraud")


@says("freeze_not_found")
async def lifting_a_freeze_of_the_other_side(place: Town) -> Command:
    return unfreezing(place, wallet(await frozen(place, debits=True)), credits=True)


@says("account_not_found")
async def lifting_a_freeze_where_no_account_is(place: Town) -> Command:
    return unfreezing(place, wallet(place.id()), debits=True)


@says("account_frozen_debit")
async def sending_when_one_of_two_reasons_was_lifted(place: Town) -> Command:
    owner = await frozen(place, debits=True)
    await place.happens(freezing(place, wallet(owner), debits=True, reason="fraud"))
    await place.happens(unfreezing(place, wallet(owner), debits=True))
    return place.transferring(owner, await place.customer(), 1)


@says("ok")
async def sending_when_the_freeze_was_lifted(place: Town) -> Command:
    owner = await frozen(place, debits=True)
    await place.happens(unfreezing(place, wallet(owner), debits=True, credits=True))
    return place.transferring(owner, await place.customer(), 1)


# ── closing ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def closing_an_empty_account(place: Town) -> Command:
    return ending(place, wallet(await empty(place)))


@says("account_not_empty")
async def closing_an_account_with_a_cent(place: Town) -> Command:
    return ending(place, wallet(await place.customer(1)))


@says("account_has_holds")
async def closing_an_account_with_a_hold(place: Town) -> Command:
    owner = await place.customer(1)
    await place.happens(place.holding(owner, place.id(), 1))
    return ending(place, wallet(owner))


@says("account_frozen_debit")
async def closing_an_account_frozen_for_debits(place: Town) -> Command:
    owner = await empty(place)
    await place.happens(freezing(place, wallet(owner), debits=True))
    return ending(place, wallet(owner))


@says("account_frozen_credit")
async def closing_an_account_frozen_for_credits(place: Town) -> Command:
    owner = await empty(place)
    await place.happens(freezing(place, wallet(owner), credits=True))
    return ending(place, wallet(owner))


@says("account_not_closable")
async def closing_the_reserve(place: Town) -> Command:
    return ending(place, reserve())


@says("account_not_found")
async def closing_an_account_that_was_never_opened(place: Town) -> Command:
    return ending(place, wallet(place.id()))


@says("account_closed")
async def closing_twice(place: Town) -> Command:
    return ending(place, wallet(await closed(place)))


@says("account_closed")
async def sending_to_a_closed_account(place: Town) -> Command:
    return place.transferring(await place.customer(1), await closed(place), 1)


@says("account_closed")
async def sending_from_a_closed_account(place: Town) -> Command:
    return place.transferring(await closed(place), await place.customer(), 1)


@says("account_closed")
async def holding_on_a_closed_account(place: Town) -> Command:
    return place.holding(await closed(place), place.id(), 1)


@says("ok")
async def sending_to_an_account_opened_again(place: Town) -> Command:
    owner = await closed(place)
    await place.happens(reopening(place, wallet(owner)))
    return place.transferring(await place.customer(1), owner, 1)


@says("account_open")
async def reopening_an_open_account(place: Town) -> Command:
    return reopening(place, wallet(await empty(place)))


@says("account_not_found")
async def reopening_what_was_never_opened(place: Town) -> Command:
    return reopening(place, wallet(place.id()))


# ── floors and ceilings ─────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def receiving_up_to_the_ceiling(place: Town) -> Command:
    owner = await place.customer(500)
    await place.happens(bounding(place, wallet(owner), ceiling=600))
    return place.transferring(await place.customer(100), owner, 100)


@says("balance_ceiling")
async def receiving_a_cent_above_the_ceiling(place: Town) -> Command:
    owner = await place.customer(500)
    await place.happens(bounding(place, wallet(owner), ceiling=600))
    return place.transferring(await place.customer(101), owner, 101)


@says("balance_ceiling")
async def receiving_above_the_ceiling_although_part_is_held(place: Town) -> Command:
    owner = await place.customer(500)
    await place.happens(place.holding(owner, place.id(), 500))
    await place.happens(bounding(place, wallet(owner), ceiling=500))
    return place.transferring(await place.customer(1), owner, 1)


@says("insufficient_funds")
async def spending_below_a_raised_floor(place: Town) -> Command:
    merchant = await place.merchant()
    await place.happens(funding(place, shop(merchant), 500))
    await place.happens(bounding(place, shop(merchant), floor=200))
    return posting(place, journal((shop(merchant), -301), (reserve(), 301)))


@says("ok")
async def spending_down_to_a_raised_floor(place: Town) -> Command:
    merchant = await place.merchant()
    await place.happens(funding(place, shop(merchant), 500))
    await place.happens(bounding(place, shop(merchant), floor=200))
    return posting(place, journal((shop(merchant), -300), (reserve(), 300)))


@says("floor_above_balance")
async def raising_the_floor_above_what_is_available(place: Town) -> Command:
    owner = await place.customer(500)
    await place.happens(place.holding(owner, place.id(), 1))
    return bounding(place, wallet(owner), floor=500)


@says("ceiling_below_balance")
async def lowering_the_ceiling_below_the_balance(place: Town) -> Command:
    return bounding(place, wallet(await place.customer(500)), ceiling=499)


@says("floor_not_allowed")
async def letting_a_wallet_go_below_zero(place: Town) -> Command:
    return bounding(place, wallet(await place.customer(500)), floor=-1)


@says("floor_not_allowed")
async def taking_a_wallets_floor_away(place: Town) -> Command:
    return bounding(place, wallet(await place.customer(500)), floor=None)


@says("ceiling_not_allowed")
async def giving_the_reserve_a_ceiling(place: Town) -> Command:
    return bounding(place, reserve(), floor=None, ceiling=10**9)


@says("account_closed")
async def bounding_a_closed_account(place: Town) -> Command:
    return bounding(place, wallet(await closed(place)))


# ── journals by hand ────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def posting_what_an_earlier_journal_brought(place: Town) -> Command:
    owner, other = await place.customer(), await place.customer()
    return posting(place, journal((reserve(), -5), (wallet(owner), 5)), journal((wallet(owner), -5), (wallet(other), 5)))


@says("insufficient_funds")
async def posting_a_second_journal_that_cannot_be(place: Town) -> Command:
    owner, other = await place.customer(), await place.customer()
    return posting(place, journal((reserve(), -5), (wallet(owner), 5)), journal((wallet(owner), -6), (wallet(other), 6)))


@says("line_not_by_hand")
async def posting_to_the_funds_behind_restricted_money(place: Town) -> Command:
    return posting(place, journal((reserve(), -5), (PlaceName("2401", "CNY", place.id()), 5)))


@says("line_not_by_hand")
async def moving_the_funds_behind_restricted_money(place: Town) -> Command:
    return moving(place, PlaceName("2401", "CNY", place.id()), wallet(await place.customer()), 5)


@says("line_not_by_hand")
async def holding_the_funds_behind_restricted_money(place: Town) -> Command:
    return place.holding(place.id(), place.id(), 1, code="2401")


@says("ok")
async def moving_less_than_wished(place: Town) -> Command:
    return moving(place, wallet(await place.customer(5)), wallet(await place.customer()), 500)


@says("nothing_to_move")
async def moving_from_an_empty_account(place: Town) -> Command:
    return moving(place, wallet(await place.customer()), wallet(await place.customer()), 500)


@says("nothing_to_move")
async def moving_into_a_full_account(place: Town) -> Command:
    owner = await place.customer(5)
    await place.happens(bounding(place, wallet(owner), ceiling=5))
    return moving(place, wallet(await place.customer(5)), wallet(owner), 5)


@says("account_frozen_debit")
async def moving_from_an_empty_and_frozen_account(place: Town) -> Command:
    owner = await empty(place)
    await place.happens(freezing(place, wallet(owner), debits=True))
    return moving(place, wallet(owner), wallet(await place.customer()), 5)


@says("account_frozen_credit")
async def moving_into_a_frozen_account(place: Town) -> Command:
    return moving(place, wallet(await place.customer(5)), wallet(await frozen(place, credits=True)), 5)


@says("account_closed")
async def moving_into_a_closed_account(place: Town) -> Command:
    return moving(place, wallet(await place.customer(5)), wallet(await closed(place)), 5)


# ── value dates ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def dated(place: Town, day: date) -> Command:
    return funding(place, wallet(await place.customer()), 5, day)


@says("ok")
async def posting_as_far_back_as_is_allowed(place: Town) -> Command:
    return await dated(place, TODAY - timedelta(days=31))


@says("backdated_too_far")
async def posting_a_day_further_back(place: Town) -> Command:
    return await dated(place, TODAY - timedelta(days=32))


@says("value_date_ahead")
async def posting_for_tomorrow(place: Town) -> Command:
    return await dated(place, TODAY + timedelta(days=1))


@says("ok")
async def posting_for_what_is_tomorrow_in_greenwich_and_today_here(place: Town) -> Command:
    place.clock.advance(timedelta(hours=4))
    return await dated(place, TODAY + timedelta(days=1))


@says("value_date_ahead")
async def posting_for_tomorrow_a_moment_before_midnight_here(place: Town) -> Command:
    place.clock.advance(timedelta(hours=4) - timedelta(microseconds=1))
    return await dated(place, TODAY + timedelta(days=1))


@says("ok")
async def posting_ahead_where_the_book_allows_it(place: Town) -> Command:
    await place.happens(SetBook(command_id=place.id(), zone="Asia/Shanghai", backdating_days=0, forward_days=2))
    return await dated(place, TODAY + timedelta(days=2))


@says("backdated_too_far")
async def posting_back_where_the_book_does_not_allow_it(place: Town) -> Command:
    await place.happens(SetBook(command_id=place.id(), zone="Asia/Shanghai", backdating_days=0, forward_days=2))
    return await dated(place, TODAY - timedelta(days=1))


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_the_ledger_says_of_accounts(row: Row) -> None:
    assert await answer(row) == row.says

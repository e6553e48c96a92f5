"""What becomes of holds, situation by situation; and that nothing moves a negative amount."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.ledger import test_ladder_accounts as accounts
from tests.ledger import test_ladder_colours as colours
from tests.support.books import colour, id_of, issuing, moving, wallet
from tests.support.ladder import Row, answer, declines_of, ladder, said_in
from tests.support.town import Town, town
from tongbao.engine.api import Command, MemoryStore, PostgresStore, Store
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger import errors
from tongbao.ledger.commands import ExpireHolds, HoldRef

ROWS, says = ladder()

#: Said by payments, whose ladder has it; of postings in bulk (test_bulk), of days (test_book), of spending (test_colours), and
#: at the edge (test_service).
NOT_SAID = {
    "currency_mismatch", "same_account", "account_currencies_differ", "legs_unbalanced", "linked_posting_declined",
    "linked_chain_open", "period_closed", "colour_not_here", "reversed_elsewhere", "opening_account_used",
}  # fmt: skip


async def held(place: Town, minor: int = 300) -> tuple[UUID, UUID]:
    """A customer with 500 and a hold of an hour."""
    owner, hold = await place.customer(500), place.id()
    await place.happens(place.holding(owner, hold, minor))
    return owner, hold


@says("ok")
async def holding_all_one_has(place: Town) -> Command:
    return place.holding(await place.customer(500), place.id(), 500)


@says("insufficient_funds")
async def holding_a_cent_more(place: Town) -> Command:
    return place.holding(await place.customer(500), place.id(), 501)


@says("insufficient_funds")
async def holding_what_is_held(place: Town) -> Command:
    owner, _ = await held(place)
    return place.holding(owner, place.id(), 201)


@says("insufficient_funds")
async def holding_on_an_account_that_never_was(place: Town) -> Command:
    return place.holding(place.id(), place.id(), 1)


@says("hold_exists")
async def holding_twice_under_one_name(place: Town) -> Command:
    owner, hold = await held(place)
    return place.holding(owner, hold, 1)


@says("hold_exists")
async def holding_under_the_name_of_an_ended_hold(place: Town) -> Command:
    owner, hold = await held(place)
    await place.happens(place.voiding(owner, hold))
    return place.holding(owner, hold, 1)


@says("hold_expired")
async def holding_until_now(place: Town) -> Command:
    return place.holding(await place.customer(500), place.id(), 1, timedelta(0))


@says("line_not_by_hand")
async def capturing_into_the_funds_behind_restricted_money(place: Town) -> Command:
    owner, hold = await held(place)
    return msgspec.structs.replace(place.capturing(owner, hold, place.id(), 1), to_code="2401")


@says("ok")
async def capturing_all_of_a_hold(place: Town) -> Command:
    owner, hold = await held(place)
    return place.capturing(owner, hold, await place.merchant(), 300)


@says("capture_exceeds_hold")
async def capturing_a_cent_more(place: Town) -> Command:
    owner, hold = await held(place)
    return place.capturing(owner, hold, await place.merchant(), 301)


@says("capture_exceeds_hold")
async def capturing_a_cent_more_in_two(place: Town) -> Command:
    owner, hold = await held(place)
    merchant = await place.merchant()
    await place.happens(place.capturing(owner, hold, merchant, 1, final=False))
    return place.capturing(owner, hold, merchant, 300)


@says("ok")
async def capturing_the_rest(place: Town) -> Command:
    owner, hold = await held(place)
    merchant = await place.merchant()
    await place.happens(place.capturing(owner, hold, merchant, 1, final=False))
    return place.capturing(owner, hold, merchant, 299, final=False)


@says("hold_ended")
async def capturing_after_a_final_capture(place: Town) -> Command:
    owner, hold = await held(place)
    merchant = await place.merchant()
    await place.happens(place.capturing(owner, hold, merchant, 1))
    return place.capturing(owner, hold, merchant, 1)


@says("hold_ended")
async def capturing_after_all_was_captured(place: Town) -> Command:
    owner, hold = await held(place)
    merchant = await place.merchant()
    await place.happens(place.capturing(owner, hold, merchant, 300, final=False))
    return place.capturing(owner, hold, merchant, 1)


@says("hold_ended")
async def capturing_a_voided_hold(place: Town) -> Command:
    owner, hold = await held(place)
    await place.happens(place.voiding(owner, hold))
    return place.capturing(owner, hold, await place.merchant(), 1)


@says("ok")
async def capturing_at_the_last_moment(place: Town) -> Command:
    owner, hold = await held(place)
    place.clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    return place.capturing(owner, hold, await place.merchant(), 1)


@says("hold_expired")
async def capturing_a_moment_too_late(place: Town) -> Command:
    owner, hold = await held(place)
    place.clock.advance(timedelta(hours=1))
    return place.capturing(owner, hold, await place.merchant(), 1)


async def agreed(place: Town, minor: int = 300, agreed_minor: int = 400) -> tuple[UUID, UUID]:
    """A customer with 500 and a hold of 300, of which 400 may be captured."""
    owner, hold = await place.customer(500), place.id()
    await place.happens(msgspec.structs.replace(place.holding(owner, hold, minor), agreed_minor=agreed_minor))
    return owner, hold


@says("ok")
async def holding_just_what_was_agreed(place: Town) -> Command:
    return msgspec.structs.replace(place.holding(await place.customer(500), place.id(), 300), agreed_minor=300)


@says("ok")
async def capturing_all_that_was_agreed(place: Town) -> Command:
    owner, hold = await agreed(place)
    return place.capturing(owner, hold, await place.merchant(), 400)


@says("capture_exceeds_agreed")
async def capturing_a_cent_more_than_agreed(place: Town) -> Command:
    owner, hold = await agreed(place)
    return place.capturing(owner, hold, await place.merchant(), 401)


@says("capture_exceeds_agreed")
async def capturing_a_cent_more_than_agreed_in_three(place: Town) -> Command:
    owner, hold = await agreed(place)
    merchant = await place.merchant()
    await place.happens(place.capturing(owner, hold, merchant, 300, final=False))
    await place.happens(place.capturing(owner, hold, merchant, 50, final=False))
    return place.capturing(owner, hold, merchant, 51)


@says("insufficient_funds")
async def capturing_beyond_the_hold_what_the_account_has_not(place: Town) -> Command:
    owner, hold = await agreed(place)
    await place.happens(place.transferring(owner, await place.customer(), 200))
    return place.capturing(owner, hold, await place.merchant(), 301)


@says("insufficient_funds")
async def capturing_beyond_the_hold_what_another_hold_sets_aside(place: Town) -> Command:
    owner, hold = await agreed(place)
    await place.happens(place.holding(owner, place.id(), 200))
    return place.capturing(owner, hold, await place.merchant(), 301)


@says("ok")
async def capturing_beyond_the_hold_to_the_last_cent(place: Town) -> Command:
    owner, hold = await agreed(place)
    await place.happens(place.holding(owner, place.id(), 100))
    return place.capturing(owner, hold, await place.merchant(), 400)


@says("hold_ended")
async def capturing_after_all_that_was_agreed_was_captured(place: Town) -> Command:
    owner, hold = await agreed(place)
    merchant = await place.merchant()
    await place.happens(place.capturing(owner, hold, merchant, 400, final=False))
    return place.capturing(owner, hold, merchant, 1)


@says("ok")
async def voiding_what_a_partial_capture_left(place: Town) -> Command:
    owner, hold = await held(place)
    await place.happens(place.capturing(owner, hold, await place.merchant(), 100, final=False))
    return place.voiding(owner, hold)


@says("ok")
async def spending_what_a_void_after_a_partial_capture_gave_back(place: Town) -> Command:
    owner, hold = await held(place)
    await place.happens(place.capturing(owner, hold, await place.merchant(), 100, final=False))
    await place.happens(place.voiding(owner, hold))
    return place.transferring(owner, await place.customer(), 400)


@says("hold_ended")
async def capturing_a_hold_that_the_janitor_ended(place: Town) -> Command:
    owner, hold = await held(place)
    place.clock.advance(timedelta(hours=1))
    await place.happens(expiring(place, owner, hold))
    return place.capturing(owner, hold, await place.merchant(), 1)


@says("ok")
async def spending_what_the_janitor_gave_back(place: Town) -> Command:
    owner, hold = await held(place)
    place.clock.advance(timedelta(hours=1))
    await place.happens(expiring(place, owner, hold))
    return place.transferring(owner, await place.customer(), 500)


@says("ok")
async def spending_all_but_what_a_partial_capture_left_held(place: Town) -> Command:
    owner, hold = await held(place)
    await place.happens(place.capturing(owner, hold, await place.merchant(), 100, final=False))
    return place.transferring(owner, await place.customer(), 200)


@says("insufficient_funds")
async def spending_what_a_partial_capture_left_held(place: Town) -> Command:
    owner, hold = await held(place)
    await place.happens(place.capturing(owner, hold, await place.merchant(), 100, final=False))
    return place.transferring(owner, await place.customer(), 201)


@says("insufficient_funds")
async def spending_when_the_janitor_came_a_moment_too_early(place: Town) -> Command:
    owner, hold = await held(place)
    place.clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    await place.happens(expiring(place, owner, hold))
    return place.transferring(owner, await place.customer(), 500)


def expiring(place: Town, owner: UUID, *holds: UUID) -> Command:
    """What the janitor sends."""
    return ExpireHolds(command_id=place.id(), holds=tuple(HoldRef(hold, id_of(wallet(owner))) for hold in holds))


@says("hold_not_found")
async def capturing_what_was_never_held(place: Town) -> Command:
    return place.capturing(await place.customer(500), place.id(), await place.merchant(), 1)


@says("hold_not_found")
async def capturing_from_somebody_else(place: Town) -> Command:
    _, hold = await held(place)
    return place.capturing(await place.customer(500), hold, await place.merchant(), 1)


@says("hold_not_found")
async def capturing_in_another_currency(place: Town) -> Command:
    owner, hold = await held(place)
    return place.capturing(owner, hold, await place.merchant(), 1, currency="USD")


@says("hold_ended")
async def voiding_twice(place: Town) -> Command:
    owner, hold = await held(place)
    await place.happens(place.voiding(owner, hold))
    return place.voiding(owner, hold)


@says("ok")
async def spending_what_was_voided(place: Town) -> Command:
    owner, hold = await held(place)
    await place.happens(place.voiding(owner, hold))
    return place.transferring(owner, await place.customer(), 500)


@says("ok")
async def spending_what_a_final_capture_left(place: Town) -> Command:
    owner, hold = await held(place)
    await place.happens(place.capturing(owner, hold, await place.merchant(), 100))
    return place.transferring(owner, await place.customer(), 400)


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_the_ledger_says(row: Row) -> None:
    assert await answer(row) == row.says


def test_every_decline_of_the_ledger_has_its_situation() -> None:
    assert declines_of(errors) - NOT_SAID == said_in([*ROWS, *accounts.ROWS, *colours.ROWS])


async def test_a_repeated_hold_has_the_same_result() -> None:
    async with town() as place:
        command = place.holding(await place.customer(500), place.id(), 1)
        assert (await place.submit(command)).decision == (await place.submit(command)).decision


# ── amounts that no edge lets through must not get through here either ──────────────────────────────────────────────────

_NEGATIVE = ("transfer", "withdrawal", "payment at once", "refund", "hold", "capture", "restricted money", "what there is")


async def _negatives(place: Town) -> dict[str, Any]:
    customer, other, merchant = await place.customer(1000), await place.customer(1000), await place.merchant()
    await place.happens(place.paying_at_once(merchant, "paid", customer, 400))
    await place.happens(place.paying_at_once(merchant, "fund", other, 400))
    # Others' withdrawals are under way, so there is money to take from.
    await place.happens(place.starting(other, await place.bank_account(other), 200, "withdrawal"))
    hold = place.id()
    await place.happens(place.holding(customer, hold, 300))
    await place.happens(place.capturing(customer, hold, merchant, 100, final=False))
    await place.happens(colour(place, "canteen"))
    await place.happens(issuing(place, "canteen", wallet(customer), other, 100))
    return {
        "transfer": place.transferring(customer, other, -50),
        "withdrawal": place.starting(customer, await place.bank_account(customer), -50, "withdrawal"),
        "payment at once": place.paying_at_once(merchant, "other", customer, -50),
        "refund": place.refunding(merchant, "paid", customer, "refund", -50),
        "hold": place.holding(customer, place.id(), -50),
        "capture": place.capturing(customer, hold, merchant, -50, final=False),
        "restricted money": issuing(place, "canteen", wallet(customer), other, -50),
        "what there is": moving(place, wallet(customer), wallet(other), -50),
    }


@pytest.mark.parametrize("name", _NEGATIVE)
async def test_a_negative_amount_is_a_bug_in_memory(name: str) -> None:
    await _is_a_bug(MemoryStore(), name)


@pytest.mark.parametrize("name", _NEGATIVE)
async def test_a_negative_amount_is_a_bug_in_postgresql(database: str, name: str) -> None:
    await _is_a_bug(PostgresStore(database), name)


async def _is_a_bug(store: Store, name: str) -> None:
    async with town(store) as place:
        command = (await _negatives(place))[name]
        assert msgspec.structs.asdict(command)["amount_minor"] < 0
        # Not just any failure: the decider says no before the database's constraints would have to.
        with pytest.raises(InvariantBroken, match="an amount of -50"):
            await place.submit(command)


async def test_that_less_was_agreed_than_is_held_is_a_bug() -> None:
    async with town() as place:
        command = place.holding(await place.customer(500), place.id(), 300)
        with pytest.raises(InvariantBroken, match="299 agreed for a hold of 300"):
            await place.submit(msgspec.structs.replace(command, agreed_minor=299))

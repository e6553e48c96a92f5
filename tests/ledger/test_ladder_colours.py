"""What becomes of restricted money and of reversals, situation by situation."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from tests.support.books import (
    colour,
    ending,
    freezing,
    funding,
    issuing,
    posting,
    reclaiming,
    reserve,
    reversing,
    shop,
    wallet,
)
from tests.support.books import journal as wished
from tests.support.ladder import Row, answer, ladder
from tests.support.town import Town
from tongbao.engine.api import Command
from tongbao.kernel.ids import named_id
from tongbao.ledger.commands import AllowColourAt, EndColour, PlaceName

ROWS, says = ladder()


async def issued(place: Town, minor: int = 100, code: str = "canteen") -> UUID:
    """A customer with restricted money, paid for by the bank's side."""
    owner = await place.customer()
    await place.happens(colour(place, code))
    await place.happens(issuing(place, code, reserve(), owner, minor))
    return owner


# ── restricted money ────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def defining_restricted_money(place: Town) -> Command:
    return colour(place, "canteen", [place.id()])


@says("colour_exists")
async def defining_it_twice(place: Town) -> Command:
    await place.happens(colour(place, "canteen"))
    return colour(place, "canteen", currency="USD")


@says("colour_expired")
async def defining_what_is_over_already(place: Town) -> Command:
    return colour(place, "canteen", lasts=timedelta(0))


@says("colour_not_found")
async def issuing_what_was_never_defined(place: Town) -> Command:
    return issuing(place, "canteen", reserve(), place.id(), 1)


@says("colour_ended")
async def issuing_what_has_ended(place: Town) -> Command:
    await place.happens(colour(place, "canteen"))
    await place.happens(EndColour(command_id=place.id(), code="canteen"))
    return issuing(place, "canteen", reserve(), place.id(), 1)


@says("colour_expired")
async def issuing_at_the_end_of_validity(place: Town) -> Command:
    await place.happens(colour(place, "canteen", lasts=timedelta(days=1)))
    place.clock.advance(timedelta(days=1))
    return issuing(place, "canteen", reserve(), place.id(), 1)


@says("line_not_by_hand")
async def issuing_from_the_money_behind_another_colour(place: Town) -> Command:
    await issued(place)
    await place.happens(colour(place, "books"))
    return issuing(place, "books", PlaceName("2401", "CNY", named_id("colour", "canteen")), place.id(), 1)


@says("colour_other_currency")
async def issuing_from_another_currency(place: Town) -> Command:
    await place.happens(colour(place, "canteen"))
    return issuing(place, "canteen", reserve("USD"), place.id(), 1)


@says("insufficient_funds")
async def issuing_more_than_the_funder_has(place: Town) -> Command:
    await place.happens(colour(place, "canteen"))
    return issuing(place, "canteen", wallet(await place.customer(99)), place.id(), 100)


@says("ok")
async def issuing_all_that_the_funder_has(place: Town) -> Command:
    await place.happens(colour(place, "canteen"))
    return issuing(place, "canteen", wallet(await place.customer(100)), place.id(), 100)


@says("ok")
async def giving_restricted_money_to_another_customer(place: Town) -> Command:
    owner = await issued(place)
    other = wallet(place.id(), "CNY:canteen")
    return posting(place, wished((wallet(owner, "CNY:canteen"), -40), (other, 40)))


@says("colour_ended")
async def ending_it_twice(place: Town) -> Command:
    await issued(place)
    await place.happens(EndColour(command_id=place.id(), code="canteen"))
    return EndColour(command_id=place.id(), code="canteen")


@says("colour_not_found")
async def ending_what_was_never_defined(place: Town) -> Command:
    return EndColour(command_id=place.id(), code="canteen")


@says("colour_not_found")
async def allowing_what_was_never_defined(place: Town) -> Command:
    return AllowColourAt(command_id=place.id(), code="canteen", merchant_id=place.id(), allowed=True)


@says("colour_ended")
async def allowing_what_has_ended(place: Town) -> Command:
    await issued(place)
    await place.happens(EndColour(command_id=place.id(), code="canteen"))
    return AllowColourAt(command_id=place.id(), code="canteen", merchant_id=place.id(), allowed=True)


@says("colour_still_valid")
async def taking_back_what_is_still_valid(place: Town) -> Command:
    return reclaiming(place, "canteen", reserve(), await issued(place))


@says("ok")
async def taking_back_what_has_expired(place: Town) -> Command:
    owner = await issued(place)
    place.clock.advance(timedelta(days=30))
    return reclaiming(place, "canteen", reserve(), owner)


@says("ok")
async def taking_back_what_has_ended(place: Town) -> Command:
    owner = await issued(place)
    await place.happens(EndColour(command_id=place.id(), code="canteen"))
    return reclaiming(place, "canteen", reserve(), owner)


@says("nothing_to_move")
async def taking_it_back_twice(place: Town) -> Command:
    owner = await issued(place)
    await place.happens(EndColour(command_id=place.id(), code="canteen"))
    await place.happens(reclaiming(place, "canteen", reserve(), owner))
    return reclaiming(place, "canteen", reserve(), owner)


@says("line_not_by_hand")
async def taking_it_back_behind_another_colour(place: Town) -> Command:
    owner = await issued(place)
    await place.happens(EndColour(command_id=place.id(), code="canteen"))
    return reclaiming(place, "canteen", PlaceName("2401", "CNY", named_id("colour", "books")), owner)


@says("colour_other_currency")
async def taking_it_back_into_another_currency(place: Town) -> Command:
    owner = await issued(place)
    await place.happens(EndColour(command_id=place.id(), code="canteen"))
    return reclaiming(place, "canteen", reserve("USD"), owner)


@says("colour_not_found")
async def taking_back_what_was_never_defined(place: Town) -> Command:
    return reclaiming(place, "canteen", reserve(), place.id())


# ── reversals ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def posted(place: Town, minor: int = 100) -> tuple[UUID, UUID]:
    """A customer, and the journal that brought the money."""
    owner = await place.customer()
    done = await place.happens(funding(place, wallet(owner), minor))
    return owner, done.journal_ids[0]


def undoing(place: Town, owner: UUID, journal: UUID, minor: int = 100) -> Command:
    return reversing(place, journal, [(reserve(), -minor), (wallet(owner), minor)])


@says("ok")
async def reversing_a_journal(place: Town) -> Command:
    return undoing(place, *await posted(place))


@says("journal_reversed")
async def reversing_it_twice(place: Town) -> Command:
    owner, journal = await posted(place)
    await place.happens(funding(place, wallet(owner), 100))
    await place.happens(undoing(place, owner, journal))
    return undoing(place, owner, journal)


@says("journal_is_reversal")
async def reversing_a_reversal(place: Town) -> Command:
    owner, journal = await posted(place)
    done = await place.happens(undoing(place, owner, journal))
    return reversing(place, done.journal_id, [(reserve(), 100), (wallet(owner), -100)], reverses=journal)


@says("journal_not_found")
async def reversing_what_was_never_posted(place: Town) -> Command:
    return reversing(place, place.id(), [])


@says("insufficient_funds")
async def reversing_when_the_money_is_gone(place: Town) -> Command:
    owner, journal = await posted(place)
    await place.happens(posting(place, wished((wallet(owner), -1), (reserve(), 1))))
    return undoing(place, owner, journal)


@says("account_frozen_debit")
async def reversing_from_a_frozen_account(place: Town) -> Command:
    owner, journal = await posted(place)
    await place.happens(freezing(place, wallet(owner), debits=True))
    return undoing(place, owner, journal)


@says("account_closed")
async def reversing_into_a_closed_account(place: Town) -> Command:
    owner, merchant = await place.customer(100), await place.merchant()
    done = await place.happens(posting(place, wished((wallet(owner), -100), (shop(merchant), 100))))
    await place.happens(ending(place, wallet(owner)))
    return reversing(place, done.journal_ids[0], [(wallet(owner), -100), (shop(merchant), 100)])


@says("backdated_too_far")
async def reversing_for_a_day_too_far_back(place: Town) -> Command:
    owner, journal = await posted(place)
    day = place.clock.now().date() - timedelta(days=32)
    return reversing(place, journal, [(reserve(), -100), (wallet(owner), 100)], value_date=day)


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_the_ledger_says_of_colours_and_reversals(row: Row) -> None:
    assert await answer(row) == row.says

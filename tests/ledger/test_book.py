"""To which day a posting counts, and which days are open."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.support.books import funding, wallet
from tests.support.town import NOON, Town
from tests.support.town import town as a_town
from tongbao.engine.api import Declined, Key, MemoryStore, View
from tongbao.kernel.ids import RowIds
from tongbao.ledger.book import BOOK_KEY, day_in, value_day
from tongbao.ledger.chart import CUSTOMER_WALLET, RESERVE
from tongbao.ledger.commands import PostLinked, SetBook
from tongbao.ledger.rules import Leg, Place, account_keys, post
from tongbao.ledger.types import ENTRY, JOURNAL, LEDGER_DAY, Book

TODAY = date(2026, 3, 1)


@pytest.mark.parametrize(
    ("closed_through", "back", "ahead", "wished", "says"),
    [
        (None, 31, 0, None, TODAY),
        (None, 31, 0, date(2026, 1, 29), date(2026, 1, 29)),
        (None, 31, 0, date(2026, 1, 28), "backdated_too_far"),
        (None, 31, 0, date(2026, 3, 2), "value_date_ahead"),
        (None, 31, 1, date(2026, 3, 2), date(2026, 3, 2)),
        (None, 0, 0, date(2026, 2, 28), "backdated_too_far"),
        (date(2026, 2, 28), 31, 0, None, TODAY),
        (date(2026, 2, 28), 31, 0, date(2026, 2, 28), "period_closed"),
        (date(2026, 2, 27), 31, 0, date(2026, 2, 28), date(2026, 2, 28)),
        # A day that is closed and too far back is closed: reopening is what would have to come first.
        (date(2026, 2, 28), 0, 0, date(2026, 2, 1), "period_closed"),
        # A book closed through today takes nothing more today.
        (TODAY, 31, 0, None, "period_closed"),
        (TODAY, 31, 1, date(2026, 3, 2), date(2026, 3, 2)),
    ],
)
def test_a_value_date_is_open_or_named_as_what_it_is(
    closed_through: date | None, back: int, ahead: int, wished: date | None, says: date | str
) -> None:
    found = value_day(Book("main", "Asia/Shanghai", closed_through, back, ahead), NOON, wished)
    assert (found.code.name if isinstance(found, Declined) else found) == says


@pytest.mark.parametrize(
    ("wished", "told"),
    [
        (date(2026, 1, 28), {"value_date": date(2026, 1, 28), "earliest": date(2026, 1, 29)}),
        (date(2026, 3, 5), {"value_date": date(2026, 3, 5), "latest": date(2026, 3, 4)}),
    ],
)
def test_who_names_a_day_that_is_not_open_is_told_the_nearest_that_is(wished: date, told: dict[str, date]) -> None:
    book = Book("main", "Asia/Shanghai", None, 31, 3)
    found = value_day(book, NOON, wished)
    assert isinstance(found, Declined) and found.detail == told
    (nearest,) = set(told.values()) - {wished}
    assert value_day(book, NOON, nearest) == nearest


@pytest.mark.parametrize(
    ("moment", "zone", "day"),
    [
        (datetime(2026, 3, 1, 15, 59, 59, 999999, UTC), "Asia/Shanghai", date(2026, 3, 1)),
        (datetime(2026, 3, 1, 16, tzinfo=UTC), "Asia/Shanghai", date(2026, 3, 2)),
        (datetime(2026, 3, 1, 16, tzinfo=UTC), "UTC", date(2026, 3, 1)),
        (datetime(2026, 3, 1, 4, 59, tzinfo=UTC), "America/New_York", date(2026, 2, 28)),
        # Clocks go forward on 8 March in New York: midnight comes an hour sooner in UTC.
        (datetime(2026, 3, 9, 4, tzinfo=UTC), "America/New_York", date(2026, 3, 9)),
    ],
)
def test_a_day_begins_at_midnight_in_the_books_zone(moment: datetime, zone: str, day: date) -> None:
    assert day_in(moment, zone) == day


def test_nothing_is_left_of_a_posting_into_a_closed_period() -> None:
    owner = Place(CUSTOMER_WALLET, "CNY", RowIds(NOON, 1, 1).next())
    rows = dict.fromkeys(account_keys([owner, Place(RESERVE, "CNY")])) | {BOOK_KEY: Book("main", "UTC", TODAY, 31, 0)}
    view = View(rows, RowIds(NOON, 1, 1))
    command = PostLinked(command_id=RowIds(NOON, 1, 2).next(), journals=())
    declined = post(view, command, NOON, "test", [Leg(Place(RESERVE, "CNY"), -5), Leg(owner, 5)])
    assert isinstance(declined, Declined) and declined.code.name == "period_closed"
    assert declined.detail == {"value_date": TODAY, "closed_through": TODAY}
    left = view.changes(accepted=True)
    assert (left.written, left.appended, left.tallies) == ({}, {}, [])


async def test_what_every_posting_needs_is_named_with_its_accounts() -> None:
    assert account_keys([]) == [BOOK_KEY] and isinstance(BOOK_KEY, Key)


async def _totals(store: MemoryStore) -> dict[tuple[date, str], tuple[int, int, int]]:
    return {
        (row.day, row.code): (row.debit_minor, row.credit_minor, row.entries) for row in store.tables.table(LEDGER_DAY).values()
    }


async def test_running_totals_count_to_the_value_date() -> None:
    store = MemoryStore()
    async with a_town(store) as place:
        owner = wallet(place.id())
        await place.happens(funding(place, owner, 100))
        await place.happens(funding(place, owner, 11, TODAY - timedelta(days=2)))
        await place.happens(funding(place, owner, 7, TODAY - timedelta(days=2)))
    assert await _totals(store) == {
        (TODAY, "1001"): (100, 0, 1), (TODAY, "2001"): (0, 100, 1),
        (TODAY - timedelta(days=2), "1001"): (18, 0, 2), (TODAY - timedelta(days=2), "2001"): (0, 18, 2),
    }  # fmt: skip


async def test_a_declined_posting_counts_nowhere() -> None:
    store = MemoryStore()
    async with a_town(store) as place:
        payer, other = await place.customer(100), await place.customer()
        before = await _totals(store)
        assert await place.says(place.transferring(payer, other, 101)) == "insufficient_funds"
        assert await _totals(store) == before


async def test_a_book_in_another_zone_counts_to_another_day() -> None:
    store = MemoryStore()
    async with a_town(store) as place:
        await _late(place)
    assert [row.value_date for row in store.tables.appended[JOURNAL]] == [TODAY + timedelta(days=1), TODAY]
    assert len(store.tables.appended[ENTRY]) == 4


async def _late(place: Town) -> None:
    """Two postings at six in the evening in Greenwich, the second in a book that keeps Greenwich's days."""
    place.clock.advance(timedelta(hours=6))
    await place.happens(funding(place, wallet(place.id()), 5))
    await place.happens(SetBook(command_id=place.id(), zone="UTC", backdating_days=31, forward_days=0))
    await place.happens(funding(place, wallet(place.id()), 5))

"""The book's calendar: to which day a journal counts, and which days are open for posting."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.ledger import errors
from tongbao.ledger.commands import SetBook
from tongbao.ledger.types import BOOK, DEFAULT_BOOK, MAIN_BOOK, Book

BOOK_KEY = Key(BOOK, MAIN_BOOK)


def the_book(view: View) -> Book:
    """The book as it was set, or its defaults."""
    return view.get(BOOK, MAIN_BOOK) or DEFAULT_BOOK


@lru_cache(maxsize=64)
def day_in(now: datetime, zone: str) -> date:
    """The calendar day that a moment falls on in a zone. Remembered: all commands of a batch share one moment."""
    return now.astimezone(ZoneInfo(zone)).date()


def value_day(book: Book, now: datetime, wished: date | None = None) -> date | Declined:
    """The value date of what is posted now: `wished`, or today in the book's zone.

    Declines `period_closed`, `backdated_too_far`, `value_date_ahead`.
    """
    today = day_in(now, book.zone)
    day = today if wished is None else wished
    if book.closed_through is not None and day <= book.closed_through:
        return Declined(errors.PERIOD_CLOSED, {"value_date": day, "closed_through": book.closed_through})
    if day is today:
        return day
    if (today - day).days > book.backdating_days:
        return Declined(errors.BACKDATED_TOO_FAR, {"value_date": day, "earliest": today - timedelta(days=book.backdating_days)})
    if (day - today).days > book.forward_days:
        return Declined(errors.VALUE_DATE_AHEAD, {"value_date": day, "latest": today + timedelta(days=book.forward_days)})
    return day


def set_book(command: SetBook, view: View, now: datetime) -> Decision:
    """The edge has seen to it that the zone exists and the days are not negative. What was closed stays closed."""
    view.put(
        BOOK,
        replace(the_book(view), zone=command.zone, backdating_days=command.backdating_days, forward_days=command.forward_days),
    )
    told = {"zone": command.zone, "backdating_days": command.backdating_days, "forward_days": command.forward_days}
    view.emit("ledger", "book.set", told | {"by": command.by})
    return Accepted()


DECIDERS = (Decider(SetBook, lambda command: [BOOK_KEY], set_book),)

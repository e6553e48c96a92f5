"""How often something was done today: for what may be done a few times a day by one, or to one.

What is counted is named by an id that tells nothing of whom it is about: callers make it under a key of the installation where
it is somebody's log-in or address. A day is UTC's.
"""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

import msgspec

from tongbao.engine.api import Key, Relation, View


class DailyCount(msgspec.Struct, frozen=True, gc=False):
    """So many `times` on that day, for the last time at `last_at`. Means nothing once the day is over."""

    count_id: UUID
    day: date
    times: int
    last_at: datetime


COUNT: Relation[DailyCount] = Relation("daily_count", DailyCount, key=("count_id",), rank=157, removable=True)


def count_keys(count_ids: tuple[UUID, ...]) -> list[Key]:
    """The rows that the functions below need."""
    return [Key(COUNT, count_id) for count_id in count_ids]


def times_today(view: View, count_id: UUID, now: datetime) -> int:
    """How often it was done today."""
    count = view.get(COUNT, count_id)
    return count.times if count is not None and count.day == now.date() else 0


def last_at(view: View, count_id: UUID) -> datetime | None:
    """When it was done last, on any day; None where that is not known any more."""
    count = view.get(COUNT, count_id)
    return count.last_at if count is not None else None


def count_today(view: View, count_id: UUID, now: datetime) -> None:
    """Once more."""
    view.put(COUNT, DailyCount(count_id, now.date(), times_today(view, count_id, now) + 1, now))

"""Local days: when one begins, to which period it belongs, and how many working days lie ahead."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from tongbao.rules.pack import Deadline, Window


class Today(NamedTuple):
    """A local day, as its ordinal, and the moments between which it lies, in UTC."""

    day: int
    begins: datetime
    ends: datetime


def today_at(now: datetime, zone: ZoneInfo) -> Today:
    """The local day that a moment falls on."""
    day = now.astimezone(zone).date()
    return Today(day.toordinal(), midnight(day, zone), midnight(day + timedelta(days=1), zone))


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """When a local day begins, in UTC."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def window_name(window: Window) -> str:
    """How a window is called in the name of a counter: all that its sum depends on."""
    match window.kind:
        case "year" if window.anchor == "fiscal":
            return f"year:fiscal:{window.begins_month}"
        case "year" if window.anchor == "rolling":
            return "rolling:365"
        case "year":
            return f"year:{window.anchor}"
        case "rolling" | "consecutive_days":
            return f"{window.kind}:{window.days}"
        case "since_confirmation":
            return f"since_confirmation:{window.strength}"
        case _:
            return window.kind


def period_of(window: str, day: int, opened: int) -> int:
    """The period of a window that a day belongs to: as long as it stays the same, the sum goes on. `opened`: the day on which the
    customer was first known. Not of rolling windows."""
    match window.split(":"):
        case ["day"]:
            return day
        case ["month"]:
            on = date.fromordinal(day)
            return on.year * 12 + on.month
        case ["year", "calendar"]:
            return date.fromordinal(day).year
        case ["year", "fiscal", month]:
            on = date.fromordinal(day)
            return on.year - (on.month < int(month))
        case ["year", "anniversary"]:
            on, first = date.fromordinal(day), date.fromordinal(opened)
            return on.year - ((on.month, on.day) < (first.month, first.day))
        case _:
            return 0


def period_ends(window: str, day: int, opened: int) -> int | None:
    """The first day of the next period; None where there is none (a lifetime, since a confirmation)."""
    if window.split(":")[0] not in ("day", "month", "year"):
        return None
    period = period_of(window, day, opened)
    step = {"day": 1, "month": 28, "year": 330}[window.split(":")[0]]
    ahead = day + step
    while period_of(window, ahead - 1, opened) != period:
        ahead -= 1
    while period_of(window, ahead, opened) == period:
        ahead += 1
    return ahead


class Calendar:
    """Working days: weekdays that are no holidays, and the weekends that are worked instead."""

    def __init__(self, holidays: frozenset[date], workdays: frozenset[date]) -> None:
        self._holidays = holidays
        self._workdays = workdays

    def works(self, day: date) -> bool:
        """Whether a day is a working day."""
        return day in self._workdays or (day.isoweekday() < 6 and day not in self._holidays)

    def after(self, day: date, working_days: int) -> date:
        """The so-manieth working day after `day`."""
        while working_days:
            day += timedelta(days=1)
            working_days -= self.works(day)
        return day


def due(deadline: Deadline, now: datetime, today: Today, zone: ZoneInfo, calendar: Calendar) -> datetime:
    """When a deadline that begins now is over: at the end of its last local day, or after so many hours."""
    day = date.fromordinal(today.day)
    match deadline.unit:
        case "hours":
            return now + timedelta(hours=deadline.value)
        case "working_days":
            last = calendar.after(day, deadline.value)
        case "calendar_days":
            last = day + timedelta(days=deadline.value)
        case "months":
            last = months_after(day, deadline.value)
        case _:
            last = months_after(day, 12 * deadline.value)
    return midnight(last + timedelta(days=1), zone)


def months_after(day: date, months: int) -> date:
    """The same day so many months later, the last one of a month that is too short."""
    years, month = divmod(day.month - 1 + months, 12)
    for number in (day.day, 30, 29, 28):
        try:
            return date(day.year + years, month + 1, number)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")

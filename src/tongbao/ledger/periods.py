"""Closing the books through a day, carrying the result of the period into retained earnings, and opening them again.

    open ──ClosePeriod──▶ CLOSED ──CarryForward──▶ CARRIED
      ▲                      └───────ReopenPeriod──────┘

Two commands, because sums may only be carried when nothing can change them any more: after `ClosePeriod` has committed, `post`
declines every journal for a day of the period, so what `ledger_day` says of it is final. A journal of the closing day then
brings every income and expense line to zero. Reopening leaves that journal where it is; the next close carries what was added.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.kernel.errors import decline
from tongbao.ledger.book import BOOK_KEY, day_in, the_book
from tongbao.ledger.chart import RETAINED_EARNINGS
from tongbao.ledger.commands import PlaceName
from tongbao.ledger.rules import Leg, account_keys, place_of, post
from tongbao.ledger.types import BOOK

PERIOD_NOT_OVER = decline(
    "period_not_over", "{through} 尚未结束，不能关账。", "{through} is not over yet and cannot be closed.", status=409
)
PERIOD_OUT_OF_ORDER = decline(
    "period_out_of_order",
    "账期只能依次关闭：已关至 {closed_through}。",
    "Periods are closed in order: the books are closed through {closed_through} already.",
    status=409,
)
PERIOD_UNFINISHED = decline(
    "period_unfinished",
    "上一账期（{through}）的损益尚未结转。",
    "The result of the period before ({through}) has not been carried forward yet.",
    status=409,
)
PERIOD_NOT_CLOSED = decline(
    "period_not_closed", "{through} 不是最近关闭的账期。", "{through} is not the period closed last.", status=409
)
PERIOD_CARRIED = decline(
    "period_carried", "该账期的损益已结转。", "The result of this period has been carried forward already.", status=409
)

PeriodState = Literal["CLOSED", "CARRIED", "REOPENED"]

#: Types of chart lines whose balance is a period's result.
RESULT = ("income", "expense")


class Period(msgspec.Struct, frozen=True):
    """A period that was closed. `after`: the last day of the one before it, None for the first."""

    through: date
    state: PeriodState
    after: date | None
    closed_at: datetime
    closed_by: UUID
    journal_id: UUID | None
    carried_at: datetime | None
    reopened_at: datetime | None
    reopened_by: UUID | None
    reason: str


PERIOD: Relation[Period] = Relation("period", Period, key=("through",), rank=790)


class ClosePeriod(Command, frozen=True, kw_only=True):
    """Nothing more may be posted for `through` or any day before it. `after`: through which day the books are closed now, as the
    operator saw it."""

    kind = "ledger.close_period"
    through: date
    after: date | None
    operator_id: UUID


class Result(msgspec.Struct, frozen=True):
    """What an income or expense line stands at when the period ends."""

    code: str
    currency: str
    amount_minor: int


class CarryForward(Command, frozen=True, kw_only=True):
    """Carry the results of a closed period into retained earnings. `closed_at`: of the close after which they were read; opened
    and closed again meanwhile, the period may stand at others."""

    kind = "ledger.carry_forward"
    through: date
    closed_at: datetime
    results: tuple[Result, ...]


class ReopenPeriod(Command, frozen=True, kw_only=True):
    """Open the period closed last again."""

    kind = "ledger.reopen_period"
    through: date
    reason: str
    operator_id: UUID


class Carried(msgspec.Struct, frozen=True):
    """Result of `CarryForward`; no journal where there was nothing to carry."""

    journal_id: UUID | None


def _close_keys(command: ClosePeriod) -> Iterator[Key]:
    yield BOOK_KEY
    yield Key(PERIOD, command.through)
    if command.after is not None:
        yield Key(PERIOD, command.after)


def close_period(command: ClosePeriod, view: View, now: datetime) -> Decision:
    """Declines `period_not_over`, `period_out_of_order`, `period_unfinished`."""
    book = the_book(view)
    if command.through >= day_in(now, book.zone):
        return Declined(PERIOD_NOT_OVER, {"through": str(command.through)})
    if book.closed_through != command.after or (command.after is not None and command.through <= command.after):
        return Declined(PERIOD_OUT_OF_ORDER, {"closed_through": str(book.closed_through or "–")})
    before = view.get(PERIOD, command.after) if command.after is not None else None
    if before is not None and before.state != "CARRIED":
        return Declined(PERIOD_UNFINISHED, {"through": str(before.through)})
    view.put(BOOK, replace(book, closed_through=command.through))
    view.put(
        PERIOD,
        Period(command.through, "CLOSED", command.after, now, command.operator_id, None, None, None, None, ""),
    )
    view.emit("ledger", "period.closed", {"through": command.through, "by": command.operator_id})
    return Accepted()


def _carry_legs(command: CarryForward) -> list[Leg]:
    legs: list[Leg] = []
    kept: dict[str, int] = {}
    for result in command.results:
        legs.append(Leg(place_of(PlaceName(result.code, result.currency)), -result.amount_minor))
        kept[result.currency] = kept.get(result.currency, 0) + result.amount_minor
    return [*legs, *(Leg(place_of(PlaceName(RETAINED_EARNINGS.code, money)), minor) for money, minor in kept.items() if minor)]


def _carry_keys(command: CarryForward) -> list[Key]:
    return [Key(PERIOD, command.through), *account_keys(leg.place for leg in _carry_legs(command))]


def carry_forward(command: CarryForward, view: View, now: datetime) -> Decision:
    """Declines `period_not_closed`, `period_carried`, and whatever `post` declines."""
    period = view.get(PERIOD, command.through)
    if period is None or period.state == "REOPENED":
        return Declined(PERIOD_NOT_CLOSED, {"through": str(command.through)})
    if period.state == "CARRIED":
        return Declined(PERIOD_CARRIED)
    if period.closed_at != command.closed_at:
        return Declined(PERIOD_NOT_CLOSED, {"through": str(command.through)})
    legs = _carry_legs(command)
    journal_id = None
    if legs:
        # This journal belongs to the period it closes, so it is posted on the book as it stood open, however long ago.
        book = the_book(view)
        days = (day_in(now, book.zone) - command.through).days
        view.put(BOOK, replace(book, closed_through=period.after, backdating_days=max(days, book.backdating_days)))
        journal = post(view, command, now, command.kind, legs, str(command.through), value_date=command.through)
        view.put(BOOK, book)
        if isinstance(journal, Declined):
            return journal
        journal_id = journal.journal_id
    view.put(PERIOD, replace(period, state="CARRIED", journal_id=journal_id, carried_at=now))
    return Accepted(Carried(journal_id))


def _reopen_keys(command: ReopenPeriod) -> list[Key]:
    return [BOOK_KEY, Key(PERIOD, command.through)]


def reopen_period(command: ReopenPeriod, view: View, now: datetime) -> Decision:
    """Declines `period_not_closed`."""
    book = the_book(view)
    period = view.get(PERIOD, command.through)
    if period is None or book.closed_through != command.through:
        return Declined(PERIOD_NOT_CLOSED, {"through": str(command.through)})
    view.put(BOOK, replace(book, closed_through=period.after))
    view.put(
        PERIOD,
        replace(period, state="REOPENED", reopened_at=now, reopened_by=command.operator_id, reason=command.reason.strip()),
    )
    told = {"through": command.through, "by": command.operator_id, "reason": command.reason.strip()}
    view.emit("ledger", "period.reopened", told)
    return Accepted()


DECIDERS = (
    Decider(ClosePeriod, _close_keys, close_period),
    Decider(CarryForward, _carry_keys, carry_forward, Carried),
    Decider(ReopenPeriod, _reopen_keys, reopen_period),
)

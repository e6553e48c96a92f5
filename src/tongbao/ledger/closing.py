"""Closing a period as an operator does it: look at the books first, close, carry the result forward; and open again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Engine, accepted
from tongbao.engine.findings import ChainBroken
from tongbao.kernel.clock import Clock
from tongbao.kernel.ids import new_id
from tongbao.kernel.money import format_minor
from tongbao.ledger.bounds import short_text
from tongbao.ledger.chart import CARD_RECEIVABLE, CARD_REFUNDS, CHART, WITHDRAWALS_IN_TRANSIT
from tongbao.ledger.periods import RESULT, CarryForward, ClosePeriod, Period, ReopenPeriod, Result
from tongbao.ledger.reports import LedgerRow, Reports, totals
from tongbao.ledger.types import QUERIES

#: Lines that should stand at zero when everything is settled.
IN_TRANSIT = (WITHDRAWALS_IN_TRANSIT.code, CARD_REFUNDS.code, CARD_RECEIVABLE.code)

Level = Literal["error", "warning"]


class Finding(msgspec.Struct, frozen=True):
    """What a look at the books before closing found. An error keeps them from being closed, a warning does not."""

    level: Level
    name: str
    zh: str
    en: str


class Closing:
    """Reads through a pool; acts through the engine."""

    def __init__(self, engine: Engine, pool: asyncpg.Pool, clock: Clock) -> None:
        self._engine = engine
        self._pool = pool
        self._clock = clock
        self._reports = Reports(pool)

    async def periods(self, before: date | None = None, limit: int = 50) -> list[Period]:
        """Periods that were ever closed, newest first."""
        return [Period(*row) for row in await self._pool.fetch(QUERIES["periods"], before, limit)]

    async def look(self, through: date) -> list[Finding]:
        """What speaks against closing through a day, errors first. Nothing is changed."""
        book = await self._reports.book()
        rows = await self._reports.trial_balance(through)
        findings = [*_out_of_balance(rows), *_in_transit(rows), *_wrong_side(rows)]
        if through >= book.day_of(self._clock.now()):
            findings.append(Finding("error", "not_over", f"{through} 尚未结束", f"{through} is not over yet"))
        unfinished = book.closed_through == through and (period := await self._period(through)) and period.state == "CLOSED"
        if book.closed_through is not None and through <= book.closed_through and not unfinished:
            findings.append(
                Finding(
                    "error",
                    "out_of_order",
                    f"已关账至 {book.closed_through}",
                    f"the books are closed through {book.closed_through}",
                )
            )
        for row in await self._pool.fetch(QUERIES["holds_open"]):
            amount = f"{format_minor(row['left_minor'], row['currency'])} {row['currency']}"
            findings.append(
                Finding(
                    "warning",
                    "holds",
                    f"{row['holds']} 笔冻结未结束，共 {amount}",
                    f"{row['holds']} holds are active, {amount} in all",
                )
            )
        return sorted(findings, key=lambda finding: finding.level)

    async def result(self, through: date) -> list[Result]:
        """What income and expense lines stand at when a day ends: what closing through it carries forward."""
        rows = await self._reports.trial_balance(through)
        return [
            Result(row.code, row.currency, row.closing_minor)
            for row in rows
            if CHART[row.code].type in RESULT and row.closing_minor
        ]

    async def close(self, command_id: UUID, through: date, operator_id: UUID) -> Period:
        """Close the books through a day and carry the result forward. Where an earlier try got only half way, this ends it.

        Raises what `close_period` and `carry_forward` decline.
        """
        book = await self._reports.book()
        period = await self._period(through)
        unfinished = period is not None and period.state == "CLOSED" and book.closed_through == through
        if not unfinished:
            after = book.closed_through
            accepted(
                await self._engine.submit(
                    ClosePeriod(command_id=command_id, through=through, after=after, operator_id=operator_id)
                )
            )
            period = await self._period(through)
        assert period is not None
        if period.state == "CLOSED":
            # Once for each close, whoever tries: the decider looks at the period's state. A decline is not for ever.
            carry_id = new_id(self._clock.now())
            results = tuple(await self.result(through))
            carry = CarryForward(command_id=carry_id, through=through, closed_at=period.closed_at, results=results)
            accepted(await self._engine.submit(carry))
            period = await self._period(through)
            assert period is not None
        return period

    async def reopen(self, command_id: UUID, through: date, reason: str, operator_id: UUID) -> Period:
        """Open the period closed last again. Refuses `ledger_text_too_long`, `control_characters`; raises what `reopen_period`
        declines."""
        accepted(
            await self._engine.submit(
                ReopenPeriod(command_id=command_id, through=through, reason=short_text(reason.strip()), operator_id=operator_id)
            )
        )
        period = await self._period(through)
        assert period is not None
        return period

    async def _period(self, through: date) -> Period | None:
        row = await self._pool.fetchrow(QUERIES["period"], through)
        return Period(*row) if row else None


async def check_periods(connection: asyncpg.Connection) -> None:
    """What is closed stays carried: income and expenses stand at zero at the end of the last period, its journal is there, and
    the book is closed through it. Raises ChainBroken naming the first difference."""
    book = await Reports(connection).book()
    if book.closed_through is None:
        return
    row = await connection.fetchrow(QUERIES["period"], book.closed_through)
    if row is None or row["state"] == "REOPENED":
        raise ChainBroken(f"the book is closed through {book.closed_through}, and no period is")
    if row["state"] != "CARRIED":
        return
    for line in await Reports(connection).trial_balance(book.closed_through):
        if CHART[line.code].type in RESULT and line.closing_minor:
            raise ChainBroken(f"period {book.closed_through}: {line.code} {line.currency} still stands at {line.closing_minor}")
    if row["journal_id"] is not None and await connection.fetchrow(QUERIES["journal_head"], row["journal_id"]) is None:
        raise ChainBroken(f"period {book.closed_through}: its journal {row['journal_id']} is not there")


def _out_of_balance(rows: Sequence[LedgerRow]) -> list[Finding]:
    return [
        Finding("error", "unbalanced", f"{currency} 借贷不平", f"{currency} does not balance")
        for currency, (debit, credit) in totals(rows).items()
        if debit != credit
    ]


def _in_transit(rows: Sequence[LedgerRow]) -> list[Finding]:
    return [
        Finding(
            "warning", "in_transit",
            f"{row.code} {CHART[row.code].zh} 余额不为零：{_amount(row)}",
            f"{row.code} {CHART[row.code].en} is not at zero: {_amount(row)}",
        )
        for row in rows
        if row.code in IN_TRANSIT and row.closing_minor
    ]  # fmt: skip


def _wrong_side(rows: Sequence[LedgerRow]) -> list[Finding]:
    return [
        Finding(
            "warning", "wrong_side",
            f"{row.code} {CHART[row.code].zh} 余额方向异常：{_amount(row)}",
            f"{row.code} {CHART[row.code].en} stands on the unusual side: {_amount(row)}",
        )
        for row in rows
        if row.closing_minor and (row.closing_minor < 0) != (CHART[row.code].normal == "debit")
    ]  # fmt: skip


def _amount(row: LedgerRow) -> str:
    return f"{format_minor(row.closing_minor, row.currency)} {row.currency}"

"""Routes of closing the books: what speaks against it, closing, opening again."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import PathParameter, QueryParameter

from tongbao.app.books import Books
from tongbao.app.console.wire import chart_name, day
from tongbao.identity.service import Caller, command_id_for
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor
from tongbao.ledger.errors import REASON_MISSING
from tongbao.ledger.periods import Period, PeriodState

Through = Annotated[str, PathParameter(max_length=10)]


class PeriodLine(msgspec.Struct, frozen=True, kw_only=True):
    """A period that was closed. CLOSED: its result has not been carried forward yet; close it once more to do so."""

    through: date
    after: date | None
    state: PeriodState
    closed_at: datetime
    closed_by: str
    journal_id: str | None
    carried_at: datetime | None
    reopened_at: datetime | None
    reopened_by: str | None
    reason: str
    last: bool


class FindingAnswer(msgspec.Struct, frozen=True):
    """What a look at the books found. An error keeps them from being closed."""

    level: Literal["error", "warning"]
    name: str
    message: web.Words


class ResultLine(msgspec.Struct, frozen=True):
    """What an income or expense line carries forward. Credit positive."""

    code: str
    name: web.Words
    currency: str
    amount: str


class CheckAnswer(msgspec.Struct, frozen=True):
    """The books before closing through a day."""

    through: date
    closed_through: date | None
    ready: bool
    findings: list[FindingAnswer]
    results: list[ResultLine]


class CloseBody(web.Request, frozen=True, kw_only=True):
    """The last day of the period."""

    through: Annotated[str, msgspec.Meta(max_length=10)]


class ReopenBody(web.Request, frozen=True, kw_only=True):
    """Why the period is opened again."""

    reason: Annotated[str, msgspec.Meta(max_length=200)]


@get("/v1/console/periods", tags=["Console"])
async def periods(operator: Caller, books: Books, limit: web.Limit = 20, cursor: web.Cursor = None) -> web.Page[PeriodLine]:
    """Periods that were ever closed, newest first."""
    before = web.decode_cursor(cursor, date)
    rows, following = web.page(await books.closing.periods(before, limit + 1), limit, lambda row: row.through)
    book = await books.reports.book()
    return web.Page([_period(row, book.closed_through) for row in rows], following)


@get("/v1/console/periods/check", tags=["Console"])
async def check_period(operator: Caller, books: Books, through: Annotated[str, QueryParameter(max_length=10)]) -> CheckAnswer:
    """What speaks against closing the books through a day, and what would be carried forward. Changes nothing."""
    last = day(through)
    findings = await books.closing.look(last)
    book = await books.reports.book()
    return CheckAnswer(
        last,
        book.closed_through,
        all(finding.level != "error" for finding in findings),
        [FindingAnswer(each.level, each.name, web.Words(each.zh, each.en)) for each in findings],
        [
            ResultLine(each.code, chart_name(each.code), each.currency, format_minor(each.amount_minor, each.currency))
            for each in await books.closing.result(last)
        ],
    )


@post("/v1/console/periods", tags=["Console"], status_code=201)
async def close_period(operator: Caller, books: Books, data: CloseBody, key: web.IdempotencyKey) -> PeriodLine:
    """Close the books through a day and carry the result into retained earnings."""
    period = await books.closing.close(command_id_for(operator, key), day(data.through), operator.principal_id)
    return _period(period, period.through)


@post("/v1/console/periods/{through:str}/reopen", tags=["Console"], status_code=200)
async def reopen_period(
    operator: Caller, books: Books, through: Through, data: ReopenBody, key: web.IdempotencyKey
) -> PeriodLine:
    """Open the period closed last again."""
    if not data.reason.strip():
        raise Refusal(REASON_MISSING)
    command_id: UUID = command_id_for(operator, key)
    period = await books.closing.reopen(command_id, day(through), data.reason.strip(), operator.principal_id)
    return _period(period, period.after)


def _period(row: Period, closed_through: date | None) -> PeriodLine:
    return PeriodLine(
        through=row.through,
        after=row.after,
        state=row.state,
        closed_at=row.closed_at,
        closed_by=str(row.closed_by),
        journal_id=str(row.journal_id) if row.journal_id else None,
        carried_at=row.carried_at,
        reopened_at=row.reopened_at,
        reopened_by=str(row.reopened_by) if row.reopened_by else None,
        reason=row.reason,
        last=row.through == closed_through,
    )

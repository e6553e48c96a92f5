"""Routes of files: the books written out, and opening balances brought in."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import date
from typing import Annotated, Literal

import msgspec
from litestar import get, post
from litestar.params import QueryParameter
from litestar.response import Stream

from tongbao.app.books import Books, OpeningTrial
from tongbao.app.console.books import TrialCurrency, trial_currency
from tongbao.app.console.wire import FirstDay, LastDay, day
from tongbao.identity.errors import FORBIDDEN
from tongbao.identity.service import Caller
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.ledger.exchange import opening
from tongbao.ledger.exchange.export import Export
from tongbao.operators.api import OperatorService, Permission, permissions_of
from tongbao.operators.errors import APPROVAL_NEEDED, PROPOSAL_NOT_FOUND
from tongbao.operators.service import reason_of
from tongbao.operators.types import LEAST_REASON

Table = Literal["journals", "entries", "accounts", "trial-balance"]

Approval = Annotated[
    str | None, QueryParameter(max_length=64, description="The id of your approved proposal `books.export` for this very file.")
]

Whole = Annotated[bool, QueryParameter(description="With people's ids and texts; needs `books.export_whole`.")]
WhyWhole = Annotated[str, QueryParameter(max_length=500, description="Why, where one operator alone fetches the whole.")]

#: A file of opening balances; ten thousand lines are less than a megabyte.
MOST_FILE_BYTES = 2 * 1024 * 1024


class OpeningBody(web.Request, frozen=True, kw_only=True):
    """A file of opening balances. `dry_run`: say what it would come to, and change nothing."""

    content: Annotated[str, msgspec.Meta(max_length=1_500_000)]
    format: opening.Format = "csv"
    value_date: Annotated[str, msgspec.Meta(max_length=10)]
    dry_run: bool = True


class ExportBody(web.Request, frozen=True, kw_only=True):
    """What is to be written out: which file, of which value dates. Whose everything is stands in it under ids that are good in
    that file only, and no text that people wrote; the kind `books.export_whole` writes it out as it is."""

    what: Literal["beancount", "journals", "entries", "accounts", "trial-balance"]
    first_day: Annotated[str, msgspec.Meta(max_length=10)] | None = None
    last_day: Annotated[str, msgspec.Meta(max_length=10)] | None = None


class OpeningFinding(msgspec.Struct, frozen=True):
    """What is wrong with a line of the file; line 0 is the whole of it."""

    line: int
    message: web.Words


class OpeningAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a file would come to, or has come to. `journal_id` is null for a dry run and for a file with findings; `repeated`:
    this file had been posted for that day before. `moved`: so many of its accounts have entries already."""

    value_date: date
    lines: int
    findings: list[OpeningFinding]
    currencies: list[TrialCurrency]
    moved: int
    journal_id: str | None
    repeated: bool


@get("/v1/console/exports/beancount", tags=["Console"], media_type="text/plain")
async def export_beancount(
    operator: Caller,
    books: Books,
    operators: OperatorService,
    approval: Approval = None,
    whole: Whole = False,
    reason: WhyWhole = "",
) -> Stream:
    """The books as a Beancount file. Takes two people: propose `books.export`, then fetch it with the proposal's id. With `whole`
    (propose `books.export_whole`) people's ids and texts are in it."""
    await _agreed(operators, operator, approval, ExportBody(what="beancount"), whole, reason)
    return await _file(books, Export("beancount"), "text/plain", whole)


@get("/v1/console/exports/{what:str}", tags=["Console"], media_type="text/csv")
async def export_table(
    operator: Caller,
    books: Books,
    operators: OperatorService,
    what: Table,
    first_day: FirstDay = None,
    last_day: LastDay = None,
    bom: Annotated[bool, QueryParameter(description="Begin with a byte order mark, by which Excel knows UTF-8.")] = False,
    approval: Approval = None,
    whole: Whole = False,
    reason: WhyWhole = "",
) -> Stream:
    """Journals, entries, accounts or the trial balance as CSV. Days are value dates. Takes two people, as the whole books do."""
    first, last = export_days(first_day, last_day)
    await _agreed(operators, operator, approval, ExportBody(what=what, first_day=first_day, last_day=last_day), whole, reason)
    return await _file(books, Export(what, first, last, bom), "text/csv", whole)


def export_days(first_day: str | None, last_day: str | None) -> tuple[date | None, date | None]:
    """Refuses `invalid_date`."""
    first, last = (day(text) if text is not None else None for text in (first_day, last_day))
    if first is not None and last is not None and first > last:
        raise Refusal(web.INVALID_DATE)
    return first, last


async def _agreed(
    operators: OperatorService, operator: Caller, approval: str | None, wish: ExportBody, whole: bool, reason: str
) -> None:
    """Nothing leaves in bulk that a second operator did not agree to, and nobody's ids do without the permission and a reason:
    the proposal's, or where one operator is enough their own. Refuses `forbidden`, `approval_needed`, `reason_too_short`."""
    if whole and Permission.BOOKS_EXPORT_WHOLE not in permissions_of(operator.roles):
        raise Refusal(FORBIDDEN)
    if not operators.four_eyes:
        if whole:
            reason_of(reason, LEAST_REASON)
        return
    kind = "books.export_whole" if whole else "books.export"
    if approval is None:
        raise Refusal(APPROVAL_NEEDED, kind=kind)
    await operators.approved(operator.principal_id, web.parse_id(approval, PROPOSAL_NOT_FOUND), kind, wish)


async def _file(books: Books, wish: Export, kind: str, whole: bool) -> Stream:
    pieces = books.export(wish, whole=whole)
    begun = await anext(pieces, b"")  # whatever refuses does so before the first byte is sent
    headers = {"Content-Disposition": f'attachment; filename="{wish.file_name}"'}
    return Stream(_all(begun, pieces), media_type=f"{kind}; charset=utf-8", headers=headers)


async def _all(begun: bytes, pieces: AsyncGenerator[bytes, None]) -> AsyncIterator[bytes]:
    async with aclosing(pieces):
        yield begun
        async for piece in pieces:
            yield piece


@post("/v1/console/opening-balances", tags=["Console"], status_code=200, request_max_body_size=MOST_FILE_BYTES)
async def opening_balances(
    operator: Caller, books: Books, operators: OperatorService, data: OpeningBody, key: web.IdempotencyKey
) -> OpeningAnswer:
    """Check a file of opening balances whole, and post it as one journal. The same file for the same day is posted once, and an
    account of somebody's only while it has no entries. Posting makes money that people can spend: it takes two people (propose
    `books.opening`), unless four eyes are switched off."""
    value_date = day(data.value_date)
    if not data.dry_run:
        if Permission.BOOKS_OPENING not in permissions_of(operator.roles):
            raise Refusal(FORBIDDEN)
        operators.need_two("books.opening")
    read = opening.read(data.content, data.format)
    journal_id, repeated = None, False
    if not data.dry_run and not read.findings:
        journal_id, repeated = await books.post_opening(read, value_date)
        trial = OpeningTrial(await books.trial(value_date), 0, [])
    else:
        trial = await books.opening_dry_run(read, value_date)
    return OpeningAnswer(
        value_date=value_date,
        lines=len(read.lines),
        findings=[OpeningFinding(each.number, web.Words(each.zh, each.en)) for each in trial.findings],
        currencies=[trial_currency(each) for each in trial.trials],
        moved=trial.moved,
        journal_id=str(journal_id) if journal_id else None,
        repeated=repeated,
    )

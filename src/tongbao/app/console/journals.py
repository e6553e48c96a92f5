"""Journals as an operator reads them."""

from __future__ import annotations

from datetime import date, datetime
from uuid import UUID

import msgspec
from litestar import get

from tongbao.app.books import Books
from tongbao.app.console.wire import PathId, chart_name
from tongbao.app.registry import UNDONE_ELSEWHERE
from tongbao.identity.service import Caller
from tongbao.kernel import web
from tongbao.kernel.money import format_minor
from tongbao.ledger.errors import JOURNAL_NOT_FOUND


class JournalEntryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a journal; the amount is credit-positive."""

    account_id: str
    account_code: str
    account_name: web.Words
    owner: str | None
    currency: str
    amount: str
    balance_after: str
    version: int


class JournalAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A journal, and which batch of whose chain holds it. `date` is its value date; `reversible`: the console may undo it."""

    journal_id: str
    kind: str
    at: datetime
    date: date
    reverses: str | None
    reversed_by: str | None
    reversible: bool
    command_id: str
    writer: int | None
    sequence: int | None
    memo: str
    entries: list[JournalEntryAnswer]


@get("/v1/console/journals/{journal_id:str}", tags=["Console"])
async def journal(operator: Caller, books: Books, journal_id: PathId) -> JournalAnswer:
    """One journal."""
    return await journal_answer(books, web.parse_id(journal_id, JOURNAL_NOT_FOUND))


async def journal_answer(books: Books, journal_id: UUID) -> JournalAnswer:
    """A journal with its entries. Declines `journal_not_found`."""
    head, entries = await books.journal(journal_id)
    return JournalAnswer(
        journal_id=str(journal_id),
        kind=head["kind"],
        at=head["posted_at"],
        date=head["value_date"],
        reverses=str(head["reverses"]) if head["reverses"] else None,
        reversed_by=str(head["reversed_by"]) if head["reversed_by"] else None,
        reversible=head["reverses"] is None and head["reversed_by"] is None and head["kind"] not in UNDONE_ELSEWHERE,
        command_id=str(head["command_id"]),
        writer=head["writer"],
        sequence=head["sequence"],
        memo=head["memo"],
        entries=[
            JournalEntryAnswer(
                account_id=str(entry["account_id"]),
                account_code=entry["code"],
                account_name=chart_name(entry["code"]),
                owner=str(entry["owner_id"]) if entry["owner_id"] else None,
                currency=entry["currency"],
                amount=format_minor(entry["amount_minor"], entry["currency"]),
                balance_after=format_minor(entry["balance_minor"], entry["currency"]),
                version=entry["version"],
            )
            for entry in entries
        ],
    )

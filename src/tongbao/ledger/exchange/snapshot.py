"""The whole books as they stand at one moment, a page at a time, whatever is posted meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from uuid import UUID

import asyncpg
import msgspec

from tongbao.ledger.reports import HoldRow
from tongbao.ledger.types import QUERIES, Account, Journal

#: Told (done, total) now and then; the total is that of entries or accounts.
Progress = Callable[[int, int], None]

_PAGE = 2_000
_FIRST_ID = UUID(int=0)
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


class ExportedEntry(msgspec.Struct, frozen=True):
    """An entry with what its account is."""

    journal_id: UUID
    leg: int
    account_id: UUID
    code: str
    owner_id: UUID | None
    currency: str
    amount_minor: int
    balance_minor: int
    version: int


@asynccontextmanager
async def snapshot(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees the books as they are now until it is given back. It holds back vacuum's cleaning meanwhile."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection


async def journals(
    connection: asyncpg.Connection, first: date, last: date
) -> AsyncIterator[list[tuple[Journal, list[ExportedEntry]]]]:
    """Pages of journals from the first to the last value date, each with its entries in leg order."""
    place = (first, _LONG_AGO, _FIRST_ID)
    while True:
        rows = await connection.fetch(QUERIES["export_journals"], *place, last, _PAGE)
        if not rows:
            return
        page = [Journal(*row) for row in rows]
        place = (page[-1].value_date, page[-1].posted_at, page[-1].journal_id)
        entries: dict[UUID, list[ExportedEntry]] = {journal.journal_id: [] for journal in page}
        for row in await connection.fetch(QUERIES["export_entries"], list(entries)):
            entries[row["journal_id"]].append(ExportedEntry(*row))
        for legs in entries.values():
            legs.sort(key=lambda entry: entry.leg)
        yield [(journal, entries[journal.journal_id]) for journal in page]


async def accounts(connection: asyncpg.Connection) -> AsyncIterator[list[Account]]:
    """Pages of accounts: the institution's own first, then those of each owner together."""
    own = [Account(*row) for row in await connection.fetch(QUERIES["export_house_accounts"])]
    if own:
        yield own
    place = (_FIRST_ID, "", "")
    while True:
        page = [Account(*row) for row in await connection.fetch(QUERIES["export_owned_accounts"], *place, _PAGE)]
        if not page:
            return
        last = page[-1]
        place = (last.owner_id or _FIRST_ID, last.code, last.currency)
        yield page


async def holds(connection: asyncpg.Connection) -> AsyncIterator[list[HoldRow]]:
    """Pages of active holds."""
    after = _FIRST_ID
    while True:
        page = [HoldRow(*row) for row in await connection.fetch(QUERIES["export_holds"], after, _PAGE)]
        if not page:
            return
        after = page[-1].hold_id
        yield page

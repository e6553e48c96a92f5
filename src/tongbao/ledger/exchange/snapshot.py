"""The whole books as they stand at one moment, a page at a time, whatever is posted meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any, TypeVar
from uuid import UUID

import asyncpg
import msgspec
from msgspec.structs import replace

from tongbao.ledger.reports import HoldRow
from tongbao.ledger.types import QUERIES, Account, Journal

#: How a value of "table.column" is shown in a file.
Shown = Callable[[str, Any], Any]

#: Told (done, total) now and then; the total is that of entries or accounts.
Progress = Callable[[int, int], None]

_Row = TypeVar("_Row", bound=msgspec.Struct)

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


#: Which column stands behind each field of what is written out. A test keeps it complete.
SOURCES: Mapping[type[msgspec.Struct], Mapping[str, str]] = {
    Journal: {field: f"journal.{field}" for field in Journal.__struct_fields__},
    ExportedEntry: {field: f"entry.{field}" for field in ExportedEntry.__struct_fields__}
    | {"code": "account_master.code", "owner_id": "account_master.owner_id"},
    Account: {field: f"account_master.{field}" for field in Account.__struct_fields__}
    | {"posted_minor": "entry.balance_minor", "version": "entry.version"},
    HoldRow: {field: f"hold.{field}" for field in HoldRow.__struct_fields__}
    | {each: f"account_master.{each}" for each in ("code", "owner_id", "currency")},
}


def as_it_is(column: str, value: Any) -> Any:
    """Everything in clear."""
    return value


def _told(row: _Row, shown: Shown) -> _Row:
    """A row as it is shown. An account of the institution's own is nobody's: its id stays."""
    kept = {"account_id"} if getattr(row, "owner_id", row) is None else set()
    sources = {field: column for field, column in SOURCES[type(row)].items() if field not in kept}
    return replace(row, **{field: shown(column, getattr(row, field)) for field, column in sources.items()})


@asynccontextmanager
async def snapshot(pool: asyncpg.Pool) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees the books as they are now until it is given back. It holds back vacuum's cleaning meanwhile."""
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        yield connection


async def journals(
    connection: asyncpg.Connection, first: date, last: date, shown: Shown
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
        yield [(_told(journal, shown), [_told(entry, shown) for entry in entries[journal.journal_id]]) for journal in page]


async def accounts(connection: asyncpg.Connection, shown: Shown) -> AsyncIterator[list[Account]]:
    """Pages of accounts: the institution's own first, then those of each owner together."""
    own = [Account(*row) for row in await connection.fetch(QUERIES["export_house_accounts"])]
    if own:
        yield [_told(account, shown) for account in own]
    place = (_FIRST_ID, "", "")
    while True:
        page = [Account(*row) for row in await connection.fetch(QUERIES["export_owned_accounts"], *place, _PAGE)]
        if not page:
            return
        last = page[-1]
        place = (last.owner_id or _FIRST_ID, last.code, last.currency)
        yield [_told(account, shown) for account in page]


async def holds(connection: asyncpg.Connection, shown: Shown) -> AsyncIterator[list[HoldRow]]:
    """Pages of active holds."""
    after = _FIRST_ID
    while True:
        page = [HoldRow(*row) for row in await connection.fetch(QUERIES["export_holds"], after, _PAGE)]
        if not page:
            return
        after = page[-1].hold_id
        yield [_told(hold, shown) for hold in page]

"""Books to read in tests: a town's journals over PostgreSQL, written on chosen days and for chosen value dates."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg

from tests.support.town import Town, town
from tongbao.engine.api import PostgresStore
from tongbao.kernel.database import open_pool
from tongbao.ledger.api import CUSTOMER_WALLET, RESERVE, DraftJournal, DraftLeg, PlaceName, PostLinked, account_id
from tongbao.ledger.reports import Reports

CURRENCY = "CNY"
RESERVE_ID = account_id(RESERVE, CURRENCY)


class Books:
    """A town that posts plain journals, and reports over what it posted."""

    def __init__(self, place: Town, pool: asyncpg.Pool) -> None:
        self.place = place
        self.pool = pool
        self.reports = Reports(pool)

    async def post(
        self, code: str, owner: UUID | None, minor: int, *, day: date | None = None, memo: str = "", currency: str = CURRENCY
    ) -> UUID:
        """Credit a place from the reserve: the journal's id."""
        legs = (
            DraftLeg(PlaceName(RESERVE.code, currency), -minor),
            DraftLeg(PlaceName(code, currency, owner), minor),
        )
        posted = await self.place.happens(PostLinked(command_id=self.place.id(), journals=(DraftJournal(legs, memo, day),)))
        journal_id: UUID = posted.journal_ids[0]
        return journal_id

    def at(self, moment: datetime) -> None:
        """Turn the town's clock on to a moment."""
        self.place.clock.advance(moment - self.place.clock.now())


@asynccontextmanager
async def books(database: str, seed: int = 1) -> AsyncIterator[Books]:
    """Empty books over a database."""
    pool = await open_pool(database, size=2)
    try:
        async with town(PostgresStore(database), seed) as place:
            yield Books(place, pool)
    finally:
        await pool.close()


async def entries(pool: asyncpg.Pool, account: UUID) -> list[Any]:
    """Every entry of an account with its journal's value date, in order: what reports are compared with."""
    rows: list[Any] = await pool.fetch(
        "select e.*, j.value_date from entry e join journal j using (journal_id) where account_id = $1 order by version", account
    )
    return rows


WALLET = CUSTOMER_WALLET.code
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)

"""What the operator's console reads of the books: accounts, statements, journals, the trial balance, the chain."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from tongbao.app.audit import Audit
from tongbao.engine.findings import Verification
from tongbao.engine.postgres import QUERIES as ENGINE
from tongbao.kernel.errors import Refusal
from tongbao.ledger.api import CHART, FEES, QUERIES, RESERVE, WITHDRAWALS_IN_TRANSIT, Account
from tongbao.ledger.errors import ACCOUNT_NOT_FOUND, JOURNAL_NOT_FOUND


class TrialRow(msgspec.Struct, frozen=True):
    """One chart line in one currency. `posted_minor` is credit-positive, as in the books."""

    code: str
    accounts: int
    posted_minor: int


class Trial(msgspec.Struct, frozen=True):
    """All lines of one currency, and the reserve equation: held = owed + in_transit + own."""

    currency: str
    rows: list[TrialRow]

    def sum_of(self, *codes: str) -> int:
        """Credit-positive sum of some chart lines."""
        return sum(row.posted_minor for row in self.rows if row.code in codes)

    @property
    def debit_minor(self) -> int:
        """Total of lines that stand on the debit side."""
        return -sum(row.posted_minor for row in self.rows if row.posted_minor < 0)

    @property
    def credit_minor(self) -> int:
        """Total of lines that stand on the credit side."""
        return sum(row.posted_minor for row in self.rows if row.posted_minor > 0)

    @property
    def reserve_minor(self) -> tuple[int, int, int, int]:
        """What the reserve holds, what customers and merchants are owed, what is in transit, and what is our own."""
        owed = [code for code, line in CHART.items() if line.owned]
        return (
            -self.sum_of(RESERVE.code), self.sum_of(*owed), self.sum_of(WITHDRAWALS_IN_TRANSIT.code), self.sum_of(FEES.code),
        )  # fmt: skip


class Books:
    """Reads of the ledger and the chain, and the running of `verify` from the console."""

    def __init__(self, pool: asyncpg.Pool, audit: Audit) -> None:
        self._pool = pool
        self._audit = audit
        self._running: asyncio.Task[None] | None = None
        self.last_verified: Verification | None = None

    async def journal(self, journal_id: UUID) -> tuple[asyncpg.Record, list[asyncpg.Record]]:
        """A journal and its entries in leg order. Declines `journal_not_found`."""
        journal = await self._pool.fetchrow(QUERIES["journal"], journal_id)
        if journal is None:
            raise Refusal(JOURNAL_NOT_FOUND)
        return journal, await self._pool.fetch(QUERIES["journal_entries"], journal_id)

    async def account(self, account_id: UUID) -> Account:
        """Declines `account_not_found`."""
        row = await self._pool.fetchrow(QUERIES["account"], account_id)
        if row is None:
            raise Refusal(ACCOUNT_NOT_FOUND)
        return Account(*row)

    async def accounts(self, code: str | None, owners: UUID | None, after: UUID | None, limit: int) -> list[Account]:
        """By id; `limit` + 1 at most."""
        return [Account(*row) for row in await self._pool.fetch(QUERIES["accounts"], code, owners, after, limit + 1)]

    async def statement(
        self, account_id: UUID, below: int | None, start: datetime | None, end: datetime | None, limit: int
    ) -> list[asyncpg.Record]:
        """Entries of an account, newest first; `limit` + 1 at most."""
        rows: list[asyncpg.Record] = await self._pool.fetch(QUERIES["statement"], account_id, below, start, end, limit + 1)
        return rows

    async def trial(self, at: datetime | None) -> list[Trial]:
        """The trial balance, now or as of a moment."""
        rows = await (self._pool.fetch(QUERIES["trial_balance_at"], at) if at else self._pool.fetch(QUERIES["trial_balance"]))
        by_currency: dict[str, list[TrialRow]] = {}
        for row in rows:
            by_currency.setdefault(row["currency"], []).append(TrialRow(row["code"], row["accounts"], row["posted_minor"]))
        return [Trial(currency, lines) for currency, lines in sorted(by_currency.items())]

    async def chain(self) -> Sequence[Any]:
        """Every writer: (writer, sequence, hash, decided_at, commands)."""
        heads = await self._pool.fetch(ENGINE["chain_heads"])
        totals = {row["writer"]: row["commands"] for row in await self._pool.fetch(ENGINE["chain_totals"])}
        return [(*head, totals.get(head["writer"], 0)) for head in heads]

    @property
    def verifying(self) -> bool:
        """Whether a verification is running."""
        return self._running is not None and not self._running.done()

    def start_verifying(self) -> None:
        """Verify in the background; a second wish while one runs joins it."""
        if not self.verifying:
            self._running = asyncio.create_task(self._verify(), name="verify")

    async def _verify(self) -> None:
        self.last_verified = await self._audit.verify()

    async def close(self) -> None:
        """Stop a running verification."""
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running

"""What the console and the command line read of the books, and the running of what takes its time: `verify`, exports."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from datetime import date
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from tongbao.app.audit import Audit
from tongbao.app.registry import CLASSES
from tongbao.engine.api import Declined, Engine, accepted
from tongbao.engine.findings import Verification
from tongbao.engine.postgres import QUERIES as ENGINE
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import OVERLOADED, Refusal
from tongbao.kernel.ids import new_id
from tongbao.ledger.api import CHART, QUERIES, RESERVE, Account, account_id
from tongbao.ledger.closing import IN_TRANSIT, Closing
from tongbao.ledger.errors import ACCOUNT_NOT_FOUND, JOURNAL_NOT_FOUND
from tongbao.ledger.exchange import opening
from tongbao.ledger.exchange.export import Export, export
from tongbao.ledger.rehearsal import rehearse, rows_for
from tongbao.ledger.reports import Reports
from tongbao.operators.types import MACHINE, RecordAct, Subject
from tongbao.security.classes import Disclosure

#: So many exports run at once: each keeps a connection and a snapshot for as long as its reader takes.
_MOST_EXPORTS = 2


class TrialRow(msgspec.Struct, frozen=True):
    """One chart line in one currency. `posted_minor` is credit-positive, as in the books."""

    code: str
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
        """What the reserve holds, what customers and merchants are owed, what is in transit (less what the card
        network owes us), and our own: all the rest."""
        owed = [code for code, line in CHART.items() if line.owned]
        own = [code for code in CHART if code not in (*owed, RESERVE.code, *IN_TRANSIT)]
        return -self.sum_of(RESERVE.code), self.sum_of(*owed), self.sum_of(*IN_TRANSIT), self.sum_of(*own)


class OpeningTrial(msgspec.Struct, frozen=True):
    """What a file of opening balances would come to: the trial balances of its day, how many of its accounts have entries
    already, and what speaks against posting it."""

    trials: list[Trial]
    moved: int
    findings: list[opening.Finding]


class Books:
    """Reads of the ledger and the chain, and the running of `verify` from the console."""

    def __init__(self, engine: Engine, pool: asyncpg.Pool, audit: Audit, clock: Clock) -> None:
        self._engine = engine
        self.pool = pool
        self._audit = audit
        self._exports = 0
        self._running: asyncio.Task[None] | None = None
        self.last_verified: Verification | None = None
        self._clock = clock
        self.reports = Reports(pool)
        self.closing = Closing(engine, pool, clock)

    async def journal(self, journal_id: UUID) -> tuple[asyncpg.Record, list[asyncpg.Record]]:
        """A journal and its entries in leg order. Declines `journal_not_found`."""
        journal = await self.pool.fetchrow(QUERIES["journal"], journal_id)
        if journal is None:
            raise Refusal(JOURNAL_NOT_FOUND)
        return journal, await self.pool.fetch(QUERIES["journal_entries"], journal_id)

    async def account(self, account_id: UUID) -> Account:
        """Declines `account_not_found`."""
        row = await self.pool.fetchrow(QUERIES["account"], account_id)
        if row is None:
            raise Refusal(ACCOUNT_NOT_FOUND)
        return Account(*row)

    async def accounts(self, code: str | None, owners: UUID | None, after: UUID | None, limit: int) -> list[Account]:
        """By id; `limit` + 1 at most."""
        return [Account(*row) for row in await self.pool.fetch(QUERIES["accounts"], code, owners, after, limit + 1)]

    async def trial(self, day: date | None) -> list[Trial]:
        """The trial balance as it stands, or as it stood when a day ended, by value date."""
        rows = await self.reports.trial_balance(day or date.max)
        return trials([(row.currency, row.code, row.closing_minor) for row in rows])

    async def opening_dry_run(self, read: opening.Opening, value_date: date) -> OpeningTrial:
        """What a file of opening balances would come to on that day, and whether it would be declined: by the decider itself, so
        a closed period, a day too far back or an account in use shows as it would when it is posted."""
        rows = await self.reports.trial_balance(value_date)
        sums = {(row.currency, row.code): row.closing_minor for row in rows}
        for line in read.lines:
            sums[line.currency, line.code] = sums.get((line.currency, line.code), 0) + line.amount_minor
        accounts = [account_id(CHART[line.code], line.currency, line.owner_id) for line in read.lines]
        moved = [row["account_id"] for row in await self.pool.fetch(QUERIES["earlier_balances"], accounts)]
        findings = list(read.findings)
        if not findings:
            (decider,), command = opening.DECIDERS, opening.opening_command(read, value_date)
            decision, _ = rehearse(await rows_for(self.pool, decider.keys(command)), decider, command, self._clock.now())
            if isinstance(decision, Declined):
                code, detail = decision.code, decision.detail
                findings.append(opening.Finding(0, code.message("zh", detail), code.message("en", detail)))
        return OpeningTrial(
            trials([(currency, code, minor) for (currency, code), minor in sorted(sums.items())]), len(moved), findings
        )

    async def post_opening(self, read: opening.Opening, value_date: date) -> tuple[UUID, bool]:
        """Post a file without findings, once: (journal, whether this file had been posted for that day before). Raises what
        `post_opening` declines now, whatever it declined before."""
        for declined in itertools.count():
            outcome = await self._engine.submit(opening.opening_command(read, value_date, declined), 60.0)
            if not (outcome.repeated and isinstance(outcome.decision, Declined)):
                break
        return accepted(outcome).journal_id, outcome.repeated

    async def export(self, wish: Export, *, whole: bool = False) -> AsyncGenerator[bytes, None]:
        """A file in pieces; `whole`: with whose everything is, and what people wrote. Refuses `overloaded` while too many are
        being read; that shows at the first piece."""
        if self._exports >= _MOST_EXPORTS:
            raise Refusal(OVERLOADED)
        self._exports += 1
        try:
            async with aclosing(export(self.pool, wish, shown=Disclosure(CLASSES, whole=whole).shown)) as pieces:
                async for piece in pieces:
                    yield piece
        finally:
            self._exports -= 1

    async def note_whole_export(self, what: str, reason: str) -> None:
        """Write down that somebody at the command line takes the books out with whose they are."""
        record = RecordAct(
            command_id=new_id(self._clock.now()), by=MACHINE, session_id=None, act="books_export", changing=False,
            subjects=(Subject("books", what),), reason=f"whole: {reason}"[:500], outcome="ok",
        )  # fmt: skip
        accepted(await self._engine.submit(record))

    async def chain(self) -> Sequence[Any]:
        """Every writer: (writer, sequence, hash, decided_at, commands)."""
        heads = await self.pool.fetch(ENGINE["chain_heads"])
        totals = {row["writer"]: row["commands"] for row in await self.pool.fetch(ENGINE["chain_totals"])}
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


def trials(rows: Sequence[tuple[str, str, int]]) -> list[Trial]:
    """(currency, code, credit-positive sum) by currency."""
    by_currency: dict[str, list[TrialRow]] = {}
    for currency, code, posted_minor in rows:
        by_currency.setdefault(currency, []).append(TrialRow(code, posted_minor))
    return [Trial(currency, lines) for currency, lines in sorted(by_currency.items())]

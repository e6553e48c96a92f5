"""Two-entry journals where the book is large: what each costs when hardly any account is one that was used lately.

    10 accounts, 100,000 accounts       the engine remembers them all
    all accounts                        ten million unless `--accounts` says otherwise, each equally likely on either side of a
                                        journal; the engine remembers the hundredth part
    100,000 accounts, a long history    as many entries as there are accounts in the largest book
    one account takes all               in the largest book, from anyone

Each in bulk and one by one, as `ledger` does. Every book is a database of its own on one server, and they are measured in
turns, so that what the machine does meanwhile befalls all of them. No checkpoint is asked for between the turns: the server makes
its own, and the whole pages that it logs after one are part of what a large book costs (`log_bytes_a_journal`). The engines'
memory is bounded; what grows with the accounts is that of the check at the end, which keeps a hash for each row of some thousands
of commands.
"""

from __future__ import annotations

import asyncio
import random
import resource
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from statistics import median

import asyncpg
import msgspec

from bench.books import open_book, owner, wallet, write_history
from bench.drive import Measured, drive, drive_commands
from bench.ledger_bench import BULK, BULK_USERS, MOVE, USERS, Move
from bench.population import fresh_id
from bench.stage import Result, Stage, stage
from tongbao.app.registry import MIGRATIONS
from tongbao.engine.api import Engine, PostgresStore, accepted
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.migrations import migrate
from tongbao.kernel.postgres import create_database
from tongbao.ledger.api import DECIDERS, BulkPosted, PostBulk, Posting

ACCOUNTS = 10_000_000
FEW = 10
SOME = 100_000
SECONDS = 5.0
#: Long enough for the engine to have met most of 100,000 accounts.
WARM_UP_SECONDS = 3.0
ROUNDS = 3
#: More than a stretch uses up; should it, the rest are made on the way.
STOCK = 100_000
BULK_STOCK = 100


class Book(msgspec.Struct):
    """A database with accounts 0 to `accounts`, the engine over it, and the journals posted in it so far."""

    accounts: int
    dsn: str
    engine: Engine
    posted: int = 0


class Case(msgspec.Struct):
    """What is measured: journals in a book, to anyone or to one account. Rates are journals a second."""

    name: str
    title: str
    book: Book
    to_one: bool = False
    bulks: list[Measured] = msgspec.field(default_factory=list)
    ones: list[Measured] = msgspec.field(default_factory=list)
    log_bytes: list[float] = msgspec.field(default_factory=list)

    @property
    def rate(self) -> float:
        """In bulk."""
        return BULK * median(each.rate for each in self.bulks)

    @property
    def one_rate(self) -> float:
        """One by one."""
        return median(each.rate for each in self.ones)

    def pair(self) -> tuple[int, int]:
        """The numbers of a payer and a payee."""
        payer, payee = random.randrange(self.book.accounts), 0 if self.to_one else random.randrange(self.book.accounts)
        while payer == payee:
            payer = random.randrange(self.book.accounts)
        return payer, payee

    def move(self) -> Move:
        """A journal as a command of its own."""
        payer, payee = self.pair()
        return Move(command_id=fresh_id(), payer_id=owner(payer), payee_id=owner(payee), amount_minor=random.randrange(1, 100))

    def bulk(self) -> PostBulk:
        """BULK journals."""
        pairs = [self.pair() for _ in range(BULK)]
        return PostBulk(
            command_id=fresh_id(),
            postings=tuple(Posting(wallet(payer), wallet(payee), random.randrange(1, 100)) for payer, payee in pairs),
        )


async def run(accounts: int = ACCOUNTS) -> Result:
    """Make the books, measure, check, report."""
    async with stage() as here, AsyncExitStack() as engines:
        started = time.monotonic()
        some = min(SOME, accounts)
        few, many, old, all_of_them = [
            await _book(here, engines, count, entries)
            for count, entries in ((FEW, 0), (some, 0), (some, accounts), (accounts, 0))
        ]
        filled = time.monotonic() - started
        cases = [
            Case("few", f"{FEW} accounts", few),
            Case("some", f"{some:,} accounts", many),
            Case("history", f"{accounts:,} entries", old),
            Case("all", f"{accounts:,} accounts", all_of_them),
            Case("one_takes_all", "one takes all", all_of_them, to_one=True),
        ]
        await _execute(here.dsn, "checkpoint")
        for case in cases:
            await _stretch(case, WARM_UP_SECONDS)
        for _ in range(ROUNDS):
            await here.baseline()
            for case in cases:
                await _measure(case)
        await here.baseline()
        for book in (few, many, old, all_of_them):
            await here.check("select count(*) from journal where kind in ('bench.move', 'bulk')", book.posted, book.dsn)
    return _result(here, accounts, filled, cases)


async def _book(here: Stage, engines: AsyncExitStack, accounts: int, entries: int) -> Book:
    """A book of so many accounts, and so many entries besides what was paid in when they were opened."""
    dsn = await asyncio.to_thread(create_database, here.dsn, f"accounts_{fresh_id().hex}")
    await migrate(dsn, MIGRATIONS)
    await open_book(dsn, here.sealer, accounts)
    written = await write_history(dsn, here.sealer, accounts, entries) if entries else 0
    await _execute(dsn, "vacuum analyze")
    store = PostgresStore(dsn, sealer=here.sealer)
    return Book(accounts, dsn, await engines.enter_async_context(Engine(store, [*DECIDERS, MOVE], SystemClock())), written)


async def _measure(case: Case) -> None:
    """One stretch of each kind, and how much both wrote to the log for a journal."""
    before, posted = await _log_position(case.book.dsn), case.book.posted
    bulks, ones = await _stretch(case, SECONDS)
    case.bulks.append(bulks)
    case.ones.append(ones)
    case.log_bytes.append((await _log_position(case.book.dsn) - before) / (case.book.posted - posted))


async def _stretch(case: Case, seconds: float) -> tuple[Measured, Measured]:
    """Both kinds for so long each, of commands made ahead."""
    share = seconds / SECONDS
    stock = [case.bulk() for _ in range(round(BULK_STOCK * share))]
    bulks = await drive(f"{case.title}, in bulk", _sender(case, stock), users=BULK_USERS, seconds=seconds)
    moves = [case.move() for _ in range(round(STOCK * share))]
    ones = await drive_commands(
        f"{case.title}, one by one", case.book.engine, lambda: moves.pop() if moves else case.move(), users=USERS, seconds=seconds
    )
    case.book.posted += bulks.count * BULK + ones.count
    return bulks, ones


def _sender(case: Case, stock: list[PostBulk]) -> Callable[[], Awaitable[None]]:
    async def act() -> None:
        done: BulkPosted = accepted(await case.book.engine.submit(stock.pop() if stock else case.bulk()))
        assert done.posted == BULK, done.declined[:3]

    return act


async def _execute(dsn: str, statement: str) -> None:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


async def _log_position(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval("select pg_current_wal_lsn() - '0/0'::pg_lsn"))
    finally:
        await connection.close()


def _result(here: Stage, accounts: int, filled: float, cases: list[Case]) -> Result:
    figures: dict[str, float] = {
        "accounts": accounts,
        "filled_s": round(filled),
        "resident_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "pgbench_per_s": round(here.pgbench),
    }
    for case in cases:
        figures[f"{case.name}_journals_per_s"] = round(case.rate)
        figures[f"{case.name}_one_by_one_per_s"] = round(case.one_rate)
        figures[f"{case.name}_one_by_one_p99_ms"] = round(median(each.percentile_ms(0.99) for each in case.ones), 1)
        figures[f"{case.name}_log_bytes_a_journal"] = round(median(case.log_bytes))
    known = next(case for case in cases if case.name == "some")
    ratios: dict[str, float] = {}
    for case in cases:
        if case is not known:
            ratios[f"{case.name}_to_some"] = round(case.rate / known.rate, 2)
            ratios[f"{case.name}_to_some_one_by_one"] = round(case.one_rate / known.one_rate, 2)
        ratios[f"{case.name}_to_pgbench"] = round(case.rate / here.pgbench, 2)
        ratios[f"{case.name}_to_pgbench_one_by_one"] = round(case.one_rate / here.pgbench, 2)
    return Result("accounts", figures, ratios)

"""Two-entry journals through the engine.

in bulk       commands of 500 postings, as files and machines send them; each posting is decided and has its own outcome
one by one    a command and a caller for each journal, a thousand callers at once

Over 100,000 accounts, and with ten accounts that everyone pays into. Wishes are made ahead, so that what is timed is the engine.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from statistics import median
from uuid import UUID

from bench.ceiling import ceiling
from bench.drive import Measured, drive, drive_commands
from bench.population import CURRENCY, FUND, fresh_id, funded
from bench.stage import Result, Stage, say, stage
from tongbao.engine.api import Accepted, Command, Decider, Decision, Engine, Key, PostgresStore, View, accepted
from tongbao.kernel.clock import SystemClock
from tongbao.ledger.api import CUSTOMER_WALLET, DECIDERS, Leg, Place, account_keys, post
from tongbao.ledger.commands import BulkPosted, PostBulk, Posting
from tongbao.ledger.types import Journal

ACCOUNTS = 100_000
HOT = 10
USERS = 1_000
BULK = 500
BULK_USERS = 16
SECONDS = 2.0
#: More than any stretch uses up; should it, the rest are made on the way.
STOCK = 60_000
BULK_STOCK = 400


class Move(Command, frozen=True, kw_only=True):
    """Bench only: move money between two wallets, asking nobody."""

    kind = "bench.move"
    payer_id: UUID
    payee_id: UUID
    amount_minor: int


def _places(command: Move) -> tuple[Place, Place]:
    return Place(CUSTOMER_WALLET, CURRENCY, command.payer_id), Place(CUSTOMER_WALLET, CURRENCY, command.payee_id)


def _move_keys(command: Move) -> list[Key]:
    return account_keys(_places(command))


def _move(command: Move, view: View, now: datetime) -> Decision:
    payer, payee = _places(command)
    journal = post(view, command, now, command.kind, [Leg(payer, -command.amount_minor), Leg(payee, command.amount_minor)])
    return Accepted() if isinstance(journal, Journal) else journal


MOVE = Decider(Move, _move_keys, _move)


class Wishes:
    """Commands between any payer and any payee, made ahead."""

    def __init__(self, engine: Engine, payers: list[UUID], payees: list[UUID]) -> None:
        self._engine = engine
        self._payers = payers
        self._payees = payees
        self._moves: list[Move] = []
        self._bulks: list[PostBulk] = []
        self._account = {owner: Place(CUSTOMER_WALLET, CURRENCY, owner).account_id for owner in {*payers, *payees}}

    def fill(self) -> None:
        """Enough for one stretch."""
        self._moves += [self._move() for _ in range(STOCK - len(self._moves))]
        self._bulks += [self._bulk() for _ in range(BULK_STOCK - len(self._bulks))]

    def _pair(self) -> tuple[UUID, UUID]:
        payer, payee = random.choice(self._payers), random.choice(self._payees)
        while payee == payer:
            payee = random.choice(self._payees)
        return payer, payee

    def _move(self) -> Move:
        payer, payee = self._pair()
        return Move(command_id=fresh_id(), payer_id=payer, payee_id=payee, amount_minor=random.randrange(1, 100))

    def _bulk(self) -> PostBulk:
        account = self._account
        pairs = [self._pair() for _ in range(BULK)]
        return PostBulk(
            command_id=fresh_id(),
            postings=tuple(Posting(account[payer], account[payee], random.randrange(1, 100)) for payer, payee in pairs),
        )

    def one(self) -> Move:
        """One journal."""
        return self._moves.pop() if self._moves else self._move()

    def many(self) -> Callable[[], Awaitable[None]]:
        """A bulk of journals."""

        async def act() -> None:
            done: BulkPosted = accepted(await self._engine.submit(self._bulks.pop() if self._bulks else self._bulk()))
            assert done.posted == BULK, done.declined[:3]

        return act


async def run() -> Result:
    """Measure, check, report."""
    async with stage() as here, Engine(PostgresStore(here.dsn), [*DECIDERS, FUND, MOVE], SystemClock()) as engine:
        return await _measure(here, engine, await funded(engine, ACCOUNTS))


async def _measure(here: Stage, engine: Engine, wallets: list[UUID]) -> Result:
    say(f"{len(wallets):,} accounts; {BULK_USERS} at once with {BULK:,} postings each, or {USERS:,} at once with one")
    anyone, ten = Wishes(engine, wallets, wallets), Wishes(engine, wallets, wallets[:HOT])
    anyone.fill()
    moved = (await drive_commands("warm-up", engine, anyone.one, users=USERS, seconds=1.0)).count
    bulks = (await drive("warm-up", anyone.many(), users=BULK_USERS, seconds=1.0)).count
    assert engine.head is not None
    after = engine.head.sequence
    uniform: list[Measured] = []
    hot: list[Measured] = []
    ones: list[Measured] = []
    hot_ones: list[Measured] = []
    for _ in range(2):
        for wishes, title, of_bulks, of_ones in (
            (anyone, f"{ACCOUNTS:,} accounts", uniform, ones),
            (ten, f"{HOT} hot accounts", hot, hot_ones),
        ):
            wishes.fill()
            await here.settle()
            await here.baseline()
            await here.settle()
            of_bulks.append(await drive(f"{title}, in bulk", wishes.many(), users=BULK_USERS, seconds=SECONDS))
            await here.settle()
            of_ones.append(await drive_commands(f"{title}, one by one", engine, wishes.one, users=USERS, seconds=SECONDS))
    await here.baseline()
    moved += sum(each.count for each in (*ones, *hot_ones))
    bulks += sum(each.count for each in (*uniform, *hot))
    top = await ceiling(here, PostBulk.kind, ("journal", "entry", "command"), after, most=160, size=8, each=BULK)
    top_of_ones = await ceiling(here, Move.kind, ("journal", "entry", "command"), after)
    await here.check("select count(*) from journal where kind in ('bench.move', 'bulk')", moved + bulks * BULK)
    rate, hot_rate = (BULK * median(each.rate for each in measured) for measured in (uniform, hot))
    one_rate, hot_one_rate = (median(each.rate for each in measured) for measured in (ones, hot_ones))
    return Result(
        "ledger",
        {
            "pgbench_per_s": round(here.pgbench),
            "ceiling_per_s": round(top),
            "journals_per_s": round(rate),
            "hot_journals_per_s": round(hot_rate),
            "bulk_p99_ms": round(median(each.percentile_ms(0.99) for each in uniform), 1),
            "one_by_one_ceiling_per_s": round(top_of_ones),
            "one_by_one_per_s": round(one_rate),
            "one_by_one_p50_ms": round(median(each.percentile_ms(0.5) for each in ones), 1),
            "one_by_one_p99_ms": round(median(each.percentile_ms(0.99) for each in ones), 1),
            "hot_one_by_one_per_s": round(hot_one_rate),
        },
        {
            "to_pgbench": round(rate / here.pgbench, 2),
            "to_ceiling": round(rate / top, 2),
            "hot_to_uniform": round(hot_rate / rate, 2),
            "one_by_one_to_pgbench": round(one_rate / here.pgbench, 2),
            "one_by_one_to_ceiling": round(one_rate / top_of_ones, 2),
            "hot_one_by_one_to_uniform": round(hot_one_rate / one_rate, 2),
        },
    )

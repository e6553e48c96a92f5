"""Two-entry journals through the engine: over 100,000 accounts, and with ten accounts that everyone pays into."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from datetime import datetime
from statistics import median
from uuid import UUID

from bench.ceiling import ceiling
from bench.drive import Measured, drive
from bench.population import CURRENCY, FUND, fresh_id, funded
from bench.stage import Result, Stage, say, stage
from tongbao.engine.api import Accepted, Command, Decider, Decision, Engine, Key, PostgresStore, View, accepted
from tongbao.kernel.clock import SystemClock
from tongbao.ledger.api import CUSTOMER_WALLET, Leg, Place, account_keys, post
from tongbao.ledger.types import Journal

ACCOUNTS = 100_000
HOT = 10
USERS = 1_000
SECONDS = 3.0


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


def moves(engine: Engine, payers: list[UUID], payees: list[UUID]) -> Callable[[], Awaitable[None]]:
    """One journal from any payer to any payee."""

    async def act() -> None:
        payer, payee = random.choice(payers), random.choice(payees)
        while payee == payer:
            payee = random.choice(payees)
        outcome = await engine.submit(
            Move(command_id=fresh_id(), payer_id=payer, payee_id=payee, amount_minor=random.randrange(1, 100))
        )
        accepted(outcome)

    return act


async def run() -> Result:
    """Measure, check, report."""
    async with stage() as here, Engine(PostgresStore(here.dsn), [FUND, MOVE], SystemClock()) as engine:
        return await _measure(here, engine, await funded(engine, ACCOUNTS))


async def _measure(here: Stage, engine: Engine, wallets: list[UUID]) -> Result:
    say(f"{len(wallets):,} accounts, {USERS:,} at once")
    anyone, ten = moves(engine, wallets, wallets), moves(engine, wallets, wallets[:HOT])
    moved = (await drive("warm-up", anyone, users=USERS, seconds=1.0)).count
    assert engine.head is not None
    after = engine.head.sequence
    uniform: list[Measured] = []
    hot: list[Measured] = []
    for _ in range(2):
        await here.settle()
        await here.baseline()
        await here.settle()
        uniform.append(await drive(f"{ACCOUNTS:,} accounts", anyone, users=USERS, seconds=SECONDS))
        await here.settle()
        hot.append(await drive(f"{HOT} hot accounts", ten, users=USERS, seconds=SECONDS))
    await here.baseline()
    moved += sum(each.count for each in (*uniform, *hot))
    top = await ceiling(here, Move.kind, ("journal", "entry", "command"), after)
    await here.check("select count(*) from journal where kind = 'bench.move'", moved)
    rate, hot_rate = median(each.rate for each in uniform), median(each.rate for each in hot)
    return Result(
        "ledger",
        {
            "pgbench_per_s": round(here.pgbench),
            "ceiling_per_s": round(top),
            "journals_per_s": round(rate),
            "p50_ms": round(median(each.percentile_ms(0.5) for each in uniform), 1),
            "p99_ms": round(median(each.percentile_ms(0.99) for each in uniform), 1),
            "hot_journals_per_s": round(hot_rate),
            "hot_p99_ms": round(median(each.percentile_ms(0.99) for each in hot), 1),
        },
        {
            "to_pgbench": round(rate / here.pgbench, 2),
            "to_ceiling": round(rate / top, 2),
            "hot_to_pgbench": round(hot_rate / here.pgbench, 2),
        },
    )

"""`verify` over a million two-entry journals, each with its command: from nothing, then what is new since that verification."""

from __future__ import annotations

import asyncio
import os
import random
import resource
import time
from uuid import UUID

import asyncpg

from bench.ledger_bench import MOVE, Move
from bench.population import FUND, fresh_id, funded
from bench.stage import Result, Stage, say, stage
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.engine.api import Engine, Limits, PostgresStore, Sealer, accepted
from tongbao.engine.findings import Verification
from tongbao.engine.points import Point
from tongbao.engine.verify import verify_for_point
from tongbao.kernel.clock import SystemClock

#: `TONGBAO_BENCH_JOURNALS` makes it shorter for a look.
JOURNALS = int(os.environ.get("TONGBAO_BENCH_JOURNALS", "1000000"))
ACCOUNTS = 20_000
_AT_ONCE = 2_000


async def run() -> Result:
    """Fill through the engine, verify, report seconds and megabytes."""
    sealer = Sealer(b"bench")
    async with stage() as here:
        async with Engine(PostgresStore(here.dsn, sealer=sealer), [FUND, MOVE], SystemClock(), Limits(batch=1000)) as engine:
            wallets = await funded(engine, ACCOUNTS)
            await _fill(engine, wallets, JOURNALS)
            await here.settle()
            whole, point, whole_cpu = await _verified(here, sealer, None)
            await _fill(engine, wallets, JOURNALS // 100)
        rest, _, rest_cpu = await _verified(here, sealer, point)
    return Result(
        "verify",
        {
            "journals": whole.rows["journal"],
            "entries": whole.rows["entry"],
            "commands": whole.commands,
            "batches": whole.batches,
            "seconds": round(whole.duration_ms / 1000, 1),
            "processor_seconds": round(whole_cpu, 1),
            "journals_per_s": round(whole.rows["journal"] / whole.duration_ms * 1000),
            "since_last_commands": rest.commands,
            "since_last_seconds": round(rest.duration_ms / 1000, 2),
            "since_last_processor_seconds": round(rest_cpu, 2),
            "resident_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        },
        {"of_a_minute": round(whole.duration_ms / 60_000, 2)},
    )


async def _fill(engine: Engine, wallets: list[UUID], count: int) -> None:
    started = time.monotonic()
    for begin in range(0, count, _AT_ONCE):
        several = [
            engine.enqueue(Move(command_id=fresh_id(), payer_id=payer, payee_id=payee, amount_minor=random.randrange(1, 100)))
            for payer, payee in (random.sample(wallets, 2) for _ in range(min(_AT_ONCE, count - begin)))
        ]
        for outcome in await asyncio.gather(*several):
            accepted(outcome)
        if begin % 100_000 == 0:
            say(f"filled                     {begin:>9,} journals in {time.monotonic() - started:.0f} s")


async def _verified(here: Stage, sealer: Sealer, since: Point | None) -> tuple[Verification, Point, float]:
    connection = await asyncpg.connect(here.dsn)
    try:
        began = time.process_time()
        found, point = await verify_for_point(connection, RELATIONS, sealer, CHECKS, since=since)
        spent = time.process_time() - began
        assert found.ok, found.problem
        say(
            f"verified                   {found.commands:>9,} commands in {found.duration_ms / 1000:.1f} s, {spent:.1f} s of ours"
        )
        return found, point, spent
    finally:
        await connection.close()

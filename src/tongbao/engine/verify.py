"""Compares all that the engine ever stored with the audit chain and the seals, and names what differs.

    schema     tables, constraints, triggers, views and functions are as the migrations made them (`verify_catalogue.py`)
    tables     have the columns that the engine made
    links      fit their seals and hashes, and each follows on the one before        (and the anchors: `anchors.py`)
    batches    every command with all it appended comes to its link's root; no appended row belongs to none
    seals      every row that may change fits its seal; the seals add up to what the links say
    checks     the modules' own: balances against entries, payments against journals

Runs on one snapshot (REPEATABLE READ, read only), so it can run while payments go on. Rows are hashed in the bytes that the
server sends; only when something differs are they taken apart, to name it (`naming.py`).

An incremental run begins at a verified point (`points.py`): links and batches after it, counts of the rows before it, the sum of
all seals, and each row's own seal in one part of each table, another part each time. What it does not see is an appended row from
before the point that was altered in place, and what only the modules' checks can tell: the full run sees everything.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg

from tongbao.engine.findings import ChainBroken, Finding, Verification
from tongbao.engine.naming import ALL_PATIENCE_S
from tongbao.engine.points import SLICES, Point
from tongbao.engine.postgres import QUERIES
from tongbao.engine.relation import Relation
from tongbao.engine.sealing import Sealer
from tongbao.engine.stored import Shape
from tongbao.engine.types import LINKS, RECORDS
from tongbao.engine.verify_batches import check_batches, check_counts
from tongbao.engine.verify_catalogue import Catalogue, check_catalogue
from tongbao.engine.verify_links import check_links
from tongbao.engine.verify_run import MOST_FINDINGS, AnchorsOf, Progress, Run
from tongbao.engine.verify_seals import check_seals

__all__ = ["ChainBroken", "Check", "Finding", "Progress", "Verification", "verify", "verify_for_point"]

Check = Callable[[asyncpg.Connection], Awaitable[None]]


async def verify(
    connection: asyncpg.Connection,
    relations: Sequence[Relation[Any]],
    sealer: Sealer,
    checks: Sequence[Check] = (),
    *,
    progress: Progress = lambda done, total: None,
    anchors: AnchorsOf | None = None,
    since: Point | None = None,
    patience_s: float = ALL_PATIENCE_S,
    catalogue: Catalogue | None = None,
) -> Verification:
    """Compare all that is stored. `relations` are all that commands write; `progress` is told commands done and in all;
    `catalogue` is what the schema consists of, None where that is not to be compared.

    `checks` each raise ChainBroken; an incremental run (`since`) leaves them out. `patience_s` is how much processor time may be
    spent on naming what was altered.
    """
    return (
        await verify_for_point(
            connection, relations, sealer, checks,
            progress=progress, anchors=anchors, since=since, patience_s=patience_s, catalogue=catalogue,
        )
    )[0]  # fmt: skip


async def verify_for_point(
    connection: asyncpg.Connection,
    relations: Sequence[Relation[Any]],
    sealer: Sealer,
    checks: Sequence[Check] = (),
    *,
    progress: Progress = lambda done, total: None,
    anchors: AnchorsOf | None = None,
    since: Point | None = None,
    patience_s: float = ALL_PATIENCE_S,
    catalogue: Catalogue | None = None,
) -> tuple[Verification, Point]:
    """As `verify`, and the point up to which it came; the point is good only if the verification is."""
    started = time.monotonic()
    at = datetime.now(UTC)
    run = Run(connection, relations, sealer, progress, anchors, since, patience_s)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute("set local statement_timeout = 0; set local jit = off; set local work_mem = '64MB'")
        if catalogue is not None:
            run.findings += await check_catalogue(connection, catalogue)
        await _everything(run, () if since else checks)
    findings = tuple(sorted(run.findings, key=lambda each: -each.precision)[:MOST_FINDINGS])
    result = Verification(
        not findings,
        at,
        run.batches,
        run.rows.get(RECORDS.name, 0),
        run.rows,
        int((time.monotonic() - started) * 1000),
        findings[0].text if findings else None,
        findings,
        anchors.count if anchors else 0,
        anchors.signed_at if anchors else None,
        since.at if since else None,
        (run.slice + 1, SLICES) if run.slice is not None else None,
    )
    return result, run.point(at)


async def _everything(run: Run, checks: Sequence[Check]) -> None:
    if await _tables(run):
        return
    heads = {writer: sequence for writer, (sequence, _) in run.heads.items()}
    if run.anchors:
        run.findings += await run.anchors.prepare(run.connection, heads)
    await check_links(run)
    if run.anchors:
        run.findings += run.anchors.findings()
    await check_batches(run)
    await check_counts(run)
    for shape in run.sealed:
        await check_seals(run, shape)
    for check in checks:
        try:
            await check(run.connection)
        except ChainBroken as broken:
            run.findings.append(broken.finding)
        except Exception as failure:
            if not run.findings:
                raise
            run.findings.append(Finding(f"{getattr(check, '__name__', check)} could not be done: {failure!r}"))


async def _tables(run: Run) -> bool:
    """Whether a table is not what the engine made: then its bytes cannot be read as rows."""
    before = len(run.findings)
    for relation in (*run.appended, LINKS, *(shape.relation for shape in run.sealed)):
        stored = [tuple(row) for row in await run.connection.fetch(QUERIES["table_columns"], relation.name)]
        if stored != Shape(relation).columns():
            told = ", ".join(" ".join(map(str, each[:2])) for each in stored) or "nothing"
            run.findings.append(Finding(f"table {relation.name} has other columns than the engine made: {told}", relation.name))
    return len(run.findings) > before

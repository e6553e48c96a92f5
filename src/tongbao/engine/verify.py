"""Replays the audit chain from nothing: every command, every row it wrote, every batch, every link.

Runs on one snapshot (REPEATABLE READ, read only), so it can run while payments go on. It recomputes what the engine
computed, from the stored rows alone, and stops at the first difference, naming it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec

from tongbao.engine import chain
from tongbao.engine.postgres import QUERIES
from tongbao.engine.relation import Relation
from tongbao.engine.types import EVENT_BITS, OUTBOX, RECORDS, Link, OutboxRow, Record
from tongbao.kernel.ids import id_range, origin

#: Links read at once. At most `batch` commands each, so memory stays bounded.
_STRETCH = 200
_MOST_COMMANDS = 20_000


class Verification(msgspec.Struct, frozen=True):
    """What was compared and what was found. `problem` is None when everything holds."""

    ok: bool
    at: datetime
    batches: int
    commands: int
    rows: dict[str, int]
    duration_ms: int
    problem: str | None = None


class ChainBroken(Exception):
    """A stored row is not what the chain says it was."""


Progress = Callable[[int, int], None]
Check = Callable[[asyncpg.Connection], Any]


async def verify(
    connection: asyncpg.Connection,
    relations: Sequence[Relation[Any]],
    checks: Sequence[Check] = (),
    progress: Progress = lambda done, total: None,
) -> Verification:
    """Compare all that is stored with the chain, then run `checks` (each raises ChainBroken). `progress` counts commands."""
    started = time.monotonic()
    seen = _Seen(rows={relation.name: 0 for relation in relations if relation.append_only})
    problem = None
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        try:
            totals = await connection.fetch(QUERIES["chain_totals"])
            everything = sum(row["commands"] for row in totals)
            for row in totals:
                await _verify_writer(connection, row["writer"], relations, seen, lambda: progress(seen.commands, everything))
            if await connection.fetchval(QUERIES["commands_without_link"]):
                raise ChainBroken("a command is recorded that no batch contains")
            for check in checks:
                await check(connection)
        except ChainBroken as broken:
            problem = str(broken)
    return Verification(
        problem is None,
        datetime.now(UTC),
        seen.batches,
        seen.commands,
        seen.rows,
        int((time.monotonic() - started) * 1000),
        problem,
    )


class _Seen:
    def __init__(self, rows: dict[str, int]) -> None:
        self.batches = 0
        self.commands = 0
        self.rows = rows


async def _verify_writer(
    connection: asyncpg.Connection, writer: int, relations: Sequence[Relation[Any]], seen: _Seen, report: Callable[[], None]
) -> None:
    sequence, previous = 0, chain.GENESIS
    while True:
        links = [Link(*row) for row in await connection.fetch(QUERIES["links_after"], writer, sequence, _STRETCH)]
        if not links:
            return
        for stretch in _stretches(links):
            by_batch = await _leaves(connection, writer, stretch, relations, seen)
            for stored in stretch:
                leaves = by_batch.get(stored.sequence, [])
                where = f"writer {writer}, batch {stored.sequence}"
                if stored.sequence != sequence + 1:
                    raise ChainBroken(f"writer {writer}: batch {sequence + 1} is missing")
                if len(leaves) != stored.commands:
                    raise ChainBroken(f"{where}: {len(leaves)} commands are stored, {stored.commands} were committed")
                expected = chain.link(
                    writer, stored.sequence, previous, chain.merkle_root(leaves), stored.seals, stored.commands, stored.decided_at
                )
                if expected.root != stored.root:
                    raise ChainBroken(f"{where}: its commands or what they wrote were altered")
                if expected != stored:
                    raise ChainBroken(f"{where}: its link was altered")
                sequence, previous = stored.sequence, stored.hash
                seen.batches += 1
            report()


def _stretches(links: list[Link]) -> list[list[Link]]:
    """Cut into runs of at most _MOST_COMMANDS commands."""
    runs: list[list[Link]] = [[]]
    size = 0
    for each in links:
        if runs[-1] and size + each.commands > _MOST_COMMANDS:
            runs.append([])
            size = 0
        runs[-1].append(each)
        size += each.commands
    return runs


async def _leaves(
    connection: asyncpg.Connection, writer: int, stretch: list[Link], relations: Sequence[Relation[Any]], seen: _Seen
) -> dict[int, list[bytes]]:
    """The recomputed hashes of a stretch's commands by batch, in order."""
    first, last = stretch[0].sequence, stretch[-1].sequence
    stored = await connection.fetch(QUERIES["records_between"], writer, first, last)
    hashes: dict[tuple[int, int], list[bytes]] = {}
    by_batch: dict[int, list[bytes]] = {}
    for row in stored:
        record = Record(*row)
        hashes[record.sequence, record.position] = [chain.row_hash(RECORDS, RECORDS.encode(record))]
    low = min(link.decided_at for link in stretch)
    high = max(link.decided_at for link in stretch)
    for relation in sorted((each for each in relations if each.append_only), key=lambda each: each.rank):
        columns = ", ".join(relation.columns)
        order = ", ".join(relation.chain_order)
        sql = f"select {columns} from {relation.name} where {relation.origin} between $1 and $2 order by {order}"  # noqa: S608
        at = relation.columns.index(relation.origin)
        for row in await connection.fetch(sql, *id_range(low, high)):
            values = tuple(row)
            made = origin(values[at])
            if made.writer != writer or not first <= made.sequence <= last:
                continue
            mine = hashes.get((made.sequence, made.position))
            if mine is None:
                raise ChainBroken(f"{relation.name} {values[at]}: its command is not recorded")
            mine.append(chain.row_hash(relation, relation.encode(relation.row(*values))))
            seen.rows[relation.name] += 1
    for row in await connection.fetch(QUERIES["events_between"], writer, first, last):
        event = OutboxRow(*row)
        hashes[event.sequence, event.position >> EVENT_BITS].append(chain.row_hash(OUTBOX, OUTBOX.encode(event)))
    for sequence, position in sorted(hashes):
        leaves = by_batch.setdefault(sequence, [])
        if position != len(leaves):
            raise ChainBroken(f"writer {writer}, batch {sequence}: command {len(leaves)} is missing")
        leaves.append(chain.command_hash(hashes[sequence, position]))
    seen.commands += len(hashes)
    return by_batch

"""The store in memory: same contract, no disk. For property tests and simulations of thousands of virtual days."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from tongbao.engine.chain import GENESIS
from tongbao.engine.relation import Relation
from tongbao.engine.sealing import Sealer
from tongbao.engine.store import NEVER, Changes, Conflict, Head, Stored, TurnOfAnother, WriterLost
from tongbao.engine.types import OUTBOX, RECORDS, Key, Link, OutboxRow, Record
from tongbao.kernel.errors import InvariantBroken


class MemoryTables:
    """What is stored: outlives the engines over it, and may be shared by several."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[Any, Any]] = {}
        self.seals: dict[str, dict[Any, bytes]] = {}
        self.appended: dict[Relation[Any], list[Any]] = {}
        self.records: dict[UUID, Record] = {}
        self.links: list[Link] = []
        self.events: list[OutboxRow] = []
        self.turn = asyncio.Lock()
        self.last_turn = 0
        self.moment = NEVER
        self.writers: set[int] = set()

    def table(self, relation: Relation[Any]) -> dict[Any, Any]:
        """The rows of a relation by primary key. Two relations may describe one table (one of them only reads)."""
        return self.rows.setdefault(relation.name, {})

    def stored(self, keys: Sequence[Key], sealer: Sealer) -> Stored:
        """Rows by key; a row that does not fit its seal raises."""
        rows: dict[Key, Any] = {}
        seals: dict[Key, bytes] = {}
        for key in keys:
            row = self.table(key.relation).get(key.key)
            rows[key] = row
            if row is not None and key.relation.sealed:
                seal = seals[key] = self.seals[key.relation.name][key.key]
                if seal != sealer.seal(key.relation, key.relation.encode(row)):
                    raise InvariantBroken(f"{key.relation.name} {key.key} does not fit its seal")
        return Stored(rows, seals)


class MemoryStore:
    """One engine's way to the tables."""

    def __init__(self, tables: MemoryTables | None = None, *, sealer: Sealer | None = None) -> None:
        self.tables = tables or MemoryTables()
        self.sealer = sealer or Sealer()
        self.writer = 0

    async def claim_writer(self) -> Head:
        self.tables.writers.discard(self.writer)
        self.writer = next(number for number in range(1, 1024) if number not in self.tables.writers)
        self.tables.writers.add(self.writer)
        mine = [link for link in self.tables.links if link.writer == self.writer]
        sequence, last = (mine[-1].sequence, mine[-1].hash) if mine else (0, GENESIS)
        return Head(self.writer, sequence, last, self.tables.moment)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[_MemorySession]:
        if not self.writer:
            raise WriterLost("no writer was claimed")
        session = _MemorySession(self)
        try:
            yield session
            session.commit()
        finally:
            session.leave()

    async def peek(self, keys: Sequence[Key]) -> Stored:
        await asyncio.sleep(0)
        return self.tables.stored(keys, self.sealer)

    async def close(self) -> None:
        self.tables.writers.discard(self.writer)
        self.writer = 0


class _MemorySession:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._tables = store.tables
        self._inside = False
        self._changes: Changes | None = None

    async def enter(self, *, keep: bool = False) -> datetime | None:
        await self._tables.turn.acquire()
        self._inside = True
        if self._tables.last_turn == self._store.writer:
            return None
        if keep:
            raise TurnOfAnother
        return self._tables.moment

    async def load(self, keys: Sequence[Key]) -> Stored:
        await asyncio.sleep(0)
        return self._tables.stored(keys, self._store.sealer)

    async def recorded(self, command_ids: Sequence[UUID]) -> dict[UUID, Record]:
        await asyncio.sleep(0)
        return {wanted: self._tables.records[wanted] for wanted in command_ids if wanted in self._tables.records}

    async def save(self, changes: Changes) -> None:
        await asyncio.sleep(0)
        for relation, written in changes.inserted.items():
            table = self._tables.table(relation)
            if any(relation.key_of(row) in table for row in written.rows):
                raise Conflict(f"{relation.name}: a row with that key exists")
        if any(record.command_id in self._tables.records for record in changes.appended[RECORDS].rows):
            raise Conflict("a command with that id is recorded")
        if any(
            (link.writer, link.sequence) == (changes.link.writer, changes.link.sequence) for link in reversed(self._tables.links)
        ):
            raise WriterLost("somebody else wrote to this writer's chain")
        self._changes = changes

    def commit(self) -> None:
        if not self._inside:
            return
        tables = self._tables
        tables.last_turn = self._store.writer
        changes = self._changes
        if changes is None:
            return
        for relation, gone in changes.removed.items():
            for each in gone:
                del tables.table(relation)[each], tables.seals[relation.name][each]
        for group in (changes.inserted, changes.updated):
            for relation, written in group.items():
                keys = list(map(relation.key_of, written.rows))
                tables.table(relation).update(zip(keys, written.rows, strict=True))
                tables.seals.setdefault(relation.name, {}).update(zip(keys, written.seals, strict=True))
        for (relation, key), row in changes.derived.items():
            tables.table(relation)[key] = row
        for relation, written in changes.appended.items():
            if relation is RECORDS:
                tables.records.update((record.command_id, record) for record in written.rows)
            elif relation is OUTBOX:
                tables.events.extend(written.rows)
            else:
                tables.appended.setdefault(relation, []).extend(written.rows)
        tables.links.append(changes.link)
        tables.moment = max(tables.moment, changes.link.decided_at)

    def leave(self) -> None:
        if self._inside:
            self._inside = False
            self._tables.turn.release()

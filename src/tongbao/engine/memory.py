"""The store in memory: same contract, no disk. For property tests and simulations of thousands of virtual days."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

from tongbao.engine.chain import GENESIS
from tongbao.engine.relation import Relation
from tongbao.engine.store import Changes, Head, RetryableFailure, Seal, WriterLost
from tongbao.engine.types import Key, Link, OutboxRow, Record


class MemoryStore:
    """All tables as dictionaries. Transactions run one after another, so each sees a quiet world."""

    def __init__(self) -> None:
        self.rows: dict[str, dict[Any, Any]] = {}
        self.appended: dict[Relation[Any], list[Any]] = {}
        self.records: dict[UUID, Record] = {}
        self.links: list[Link] = []
        self.events: list[OutboxRow] = []
        self._turn = asyncio.Lock()
        self._claimed = False

    async def claim_writer(self) -> Head:
        last = self.links[-1] if self.links else None
        self._claimed = True
        return Head(1, last.sequence, last.hash) if last else Head(1, 0, GENESIS)

    @asynccontextmanager
    async def session(self) -> AsyncIterator[_MemorySession]:
        if not self._claimed:
            raise WriterLost("no writer was claimed")
        async with self._turn:
            session = _MemorySession(self)
            yield session
            session.commit()

    async def close(self) -> None:
        self._claimed = False

    def table(self, relation: Relation[Any]) -> dict[Any, Any]:
        """The rows of a relation by primary key. Two relations may describe one table (one locks, one only reads)."""
        return self.rows.setdefault(relation.name, {})


class _MemorySession:
    def __init__(self, store: MemoryStore) -> None:
        self._store = store
        self._changes: list[Changes] = []
        self._seal: Seal | None = None

    async def load(self, keys: Sequence[Key]) -> dict[Key, Any]:
        await asyncio.sleep(0)
        return {key: self._store.table(key.relation).get(key.key) for key in keys}

    async def recorded(self, command_ids: Sequence[UUID]) -> dict[UUID, Record]:
        await asyncio.sleep(0)
        return {wanted: self._store.records[wanted] for wanted in command_ids if wanted in self._store.records}

    async def save(self, changes: Changes) -> None:
        await asyncio.sleep(0)
        for relation, rows in changes.inserted.items():
            table = self._store.table(relation)
            if any(relation.key_of(row) in table for row in rows):
                raise RetryableFailure(f"{relation.name}: a row with that key exists")
        self._changes.append(changes)

    async def seal(self, seal: Seal) -> None:
        await asyncio.sleep(0)
        self._seal = seal

    def commit(self) -> None:
        seal = self._seal
        if seal is None:
            return
        for changes in self._changes:
            for group in (changes.inserted, changes.updated):
                for relation, rows in group.items():
                    self._store.table(relation).update((relation.key_of(row), row) for row in rows)
            for relation, rows in changes.appended.items():
                self._store.appended.setdefault(relation, []).extend(rows)
        self._store.records.update((record.command_id, record) for record in seal.records)
        self._store.events.extend(seal.events)
        self._store.links.append(seal.link)

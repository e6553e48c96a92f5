"""The store over PostgreSQL: one transaction a batch, one statement a table and kind of change.

Isolation is READ COMMITTED: rows are locked in the global order before anything is decided, and outcomes are read after
the locks are held, so a batch sees everything that those it waited for have committed. What is left to chance (two
processes creating the same row at once) is caught by a primary key and retried.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
import structlog

from tongbao.engine.chain import GENESIS
from tongbao.engine.relation import Relation
from tongbao.engine.store import Changes, Conflict, Head, RetryableFailure, Seal, WriterLost
from tongbao.engine.types import Key, OutboxRow, Record
from tongbao.kernel.sql import Queries

QUERIES = Queries("tongbao.engine")

_log = structlog.get_logger("tongbao.engine")
_MOST_WRITERS = 1024
#: From so many rows on they go in by COPY: half the work for both sides. Fewer are sooner there by an INSERT's one round trip.
_COPY_FROM = 8

#: Rank 0: the engine's own tables are written last and locked never.
_RECORDS: Relation[Record] = Relation("command", Record, key=("command_id",), rank=0, append_only=True)
_OUTBOX: Relation[OutboxRow] = Relation("outbox", OutboxRow, key=("writer", "sequence", "position"), rank=0, append_only=True)

_RETRYABLE = (
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.LockNotAvailableError,
    asyncpg.UniqueViolationError,
    asyncpg.TooManyConnectionsError,
    asyncpg.CannotConnectNowError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.InvalidCachedStatementError,
    asyncpg.ObjectNotInPrerequisiteStateError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    ConnectionError,
    OSError,
    TimeoutError,
)


class PostgresStore:
    """Rows in PostgreSQL. Holds one connection for itself: the claim on its writer number lives and dies with it."""

    def __init__(self, dsn: str, *, statement_timeout_s: float = 30.0) -> None:
        self._dsn = dsn
        self._timeout_s = statement_timeout_s
        self._connection: asyncpg.Connection | None = None
        self._claimed = False

    async def claim_writer(self) -> Head:
        try:
            connection = await self._connected()
            for writer in range(1, _MOST_WRITERS + 1):
                if await connection.fetchval(QUERIES["claim_writer_lock"], writer):
                    self._claimed = True
                    row = await connection.fetchrow(QUERIES["writer_head"], writer)
                    return Head(writer, row["sequence"], row["hash"]) if row else Head(writer, 0, GENESIS)
        except _RETRYABLE as failure:
            await self._drop()
            raise WriterLost(f"{type(failure).__name__}: {failure}") from failure
        raise RetryableFailure(f"all {_MOST_WRITERS} writers are taken")

    @asynccontextmanager
    async def session(self) -> AsyncIterator[_PostgresSession]:
        if self._connection is None or self._connection.is_closed() or not self._claimed:
            await self._drop()
            raise WriterLost("the connection is gone")
        session = _PostgresSession(self._connection)
        try:
            async with self._connection.transaction():
                yield session
                session.committing = True
        except asyncpg.UniqueViolationError as conflict:
            if conflict.constraint_name == "chain_link_pk":
                await self._drop()
                raise WriterLost(str(conflict)) from conflict
            raise Conflict(f"{conflict.constraint_name}: {conflict}") from conflict
        except _RETRYABLE as failure:
            if self._connection is None or self._connection.is_closed() or isinstance(failure, asyncpg.InternalClientError):
                await self._drop()
                raise WriterLost(f"{type(failure).__name__}: {failure}", committing=session.committing) from failure
            raise RetryableFailure(f"{type(failure).__name__}: {failure}", committing=session.committing) from failure

    async def close(self) -> None:
        if self._connection is not None and not self._connection.is_closed():
            await self._connection.close(timeout=5)
        self._connection, self._claimed = None, False

    async def _connected(self) -> asyncpg.Connection:
        if self._connection is None or self._connection.is_closed():
            self._connection = await asyncpg.connect(
                self._dsn,
                timeout=10,
                command_timeout=self._timeout_s,
                server_settings={
                    "application_name": "tongbao engine",
                    "lock_timeout": "10s",
                    "statement_timeout": f"{int(self._timeout_s * 1000)}",
                    "idle_in_transaction_session_timeout": "60s",
                },
            )
        return self._connection

    async def _drop(self) -> None:
        """Forget the connection, and with it the claim; a half-dead one is cut, not asked."""
        connection, self._connection, self._claimed = self._connection, None, False
        if connection is not None and not connection.is_closed():
            connection.terminate()
            await asyncio.sleep(0)


class _PostgresSession:
    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection
        self.committing = False

    async def load(self, keys: Sequence[Key]) -> dict[Key, Any]:
        loaded: dict[Key, Any] = dict.fromkeys(keys)
        by_relation: dict[Relation[Any], list[Any]] = {}
        for relation, key in keys:
            by_relation.setdefault(relation, []).append(key)
        for relation in sorted(by_relation, key=lambda each: each.rank):
            arguments = relation.key_arguments(by_relation[relation])
            make, key_of = relation.row, relation.key_of
            for record in await self._connection.fetch(relation.load_sql, *arguments):
                row = make(*record)
                loaded[Key(relation, key_of(row))] = row
        return loaded

    async def recorded(self, command_ids: Sequence[UUID]) -> dict[UUID, Record]:
        rows = await self._connection.fetch(QUERIES["outcomes"], command_ids)
        return {row["command_id"]: Record(*row) for row in rows}

    async def save(self, changes: Changes) -> None:
        for relation, rows in changes.inserted.items():
            await self._insert(relation, rows)
        for relation, rows in changes.updated.items():
            done = await self._connection.execute(relation.update_sql, *relation.row_arguments(rows))
            if done != f"UPDATE {len(rows)}":
                raise RuntimeError(f"{relation.name}: {done} for {len(rows)} rows")
        for relation, rows in changes.appended.items():
            await self._insert(relation, rows)

    async def seal(self, seal: Seal) -> None:
        await self._insert(_RECORDS, seal.records)
        await self._connection.execute(QUERIES["insert_link"], *msgspec.structs.astuple(seal.link))
        if seal.events:
            await self._insert(_OUTBOX, seal.events)
            await self._connection.execute(QUERIES["wake_listeners"], f"{seal.link.writer}:{seal.link.sequence}")

    async def _insert(self, relation: Relation[Any], rows: Sequence[Any]) -> None:
        if len(rows) < _COPY_FROM:
            await self._connection.execute(relation.insert_sql, *relation.row_arguments(rows))
            return
        await self._connection.copy_records_to_table(
            relation.name, records=map(msgspec.structs.astuple, rows), columns=relation.columns
        )

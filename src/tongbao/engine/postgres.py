"""The store over PostgreSQL: one transaction a batch, one statement a table and kind of change.

Isolation is READ COMMITTED. A turn is the lock on the one row of `engine_turn`, held from `enter` to the end of the
transaction: what is read after it was taken is all that was ever committed, and nobody else writes until it is given back. It
lives and dies with the connection that commits, so an engine that lost its connection cannot write on.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from struct import pack
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.chain import GENESIS
from tongbao.engine.relation import Relation
from tongbao.engine.sealing import SEAL_BYTES, Sealer
from tongbao.engine.store import NEVER, Changes, Conflict, Head, RetryableFailure, Rows, Stored, TurnOfAnother, WriterLost
from tongbao.engine.types import LINKS, OUTBOX, Key, Record
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.sql import Queries

QUERIES = Queries("tongbao.engine")

_MOST_WRITERS = 1024
#: From so many rows on they go in by COPY: half the work for both sides. Fewer are sooner there by an INSERT's one round trip.
_COPY_FROM = 8

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


#: What `keep_turn` raises.
_NOT_YOURS = "TB003"
#: A binary COPY begins and ends like this. Source: PostgreSQL documentation, COPY, "Binary Format".
_COPY_HEAD = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_COPY_TAIL = b"\xff\xff"
_SEAL_LENGTH = pack(">i", SEAL_BYTES)


class PostgresStore:
    """Rows in PostgreSQL, as one engine sees them.

    Holds two connections: one writes, and the claim on the writer number lives and dies with it; the other reads ahead.
    """

    def __init__(self, dsn: str, *, sealer: Sealer | None = None, statement_timeout_s: float = 30.0) -> None:
        self.sealer = sealer or Sealer()
        self._dsn = dsn
        self._timeout_s = statement_timeout_s
        self._connection: asyncpg.Connection | None = None
        self._reading: asyncpg.Connection | None = None
        self._writer = 0

    async def claim_writer(self) -> Head:
        try:
            if self._connection is None or self._connection.is_closed() or self._writer:
                await self._drop()
                self._connection = await self._connect("tongbao engine")
            connection = self._connection
            for writer in range(1, _MOST_WRITERS):
                if await connection.fetchval(QUERIES["claim_writer_lock"], writer):
                    self._writer = writer
                    row = await connection.fetchrow(QUERIES["writer_head"], writer)
                    moment = await connection.fetchval(QUERIES["last_moment"]) or NEVER
                    return Head(writer, row["sequence"], row["hash"], moment) if row else Head(writer, 0, GENESIS, moment)
        except _RETRYABLE as failure:
            await self._drop()
            raise WriterLost(f"{type(failure).__name__}: {failure}") from failure
        raise RetryableFailure(f"all {_MOST_WRITERS - 1} writers are taken")

    @asynccontextmanager
    async def session(self) -> AsyncIterator[_PostgresSession]:
        connection = self._connection
        if connection is None or connection.is_closed() or not self._writer:
            await self._drop()
            raise WriterLost("the connection is gone")
        session = _PostgresSession(connection, self.sealer, self._writer)
        try:
            try:
                yield session
                await session.commit()
            except BaseException:
                await session.abandon()
                raise
        except asyncpg.UniqueViolationError as conflict:
            if conflict.constraint_name == "chain_link_pk":
                await self._drop()
                raise WriterLost(str(conflict)) from conflict
            raise Conflict(f"{conflict.constraint_name}: {conflict}") from conflict
        except _RETRYABLE as failure:
            # A commit without an answer may have happened: then the chain's end is another than the engine knows, also where the
            # connection lives on (a timeout). Only claiming anew tells.
            if session.committing or connection.is_closed() or isinstance(failure, asyncpg.InternalClientError):
                await self._drop()
                raise WriterLost(f"{type(failure).__name__}: {failure}", committing=session.committing) from failure
            raise RetryableFailure(f"{type(failure).__name__}: {failure}", committing=session.committing) from failure

    async def peek(self, keys: Sequence[Key]) -> Stored:
        try:
            if self._reading is None or self._reading.is_closed():
                self._reading = await self._connect("tongbao engine, reading")
            return await _load(self._reading, keys, self.sealer)
        except _RETRYABLE as failure:
            reading, self._reading = self._reading, None
            if reading is not None:
                reading.terminate()
            raise RetryableFailure(f"{type(failure).__name__}: {failure}") from failure

    async def close(self) -> None:
        for connection in (self._connection, self._reading):
            if connection is not None and not connection.is_closed():
                await connection.close(timeout=5)
        self._connection = self._reading = None
        self._writer = 0

    async def _connect(self, name: str) -> asyncpg.Connection:
        return await asyncpg.connect(
            self._dsn,
            timeout=10,
            command_timeout=self._timeout_s,
            server_settings={
                "application_name": name,
                "lock_timeout": "10s",
                "statement_timeout": f"{int(self._timeout_s * 1000)}",
                "idle_in_transaction_session_timeout": "5s",
            },
        )

    async def _drop(self) -> None:
        """Forget the connection, and with it the claim; a half-dead one is cut, not asked."""
        connection, self._connection, self._writer = self._connection, None, 0
        if connection is not None and not connection.is_closed():
            connection.terminate()
            await asyncio.sleep(0)


async def _load(connection: asyncpg.Connection, keys: Sequence[Key], sealer: Sealer) -> Stored:
    rows: dict[Key, Any] = dict.fromkeys(keys)
    seals: dict[Key, bytes] = {}
    by_relation: dict[Relation[Any], list[Any]] = {}
    for relation, key in keys:
        by_relation.setdefault(relation, []).append(key)
    for relation in sorted(by_relation, key=lambda each: each.rank):
        make, key_of, encode = relation.row, relation.key_of, relation.encode
        for record in await connection.fetch(relation.load_sql, *relation.key_arguments(by_relation[relation])):
            if not relation.sealed:
                row = make(*record)
                rows[Key(relation, key_of(row))] = row
                continue
            *values, seal = record
            row = make(*values)
            key = Key(relation, key_of(row))
            if sealer.seal(relation, encode(row)) != seal:
                raise InvariantBroken(f"{relation.name} {key.key} does not fit its seal: it was changed from outside")
            rows[key], seals[key] = row, seal
    return Stored(rows, seals)


def _literal(value: int | bytes | str | datetime) -> str:
    match value:
        case bytes():
            return f"'\\x{value.hex()}'"
        case str():
            return "'" + value.replace("'", "''") + "'"
        case datetime():
            return f"'{value.isoformat()}'"
        case _:
            return str(value)


class _PostgresSession:
    def __init__(self, connection: asyncpg.Connection, sealer: Sealer, writer: int) -> None:
        self._connection = connection
        self._sealer = sealer
        self._writer = writer
        self._last = ""
        self.committing = False

    async def enter(self, *, keep: bool = False) -> datetime | None:
        if keep:
            try:
                await self._connection.execute(f"begin; select keep_turn({self._writer})")
            except asyncpg.PostgresError as refused:
                if refused.sqlstate == _NOT_YOURS:
                    raise TurnOfAnother from None
                raise
            return None
        await self._connection.execute("begin")
        mine, moment = await self._connection.fetchrow(QUERIES["take_turn"], self._writer)
        return None if mine else moment or NEVER

    async def load(self, keys: Sequence[Key]) -> Stored:
        return await _load(self._connection, keys, self._sealer)

    async def recorded(self, command_ids: Sequence[UUID]) -> dict[UUID, Record]:
        rows = await self._connection.fetch(QUERIES["outcomes"], command_ids)
        return {row["command_id"]: Record(*row) for row in rows}

    async def save(self, changes: Changes) -> None:
        for relation, keys in changes.removed.items():
            done = await self._connection.execute(relation.remove_sql, *relation.key_arguments(keys))
            if done != f"DELETE {len(keys)}":
                raise RuntimeError(f"{relation.name}: {done} for {len(keys)} rows")
        for relation, written in changes.inserted.items():
            await self._insert(relation, written)
        for relation, written in changes.updated.items():
            done = await self._connection.execute(relation.update_sql, *relation.update_arguments(written.rows, written.seals))
            if done != f"UPDATE {len(written.rows)}":
                raise RuntimeError(f"{relation.name}: {done} for {len(written.rows)} rows")
        for relation, written in changes.appended.items():
            await self._insert(relation, written)
        link = changes.link
        # One message for the rest: numbers, hexadecimal digits and our own names are all that stands in it.
        values = ", ".join(map(_literal, msgspec.structs.astuple(link)))
        self._last = f"insert into chain_link ({', '.join(LINKS.columns)}) values ({values}); "  # noqa: S608
        if OUTBOX in changes.appended:
            self._last += f"select pg_notify('tongbao_outbox', '{link.writer}:{link.sequence}'); "

    async def commit(self) -> None:
        """Make it durable."""
        if self._connection.is_in_transaction():
            self.committing = True
            await self._connection.execute(f"{self._last}commit")

    async def abandon(self) -> None:
        """Leave no trace; a connection that cannot even do that is cut."""
        if self._connection.is_closed():
            return
        try:
            if self._connection.is_in_transaction():
                await self._connection.execute("rollback")
        except Exception:
            self._connection.terminate()
            await asyncio.sleep(0)

    async def _insert(self, relation: Relation[Any], written: Rows) -> None:
        if len(written.rows) < _COPY_FROM:
            arguments = relation.insert_arguments(written.rows, written.seals)
            await self._connection.execute(relation.insert_sql, *arguments)
            return
        count = relation.field_count
        if relation.sealed:
            rows = [encoded + _SEAL_LENGTH + seal for encoded, seal in zip(written.encoded, written.seals, strict=True)]
        else:
            rows = written.encoded
        # Before each row stands how many fields it has.
        data = count.join((_COPY_HEAD, *rows)) + _COPY_TAIL
        # A memoryview, because asyncpg takes bytes for the name of a file.
        await self._connection.copy_to_table(
            relation.name, source=memoryview(data), columns=relation.stored_columns, format="binary"
        )

"""Rows as the database hands them out: by binary COPY, in the very bytes that were hashed and sealed, without making objects.

A row is a slice of a buffer. `Shape` knows where one ends and where a column begins, and turns one into values when a person is
to read it.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from struct import Struct, error
from typing import Any
from uuid import UUID

import asyncpg

from tongbao.engine.encoding import column_type
from tongbao.engine.relation import Relation

_HEAD = 19  # signature, flags, length of an empty extension
_FIXED = {UUID: 16, int: 8, bool: 1, datetime: 8, date: 4}
_SQL = {
    UUID: "uuid",
    int: "bigint",
    bool: "boolean",
    datetime: "timestamp with time zone",
    date: "date",
    str: "text",
    bytes: "bytea",
}
_LENGTH = Struct(">i")
_WHOLE = {8: Struct(">q"), 4: Struct(">i")}
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
#: Bytes parsed at a time.
_PIECE = 1 << 20

Take = Callable[[bytes, int, int], None]


class NotARow(Exception):
    """The database's bytes are not rows of this relation: the table is not what the engine made."""


class Shape:
    """How the rows of a relation lie in their bytes."""

    def __init__(self, relation: Relation[Any]) -> None:
        self.relation = relation
        hints = typing.get_type_hints(relation.row)
        self.kinds = [column_type(hints[name]) for name in relation.columns]
        #: Bytes to step over before each length that has to be read, and after the last of them.
        self._steps: list[int] = []
        run = 0
        for kind, optional in self.kinds:
            if kind in _FIXED and not optional:
                run += 4 + _FIXED[kind]
            else:
                self._steps.append(run)
                run = 0
        self._tail = run

    def columns(self) -> list[tuple[str, str, bool]]:
        """What the table must have: name, type and `not null` of each column."""
        own = [(name, _SQL[kind], not optional) for name, (kind, optional) in zip(self.relation.columns, self.kinds, strict=True)]
        return [*own, ("seal", "bytea", True)] if self.relation.sealed else own

    def end(self, buffer: bytes, at: int) -> int:
        """Where the row that begins at `at` (behind its field count) ends. Raises struct.error if the buffer ends before."""
        read = _LENGTH.unpack_from
        for step in self._steps:
            at += step
            (length,) = read(buffer, at)
            at += 4 + length if length > 0 else 4
        return at + self._tail

    def fixed_offset(self, column: str) -> int | None:
        """Where a column's value always begins, counted from the row's begin; None if columns before it vary in length."""
        at = 0
        for name, (kind, optional) in zip(self.relation.columns, self.kinds, strict=True):
            if name == column:
                return at + 4
            if kind not in _FIXED or optional:
                return None
            at += 4 + _FIXED[kind]
        raise KeyError(column)

    def spans(self, row: bytes) -> Iterator[tuple[str, int, int]]:
        """Each column with the begin and end of its value; begin = end - ... = 0 length for an empty one, end -1 for null."""
        at = 0
        for name in self.relation.columns:
            (length,) = _LENGTH.unpack_from(row, at)
            at += 4
            yield name, at, at + length if length >= 0 else -1
            at += max(length, 0)

    def value(self, row: bytes, column: str) -> bytes:
        """The bytes of one column."""
        return next(row[begin:end] for name, begin, end in self.spans(row) if name == column)

    def values(self, row: bytes) -> dict[str, Any]:
        """The row for a person to read: column to value."""
        kinds = dict(zip(self.relation.columns, self.kinds, strict=True))
        return {name: None if end < 0 else decoded(kinds[name][0], row[begin:end]) for name, begin, end in self.spans(row)}

    def key(self, row: bytes) -> tuple[Any, ...]:
        """The primary key's values."""
        values = self.values(row)
        return tuple(values[name] for name in self.relation.key_columns)


def decoded(kind: type, value: bytes) -> Any:
    """The value that these bytes stand for."""
    if kind is int:
        return _WHOLE[8].unpack(value)[0]
    if kind is str:
        return value.decode(errors="replace")
    if kind is UUID:
        return UUID(bytes=value)
    if kind is bool:
        return value != b"\x00"
    if kind is datetime:
        since: int = _WHOLE[8].unpack(value)[0]
        try:
            return _EPOCH + timedelta(microseconds=since)
        except OverflowError:
            return f"{since} microseconds after 2000"
    if kind is date:
        return date.fromordinal(date(2000, 1, 1).toordinal() + _WHOLE[4].unpack(value)[0])
    return value


async def each_row(connection: asyncpg.Connection, shape: Shape, take: Take, query: str, *arguments: Any) -> int:
    """Call `take(buffer, begin, end)` for every row of a query that selects the relation's stored columns; begin to end are the
    row's bytes, and where the relation is sealed the seal follows, its length first. Returns how many. Raises NotARow."""
    sealed = shape.relation.sealed
    read = _LENGTH.unpack_from
    fields, end_of = shape.relation.field_count, shape.end
    rest = bytearray()
    begun = False
    count = 0

    def parse(last: bool) -> None:
        nonlocal rest, begun, count
        buffer = bytes(rest)
        size = len(buffer)
        at = 0 if begun else _HEAD
        begun = True
        try:
            while size - at > 2 and buffer[at : at + 2] == fields:
                end = end_of(buffer, at + 2)
                after = end + 4 + read(buffer, end)[0] if sealed else end
                if after > size:
                    break
                take(buffer, at + 2, end)
                count += 1
                at = after
        except error:
            pass
        if last and buffer[at:] != b"\xff\xff":
            raise NotARow(f"{shape.relation.name}: its rows have another shape")
        rest = bytearray(buffer[at:])

    async def receive(data: bytes) -> None:
        rest.extend(data)
        if len(rest) > _PIECE:
            parse(False)

    await connection.copy_from_query(query, *arguments, output=receive, format="binary")
    parse(True)
    return count


async def rows_of(connection: asyncpg.Connection, shape: Shape, query: str, *arguments: Any) -> list[bytes]:
    """The rows of a query as bytes, without their seals."""
    rows: list[bytes] = []
    await each_row(connection, shape, lambda buffer, begin, end: rows.append(buffer[begin:end]), query, *arguments)
    return rows


def selecting(relation: Relation[Any], rest: str = "") -> str:
    """The query of a relation's stored columns, in their order."""
    return f"select {', '.join(relation.stored_columns)} from {relation.name} {rest}"  # noqa: S608 (names from our source)

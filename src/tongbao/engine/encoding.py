"""A row as bytes: the one form in which rows travel to PostgreSQL, are sealed and are hashed into the audit chain.

It is the body of a tuple in PostgreSQL's binary COPY format: for each column in order a big-endian 32-bit length and the
value, -1 and nothing for null. uuid 16 bytes, bigint 8, boolean 1, text UTF-8, bytea as it is, timestamptz microseconds since
2000-01-01 UTC in 8 bytes, date days since 2000-01-01 in 4. Because the server sends and takes the same bytes, a row is encoded
once, and `verify` compares what the server stores without taking it apart.
Source: PostgreSQL documentation, COPY, "Binary Format".
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from struct import Struct
from typing import Any
from uuid import UUID

import msgspec

_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY = date(2000, 1, 1).toordinal()

#: The array type by which a column's values are sent as one argument.
ARRAYS: dict[type, str] = {
    UUID: "uuid[]",
    str: "text[]",
    int: "bigint[]",
    bool: "boolean[]",
    bytes: "bytea[]",
    datetime: "timestamptz[]",
    date: "date[]",
}


@lru_cache(maxsize=8192)
def microseconds(moment: datetime) -> int:
    """Since 2000-01-01 UTC. The moments of a batch are mostly one and the same."""
    since = moment - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


@lru_cache(maxsize=8192)
def days(day: date) -> int:
    """Since 2000-01-01."""
    return day.toordinal() - _EPOCH_DAY


#: For each type of fixed length: its place in a `struct` format, its length, and the expression that gives the value.
_FIXED: dict[type, tuple[str, int, str]] = {
    UUID: ("16s", 16, "{}.bytes"),
    int: ("q", 8, "{}"),
    bool: ("?", 1, "{}"),
    datetime: ("q", 8, "microseconds({})"),
    date: ("i", 4, "days({})"),
}


def column_type(hint: Any) -> tuple[type, bool]:
    """The plain type of a field, and whether it may be None."""
    optional = False
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        members = typing.get_args(hint)
        optional = types.NoneType in members
        hint = next(member for member in members if member is not types.NoneType)
    if typing.get_origin(hint) is typing.Literal:
        hint = str
    return hint, optional


def encoder(row: type[msgspec.Struct], columns: Sequence[str]) -> Callable[[Any], bytes]:
    """The function that encodes these columns of rows of this type.

    It is written for the type and compiled, from names that stand in the source: a run of columns of fixed length is one
    `struct` call, which is six times as quick as going column by column.
    """
    hints = typing.get_type_hints(row)
    writer = _Writer()
    for name in columns:
        writer.column(name, *column_type(hints[name]))
    return writer.compiled()


class _Writer:
    """Puts the text of an encoder together: statements before, and the pieces whose concatenation is the row."""

    def __init__(self) -> None:
        self._names: dict[str, Any] = {"microseconds": microseconds, "days": days, "NULL": b"\xff\xff\xff\xff"}
        self._before: list[str] = []
        self._pieces: list[str] = []
        self._format = ">"
        self._values: list[str] = []

    def column(self, name: str, kind: type, optional: bool) -> None:
        if kind in _FIXED:
            place, length, expression = _FIXED[kind]
            if not optional:
                self._fixed(f"i{place}", str(length), expression.format(f"row.{name}"))
                return
            self._flush()
            pack = self._pack(f">i{place}")
            self._before.append(f"{name} = row.{name}")
            self._pieces.append(f"(NULL if {name} is None else {pack}({length}, {expression.format(name)}))")
            return
        self._before.append(f"{name} = row.{name}")
        encoded = f"{name} = {name}.encode()" if kind is str else f"{name} = {name}"
        if optional:
            self._flush()
            pack = self._pack(">i")
            self._before.append(f"if {name} is not None: {encoded}")
            self._pieces.append(f"(NULL if {name} is None else {pack}(len({name})) + {name})")
            return
        if kind is str:
            self._before.append(encoded)
        self._fixed("i", f"len({name})")
        self._flush()
        self._pieces.append(name)

    def _fixed(self, place: str, *values: str) -> None:
        self._format += place
        self._values += values

    def _pack(self, form: str) -> str:
        name = f"pack{len(self._names)}"
        self._names[name] = Struct(form).pack
        return name

    def _flush(self) -> None:
        if self._values:
            self._pieces.append(f"{self._pack(self._format)}({', '.join(self._values)})")
            self._format, self._values = ">", []

    def compiled(self) -> Callable[[Any], bytes]:
        self._flush()
        body = "".join(f"    {line}\n" for line in (*self._before, f"return {' + '.join(self._pieces)}"))
        names = dict(self._names)
        exec(f"def encode(row):\n{body}", names)  # noqa: S102 (text from field names of our own row types only)
        encode: Callable[[Any], bytes] = names["encode"]
        return encode

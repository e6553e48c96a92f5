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
#: The same as bytes, for a column that may be null.
_AS_BYTES: dict[type, str] = {
    UUID: "{}.bytes",
    int: "eight({})",
    bool: "one({})",
    datetime: "eight(microseconds({}))",
    date: "four(days({}))",
    str: "{}.encode()",
    bytes: "{}",
}
#: Combinations of lengths for which a row type keeps a `struct` at a time.
_MOST_FORMATS = 2048


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


Encode = Callable[[Any], bytes]
EncodeAll = Callable[[Sequence[Any]], list[bytes]]


def encoders(row: type[msgspec.Struct], columns: Sequence[str]) -> tuple[Encode, EncodeAll]:
    """The functions that encode these columns of a row of this type, and of several.

    They are written for the type and compiled, from names that stand in the source: a row is one `struct` call, whose format is
    kept for each combination of lengths of its texts. Going column by column takes five times as long. Rows that are encoded
    together mostly have texts, moments and days in common, which are then converted once: that saves another two fifths.
    """
    hints = typing.get_type_hints(row)
    conversions: list[tuple[str, list[str]]] = []
    values: list[str] = []
    lengths: list[str] = []
    form: list[str] = []
    for name in columns:
        kind, optional = column_type(hints[name])
        if kind in _FIXED and not optional:
            place, length, expression = _FIXED[kind]
            form.append(f"i{place}")
            values.append(str(length))
            if kind in (datetime, date):
                conversions.append((name, [f"{name} = {expression.format('now')}"]))
                values.append(name)
            else:
                values.append(expression.format(f"row.{name}"))
            continue
        form.append("i{}s")
        lengths.append(f"len_{name}")
        converted = [f"{name} = {_AS_BYTES[kind].format('now')}", f"len_{name} = said_{name} = len({name})"]
        if optional:
            converted = [
                f"if now is None: {name}, len_{name}, said_{name} = b'', 0, -1",
                f"else: {'; '.join(converted)}",
            ]
        conversions.append((name, converted))
        values += [f"said_{name}", name]
    names: dict[str, Any] = {
        "microseconds": microseconds, "days": days,
        "eight": Struct(">q").pack, "four": Struct(">i").pack, "one": Struct("?").pack,
    }  # fmt: skip
    if lengths:
        names["packs"] = _Packs(">" + "".join(form))
        find = f"pack = packs[{', '.join(lengths)},]"
    else:
        names["pack"] = Struct(">" + "".join(form)).pack
        find = ""
    packed = f"pack({', '.join(values)})"
    one = ["def encode(row):"]
    several = ["def encode_all(rows):", " encoded = []", " add = encoded.append"]
    several += [f" was_{name} = encoded" for name, _ in conversions]  # what no row can have
    several.append(" for row in rows:")
    for name, converted in conversions:
        one += [f" now = row.{name}", *(f" {line}" for line in converted)]
        several += [f"  now = row.{name}", f"  if now is not was_{name}:", f"   was_{name} = now"]
        several += [f"   {line}" for line in converted]
        if f"len_{name}" in lengths:
            several.append("   pack = None")
    if find:
        one.append(f" {find}")
        several += ["  if pack is None:", f"   {find}"]
    one.append(f" return {packed}")
    several += [f"  add({packed})", " return encoded"]
    exec("\n".join([*one, *several]), names)  # noqa: S102 (text from field names of our own row types only)
    return names["encode"], names["encode_all"]


class _Packs(dict[tuple[int, ...], Callable[..., bytes]]):
    """`struct` packers by the lengths of a row's texts."""

    def __init__(self, form: str) -> None:
        self._form = form

    def __missing__(self, lengths: tuple[int, ...]) -> Callable[..., bytes]:
        if len(self) >= _MOST_FORMATS:
            self.clear()
        self[lengths] = made = Struct(self._form.format(*lengths)).pack
        return made

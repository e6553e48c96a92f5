"""A relation: one table whose rows deciders read and change, and the set-based statements that move its rows.

The statements follow mechanically from the row type, so they are derived here, once, where the lock order can be seen;
every other query of a module is written out in its `sql/` folder. This is not an object-relational mapper: a row is a
frozen struct, there is no session, no lazy loading and no identity beyond the batch.

Lock order: relations by `rank`, then rows by key. Every batch of every process takes its locks in that order.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import date, datetime
from operator import attrgetter
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

Row = TypeVar("Row", bound=msgspec.Struct)

_ARRAYS: dict[type, str] = {
    UUID: "uuid[]",
    str: "text[]",
    int: "bigint[]",
    bool: "boolean[]",
    bytes: "bytea[]",
    datetime: "timestamptz[]",
    date: "date[]",
}


class Relation(Generic[Row]):
    """Describes one table to the engine.

    name         the table; its columns are the row type's fields, in the same order
    key          the fields of its primary key
    rank         place in the global lock order; unique; the hottest rows come last so that they are locked for the shortest time
    read_only    rows are read without a lock and never written through this relation
    append_only  rows are only ever created, never looked up by a decider
    marks        a *declined* command may leave a new version here (a counter of wrong PINs); never anything with money in it
    by_commands  set: rows are part of the audit chain, and this query finds those of given commands ($1), in key order, its
                 columns those of the row and then the command id
    """

    def __init__(
        self,
        name: str,
        row: type[Row],
        *,
        key: Sequence[str],
        rank: int,
        read_only: bool = False,
        append_only: bool = False,
        marks: bool = False,
        by_commands: str | None = None,
    ) -> None:
        self.name = name
        self.row = row
        self.rank = rank
        self.read_only = read_only
        self.append_only = append_only
        self.marks = marks
        self.chained = by_commands is not None
        self.by_commands = by_commands
        self.columns = tuple(row.__struct_fields__)
        self.key_columns = tuple(key)
        self.key_of: Callable[[Row], Hashable] = attrgetter(*key)
        self.composite = len(self.key_columns) > 1
        hints = typing.get_type_hints(row)
        self.arrays = tuple(_array_type(hints[column]) for column in self.columns)
        self.key_arrays = tuple(_array_type(hints[column]) for column in self.key_columns)
        self._write_statements()

    def __repr__(self) -> str:
        return f"<relation {self.name}>"

    def _write_statements(self) -> None:
        # Put together from names that stand in the source, never from anything a request says.
        columns = ", ".join(self.columns)
        keys = ", ".join(self.key_columns)
        every = ", ".join(f"${number}::{array}" for number, array in enumerate(self.arrays, 1))
        lock = "" if self.read_only else f" order by {', '.join(f't.{name}' for name in self.key_columns)} for update of t"
        wanted = ", ".join(f"${number}::{array}" for number, array in enumerate(self.key_arrays, 1))
        if self.composite:
            matches = " and ".join(f"t.{name} = wanted.{name}" for name in self.key_columns)
            selected = ", ".join(f"t.{name}" for name in self.columns)
            self.load_sql = f"select {selected} from {self.name} t join unnest({wanted}) as wanted({keys}) on {matches}{lock}"  # noqa: S608
        else:
            self.load_sql = f"select {columns} from {self.name} t where {keys} = any({wanted}){lock}"  # noqa: S608
        self.insert_sql = f"insert into {self.name} ({columns}) select * from unnest({every})"  # noqa: S608
        changing = [name for name in self.columns if name not in self.key_columns]
        assigned = ", ".join(f"{name} = new.{name}" for name in changing)
        same = " and ".join(f"t.{name} = new.{name}" for name in self.key_columns)
        self.update_sql = f"update {self.name} t set {assigned} from unnest({every}) as new({columns}) where {same}"  # noqa: S608

    def key_arguments(self, keys: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The arguments of `load_sql`: one array a key column, sorted into the lock order."""
        ordered = sorted(keys)
        return list(zip(*ordered, strict=True)) if self.composite else [ordered]

    def row_arguments(self, rows: Iterable[Row]) -> list[tuple[Any, ...]]:
        """The arguments of `insert_sql` and `update_sql`: one array a column."""
        return list(zip(*map(msgspec.structs.astuple, rows), strict=True))


def _array_type(hint: Any) -> str:
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        hint = next(member for member in typing.get_args(hint) if member is not types.NoneType)
    if typing.get_origin(hint) is typing.Literal:
        hint = str
    return _ARRAYS[hint]

"""A relation: one table whose rows deciders read and change, and the set-based statements that move its rows.

The statements follow mechanically from the row type, so they are derived here, once; every other query of a module is written
out in its `sql/` folder. This is not an object-relational mapper: a row is a frozen struct, there is no session, no lazy
loading and no identity beyond the engine's.

Rows of an append-only relation are hashed into the audit chain, command by command. Rows of any other are sealed: their table
has one column more than the row type, `seal bytea not null`, which tells the engine and `verify` that the engine wrote them.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Hashable, Iterable, Sequence
from operator import attrgetter
from struct import pack
from typing import Any, Generic, TypeVar

import msgspec

from tongbao.engine.encoding import ARRAYS, column_type, encoders

Row = TypeVar("Row", bound=msgspec.Struct)


class Relation(Generic[Row]):
    """Describes one table to the engine.

    name         the table; its columns are the row type's fields, in the same order
    key          the fields of its primary key
    rank         place in the order in which relations are read, written and hashed; unique
    read_only    rows are never written through this relation (which may show fewer columns than the table has)
    append_only  rows are only ever created, never looked up by a decider; they are part of the audit chain
    marks        a *declined* command may leave a new version here (a counter of wrong PINs); never anything with money in it
    removable    a command may remove rows, and nothing of them stays: for what is about a person, not for what happened
    fixed        fields that never change once the row exists: an update leaves them out
    chain_order  append-only: the fields by which rows of one command increase in the order in which they are appended;
                 the key, unless said otherwise
    origin       append-only: the field whose id was made by `View.new_id`, which says which command a row belongs to;
                 the first of `chain_order`, unless said otherwise
    derived      fields that are no column of the table: they follow from what is appended in the same commit (a balance is in
                 the account's last entry). They are read from the view `read_from`, which has all fields, and written by nobody
    read_from    the view that rows are read from; the table itself, unless said otherwise
    tally        counters: the fields that `View.tally` adds to. The engine makes and changes these rows by itself
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
        removable: bool = False,
        fixed: Sequence[str] = (),
        chain_order: Sequence[str] = (),
        origin: str | None = None,
        derived: Sequence[str] = (),
        read_from: str | None = None,
        tally: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.row = row
        self.rank = rank
        self.read_only = read_only
        self.append_only = append_only
        self.marks = marks
        self.removable = removable
        self.tally = tuple(tally)
        self.sealed = not (read_only or append_only)
        self.read_from = read_from or name
        self.fields = tuple(row.__struct_fields__)
        self.columns = tuple(field for field in self.fields if field not in derived)
        #: What the table has of a row, where that is not all of it.
        self.stored: Callable[[Row], Any] | None = attrgetter(*self.columns) if derived else None
        self.key_columns = tuple(key)
        self.key_of: Callable[[Row], Hashable] = attrgetter(*key)
        self.composite = len(self.key_columns) > 1
        self.chain_order = tuple(chain_order) or self.key_columns
        self.origin = origin or self.chain_order[0]
        self.encode: Callable[[Row], bytes]
        self.encode_all: Callable[[Sequence[Row]], list[bytes]]
        self.encode, self.encode_all = encoders(row, self.columns)
        #: Before a row where it is sealed, and where it is hashed into the chain.
        self.tag = name.encode() + b"\x00"
        self.row_tag = b"\x02" + self.tag
        hints = typing.get_type_hints(row)
        self.arrays = {name: ARRAYS[column_type(hints[name])[0]] for name in self.fields}
        #: Before each row in binary COPY: how many fields follow.
        self.field_count = pack(">h", len(self.columns) + self.sealed)
        self.stored_columns = (*self.columns, "seal") if self.sealed else self.columns
        changing = [name for name in self.columns if name not in (*self.key_columns, *fixed)]
        self._updated = (*self.key_columns, *changing)
        self._values_of = attrgetter(*self._updated) if len(self._updated) > 1 else _single(self._updated[0])
        self._write_statements(changing)

    def __repr__(self) -> str:
        return f"<relation {self.name}>"

    def _write_statements(self, changing: Sequence[str]) -> None:
        # Put together from names that stand in the source, never from anything a request says.
        selected = ", ".join(f"t.{name}" for name in ((*self.fields, "seal") if self.sealed else self.fields))
        keys = ", ".join(self.key_columns)
        wanted = ", ".join(f"${number}::{self.arrays[name]}" for number, name in enumerate(self.key_columns, 1))
        if self.composite:
            matches = " and ".join(f"t.{name} = wanted.{name}" for name in self.key_columns)
            self.load_sql = f"select {selected} from {self.read_from} t join unnest({wanted}) as wanted({keys}) on {matches}"  # noqa: S608
        else:
            self.load_sql = f"select {selected} from {self.read_from} t where {keys} = any({wanted})"  # noqa: S608
        arrays = {**self.arrays, "seal": "bytea[]"}
        columns = ", ".join(self.stored_columns)
        every = ", ".join(f"${number}::{arrays[name]}" for number, name in enumerate(self.stored_columns, 1))
        self.insert_sql = f"insert into {self.name} ({columns}) select * from unnest({every})"  # noqa: S608
        updated = (*self._updated, "seal")
        values = ", ".join(f"${number}::{arrays[name]}" for number, name in enumerate(updated, 1))
        assigned = ", ".join(f"{name} = new.{name}" for name in (*changing, "seal"))
        same = " and ".join(f"t.{name} = new.{name}" for name in self.key_columns)
        gone = " and ".join(f"t.{name} = gone.{name}" for name in self.key_columns)
        self.update_sql = f"update {self.name} t set {assigned} from unnest({values}) as new({', '.join(updated)}) where {same}"  # noqa: S608
        self.remove_sql = f"delete from {self.name} t using unnest({wanted}) as gone({keys}) where {gone}"  # noqa: S608

    def key_arguments(self, keys: Sequence[Any]) -> Sequence[Sequence[Any]]:
        """The arguments of `load_sql` and `remove_sql`: one array a key column, sorted: the server walks its index one way."""
        ordered = sorted(keys)
        return list(zip(*ordered, strict=True)) if self.composite else [ordered]

    def insert_arguments(self, rows: Sequence[Row], seals: Sequence[bytes]) -> list[Any]:
        """The arguments of `insert_sql`: one array a column."""
        values = map(msgspec.structs.astuple, rows) if self.stored is None else map(self.stored, rows)
        arguments: list[Any] = list(zip(*values, strict=True))
        return [*arguments, seals] if self.sealed else arguments

    def update_arguments(self, rows: Iterable[Row], seals: Sequence[bytes]) -> list[Any]:
        """The arguments of `update_sql`: one array a column."""
        return [*zip(*map(self._values_of, rows), strict=True), seals]


def _single(name: str) -> Callable[[Any], tuple[Any, ...]]:
    value = attrgetter(name)
    return lambda row: (value(row),)

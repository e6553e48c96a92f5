"""What is held about a person, table by table, for whoever may ask: a copy for themselves, or what the law keeps.

A module adds itself by one line in `app/registry.py`: a `Held` for a table whose rows name their person, or a `PersonalData` of
its own. `Held` derives the shape of its items from the row type: amounts become decimal texts, sealed columns are opened, and
every column left out says why.
"""

from __future__ import annotations

import typing
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Protocol
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Relation
from tongbao.engine.encoding import column_type
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.money import format_minor
from tongbao.privacy.purposes import CATEGORIES

#: Rows fetched at a time: what bounds the memory of a copy, however much there is.
PAGE = 500


class PersonalData(Protocol):
    """Part of what is held about people. It reads page by page and never holds more than one; it shows nobody else's data: other
    people only masked, as the person saw them before.

    category   of `purposes.toml`
    name       what its items stand under in a copy: "bills"
    item       the type of one item; the copy's JSON Schema is made from it
    tables     whose personal columns it accounts for
    """

    @property
    def category(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def item(self) -> type[msgspec.Struct]: ...
    @property
    def tables(self) -> tuple[str, ...]: ...

    def export(self, customer_id: UUID) -> AsyncIterator[msgspec.Struct]:
        """The items, in the order in which they came to be."""
        ...


class Opening(Protocol):
    """The part of `security.personal.Vault` that opens."""

    async def open_many(self, values: Sequence[tuple[UUID, str, bytes]], /) -> list[str]: ...


class Held:
    """The rows of one table that name their person in the column `whose`.

    opened     columns whose bytes the vault opens, each with the name it was sealed under ("principal.name")
    left_out   columns that no copy shows, and why
    """

    def __init__(
        self,
        name: str,
        category: str,
        relation: Relation[Any],
        whose: str,
        pool: asyncpg.Pool,
        vault: Opening,
        *,
        opened: Mapping[str, str] | None = None,
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        if category not in CATEGORIES:
            raise InvariantBroken(f"{name}: there is no category {category}")
        self.name = name
        self.category = category
        self.tables = (relation.name,)
        self.left_out = dict(left_out or {})
        self._pool = pool
        self._vault = vault
        self._relation = relation
        self.opened = dict(opened or {})
        hints = typing.get_type_hints(relation.row)
        self._shown = [column for column in relation.fields if column not in self.left_out]
        if strange := {*self.left_out, *self.opened} - set(relation.fields):
            raise InvariantBroken(f"{relation.name} has no columns {sorted(strange)}")
        money = "currency" in self._shown
        fields: list[tuple[str, Any]] = []
        for column in self._shown:
            kind, optional = column_type(hints[column])
            if kind is bytes and column not in self.opened:
                raise InvariantBroken(f"{relation.name}.{column} is bytes: opened or left out?")
            shown: Any = str if kind in (bytes, UUID) or (money and column.endswith("_minor")) else kind
            fields.append((self._called(column), shown | None if optional else shown))
        self._money = money
        self.item = msgspec.defstruct(
            "".join(part.capitalize() for part in name.split("_")) + "Item", fields, frozen=True, module=__name__,
            namespace={"__doc__": (relation.row.__doc__ or "").strip().split("\n", 1)[0]},
        )  # fmt: skip
        key = relation.key_columns
        mine = [column for column in key if column != whose]
        #: Rows of one person by the rest of their key; one row at most where the person is the key.
        self._order = mine[0] if mine else None
        self._place = relation.fields.index(self._order) if self._order else 0
        columns = ", ".join(relation.fields)
        after = f" and ($2::{_sql_type(hints[self._order])} is null or {self._order} > $2)" if self._order else ""
        order = f" order by {self._order} limit {PAGE}" if self._order else ""
        # Put together from names that stand in the source, never from anything a request says.
        self.sql = f"select {columns} from {relation.read_from} where {whose} = $1{after}{order}"  # noqa: S608

    def _called(self, column: str) -> str:
        return column.removesuffix("_minor") if "currency" in self._relation.fields else column

    async def export(self, customer_id: UUID) -> AsyncIterator[msgspec.Struct]:
        """See `PersonalData.export`."""
        last: Any = None
        while True:
            arguments = (customer_id, last) if self._order else (customer_id,)
            rows = await self._pool.fetch(self.sql, *arguments)
            sealed = [(customer_id, field, row[column] or b"") for row in rows for column, field in self.opened.items()]
            texts = iter(await self._vault.open_many(sealed) if sealed else ())
            for row in rows:
                clear = {column: next(texts) for column in self.opened}
                yield self._item(row, clear)
            if self._order is None or len(rows) < PAGE:
                return
            last = rows[-1][self._order]

    def _item(self, row: asyncpg.Record, clear: Mapping[str, str]) -> msgspec.Struct:
        values = []
        for column in self._shown:
            value: Any = clear[column] if column in clear else row[column]
            if self._money and column.endswith("_minor") and value is not None:
                value = format_minor(value, row["currency"].split(":", 1)[0])
            values.append(str(value) if isinstance(value, UUID) else value)
        return self.item(*values)


def _sql_type(hint: Any) -> str:
    kind, _ = column_type(hint)
    return {UUID: "uuid", str: "text", int: "bigint", datetime: "timestamptz", date: "date", bytes: "bytea"}[kind]

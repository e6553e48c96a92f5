"""Rows in bytes: alone or together they are the same, and the server reads them as what they were."""

from __future__ import annotations

import typing
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tongbao.engine.encoding import column_type, encoders
from tongbao.engine.relation import Relation


class Everything(msgspec.Struct, frozen=True):
    """A column of each type, and of each that may be null."""

    id: UUID
    text: str
    number: int
    truth: bool
    raw: bytes
    moment: datetime
    day: date
    no_id: UUID | None
    no_text: str | None
    no_number: int | None
    no_truth: bool | None
    no_raw: bytes | None
    no_moment: datetime | None
    no_day: date | None


_VALUES: dict[type, st.SearchStrategy[Any]] = {
    UUID: st.uuids(),
    str: st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5),
    int: st.integers(-(2**63), 2**63 - 1),
    bool: st.booleans(),
    bytes: st.binary(max_size=5),
    datetime: st.datetimes(timezones=st.just(UTC)),
    date: st.dates(),
}


def _value(hint: Any) -> st.SearchStrategy[Any]:
    kind, optional = column_type(hint)
    return st.none() | _VALUES[kind] if optional else _VALUES[kind]


_hints = typing.get_type_hints(Everything)
_row = st.builds(Everything, **{name: _value(hint) for name, hint in _hints.items()})
#: Rows that are the very same object in a column, or only equal in it, or neither.
_rows = st.lists(_row, min_size=1, max_size=4).flatmap(
    lambda some: st.lists(
        st.sampled_from(some)
        | st.builds(msgspec.structs.replace, st.sampled_from(some), number=_VALUES[int], no_text=_value(_hints["no_text"])),
        max_size=8,
    )
)


@given(_rows)
def test_several_rows_are_encoded_as_each_of_them_is(rows: list[Everything]) -> None:
    encode, encode_all = encoders(Everything, Everything.__struct_fields__)
    assert encode_all(rows) == [encode(row) for row in rows]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=1)
@given(st.data())
async def test_the_server_reads_what_was_encoded(empty_database: str, data: st.DataObject) -> None:
    relation: Relation[Everything] = Relation(
        "everything", Everything, key=("id",), rank=1, append_only=True, chain_order=("id",)
    )
    rows = data.draw(st.lists(_row, min_size=40, max_size=40, unique_by=lambda row: row.id))
    rows.append(msgspec.structs.replace(rows[0], id=UUID(int=1), moment=rows[0].moment + timedelta(microseconds=1)))
    columns = ", ".join(
        f"{name} {relation.arrays[name].removesuffix('[]')}{'' if column_type(_hints[name])[1] else ' not null'}"
        for name in relation.columns
    )
    data_sent = b"".join(
        (b"PGCOPY\n\xff\r\n\0", bytes(8), *(relation.field_count + each for each in relation.encode_all(rows)), b"\xff\xff")
    )
    connection = await asyncpg.connect(empty_database)
    try:
        await connection.execute(f"create table if not exists everything ({columns}); truncate everything")
        await connection.copy_to_table("everything", source=memoryview(data_sent), format="binary")
        stored = {row["id"]: Everything(*row) for row in await connection.fetch("select * from everything")}
    finally:
        await connection.close()
    assert stored == {row.id: row for row in rows}

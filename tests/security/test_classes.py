"""Every column of every table has a class, and what is called like a classed column is hidden in logs."""

from __future__ import annotations

import base64
import io
import sys
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import structlog

from tongbao.app import logs
from tongbao.app.registry import CLASSES, RELATIONS
from tongbao.engine.encoding import column_type
from tongbao.ledger.exchange.snapshot import SOURCES
from tongbao.security.classes import Column, Disclosure, Mask, parse


async def test_every_column_has_a_class_and_every_class_a_column(database: str) -> None:
    connection = await asyncpg.connect(database)
    try:
        rows = await connection.fetch(
            """select c.relname || '.' || a.attname as name, t.typname as type from pg_class c
               join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
               join pg_type t on t.oid = a.atttypid
               where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace"""
        )
        comments = await connection.fetch(
            """select c.relname as name, obj_description(c.oid, 'pg_class') as text from pg_class c
               where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace"""
        )
    finally:
        await connection.close()
    there = {row["name"]: row["type"] for row in rows}
    assert sorted(there.keys() - CLASSES.keys()) == [], "name their classes in a comment on the table, in its migration"
    assert sorted(CLASSES.keys() - there.keys()) == [], "there are no such columns"
    said: dict[str, Column] = {}
    for row in comments:
        said |= parse(row["name"], row["text"])
    assert said == dict(CLASSES), "the database says what the program reads"
    assert {there[name] for name, column in CLASSES.items() if column.sealed} == {"bytea"}


def test_what_is_sealed_is_bytes_to_the_program_too() -> None:
    """A text in a sealed column would be in clear."""
    import typing

    fields = {
        f"{relation.name}.{name}": column_type(hint)[0]
        for relation in RELATIONS
        for name, hint in typing.get_type_hints(relation.row).items()
    }
    assert {fields[name] for name, column in CLASSES.items() if column.sealed and name in fields} == {bytes}


@pytest.mark.parametrize(
    "comment",
    ["", "C2", "C4: name", "C2: Name", "C2: name; C1: name", "C2: name, name", "C2 sealed name", "C2: name;", "name: C2"],
)
def test_a_comment_that_says_no_class_is_an_error(comment: str) -> None:
    with pytest.raises(ValueError, match="t"):
        parse("t", comment)


def test_a_comment_names_classes_in_any_order_and_over_several_lines() -> None:
    assert parse("t", "none: a,\n     b; C2 sealed: c; C3: d") == {
        "t.a": Column("none", False), "t.b": Column("none", False), "t.c": Column("C2", True), "t.d": Column("C3", False),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("name", "张小明", "<C2>"),
        ("login", "+8613800000001", "<C2>"),
        ("balance_minor", 12, "<C2>"),
        ("mac", b"\x01", "<C3>"),
        ("pin", "135790", "<C3>"),
        ("password", "secret", "<C3>"),
        ("login", None, None),
        ("principal_id", "42", "42"),
        ("reason", "timeout", "timeout"),
        ("asked", {"phone": "1", "all": [{"note": "x", "kind": 1}]}, {"phone": "<C2>", "all": [{"note": "<C2>", "kind": 1}]}),
        ("pair", ({"token": "t"}, 1), [{"token": "<C3>"}, 1]),
    ],
)  # fmt: skip
def test_values_are_hidden_by_what_they_are_called(name: str, value: Any, shown: Any) -> None:
    assert Mask(CLASSES).shown(name, value) == shown


def test_a_name_that_one_table_hides_is_hidden_whatever_another_says() -> None:
    columns = {"a.x": Column("C3", False), "b.x": Column("none", False), "c.x": Column("C2", True)}
    assert [Mask(dict(order)).shown("x", 1) for order in (columns.items(), reversed(columns.items()))] == ["<C3>", "<C3>"]


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "terminal"])
async def test_no_log_line_says_who_it_is_about(as_json: bool, database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a field, nor a field within one, nor an error of the database or its driver with its trace."""
    values = ["张小明", "+8613800000001", "ann@example.com", "6222020000000001", "135790", "午饭钱"]
    out = io.StringIO()
    before = structlog.get_config()
    monkeypatch.setattr(sys, "stderr", out)
    connection = await asyncpg.connect(database)
    try:
        logs.configure(as_json=as_json)
        log = structlog.get_logger("test")
        name, phone, email, number, pin, note = values
        log.info("field", name=name, login=phone, note=note)
        log.warning("within", asked={"name": name, "accounts": [{"number": number, "pin": pin}], "email": email})
        await connection.execute("create table named (name text constraint named_once primary key, n bigint)")
        await connection.execute("insert into named values ($1, 1)", name)
        for query, argument in (
            ("insert into named values ($1, 1)", name), ("insert into named values ('x', $1)", number),
            ("select $1::uuid", phone), ("select ($1::text)::bigint", email),
        ):  # fmt: skip
            try:
                await connection.execute(query, argument)
            except (asyncpg.PostgresError, asyncpg.InterfaceError, ValueError, TypeError) as failure:
                log.error("broken", reason=str(failure), cause=repr(failure), exc_info=failure)
            else:
                pytest.fail(f"{query} was to fail")
    finally:
        await connection.close()
        structlog.configure(**before)
    said = out.getvalue()
    assert said.count("broken") == 4 and "named_once" in said and "<C2>" in said and "<C3>" in said
    for value in values:
        for form in (value, ascii(value)[1:-1], value.encode().hex(), base64.b64encode(value.encode()).decode()):
            assert form not in said, form


# ── what leaves in files ────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_field_that_is_written_out_has_a_column_and_none_authenticates() -> None:
    for row, sources in SOURCES.items():
        assert set(sources) == set(row.__struct_fields__), row
        for field, column in sources.items():
            assert CLASSES[column].kind != "C3", f"{row.__name__}.{field}"


_SOMEBODY = UUID("0198c1d2-0000-7000-8000-000000000001")
_COLUMNS = {
    "t.open": Column("none", False),
    "t.id": Column("C1", False),
    "t.sum": Column("C2", False),
    "t.key": Column("C3", False),
}


@pytest.mark.parametrize(
    ("column", "value", "masked"),
    [
        ("t.open", "freezer", "freezer"), ("t.open", _SOMEBODY, _SOMEBODY), ("t.id", "张小明", "…"), ("t.id", "", ""),
        ("t.id", None, None), ("t.sum", 1234, 1234), ("t.sum", "court", "…"),
    ],
)  # fmt: skip
def test_a_file_shows_a_value_by_the_class_of_its_column(column: str, value: object, masked: object) -> None:
    assert Disclosure(_COLUMNS, whole=False).shown(column, value) == masked
    assert Disclosure(_COLUMNS, whole=True).shown(column, value) == value


def test_an_id_is_another_one_the_same_throughout_a_file_and_different_in_the_next() -> None:
    one, other = Disclosure(_COLUMNS, whole=False), Disclosure(_COLUMNS, whole=False)
    first = one.shown("t.id", _SOMEBODY)
    assert first == one.shown("t.sum", _SOMEBODY) != _SOMEBODY
    assert other.shown("t.id", _SOMEBODY) not in (first, _SOMEBODY)


@pytest.mark.parametrize("whole", [True, False])
def test_what_authenticates_is_in_no_file(whole: bool) -> None:
    with pytest.raises(ValueError, match="authenticates"):
        Disclosure(_COLUMNS, whole=whole).shown("t.key", b"x")

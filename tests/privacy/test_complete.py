"""Nothing personal is forgotten: not in a copy, not in the register, not in what an erasure seals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import asyncpg

from tongbao.app.personal import ELSEWHERE, personal_data
from tongbao.app.registry import CLASSES, RELATIONS
from tongbao.kernel.clock import SystemClock
from tongbao.privacy.copies import schema
from tongbao.privacy.holdings import Held
from tongbao.privacy.purposes import CATEGORIES
from tongbao.privacy.register import NAMES_A_PERSON, register

_NOTHING = cast(Any, None)
PARTS = personal_data(_NOTHING, _NOTHING, _NOTHING)
SCHEMA_FILE = Path(__file__).resolve().parents[2] / "docs" / "privacy" / "portable-copy.schema.json"

#: Tables with a column of class C2 or C3, or one that says whose the row is.
PERSONAL = {
    name.partition(".")[0]
    for name, column in CLASSES.items()
    if column.kind in ("C2", "C3") or name.partition(".")[2] in NAMES_A_PERSON
}


def test_every_personal_table_is_in_a_copy_or_says_why_not() -> None:
    told = {table for part in PARTS for table in part.tables}
    assert sorted(PERSONAL - told - ELSEWHERE.keys()) == [], "add a line to app/personal.py: a part of the copy, or a reason"
    assert sorted(told & ELSEWHERE.keys()) == []
    assert sorted(ELSEWHERE.keys() - {name.partition(".")[0] for name in CLASSES}) == [], "there are no such tables"


def test_whatever_is_sealed_is_opened_for_the_one_it_is_about() -> None:
    """A sealed column of a table in the copy is shown: encryption is against others, not against its person."""
    for part in PARTS:
        if isinstance(part, Held):
            sealed = {name for name, column in CLASSES.items() if column.sealed and name.partition(".")[0] in part.tables}
            shown = {f"{part.tables[0]}.{column}" for column in part.opened}
            assert sealed == shown, part.name


def test_every_part_of_a_copy_is_of_a_category_that_knows_its_tables() -> None:
    assert [part.name for part in PARTS if not set(part.tables) <= set(CATEGORIES[part.category].tables)] == []


def test_every_personal_column_is_in_the_register() -> None:
    assert register(CLASSES, "", SystemClock().now()).unassigned == [], "name the table in a category of purposes.toml"


def test_every_table_of_a_category_exists() -> None:
    tables = {name.partition(".")[0] for name in CLASSES}
    assert sorted({table for category in CATEGORIES.values() for table in category.tables} - tables) == []


def test_the_published_schema_is_the_one_that_copies_follow() -> None:
    assert json.loads(SCHEMA_FILE.read_text(encoding="utf-8")) == json.loads(json.dumps(schema(PARTS))), (
        "write it anew: python -m tongbao.app.personal > docs/privacy/portable-copy.schema.json"
    )


async def test_a_copy_is_read_by_indexes_however_many_people_there_are(database: str) -> None:
    """The query of each part, without sequential scans: on empty tables the planner would always prefer one."""
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("set enable_seqscan = off")
        scanned = []
        for part in PARTS:
            if isinstance(part, Held):
                statement = await connection.prepare(part.sql)
                values = [None] * len(statement.get_parameters())
                plan = json.dumps(await statement.explain(*values))
                if "Seq Scan" in plan:
                    scanned.append(part.name)
    finally:
        await connection.close()
    assert scanned == []


def test_every_relation_has_classes() -> None:
    assert sorted({relation.name for relation in RELATIONS} - {name.partition(".")[0] for name in CLASSES}) == []

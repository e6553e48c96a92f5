"""What is not a row: the schema is as the migrations made it.

A trigger dropped or disabled, a check loosened, a view or a function that says something else: none of it changes a row, and each
of it changes what the next rows may be, or what is read. So the whole catalogue of the schema is described, thing by thing, and
compared with a description that comes with the program, outside the reach of who owns the database. An object that no migration
made is a difference too, wherever it could act: keep tables and views of your own in a schema of their own.

What tunes and does not decide (storage parameters, statistics, ownership and grants) is not compared.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import zip_longest
from typing import NamedTuple

import asyncpg

from tongbao.engine.findings import Finding
from tongbao.engine.postgres import QUERIES


class Thing(NamedTuple):
    """Something in a schema. `table`: what it is part of; a function is part of none."""

    kind: str
    name: str
    table: str | None

    def __str__(self) -> str:
        return f"{self.kind} {self.table}.{self.name}" if self.table not in (None, self.name) else f"{self.kind} {self.name}"


#: How each thing is made, in PostgreSQL's own words.
Catalogue = Mapping[Thing, str]


async def catalogue_of(connection: asyncpg.Connection) -> Catalogue:
    """Everything in the connection's current schema that belongs to no extension."""
    rows = await connection.fetch(QUERIES["catalogue"])
    return {Thing(row["kind"], row["name"], row["of_table"]): row["made"] for row in rows}


async def check_catalogue(connection: asyncpg.Connection, expected: Catalogue) -> list[Finding]:
    """Each thing that is missing, was not made by the migrations, or is made otherwise, in the order of tables and names."""
    there = await catalogue_of(connection)
    found: list[Finding] = []
    for thing in sorted({*expected, *there}, key=lambda each: (each.table or "", *map(str, each))):
        before, now = expected.get(thing), there.get(thing)
        if before == now or _goes_with_its_table(thing, expected, there):
            continue
        if now is None:
            text = f"{thing} is missing: expected {_short(before)}"
        elif before is None:
            text = f"{thing} was made by no migration: there is {_short(now)}"
        else:
            one, other = _first_difference(before, now)
            text = f"{thing} is not as the migrations made it: expected {_short(one)}, there is {_short(other)}"
        column = thing.name if thing.kind == "column" else None
        found.append(Finding(text, thing.table, None, column, None, before, now))
    return found


def _goes_with_its_table(thing: Thing, expected: Catalogue, there: Catalogue) -> bool:
    """Whether the table itself is missing or extra, which is said once."""
    table = Thing("table", thing.table or "", thing.table)
    return thing != table and (table in expected) != (table in there)


def _first_difference(before: str, now: str) -> tuple[str, str]:
    lines = zip_longest(before.splitlines(), now.splitlines(), fillvalue="nothing")
    return next(((one, other) for one, other in lines if one != other), (before, now))


def _short(text: str | None) -> str:
    words = " ".join((text or "").split())
    return f"`{words if len(words) <= 160 else words[:159] + '…'}`"

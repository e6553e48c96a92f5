# ruff: noqa: E501 (a row of a table stays on its line)
"""What is not a row is compared too: whoever drops a guard, or puts another view or function in its place, is found out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import asyncpg
import pytest

from tests.support.town import town
from tongbao.app import catalogue
from tongbao.app.audit import Audit
from tongbao.app.registry import RELATIONS
from tongbao.app.settings import Settings
from tongbao.engine.api import PostgresStore, Sealer
from tongbao.engine.findings import Finding
from tongbao.engine.verify_catalogue import check_catalogue
from tongbao.security.keys import Keys


async def test_what_comes_with_the_program_is_what_the_migrations_make(database: str) -> None:
    made = await catalogue.described(database)
    kept = Path(catalogue.__file__).with_name("catalogue.json").read_bytes()
    assert made == kept, "a migration changed: run `make catalogue`"


def test_no_two_relations_have_the_same_place() -> None:
    ranks = [relation.rank for relation in RELATIONS]
    assert len(set(ranks)) == len(ranks)


class Change(NamedTuple):
    """What somebody does to the schema, and what is said of it: the thing, its table, and some words."""

    name: str
    sql: str
    thing: str
    table: str | None
    says: str


CHANGES = [
    Change("a trigger dropped", "drop trigger entry_is_append_only on entry", "trigger entry.entry_is_append_only", "entry", "is missing"),
    Change("a trigger disabled", "alter table entry disable trigger entry_balances", "trigger entry.entry_balances", "entry", "(disabled)"),
    Change("a trigger more", "create trigger also before insert on entry for each statement execute function refuse_change()",
           "trigger entry.also", "entry", "was made by no migration"),
    Change("a trigger of another function",
           "create schema other; create function other.refuse_change() returns trigger language plpgsql as 'begin return new; end';"
           "create or replace trigger journal_is_append_only before update or delete or truncate on journal "
           "for each statement execute function other.refuse_change()",
           "trigger journal.journal_is_append_only", "journal", "other.refuse_change"),
    Change("a function's body", "create or replace function refuse_change() returns trigger language plpgsql as $$begin return null; end$$",
           "function refuse_change()", None, "there is `begin return null; end`"),
    Change("a function's rights", "alter function version_before(uuid, timestamptz) security definer",
           "function version_before(of_account uuid, moment timestamp with time zone)", None, "security definer"),
    Change("a function of the same name for other arguments", "create function keep_turn(int) returns void language sql as ''",
           "function keep_turn(integer)", None, "was made by no migration"),
    Change("a check dropped", "alter table account_master drop constraint account_held_not_negative",
           "constraint account_master.account_held_not_negative", "account_master", "expected `CHECK (held_minor >= 0)`"),
    Change("a check loosened", "alter table entry drop constraint entry_moves_something;"
           "alter table entry add constraint entry_moves_something check (amount_minor <> 0) not valid",
           "constraint entry.entry_moves_something", "entry", "NOT VALID"),
    Change("a primary key dropped", "alter table entry drop constraint entry_pk", "constraint entry.entry_pk", "entry", "is missing"),
    Change("a view replaced", "create or replace view account as " + "{account}" + " where m.code <> '1001'", "view account", "account", "1001"),
    Change("an index dropped", "drop index journal_reversed_once", "index journal.journal_reversed_once", "journal", "is missing"),
    Change("a type changed", "alter table period alter column reason type varchar(9)", "column period.reason", "period", "character varying(9)"),
    Change("a not-null dropped", "alter table journal alter column memo drop not null", "column journal.memo", "journal", "there is `text`"),
    Change("a default set", "alter table journal alter column memo set default 'x'", "column journal.memo", "journal", "default"),
    Change("a rule", "create rule nothing as on insert to journal do instead nothing", "rule journal.nothing", "journal", "INSTEAD NOTHING"),
    Change("row security", "alter table entry enable row level security; create policy guests on entry using (false)",
           "policy entry.guests", "entry", "was made by no migration"),
    Change("a table that is not logged", "alter table session_seen set unlogged", "table session_seen", "session_seen", "not logged"),
    Change("a table more", "create table more (one int not null primary key)", "table more", "more", "was made by no migration"),
    Change("a table fewer", "drop table session_seen", "table session_seen", "session_seen", "is missing"),
    Change("an operator that fits better", "create schema other; create function other.no(numeric, int) returns boolean language sql as 'select false';"
           "create operator <> (leftarg = numeric, rightarg = int, function = other.no)", "operator <>(numeric,integer)", None, "other.no"),
    Change("an operator elsewhere on the path", "create schema other; create function other.no(numeric, int) returns boolean language sql as 'select false';"
           "create operator other.<> (leftarg = numeric, rightarg = int, function = other.no)", "operator other.<>(numeric,integer)", None, "other.no"),
    Change("a cast", "create cast (text as bigint) with inout as implicit", "cast text as bigint", None, "was made by no migration"),
    Change("an event trigger put into an extension",
           "create schema other; create function other.quiet() returns event_trigger language plpgsql as 'begin end';"
           "create event trigger quiet on ddl_command_end execute function other.quiet(); alter extension plpgsql add event trigger quiet",
           "event trigger quiet", None, "other.quiet"),
    Change("a function put into an extension", "create function more() returns int language sql as 'select 1'; alter extension plpgsql add function more()",
           "function more()", None, "was made by no migration"),
    Change("triggers that the server is told not to look for", "update pg_class set relhastriggers = false where oid = 'entry'::regclass",
           "table entry", "entry", "triggers that are passed over"),
    Change("checks that it is told not to look for", "update pg_class set relchecks = 0 where oid = 'hold'::regclass",
           "table hold", "hold", "checks that are passed over"),
    Change("a primary key that is not kept", "update pg_index set indisunique = false, indisprimary = false where indexrelid = 'command_pk'::regclass",
           "constraint command.command_pk", "command", "(not kept)"),
    Change("triggers that do not fire", "set session_replication_role = replica", "setting session_replication_role", None, "`replica`"),
]  # fmt: skip


async def _found(connection: asyncpg.Connection) -> list[Finding]:
    return await check_catalogue(connection, catalogue.expected())


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
async def test_a_change_of_the_schema_is_named(module_database: str, change: Change) -> None:
    connection = await asyncpg.connect(module_database)
    try:
        assert await _found(connection) == []
        async with _taken_back(connection):
            view = (await connection.fetchval("select pg_get_viewdef('account')")).rstrip(";")
            await connection.execute(change.sql.replace("{account}", view))
            found = {each.text.split(" is ")[0].split(" was ")[0]: each for each in await _found(connection)}
        assert change.thing in found, list(found)
        assert found[change.thing].table == change.table and change.says in found[change.thing].text
        assert len(found) == (2 if change.name == "row security" else 1)
    finally:
        await connection.close()


@asynccontextmanager
async def _taken_back(connection: asyncpg.Connection) -> AsyncIterator[None]:
    """A transaction that is rolled back whatever happens in it."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        yield
    finally:
        await transaction.rollback()


async def test_an_operators_own_things_in_a_schema_of_their_own_are_nobodys_business(module_database: str) -> None:
    connection = await asyncpg.connect(module_database)
    try:
        async with _taken_back(connection):
            await connection.execute(
                "create schema reporting; create table reporting.entry (a int); create view reporting.v as select 1"
            )
            assert await _found(connection) == []
    finally:
        await connection.close()


@pytest.mark.parametrize("since_last", [False, True])
async def test_verify_finds_it_though_every_row_agrees(database: str, tmp_path: Path, since_last: bool) -> None:
    keys = Keys.open(tmp_path / "keys.json")
    async with town(PostgresStore(database, sealer=Sealer(keys.seal))) as place:
        await place.customer(1000)
    audit = Audit(database, keys, Settings(data_dir=tmp_path, database_url=database))
    assert (await audit.verify()).ok
    connection = await asyncpg.connect(database)
    await connection.execute("drop trigger entry_is_append_only on entry; alter table hold drop constraint hold_state")
    await connection.close()
    found = await audit.verify(since_last=since_last)
    assert not found.ok and [(each.table, each.now) for each in found.findings] == [("entry", None), ("hold", None)]
    assert (found.since is not None) == since_last

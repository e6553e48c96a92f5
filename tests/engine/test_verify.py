# ruff: noqa: E501 (a row of a table stays on its line)
"""Whatever is altered behind the engine's back, `verify` says so; and the database itself refuses most of it."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg
import pytest

from tests.support.books import bulk, pair, wallet
from tests.support.town import Town, town
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.engine.api import PostgresStore, Sealer
from tongbao.engine.verify import Verification, verify


async def _tell_a_story(place: Town) -> None:
    """Accounts of every kind, declines, an active hold, ended holds; several batches, the last of them with money in it."""
    payer, payee, merchant = await place.customer(100_000), await place.customer(500), await place.merchant()
    for number in range(3):
        await place.happens(place.ordering(merchant, f"order-{number}"))
        await place.happens(place.paying(merchant, f"order-{number}", payer))
    await place.happens(place.refunding(merchant, "order-1", payer, "refund-1", 300))
    assert await place.says(place.transferring(payee, payer, 10**6)) == "insufficient_funds"
    active, captured, voided = place.id(), place.id(), place.id()
    for hold in (active, captured, voided):
        await place.happens(place.holding(payer, hold, 700))
    await place.happens(place.capturing(payer, captured, merchant, 300))
    await place.happens(place.voiding(payer, voided))
    await place.happens(place.transferring(payer, payee, 42))


async def _verify(connection: asyncpg.Connection) -> Verification:
    return await verify(connection, RELATIONS, Sealer(), CHECKS, patience_s=8)


@pytest.fixture
async def story(module_database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to a database with a story in it, without its guards, in a transaction that is taken back."""
    async with _connected(module_database) as connection:
        if not await connection.fetchval("select count(*) from command"):
            async with town(PostgresStore(module_database)) as place:
                await _tell_a_story(place)
        yield connection


@asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(dsn)
    try:
        yield connection
    finally:
        await connection.close()


TABLES = (*(relation.name for relation in RELATIONS), "command", "outbox", "chain_link")


async def _altered(connection: asyncpg.Connection, sql: str) -> Verification:
    """What verify finds in a copy of the story after `sql`; the story itself stays as it was."""
    await connection.execute("drop schema if exists copied cascade; create schema copied")
    for table in TABLES:
        await connection.execute(f"create table copied.{table} (like public.{table} including all)")
        await connection.execute(f"insert into copied.{table} select * from public.{table}")
    view = await connection.fetchval("select pg_get_viewdef('public.account')")
    # A copy has the constraints of the original but not its triggers: this is the thief who is the database's owner.
    await connection.execute("set search_path = copied")
    await connection.execute(f"create view account as {view}")
    await connection.execute(sql)
    changed = any(
        [
            await connection.fetchval(f"select count(*) from ((table {one}.{table} except table {other}.{table})) as difference")
            for table in TABLES
            for one, other in (("copied", "public"), ("public", "copied"))
        ]
    )
    assert changed, "the alteration did nothing"
    return await _verify(connection)


async def test_an_untouched_story_verifies_and_everything_was_compared(story: asyncpg.Connection) -> None:
    found = await _verify(story)
    assert found.problem is None and found.ok
    assert found.commands == await story.fetchval("select count(*) from command") > 20
    assert found.batches == await story.fetchval("select count(*) from chain_link")
    assert found.rows == {
        table: await story.fetchval(f"select count(*) from {table}") for table in TABLES if table != "chain_link"
    }


class Alteration(NamedTuple):
    """What a thief does, and a word of what verify must say of it."""

    name: str
    sql: str
    says: str


_FIRST_ENTRY = "(account_id, version) = (select account_id, version from entry order by posted_at, account_id, version limit 1)"
_RICHEST = "account_id = (select account_id from account where code = '2001' order by posted_minor desc limit 1)"
_LAST_ENTRY = f"(account_id, version) = (select account_id, version from account where {_RICHEST})"
_PAIR = """with j as (select journal_id, posted_at from {journal})
    insert into entry select a.account_id, a.version + 1, j.journal_id, 9, 'CNY', v.amount, a.posted_minor + v.amount, j.posted_at
    from j, (values ('1001', -5000), ('2001', 5000)) as v(code, amount)
    join lateral (select * from account where code = v.code order by posted_minor desc limit 1) a on true;"""

ALTERED, MISSING, STRAY = "or what it wrote was altered", "is missing", "was written by no command"


def column(name: str) -> str:
    """What verify says when it knows the column."""
    return f"column {name} was altered at byte"


ALTERATIONS = [
    # the record of commands
    Alteration("a decline becomes an acceptance", "update command set accepted = true where not accepted", column("accepted")),
    Alteration("another outcome", "update command set outcome = '{\"result\":null}' where kind = 'wallet.transfer'", ALTERED),
    Alteration("another kind", "update command set kind = 'wallet.other' where kind = 'wallet.transfer'", ALTERED),
    Alteration("another fingerprint", "update command set fingerprint = sha256('x') where kind = 'wallet.transfer'", ALTERED),
    Alteration("another hour", "update command set decided_at = decided_at - interval '1 day' where kind = 'wallet.transfer'", column("decided_at")),
    Alteration("a command moved to another batch", "update command set sequence = 1, position = 1 where sequence = 2", "the record of command 0 (of 1) is missing"),
    Alteration("a command's number changed", "update command set command_id = gen_random_uuid() where sequence = 3", ALTERED),
    Alteration("a command deleted", "delete from command where sequence = 3", "the record of command 0 (of 1) is missing"),
    Alteration("a command slipped into a batch",
               "insert into command select gen_random_uuid(), kind, fingerprint, accepted, outcome, writer, sequence, 1, decided_at "
               "from command where sequence = 2", STRAY),
    Alteration("a command of no batch",
               "insert into command select gen_random_uuid(), kind, fingerprint, accepted, outcome, writer, 9999, 0, decided_at "
               "from command where sequence = 2", "no batch"),
    Alteration("a command of no writer",
               "insert into command select gen_random_uuid(), kind, fingerprint, accepted, outcome, 7, 1, 0, decided_at "
               "from command where sequence = 2", "no batch"),
    # journals
    Alteration("a journal's kind", "update journal set kind = 'refund' where kind = 'payment'", column("kind")),
    Alteration("a journal's memo", "update journal set memo = 'x' where memo = 'order-1'", column("memo")),
    Alteration("a journal's hour", "update journal set posted_at = posted_at + interval '1 second' where kind = 'payment'", column("posted_at")),
    Alteration("a journal given to another command",
               "update journal set command_id = (select command_id from command where not accepted limit 1) where kind = 'transfer'", column("command_id")),
    Alteration("a journal's number, with its entries'",
               "create temp table n as select journal_id as old, gen_random_uuid() as new from journal where kind = 'transfer';"
               "update journal set journal_id = n.new from n where journal_id = n.old;"
               "update entry set journal_id = n.new from n where journal_id = n.old; drop table n", STRAY),
    Alteration("a journal deleted", "delete from journal where kind = 'transfer'", ALTERED),
    Alteration("a journal without a command",
               "insert into journal values (gen_random_uuid(), gen_random_uuid(), 'payment', '', now(), current_date)", STRAY),
    Alteration("a journal more for a command",
               "insert into journal select gen_random_uuid(), command_id, kind, memo, posted_at, value_date from journal where kind = 'transfer'", STRAY),
    # entries
    Alteration("an amount", f"update entry set amount_minor = amount_minor + 1 where {_FIRST_ENTRY}", column("amount_minor")),
    Alteration("a balance after", f"update entry set balance_minor = balance_minor + 1 where {_FIRST_ENTRY}", column("balance_minor")),
    Alteration("every amount turned round", "update entry set amount_minor = -amount_minor", ALTERED),
    Alteration("an entry's currency", f"update entry set currency = 'USD' where {_FIRST_ENTRY}", column("currency")),
    Alteration("an entry's leg", "update entry set leg = 5 where (account_id, version) = "
               "(select account_id, version from entry where leg = 1 order by posted_at, account_id, version limit 1)", column("leg")),
    # The command is named, not the byte: the row is found at another place of its command than it was written at.
    Alteration("an entry's leg, so that another comes before it", "update entry set leg = 5 where (account_id, version) = "
               "(select account_id, version from entry where leg = 0 order by posted_at, account_id, version limit 1)",
               "or what it wrote was altered"),
    Alteration("an entry's hour", f"update entry set posted_at = posted_at - interval '1 month' where {_FIRST_ENTRY}", column("posted_at")),
    Alteration("an entry's account", f"update entry set account_id = gen_random_uuid() where {_FIRST_ENTRY}", column("account_id")),
    Alteration("an entry's journal", f"update entry set journal_id = gen_random_uuid() where {_FIRST_ENTRY}", STRAY),
    Alteration("an entry deleted", f"delete from entry where {_FIRST_ENTRY}", ALTERED),
    Alteration("a sound pair of entries more in a sound journal",
               _PAIR.format(journal="journal where kind = 'transfer'"), ALTERED),
    Alteration("an entry slipped in before the others of its journal",
               "insert into entry select account_id, 9999, journal_id, -1, currency, 1, balance_minor, posted_at from entry "
               "join journal using (journal_id, posted_at) where kind = 'payment' limit 1", "/9999 was inserted"),
    Alteration("a sound pair of entries of no journal",
               _PAIR.format(journal="(select gen_random_uuid() as journal_id, now() as posted_at) x"), STRAY),
    Alteration("a sound journal of no command",
               "insert into journal values ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'topup', '', now(), current_date);"
               + _PAIR.format(journal="journal where journal_id = '00000000-0000-0000-0000-000000000001'"), STRAY),
    # accounts
    Alteration("a balance raised", f"update entry set balance_minor = balance_minor + 1 where {_LAST_ENTRY}", column("balance_minor")),
    Alteration("money moved between two balances",
               "update entry e set balance_minor = balance_minor + case code when '1001' then -5 else 5 end from account a "
               "where a.account_id = e.account_id and a.version = e.version and code in ('1001', '4001')", column("balance_minor")),
    Alteration("a version", f"update entry set version = version + 1 where {_LAST_ENTRY}", column("version")),
    Alteration("a balance put back to what it was", f"delete from entry where {_LAST_ENTRY}", ALTERED),
    Alteration("a held sum lowered", "update account_master set held_minor = 0 where held_minor > 0", column("held_minor")),
    Alteration("an account deleted", f"delete from account_master where {_RICHEST}", "account_master: rows were deleted"),
    Alteration("an account with a balance out of nothing",
               "insert into account_master values (gen_random_uuid(), '2001', gen_random_uuid(), 'CNY', 0, 0, null, now(), '', '', null, sha256('x'))", "does not fit its seal"),
    Alteration("an account's currency", f"update account_master set currency = 'USD' where {_RICHEST}", column("currency")),
    Alteration("an account's owner", f"update account_master set owner_id = gen_random_uuid() where {_RICHEST}", column("owner_id")),
    Alteration("an account's line of the chart", f"update account_master set code = '2101' where {_RICHEST}", column("code")),
    Alteration("an owner given to the house's account",
               "update account_master set owner_id = gen_random_uuid() where code = '1001'", column("owner_id")),
    Alteration("a line that the chart has not", f"update account_master set code = '9999' where {_RICHEST}", column("code")),
    Alteration("a floor taken away", f"update account_master set floor_minor = null where {_RICHEST}", column("floor_minor")),
    Alteration("a floor lowered", f"update account_master set floor_minor = -500 where {_RICHEST}", column("floor_minor")),
    # holds
    Alteration("a hold's amount", "update hold set amount_minor = amount_minor - 1 where state = 'ACTIVE'", column("amount_minor")),
    Alteration("what was captured of a hold", "update hold set captured_minor = 1 where state = 'ACTIVE'", column("captured_minor")),
    Alteration("a hold ended", "update hold set state = 'VOIDED', ended_at = now() where state = 'ACTIVE'", "does not fit its seal"),
    Alteration("an ended hold come back", "update hold set state = 'ACTIVE', ended_at = null where state = 'VOIDED'", "does not fit its seal"),
    Alteration("a hold on another account", "update hold set account_id = gen_random_uuid() where state = 'ACTIVE'", column("account_id")),
    Alteration("an active hold deleted", "delete from hold where state = 'ACTIVE'", "its holds say"),
    # the chain itself
    Alteration("a link's hash", "update chain_link set hash = sha256('x') where sequence = 4", column("hash")),
    Alteration("a link's previous hash", "update chain_link set previous = sha256('x') where sequence = 4", column("previous")),
    Alteration("a link's root", "update chain_link set root = sha256('x') where sequence = 4", column("root")),
    Alteration("a link's hour", "update chain_link set decided_at = decided_at + interval '1 s' where sequence = 4", column("decided_at")),
    Alteration("a link's count", "update chain_link set commands = 2 where sequence = 4", column("commands")),
    Alteration("a link deleted", "delete from chain_link where sequence = 4", MISSING),
    Alteration("the first link deleted", "delete from chain_link where sequence = 1", MISSING),
    Alteration("the last link deleted",
               "delete from chain_link where sequence = (select max(sequence) from chain_link)", "no batch"),
    Alteration("an empty batch at the end",
               "insert into chain_link select writer, sequence + 1, hash, sha256(''), '{}', seal, hash, 0, decided_at from chain_link "
               "order by sequence desc limit 1", "its link was altered"),
    Alteration("two links exchanged", "update chain_link set sequence = 9999 where sequence = 4; update chain_link set sequence = 4 "
               "where sequence = 5; update chain_link set sequence = 5 where sequence = 9999", column("sequence")),
    Alteration("a batch cut out with its commands and the rest renumbered",
               "delete from command where sequence = 1; delete from chain_link where sequence = 1;"
               "update command set sequence = -sequence; update command set sequence = -sequence - 1;"
               "update chain_link set sequence = -sequence; update chain_link set sequence = -sequence - 1", column("sequence")),
    Alteration("the last payment cut off with its batch, command and journal",
               "create temp table gone as select command_id, sequence from command order by sequence desc limit 1;"
               "delete from entry where journal_id in (select journal_id from journal join gone using (command_id));"
               "delete from journal where command_id in (select command_id from gone);"
               "delete from command where command_id in (select command_id from gone);"
               "delete from chain_link where sequence in (select sequence from gone); drop table gone", "rows were deleted or put back"),
]  # fmt: skip


@pytest.mark.parametrize("alteration", ALTERATIONS, ids=lambda alteration: alteration.name)
async def test_an_alteration_is_found(story: asyncpg.Connection, alteration: Alteration) -> None:
    found = await _altered(story, alteration.sql)
    assert not found.ok and found.problem is not None
    assert alteration.says in " | ".join(each.text for each in found.findings)


UNCHAINED = [
    Alteration("a hold lifted on both sides",
               "update hold set state = 'VOIDED', ended_at = now() where state = 'ACTIVE'; update account_master set held_minor = 0", "hold"),
    Alteration("a hold made longer", "update hold set expires_at = expires_at + interval '1 year' where state = 'ACTIVE'", column("expires_at")),
    Alteration("an ended hold deleted", "delete from hold where state = 'CAPTURED'", "hold: rows were deleted or put back"),
]  # fmt: skip


@pytest.mark.parametrize("alteration", UNCHAINED, ids=lambda alteration: alteration.name)
async def test_an_alteration_of_rows_that_may_change_is_found(story: asyncpg.Connection, alteration: Alteration) -> None:
    found = await _altered(story, alteration.sql)
    assert not found.ok
    assert alteration.says in " | ".join(each.text for each in found.findings)


async def test_an_altered_row_behind_many_of_its_command_is_named_with_key_column_and_byte(database: str) -> None:
    async with town(PostgresStore(database, sealer=Sealer(b"seal"))) as place:
        payer, payee = await place.customer(10_000), await place.customer(1)
        await place.happens(bulk(place, [pair(wallet(payer), wallet(payee), number) for number in range(1, 13)]))
    async with _connected(database) as connection:
        assert (await verify(connection, RELATIONS, Sealer(b"seal"), CHECKS)).ok
        key = await connection.fetchrow("select account_id, version from entry where amount_minor = 12")
        await connection.execute("set session_replication_role = replica")
        done = await connection.execute("update entry set amount_minor = amount_minor + 256 where amount_minor = 12")
        assert done == "UPDATE 1"
        found = await verify(connection, RELATIONS, Sealer(b"seal"), CHECKS)
    (first, *_) = found.findings
    assert (first.table, first.key) == ("entry", tuple(map(str, key)))
    assert (first.column, first.byte, first.before, first.now) == ("amount_minor", 6, 12, 268)


# ── any alteration at all ───────────────────────────────────────────────────────────────────────────────────────────────

#: How a value of each type is altered; {} is the column, {n} a number that is not 0.
_OTHERWISE = {
    "bigint": "coalesce({c}, 0) + {n}",
    "text": "coalesce({c}, '') || chr(96 + abs({n}) % 26 + 1)",
    "boolean": "not {c}",
    "uuid": "md5(coalesce({c}::text, '') || {n})::uuid",
    "bytea": "set_byte({c}, abs({n}) % length({c}), get_byte({c}, abs({n}) % length({c})) # (1 + abs({n}) % 255))",
    "date": "{c} + {n}",
    "timestamp with time zone": "coalesce({c}, now()) + {n} * interval '1 millisecond'",
}


@asynccontextmanager
async def _copied(dsn: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection that sees a copy of the story without constraints, for a thief whom nothing stops."""
    async with _connected(dsn) as connection:
        await connection.execute("drop schema if exists copied cascade; create schema copied")
        for table in TABLES:
            await connection.execute(f"create table copied.{table} (like public.{table} including indexes)")
            await connection.execute(f"insert into copied.{table} select * from public.{table}")
        view = await connection.fetchval("select pg_get_viewdef('public.account')")
        await connection.execute("set search_path = copied")
        await connection.execute(f"create view account as {view}")
        yield connection


async def _alteration(connection: asyncpg.Connection, chance: random.Random) -> tuple[str, str]:
    """Some alteration of some table: the table, and SQL that changes exactly one row."""
    filled = [table for table in TABLES if await connection.fetchval(f"select exists (select from {table})")]
    table = chance.choice(filled)
    columns = await connection.fetch(
        "select attname::text as name, format_type(atttypid, atttypmod) as type from pg_attribute "
        "where attrelid = to_regclass($1) and attnum > 0 and not attisdropped order by attnum", table,
    )  # fmt: skip
    rows = await connection.fetchval(f"select count(*) from {table}")
    where = f"where ctid = (select ctid from {table} order by 1 offset {chance.randrange(rows)} limit 1)"
    number = chance.choice((-1, 1)) * chance.randrange(1, 1000)
    what = chance.choice(("update",) * 4 + ("delete", "insert"))
    if what == "delete":
        return table, f"delete from {table} {where}"
    keys = next((each.key_columns for each in RELATIONS if each.name == table), None) or {
        "command": ("command_id",), "outbox": ("writer", "sequence", "position"), "chain_link": ("writer", "sequence")
    }[table]  # fmt: skip
    if what == "insert":
        values = [
            _OTHERWISE[each["type"]].format(c=each["name"], n=number) if each["name"] in keys else each["name"]
            for each in columns
        ]
        return table, f"insert into {table} select {', '.join(values)} from {table} {where}"
    column = chance.choice(columns)
    return table, f"update {table} set {column['name']} = {_OTHERWISE[column['type']].format(c=column['name'], n=number)} {where}"


async def test_fifty_random_alterations_are_each_found(module_database: str, story: asyncpg.Connection) -> None:
    chance = random.Random(20260301)
    seen: set[str] = set()
    named = 0
    async with _copied(module_database) as connection:
        done = 0
        while done < 50:
            table, sql = await _alteration(connection, chance)
            if await connection.execute(sql) not in ("UPDATE 1", "DELETE 1", "INSERT 0 1"):
                raise AssertionError(f"not one row: {sql}")
            difference = (
                f"(table copied.{table} except table public.{table}) union all (table public.{table} except table copied.{table})"
            )
            if await connection.fetchval(f"select exists ({difference})"):
                found = await verify(connection, RELATIONS, Sealer(), CHECKS, patience_s=0.5)
                assert not found.ok, sql
                assert (
                    any(each.table == table for each in found.findings)
                    or "were altered" in str(found.problem)
                    or ("was altered" in str(found.problem))
                ), (sql, found.findings)
                named += found.findings[0].column is not None
                seen.add(table)
                done += 1
            await connection.execute(f"truncate {table}; insert into {table} select * from public.{table}")
        assert (await verify(connection, RELATIONS, Sealer(), CHECKS)).ok
    assert len(seen) >= 12 and named >= 20


async def test_a_table_with_another_column_is_not_taken_for_ours(module_database: str, story: asyncpg.Connection) -> None:
    async with _copied(module_database) as connection:
        await connection.execute("alter table entry add column note text")
        found = await verify(connection, RELATIONS, Sealer())
        assert found.problem is not None and "table entry has other columns than the engine made" in found.problem


async def test_every_table_that_bears_a_seal_is_compared(story: asyncpg.Connection) -> None:
    sealed = {
        row[0]
        for row in await story.fetch(
            "select relname::text from pg_class join pg_attribute on attrelid = pg_class.oid "
            "where attname = 'seal' and relkind = 'r' and relnamespace = 'public'::regnamespace"
        )
    }
    assert sealed - {"chain_link", "verified_point"} == {relation.name for relation in RELATIONS if relation.sealed}


# ── the database's own guards ───────────────────────────────────────────────────────────────────────────────────────────


_SOME_ACCOUNT = "(select account_id from account order by account_id limit 1)"


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        *[(f"update {table} set {column} = {column}", "TB001")
          for table, column in (("entry", "leg"), ("journal", "memo"), ("command", "kind"), ("chain_link", "commands"))],
        *[(f"delete from {table}", "TB001") for table in ("entry", "journal", "command", "chain_link")],
        *[(f"truncate {table} cascade", "TB001") for table in ("entry", "journal", "command", "chain_link")],
        (f"insert into entry values ({_SOME_ACCOUNT}, 9001, gen_random_uuid(), 0, 'CNY', 5, 5, now())", "TB002"),
        (f"insert into entry values ({_SOME_ACCOUNT}, 9001, '00000000-0000-0000-0000-000000000001', 0, 'CNY', 5, 5, now()), "
         f"({_SOME_ACCOUNT}, 9002, '00000000-0000-0000-0000-000000000001', 1, 'USD', -5, 0, now())", "TB002"),
        (f"insert into entry values ({_SOME_ACCOUNT}, 9001, '00000000-0000-0000-0000-000000000001', 0, 'CNY', 5, 5, now()), "
         f"({_SOME_ACCOUNT}, 9002, '00000000-0000-0000-0000-000000000002', 1, 'CNY', -5, 0, now())", "TB002"),
        (f"insert into entry values ({_SOME_ACCOUNT}, 9001, gen_random_uuid(), 0, 'CNY', 0, 0, now())", "23514"),
        ("insert into entry select * from entry limit 1", "23505"),
        ("insert into chain_link select * from chain_link limit 1", "23505"),
        ("insert into command select * from command limit 1", "23505"),
        ("update account_master set floor_minor = 2, ceiling_minor = 1 where code = '2001'", "23514"),
        ("update account_master set held_minor = -1", "23514"),
        ("update hold set captured_minor = agreed_minor + 1", "23514"),
        ("update hold set captured_minor = -1", "23514"),
        ("update hold set state = 'GONE'", "23514"),
        ("update payment set refunded_minor = amount_minor + 1", "23514"),
        ("update payment set payer_id = null where state = 'PAID'", "23514"),
    ],
)  # fmt: skip
async def test_the_database_refuses_by_itself(story: asyncpg.Connection, sql: str, code: str) -> None:
    with pytest.raises(asyncpg.PostgresError) as refused:
        await story.execute(sql)
    assert refused.value.sqlstate == code


async def test_a_balanced_journal_in_two_statements_is_refused_at_the_first(story: asyncpg.Connection) -> None:
    transaction = story.transaction()
    await transaction.start()
    try:
        with pytest.raises(asyncpg.PostgresError, match="does not balance"):
            await story.execute(f"insert into entry values ({_SOME_ACCOUNT}, 9001, gen_random_uuid(), 0, 'CNY', 5, 5, now())")
    finally:
        await transaction.rollback()

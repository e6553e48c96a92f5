# ruff: noqa: E501 (a row of a table stays on its line)
"""Whatever is altered behind the engine's back, `verify` says so; and the database itself refuses most of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

import asyncpg
import pytest

from tests.support.town import Town, town
from tongbao.app.registry import CHAINED, CHECKS
from tongbao.engine.api import PostgresStore
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
    return await verify(connection, CHAINED, CHECKS)


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


async def _altered(connection: asyncpg.Connection, sql: str) -> Verification:
    """What verify finds in a copy of the story after `sql`; the story itself stays as it was."""
    await connection.execute("drop schema if exists copied cascade; create schema copied")
    for table in ("account", "journal", "entry", "hold", "command", "chain_link", "outbox"):
        await connection.execute(f"create table copied.{table} (like public.{table} including all)")
        await connection.execute(f"insert into copied.{table} select * from public.{table}")
    # A copy has the constraints of the original but not its triggers: this is the thief who is the database's owner.
    await connection.execute("set search_path = copied")
    await connection.execute(sql)
    changed = any(
        [
            await connection.fetchval(f"select count(*) from ((table {one}.{table} except table {other}.{table})) as difference")
            for table in ("account", "journal", "entry", "hold", "command", "chain_link")
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
        "journal": await story.fetchval("select count(*) from journal"),
        "entry": await story.fetchval("select count(*) from entry"),
    }


class Alteration(NamedTuple):
    """What a thief does, and a word of what verify must say of it."""

    name: str
    sql: str
    says: str


_FIRST_ENTRY = "(account_id, version) = (select account_id, version from entry order by posted_at, account_id, version limit 1)"
_RICHEST = "account_id = (select account_id from account where code = '2001' order by posted_minor desc limit 1)"
_PAIR = """with j as (select journal_id, posted_at from {journal})
    insert into entry select a.account_id, a.version + 1, j.journal_id, 9, 'CNY', v.amount, a.posted_minor + v.amount, j.posted_at
    from j, (values ('1001', -5000), ('2001', 5000)) as v(code, amount)
    join lateral (select * from account where code = v.code order by posted_minor desc limit 1) a on true;
    update account a set posted_minor = e.balance_minor, version = e.version from entry e
    where e.account_id = a.account_id and e.version = a.version + 1;"""

ALTERED, MISSING = "were altered", "is missing"

ALTERATIONS = [
    # the record of commands
    Alteration("a decline becomes an acceptance", "update command set accepted = true where not accepted", ALTERED),
    Alteration("another outcome", "update command set outcome = '{\"result\":null}' where kind = 'wallet.transfer'", ALTERED),
    Alteration("another kind", "update command set kind = 'wallet.other' where kind = 'wallet.transfer'", ALTERED),
    Alteration("another fingerprint", "update command set fingerprint = sha256('x') where kind = 'wallet.transfer'", ALTERED),
    Alteration("another hour", "update command set decided_at = decided_at - interval '1 day' where kind = 'wallet.transfer'", ALTERED),
    Alteration("a command moved to another batch", "update command set sequence = 1, position = 1 where sequence = 2", "commands are stored"),
    Alteration("a command's number changed", "update command set command_id = gen_random_uuid() where sequence = 3", ALTERED),
    Alteration("a command deleted", "delete from command where sequence = 3", "commands are stored"),
    Alteration("a command slipped into a batch",
               "insert into command select gen_random_uuid(), kind, fingerprint, accepted, outcome, writer, sequence, 1, decided_at "
               "from command where sequence = 2", "commands are stored"),
    Alteration("a command of no batch",
               "insert into command select gen_random_uuid(), kind, fingerprint, accepted, outcome, writer, 9999, 0, decided_at "
               "from command where sequence = 2", "no batch"),
    Alteration("a command of no writer",
               "insert into command select gen_random_uuid(), kind, fingerprint, accepted, outcome, 7, 1, 0, decided_at "
               "from command where sequence = 2", "no batch"),
    # journals
    Alteration("a journal's kind", "update journal set kind = 'refund' where kind = 'payment'", ALTERED),
    Alteration("a journal's memo", "update journal set memo = 'x' where memo = 'order-1'", ALTERED),
    Alteration("a journal's hour", "update journal set posted_at = posted_at + interval '1 second' where kind = 'payment'", ALTERED),
    Alteration("a journal given to another command",
               "update journal set command_id = (select command_id from command where not accepted limit 1) where kind = 'transfer'", ALTERED),
    Alteration("a journal's number, with its entries'",
               "create temp table n as select journal_id as old, gen_random_uuid() as new from journal where kind = 'transfer';"
               "update journal set journal_id = n.new from n where journal_id = n.old;"
               "update entry set journal_id = n.new from n where journal_id = n.old; drop table n", ALTERED),
    Alteration("a journal deleted", "delete from journal where kind = 'transfer'", ALTERED),
    Alteration("a journal without a command",
               "insert into journal values (gen_random_uuid(), gen_random_uuid(), 'payment', '', now(), current_date)", "no command"),
    Alteration("a journal more for a command",
               "insert into journal select gen_random_uuid(), command_id, kind, memo, posted_at, value_date from journal where kind = 'transfer'", ALTERED),
    # entries
    Alteration("an amount", f"update entry set amount_minor = amount_minor + 1 where {_FIRST_ENTRY}", ALTERED),
    Alteration("a balance after", f"update entry set balance_minor = balance_minor + 1 where {_FIRST_ENTRY}", ALTERED),
    Alteration("every amount turned round", "update entry set amount_minor = -amount_minor", ALTERED),
    Alteration("an entry's currency", f"update entry set currency = 'USD' where {_FIRST_ENTRY}", ALTERED),
    Alteration("an entry's leg", f"update entry set leg = 5 where {_FIRST_ENTRY}", ALTERED),
    Alteration("an entry's hour", f"update entry set posted_at = posted_at - interval '1 month' where {_FIRST_ENTRY}", ALTERED),
    Alteration("an entry's account", f"update entry set account_id = gen_random_uuid() where {_FIRST_ENTRY}", ALTERED),
    Alteration("an entry's journal", f"update entry set journal_id = gen_random_uuid() where {_FIRST_ENTRY}", ALTERED),
    Alteration("an entry deleted", f"delete from entry where {_FIRST_ENTRY}", ALTERED),
    Alteration("a sound pair of entries more in a sound journal",
               _PAIR.format(journal="journal where kind = 'transfer'"), ALTERED),
    Alteration("a sound pair of entries of no journal",
               _PAIR.format(journal="(select gen_random_uuid() as journal_id, now() as posted_at) x"), "no journal"),
    Alteration("a sound journal of no command",
               "insert into journal values ('00000000-0000-0000-0000-000000000001', gen_random_uuid(), 'topup', '', now(), current_date);"
               + _PAIR.format(journal="journal where journal_id = '00000000-0000-0000-0000-000000000001'"), "no command"),
    # accounts
    Alteration("a balance raised", f"update account set posted_minor = posted_minor + 1 where {_RICHEST}", "its entries say"),
    Alteration("money moved between two balances",
               "update account set posted_minor = posted_minor + case code when '1001' then -5 else 5 end where code in ('1001', '4001')",
               "its entries say"),
    Alteration("a version", f"update account set version = version + 1 where {_RICHEST}", "its entries say"),
    Alteration("a held sum lowered", "update account set held_minor = 0 where held_minor > 0", "its holds say"),
    Alteration("an account deleted", f"delete from account where {_RICHEST}", "its entries say"),
    Alteration("an account with a balance out of nothing",
               "insert into account values (gen_random_uuid(), '2001', gen_random_uuid(), 'CNY', 100, 0, 0, null, 0, now(), '', '')", "its entries say"),
    Alteration("an account's currency", f"update account set currency = 'USD' where {_RICHEST}", "not the account of its code"),
    Alteration("an account's owner", f"update account set owner_id = gen_random_uuid() where {_RICHEST}", "not the account of its code"),
    Alteration("an account's line of the chart", f"update account set code = '2101' where {_RICHEST}", "not the account of its code"),
    Alteration("an owner given to the house's account",
               "update account set owner_id = gen_random_uuid() where code = '1001'", "not the account of its code"),
    Alteration("a line that the chart has not", f"update account set code = '9999' where {_RICHEST}", "not the account of its code"),
    Alteration("a floor taken away", f"update account set floor_minor = null where {_RICHEST}", "is not its chart line's"),
    Alteration("a floor lowered", f"update account set floor_minor = -500 where {_RICHEST}", "is not its chart line's"),
    # holds
    Alteration("a hold's amount", "update hold set amount_minor = amount_minor - 1 where state = 'ACTIVE'", "its holds say"),
    Alteration("what was captured of a hold", "update hold set captured_minor = 1 where state = 'ACTIVE'", "its holds say"),
    Alteration("a hold ended", "update hold set state = 'VOIDED', ended_at = now() where state = 'ACTIVE'", "its holds say"),
    Alteration("an ended hold come back", "update hold set state = 'ACTIVE', ended_at = null where state = 'VOIDED'", "its holds say"),
    Alteration("a hold on another account", "update hold set account_id = gen_random_uuid() where state = 'ACTIVE'", "its holds say"),
    Alteration("an active hold deleted", "delete from hold where state = 'ACTIVE'", "its holds say"),
    # the chain itself
    Alteration("a link's hash", "update chain_link set hash = sha256('x') where sequence = 4", "link was altered"),
    Alteration("a link's previous hash", "update chain_link set previous = sha256('x') where sequence = 4", "link was altered"),
    Alteration("a link's root", "update chain_link set root = sha256('x') where sequence = 4", ALTERED),
    Alteration("a link's hour", "update chain_link set decided_at = decided_at + interval '1 s' where sequence = 4", "link was altered"),
    Alteration("a link's count", "update chain_link set commands = 2 where sequence = 4", "were committed"),
    Alteration("a link deleted", "delete from chain_link where sequence = 4", MISSING),
    Alteration("the first link deleted", "delete from chain_link where sequence = 1", MISSING),
    Alteration("the last link deleted",
               "delete from chain_link where sequence = (select max(sequence) from chain_link)", "no batch"),
    Alteration("an empty batch at the end",
               "insert into chain_link select writer, sequence + 1, hash, hash, hash, 0, decided_at from chain_link "
               "order by sequence desc limit 1", ALTERED),
    Alteration("two links exchanged", "update chain_link set sequence = 9999 where sequence = 4; update chain_link set sequence = 4 "
               "where sequence = 5; update chain_link set sequence = 5 where sequence = 9999", ALTERED),
    Alteration("a batch cut out with its commands and the rest renumbered",
               "delete from command where sequence = 1; delete from chain_link where sequence = 1;"
               "update command set sequence = -sequence; update command set sequence = -sequence - 1;"
               "update chain_link set sequence = -sequence; update chain_link set sequence = -sequence - 1", ALTERED),
    Alteration("the last payment cut off with its batch, command and journal",
               "create temp table gone as select command_id, sequence from command order by sequence desc limit 1;"
               "delete from entry where journal_id in (select journal_id from journal join gone using (command_id));"
               "delete from journal where command_id in (select command_id from gone);"
               "delete from command where command_id in (select command_id from gone);"
               "delete from chain_link where sequence in (select sequence from gone); drop table gone", "its entries say"),
]  # fmt: skip


@pytest.mark.parametrize("alteration", ALTERATIONS, ids=lambda alteration: alteration.name)
async def test_an_alteration_is_found(story: asyncpg.Connection, alteration: Alteration) -> None:
    found = await _altered(story, alteration.sql)
    assert not found.ok and found.problem is not None
    assert alteration.says in found.problem


_NOT_CHAINED = "still open, for part 2: holds are not part of the chain, nor derived anew from the commands"
_NOT_ANCHORED = "still open, for part 2: the end of the chain is anchored nowhere outside the database"

UNSEEN = [
    pytest.param("update hold set state = 'VOIDED', ended_at = now() where state = 'ACTIVE'; update account set held_minor = 0",
                 id="a hold lifted on both sides", marks=pytest.mark.xfail(strict=True, reason=_NOT_CHAINED)),
    pytest.param("update hold set expires_at = expires_at + interval '1 year' where state = 'ACTIVE'", id="a hold made longer",
                 marks=pytest.mark.xfail(strict=True, reason=_NOT_CHAINED)),
    pytest.param("delete from hold where state = 'CAPTURED'", id="an ended hold deleted",
                 marks=pytest.mark.xfail(strict=True, reason=_NOT_CHAINED)),
    pytest.param("create temp table gone as select command_id, sequence from command order by sequence desc limit 1;"
                 "update account a set posted_minor = posted_minor - amount_minor, version = a.version - 1 from entry e "
                 "join journal j using (journal_id) join gone using (command_id) where e.account_id = a.account_id;"
                 "delete from entry where journal_id in (select journal_id from journal join gone using (command_id));"
                 "delete from journal where command_id in (select command_id from gone);"
                 "delete from command where command_id in (select command_id from gone);"
                 "delete from chain_link where sequence in (select sequence from gone); drop table gone",
                 id="the last payment undone without a trace",
                 marks=pytest.mark.xfail(strict=True, reason=_NOT_ANCHORED)),
]  # fmt: skip


@pytest.mark.parametrize("sql", UNSEEN)
async def test_an_alteration_of_what_the_chain_does_not_cover_is_found(story: asyncpg.Connection, sql: str) -> None:
    found = await _altered(story, sql)
    assert not found.ok and found.problem is not None


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
        ("update account set posted_minor = held_minor - 1 where code = '2001'", "23514"),
        ("update account set held_minor = -1", "23514"),
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

"""The ceiling: the rows that a measured stretch wrote, written again by COPY into an empty copy of the schema.

One transaction every 5,000 commands: binary COPY of each table's rows, then one UPDATE that brings the accounts to where
that chunk left them. No decision, no lock, no answer to anyone: nothing that really decides can be faster on this server.
"""

from __future__ import annotations

import asyncio
import io
import time

import asyncpg

from bench.stage import Stage, say
from tongbao.app.registry import MIGRATIONS
from tongbao.kernel.migrations import migrate
from tongbao.kernel.postgres import create_database

CHUNK = 5_000

#: Rows of chunk {chunk} in table `picked (command_id, writer, sequence, position, chunk)`.
_ROWS = {
    "journal": "select j.* from journal j join picked using (command_id) where chunk = {chunk}",
    "entry": "select e.* from entry e join journal using (journal_id) join picked using (command_id) where chunk = {chunk}",
    "payment": "select m.* from payment m join journal using (journal_id) join picked using (command_id) where chunk = {chunk}",
    "bill": "select b.* from bill b join journal using (journal_id) join picked using (command_id) where chunk = {chunk}",
    "command": "select c.* from command c join picked using (command_id) where chunk = {chunk}",
    "outbox": "select o.* from outbox o join picked using (writer, sequence, position) where chunk = {chunk}",
    "brought_to": """select distinct on (e.account_id) e.account_id, e.balance_minor, e.version
        from entry e join journal using (journal_id) join picked using (command_id) where chunk = {chunk}
        order by e.account_id, e.version desc""",
}
_PICK = """create temp table picked as
select command_id, writer, sequence, position, (row_number() over (order by sequence, position) - 1) / {size} as chunk
from command where kind = '{kind}' and accepted and sequence > {after} limit {most}"""


async def ceiling(stage: Stage, kind: str, tables: tuple[str, ...], after: int, *, most: int = 40_000) -> float:
    """Commands a second at the ceiling, from the accepted commands of `kind` after batch `after`."""
    source = await asyncpg.connect(stage.dsn)
    target = await asyncpg.connect(await asyncio.to_thread(create_database, stage.dsn, "ceiling"))
    try:
        await migrate(target, MIGRATIONS)
        await source.execute(_PICK.format(size=CHUNK, kind=kind, after=after, most=most))
        await source.execute("analyze picked")
        commands: int = await source.fetchval("select count(*) from picked")
        await _accounts(source, target)
        chunks = [
            {table: await _binary(source, _ROWS[table].format(chunk=chunk)) for table in (*tables, "brought_to")}
            for chunk in range((commands + CHUNK - 1) // CHUNK)
        ]
        started = time.perf_counter()
        for chunk in chunks:
            await _write(target, chunk)
        rate = commands / (time.perf_counter() - started)
    finally:
        await source.close()
        await target.close()
    say(f"ceiling (COPY, no decision){rate:>9,.0f} /s")
    return rate


async def _write(target: asyncpg.Connection, chunk: dict[str, bytes]) -> None:
    async with target.transaction():
        for table, rows in chunk.items():
            await target.copy_to_table(table, source=io.BytesIO(rows), format="binary")
        await target.execute(
            "update account a set posted_minor = b.posted_minor, version = b.version from brought_to b "
            "where a.account_id = b.account_id"
        )
        await target.execute("truncate brought_to")


async def _accounts(source: asyncpg.Connection, target: asyncpg.Connection) -> None:
    everyone = await _binary(source, "select * from account")
    await target.copy_to_table("account", source=io.BytesIO(everyone), format="binary")
    await target.execute("create temp table brought_to (account_id uuid, posted_minor bigint, version bigint)")
    await target.execute("vacuum analyze account")
    await target.execute("checkpoint")


async def _binary(source: asyncpg.Connection, query: str) -> bytes:
    into = io.BytesIO()
    await source.copy_from_query(query, output=into, format="binary")
    return into.getvalue()

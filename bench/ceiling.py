"""The ceiling: the rows that a measured stretch wrote, written again by COPY into an empty copy of the schema.

One transaction for so many commands: binary COPY of each table's rows. No decision, no turn, no answer to anyone: nothing that
really decides can be faster on this server.
"""

from __future__ import annotations

import asyncio
import io
import time

import asyncpg

from bench.population import fresh_id
from bench.stage import Stage, say
from tongbao.app.registry import MIGRATIONS
from tongbao.kernel.migrations import migrate
from tongbao.kernel.postgres import create_database

#: Rows of chunk {chunk} in table `picked (command_id, writer, sequence, position, chunk)`.
_ROWS = {
    "journal": "select j.* from journal j join picked using (command_id) where chunk = {chunk}",
    "entry": "select e.* from entry e join journal using (journal_id) join picked using (command_id) where chunk = {chunk}",
    "payment": "select m.* from payment m join journal using (journal_id) join picked using (command_id) where chunk = {chunk}",
    "bill": "select b.* from bill b join journal using (journal_id) join picked using (command_id) where chunk = {chunk}",
    "command": "select c.* from command c join picked using (command_id) where chunk = {chunk}",
    "outbox": """select o.* from outbox o join picked p
        on (o.writer, o.sequence, o.position >> 12) = (p.writer, p.sequence, p.position) where chunk = {chunk}""",
}
_PICK = """create temp table picked as
select command_id, writer, sequence, position, (row_number() over (order by sequence, position) - 1) / {size} as chunk
from command where kind = '{kind}' and accepted and sequence > {after} limit {most}"""


async def ceiling(
    stage: Stage, kind: str, tables: tuple[str, ...], after: int, *, most: int = 40_000, size: int = 5_000, each: int = 1
) -> float:
    """Commands a second at the ceiling, from at most `most` accepted commands of `kind` after batch `after`, `size` of them in
    one transaction. Where a command stands for several acts, `each` says for how many."""
    source = await asyncpg.connect(stage.dsn)
    target = await asyncpg.connect(await asyncio.to_thread(create_database, stage.dsn, f"ceiling_{fresh_id().hex}"))
    try:
        await migrate(target, MIGRATIONS)
        await source.execute(_PICK.format(size=size, kind=kind, after=after, most=most))
        await source.execute("analyze picked")
        commands: int = await source.fetchval("select count(*) from picked")
        chunks = [
            {table: await _binary(source, _ROWS[table].format(chunk=chunk)) for table in tables}
            for chunk in range((commands + size - 1) // size)
        ]
        await target.execute("checkpoint")
        started = time.perf_counter()
        for chunk in chunks:
            async with target.transaction():
                for table, rows in chunk.items():
                    await target.copy_to_table(table, source=memoryview(rows), format="binary")
        rate = commands * each / (time.perf_counter() - started)
    finally:
        await source.close()
        await target.close()
    say(f"ceiling (COPY, no decision){rate:>9,.0f} /s")
    return rate


async def _binary(source: asyncpg.Connection, query: str) -> bytes:
    into = io.BytesIO()
    await source.copy_from_query(query, output=into, format="binary")
    return into.getvalue()

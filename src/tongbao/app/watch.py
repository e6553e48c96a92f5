"""A database that dies is started again, and whoever was using it waits until it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeVar

import asyncpg
import structlog

from tongbao.app import runtime
from tongbao.app.settings import Settings
from tongbao.engine.store import RetryableFailure
from tongbao.kernel.postgres import PostgresError

_log = structlog.get_logger("tongbao.app")
_CHECK_S = 0.5
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
    RetryableFailure,
    PostgresError,
    OSError,
)

T = TypeVar("T")


async def watch_database(settings: Settings) -> None:
    """Start the embedded server again whenever it is found dead; never returns. Nothing to do for an operator's own server.

    Several processes may watch the same server: the first one to notice starts it, the others find it up.
    """
    server = runtime.embedded(settings)
    if server is None:
        return
    while True:
        await asyncio.sleep(_CHECK_S)
        try:
            if not await asyncio.to_thread(server.is_running):
                _log.warning("database_dead")
                await asyncio.to_thread(server.ensure_running)
                _log.warning("database_back")
        except (PostgresError, OSError) as error:
            _log.error("database_not_started", reason=str(error))


@asynccontextmanager
async def database_watched(settings: Settings) -> AsyncIterator[None]:
    """Watch the database for as long as the block runs."""
    task = asyncio.create_task(watch_database(settings), name="database watch")
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def patiently(work: Callable[[], Awaitable[T]], patience_s: float = 60.0) -> T:
    """Do `work`, from its beginning again if the database goes away. Raises what it raised last when patience ends."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + patience_s
    while True:
        try:
            return await work()
        except _AWAY as error:
            if loop.time() > deadline:
                raise
            _log.warning("waiting_for_database", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(_CHECK_S)

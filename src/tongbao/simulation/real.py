"""The tables of a real PostgreSQL, under the simulated loop.

Input and output are real, on a thread with a loop of its own; the simulated loop stands still until each step has come to its
end, so that nothing depends on how long it took. A step that waits for a lock cannot come to its end while its holder stands
still as well: it is set aside, and the run goes on without it. Whether a step waits is asked of PostgreSQL itself (`pg_locks`,
where the one who releases a lock grants it to the next), and is asked again after every step that ended.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import inspect
import threading
import time
from collections.abc import Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import datetime
from types import TracebackType
from typing import Any, TypeVar, cast

import asyncpg

from tongbao.engine.api import PostgresStore, Relation, Store
from tongbao.engine.store import Session
from tongbao.engine.types import LINKS, RECORDS, Link, Record

T = TypeVar("T")

_LOOK_EVERY_S = 0.001
_LONGEST_STEP_S = 60.0

_WAITING = """select count(distinct l.pid) from pg_locks l join pg_stat_activity a using (pid)
              where not l.granted and a.datname = current_database()"""
_END = "select count(pg_terminate_backend(pid)) from pg_stat_activity where pid = any($1::integer[])"
_NEXT_DUE = """select min(due) from (
    select next_attempt_at as due from bank_transfer where next_attempt_at is not null
    union all select expires_at from payment where state = 'CREATED'
    union all select expires_at from hold where state = 'ACTIVE') as pending"""
_NEW_RECORDS = f"""select {", ".join(f"c.{name}" for name in RECORDS.columns)} from command c
    left join unnest($1::integer[], $2::bigint[]) as known(writer, sequence) on c.writer = known.writer
    where c.sequence > coalesce(known.sequence, 0) order by c.writer, c.sequence, c.position"""  # noqa: S608


class Bridge:
    """The thread that does the real input and output of one run."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="real input and output", daemon=True)
        self._thread.start()
        self._waiting: dict[concurrent.futures.Future[Any], asyncio.Future[None]] = {}
        self.monitor: asyncpg.Connection = self.now(asyncpg.connect(dsn, server_settings={"application_name": "simulation"}))

    def now(self, step: Coroutine[Any, Any, T]) -> T:
        """Do something that waits for no lock."""
        return asyncio.run_coroutine_threadsafe(step, self._loop).result(_LONGEST_STEP_S)

    async def run(self, step: Coroutine[Any, Any, T]) -> T:
        """Do something; if it waits for a lock, the others go on meanwhile."""
        future = asyncio.run_coroutine_threadsafe(step, self._loop)
        self._until_quiet(future)
        if not future.done():
            waiter = asyncio.get_running_loop().create_future()
            self._waiting[future] = waiter
            await waiter
        return future.result(0)

    def _until_quiet(self, future: concurrent.futures.Future[Any] | None = None) -> None:
        """Until everything that was begun has either ended or waits for a lock; tell those whose step has ended."""
        if future is not None and not self._waiting:
            # The common case: nobody waits, and this one need not either.
            concurrent.futures.wait([future], timeout=_LOOK_EVERY_S * 5)
            if future.done():
                return
        until = time.monotonic() + _LONGEST_STEP_S
        while True:
            under_way = [each for each in self._waiting if not each.done()]
            if future is not None and not future.done():
                under_way.append(future)
            if not under_way or self.now(self.monitor.fetchval(_WAITING)) == len(under_way):
                break
            if time.monotonic() > until:
                raise TimeoutError("a step neither ends nor waits for a lock")
            concurrent.futures.wait(under_way, timeout=_LOOK_EVERY_S, return_when=concurrent.futures.FIRST_COMPLETED)
        for each in [each for each in self._waiting if each.done()]:
            waiter = self._waiting.pop(each)
            if waiter.done():
                each.exception()  # whoever waited is gone
            else:
                waiter.set_result(None)

    def cut(self, connections: Sequence[asyncpg.Connection]) -> None:
        """Reset connections: dead on both sides when this returns."""
        pids = [connection.get_server_pid() for connection in connections]
        for connection in connections:
            self._loop.call_soon_threadsafe(connection.terminate)
        until = time.monotonic() + _LONGEST_STEP_S
        while self.now(self.monitor.fetchval(_END, pids)):
            if time.monotonic() > until:
                raise TimeoutError("a connection does not end")
            time.sleep(_LOOK_EVERY_S)
        self._until_quiet()

    def close(self) -> None:
        """End the thread."""
        self.now(self.monitor.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Postgres:
    """The tables of a migrated database that nobody else uses."""

    def __init__(self, dsn: str) -> None:
        self._bridge = Bridge(dsn)
        self._known: dict[int, int] = {}

    def store(self) -> Store:
        return cast(Store, BridgedStore(PostgresStore(self._bridge.dsn), self._bridge))

    def new_records(self) -> Sequence[Record]:
        writers = sorted(self._known)
        known = [self._known[writer] for writer in writers]
        records = [Record(*row) for row in self._fetch(_NEW_RECORDS, writers, known)]
        for record in records:
            self._known[record.writer] = record.sequence
        return records

    def rows(self, relation: Relation[Any]) -> Sequence[Any]:
        found = self._fetch(f"select {', '.join(relation.fields)} from {relation.read_from}")  # noqa: S608 names from the source
        return [relation.row(*row) for row in found]

    def links(self) -> Sequence[Link]:
        return [LINKS.row(*row) for row in self._fetch(f"select {', '.join(LINKS.columns)} from chain_link")]  # noqa: S608

    def fetch(self, query: str, *arguments: Any) -> Sequence[Any]:
        return self._fetch(query, *arguments)

    def next_due(self) -> datetime | None:
        due: datetime | None = self._bridge.now(self._bridge.monitor.fetchval(_NEXT_DUE))
        return due

    def close(self) -> None:
        """End the thread and its connections."""
        self._bridge.close()

    def _fetch(self, query: str, *arguments: Any) -> list[Any]:
        rows: list[Any] = self._bridge.now(self._bridge.monitor.fetch(query, *arguments))
        return rows


class BridgedStore:
    """A real store whose every asynchronous method runs on the bridge."""

    def __init__(self, inner: PostgresStore, bridge: Bridge) -> None:
        self._inner = inner
        self._bridge = bridge

    def __getattr__(self, name: str) -> Any:
        return _bridged(getattr(self._inner, name), self._bridge)

    def session(self) -> AbstractAsyncContextManager[Session]:
        return _BridgedSession(self._inner.session(), self._bridge)

    def cut(self) -> None:
        """Reset every connection it has."""
        self._bridge.cut(
            [each for each in vars(self._inner).values() if isinstance(each, asyncpg.Connection) and not each.is_closed()]
        )


class _BridgedSession:
    """A transaction on the bridge, both the context and, once entered, the session."""

    def __init__(self, context: AbstractAsyncContextManager[Session], bridge: Bridge) -> None:
        self._context = context
        self._bridge = bridge
        self._inner: Session | None = None

    async def __aenter__(self) -> Session:
        self._inner = await self._bridge.run(self._context.__aenter__())
        return cast(Session, self)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._bridge.run(self._context.__aexit__(kind, error, trace))

    def __getattr__(self, name: str) -> Any:
        return _bridged(getattr(self._inner, name), self._bridge)


def _bridged(method: Any, bridge: Bridge) -> Any:
    if not inspect.iscoroutinefunction(method):
        return method

    async def crossing(*arguments: Any) -> Any:
        return await bridge.run(method(*arguments))

    return cast(Callable[..., Any], crossing)

"""A store with trouble at every await: what a real one goes through, at the seed's bidding.

Every asynchronous method of the store and of its sessions passes through `_disturbed`, whatever its name, so that a method
that is added to the contract is covered by itself. Trouble comes before a step (it was not done) and after it (it was done,
and nobody is told): slowness, the loss of the connection, a serialisation failure, the death of the process.

What the database does, it does outside of the process: a step that has begun goes on when its process dies, and then the
open transaction is rolled back, as a server does that finds its client gone.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import lru_cache, partial
from typing import Any, Protocol, TypeVar, cast

from tongbao.engine.store import Head, RetryableFailure, Session, Store, WriterLost

T = TypeVar("T")


class Owner(Protocol):
    """The process whose store this is, as the store needs it."""

    name: str
    alive: bool

    @property
    def weather(self) -> Any: ...

    def chance(self, probability: float) -> bool: ...

    def span(self, most_s: float) -> float: ...

    def note(self, what: str, *about: object) -> None: ...

    def die(self, why: str) -> None: ...

    def committed(self) -> None: ...

    def outside(self, doing: Coroutine[Any, Any, T]) -> asyncio.Task[T]: ...


class Gone(Exception):
    """The client of a transaction is gone."""


class DisturbedStore:
    """`Store` over `inner`, with the weather of `owner`. If `inner` has connections to cut (`cut`), they are really cut."""

    def __init__(self, inner: Store, owner: Owner) -> None:
        self._inner = inner
        self._owner = owner
        self._cut: Callable[[], None] | None = getattr(inner, "cut", None)
        self._lost = False
        self._open: dict[AbstractAsyncContextManager[Session], None] = {}
        self._steps: dict[asyncio.Task[Any], None] = {}

    async def claim_writer(self) -> Head:
        head = await self._disturbed("claim_writer", self._inner.claim_writer)
        self._lost = False
        return head

    async def close(self) -> None:
        await self._disturbed("close", self._inner.close)

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._wrapped(name, found) if _is_asynchronous(type(self._inner), name) else found

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        if self._lost:
            raise WriterLost("the connection was reset")
        owner = self._owner
        inner = self._inner.session()
        await self._before("begin")
        entered = await self._step(inner.__aenter__)
        self._open[inner] = None
        try:
            await self._after("begin")
            yield cast(Session, _DisturbedSession(self, entered))
            await self._before("commit")
        except BaseException as error:
            if not isinstance(error, asyncio.CancelledError):
                # It stays open until this has happened: a step that is called off before it began does nothing at all, and then
                # it is for `abandon` to leave the session. (Seed 8083 held its turn for ever.)
                await self._step(partial(_left, inner, error))
                self._open.pop(inner, None)
            raise
        await self._step(lambda: self._commit(inner))
        self._open.pop(inner, None)
        if owner.chance(owner.weather.p_die):
            await self._die("after commit")
        if owner.chance(owner.weather.p_lost_commit):
            owner.note("loses the answer to", "commit")
            await self._lose()
            raise WriterLost("the connection was reset", committing=True)

    async def abandon(self) -> None:
        """The process is gone: what it left open is rolled back, and what was under way comes to its end."""
        steps = list(self._steps)
        for step in steps:
            if not step.done():
                step.cancel()
        if self._cut is not None:
            self._cut()
        for inner in list(self._open):
            with suppress(Exception):  # a server tells nobody what it makes of a client that is gone
                await _left(inner, Gone("the client is gone"))
        await self._inner.close()

    async def _commit(self, inner: AbstractAsyncContextManager[Session]) -> None:
        await inner.__aexit__(None, None, None)
        self._owner.committed()

    def _wrapped(self, name: str, method: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def disturbed(*arguments: Any, **named: Any) -> T:
            return await self._disturbed(name, lambda: method(*arguments, **named))

        return disturbed

    async def _disturbed(self, name: str, step: Callable[[], Awaitable[T]]) -> T:
        await self._before(name)
        result = await self._step(step)
        await self._after(name)
        return result

    async def _step(self, step: Callable[[], Awaitable[T]]) -> T:
        """Have the database do it: what has begun is not stopped by the end of who asked for it."""
        task = self._owner.outside(_doing(step))
        self._steps[task] = None
        try:
            return await task
        finally:
            self._steps.pop(task, None)

    async def _before(self, name: str) -> None:
        owner, weather = self._owner, self._owner.weather
        if weather.p_slow and owner.chance(weather.p_slow):
            await asyncio.sleep(owner.span(weather.slow_s))
        if weather.p_die and owner.chance(weather.p_die):
            await self._die(f"before {name}")
        if weather.p_before and owner.chance(weather.p_before):
            owner.note("fails before", name)
            await self._fail()

    async def _after(self, name: str) -> None:
        owner, weather = self._owner, self._owner.weather
        if weather.p_die and owner.chance(weather.p_die):
            await self._die(f"after {name}")
        if weather.p_after and owner.chance(weather.p_after):
            owner.note("fails after", name)
            await self._fail()

    async def _fail(self) -> None:
        if self._owner.chance(0.5):
            raise RetryableFailure("could not serialize access")
        await self._lose()
        raise WriterLost("the connection was reset")

    async def _lose(self) -> None:
        self._lost = True
        if self._cut is not None:
            self._cut()

    async def _die(self, moment: str) -> None:
        self._owner.die(moment)
        await asyncio.get_running_loop().create_future()


class _DisturbedSession:
    def __init__(self, store: DisturbedStore, inner: Session) -> None:
        self._store = store
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._inner, name)
        return self._store._wrapped(name, found) if _is_asynchronous(type(self._inner), name) else found


@lru_cache
def _is_asynchronous(kind: type, name: str) -> bool:
    return inspect.iscoroutinefunction(getattr(kind, name, None))


async def _doing(step: Callable[[], Awaitable[T]]) -> T:
    return await step()


async def _left(inner: AbstractAsyncContextManager[Session], error: BaseException) -> None:
    """Leave a transaction by an exception, which is expected back."""
    try:
        await inner.__aexit__(type(error), error, error.__traceback__)
    except BaseException as back:
        if back is not error:
            raise

"""Reads that gather: while one query is at the database, the next one collects its keys.

A lone read waits for nobody; under load a hundred look-ups by key share one round trip. It is to reading what the engine's
batches are to deciding. A read never starts before it was asked for, so everybody sees what they have just written.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Gatherer(Generic[K, V]):
    """Look-ups by key through `fetch`, which answers those of its keys that exist. `most`: keys in one query.

    `remember`: so many answers are kept, for what never changes once it is there.
    """

    def __init__(self, fetch: Callable[[list[K]], Awaitable[Mapping[K, V]]], *, most: int = 500, remember: int = 0) -> None:
        self._fetch = fetch
        self._most = most
        self._remember = remember
        self._remembered: dict[K, V] = {}
        self._waiting: dict[K, asyncio.Future[V | None]] = {}
        self._runner: asyncio.Task[None] | None = None
        #: What was forgotten while the query of now is under way.
        self._stale: set[K] = set()

    async def get(self, key: K) -> V | None:
        """What `key` names, or None. Raises what the query raised."""
        if key in self._remembered:
            return self._remembered[key]
        # Shielded: the answer may be others' too, who did not hang up.
        return await asyncio.shield(self._ask(key))

    async def several(self, keys: Collection[K]) -> dict[K, V]:
        """Those of `keys` that exist."""
        remembered = self._remembered
        found = {key: remembered[key] for key in keys if key in remembered}
        if len(found) == len(keys):
            return found
        asked = [(key, self._ask(key)) for key in set(keys) if key not in found]
        for key, answer in asked:
            value = await asyncio.shield(answer)
            if value is not None:
                found[key] = value
        return found

    def forget(self, key: K) -> None:
        """What `key` names has changed after all: whoever asks from now on is told anew, by a query that begins after this."""
        self._remembered.pop(key, None)
        self._stale.add(key)

    def _ask(self, key: K) -> asyncio.Future[V | None]:
        answer = self._waiting.get(key)
        if answer is None:
            answer = self._waiting[key] = asyncio.get_running_loop().create_future()
            if self._runner is None:
                self._runner = asyncio.create_task(self._run(), name="gatherer")
        return answer

    async def _run(self) -> None:
        try:
            while self._waiting:
                keys = list(self._waiting)[: self._most]
                await self._answer({key: self._waiting.pop(key) for key in keys})
        finally:
            # Whoever asked while the last query ran is not left waiting, even if this task was cancelled.
            self._runner = asyncio.create_task(self._run(), name="gatherer") if self._waiting else None

    async def _answer(self, asked: dict[K, asyncio.Future[V | None]]) -> None:
        self._stale.clear()
        try:
            found = await self._fetch(list(asked))
        except BaseException as failure:
            for answer in asked.values():
                if not answer.done():
                    answer.set_exception(failure if isinstance(failure, Exception) else asyncio.CancelledError())
                    answer.exception()  # whoever asked may have hung up
            if not isinstance(failure, Exception):
                raise
            return
        if self._remember:
            if len(self._remembered) + len(found) > self._remember:
                self._remembered.clear()
            self._remembered.update(
                {key: value for key, value in found.items() if key not in self._stale} if self._stale else found
            )
        for key, answer in asked.items():
            if not answer.done():
                answer.set_result(found.get(key))

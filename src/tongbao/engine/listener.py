"""Hears what was committed, here or in any other process: LISTEN wakes it, the outbox tells it.

A place in the outbox is a sequence for each writer, because writers commit side by side. It travels as "1:57,2:9", so that
a browser that lost its connection goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import asyncpg
import structlog

from tongbao.engine.postgres import QUERIES
from tongbao.engine.types import OutboxRow

_log = structlog.get_logger("tongbao.engine")

_MOST_AT_ONCE = 500
_MOST_WAITING = 1_000
#: Wakes that come close together are answered by one query.
_SETTLE_S = 0.02
#: Even without a wake, look: a notification may be lost with its connection.
_AT_LEAST_EVERY_S = 5.0

Places = dict[int, int]


def format_places(places: Places) -> str:
    """Places as text."""
    return ",".join(f"{writer}:{sequence}" for writer, sequence in sorted(places.items()))


def parse_places(text: str) -> Places | None:
    """Places from text; None if it is not such a text."""
    try:
        places = {int(writer): int(sequence) for writer, _, sequence in (part.partition(":") for part in text.split(","))}
    except ValueError:
        return None
    return places if len(places) <= 1024 and all(0 <= number < 2**31 for number in (*places, *places.values())) else None


class Subscription:
    """Events of one topic as they are committed. A listener that falls a thousand events behind is cut off."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.queue: asyncio.Queue[tuple[OutboxRow, str]] = asyncio.Queue(_MOST_WAITING)
        self.lost = False

    def offer(self, row: OutboxRow, places: str) -> None:
        """Hand an event over, or note that it could not be."""
        try:
            self.queue.put_nowait((row, places))
        except asyncio.QueueFull:
            self.lost = True


class OutboxListener:
    """One connection for a process. `watch` calls back for a topic at once; `subscribe` queues events for one reader."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._subscriptions: dict[str, set[Subscription]] = {}
        self._watchers: dict[str, Callable[[OutboxRow], None]] = {}
        self._wake = asyncio.Event()
        self._places: Places = {}

    def watch(self, topic: str, callback: Callable[[OutboxRow], None]) -> None:
        """Call `callback` with every event of `topic`, from now on."""
        self._watchers[topic] = callback

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        """Events of `topic` while the context lasts."""
        subscription = Subscription(topic)
        self._subscriptions.setdefault(topic, set()).add(subscription)
        try:
            yield subscription
        finally:
            readers = self._subscriptions[topic]
            readers.discard(subscription)
            if not readers:
                del self._subscriptions[topic]

    async def run(self) -> None:
        """Listen until cancelled, coming back after every loss of the connection."""
        while True:
            try:
                await self._listen()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as failure:
                _log.warning("listener_reconnects", reason=f"{type(failure).__name__}: {failure}")
                await asyncio.sleep(0.5)

    async def _listen(self) -> None:
        connection = await asyncpg.connect(
            self._dsn, timeout=10, command_timeout=15, server_settings={"application_name": "tongbao listener"}
        )
        try:
            await connection.add_listener("tongbao_outbox", lambda *_: self._wake.set())
            if not self._places:
                self._places = {row["writer"]: row["sequence"] for row in await connection.fetch(QUERIES["chain_heads"])}
            while True:
                self._wake.clear()
                await self._deliver(connection)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), _AT_LEAST_EVERY_S)
                await asyncio.sleep(_SETTLE_S)
        finally:
            connection.terminate()

    async def _deliver(self, connection: asyncpg.Connection) -> None:
        topics = [*self._watchers, *self._subscriptions]
        heads = {row["writer"]: row["sequence"] for row in await connection.fetch(QUERIES["chain_heads"])}
        while topics:
            rows = await events_after(connection, topics, self._places, _MOST_AT_ONCE)
            for row in rows:
                self._places[row.writer] = max(self._places.get(row.writer, 0), row.sequence)
                if row.topic in self._watchers:
                    self._watchers[row.topic](row)
                for subscription in self._subscriptions.get(row.topic, ()):
                    subscription.offer(row, format_places(self._places))
            if len(rows) < _MOST_AT_ONCE:
                break
        for writer, sequence in heads.items():
            self._places[writer] = max(self._places.get(writer, 0), sequence)


async def events_after(connection: Any, topics: list[str], places: Places, limit: int) -> list[OutboxRow]:
    """Events of `topics` after `places`, oldest first, whole batches only up to `limit` rows."""
    found = await connection.fetch(QUERIES["outbox_of_topics"], topics, list(places), list(places.values()), limit)
    return [OutboxRow(*row) for row in found]

"""Hears what was committed, here or in any other process: LISTEN wakes it, the outbox tells it.

A place in the outbox is, for each writer, the first event not seen yet, because writers commit side by side. It travels as
"1:57.3,2:9.0" (writer:sequence.position), so that a browser that lost its connection goes on exactly where it was.
"""

from __future__ import annotations

import asyncio
import heapq
import re
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

#: Writer -> (sequence, position) of the first event not seen yet.
Places = dict[int, tuple[int, int]]

_PLACE = re.compile(r"([0-9]{1,9}):([0-9]{1,18})\.([0-9]{1,9})")
_MOST_WRITERS = 1024


def format_places(places: Places) -> str:
    """Places as text."""
    return ",".join(f"{writer}:{sequence}.{position}" for writer, (sequence, position) in sorted(places.items()))


def parse_places(text: str) -> Places | None:
    """Places from text; None if it is not such a text."""
    matches = [_PLACE.fullmatch(part) for part in text.split(",")]
    if len(matches) > _MOST_WRITERS:
        return None
    places: Places = {}
    for match in matches:
        if match is None:
            return None
        places[int(match[1])] = (int(match[2]), int(match[3]))
    return places


def is_new(row: OutboxRow, places: Places) -> bool:
    """Whether an event lies beyond the places; if so they move past it."""
    if (row.sequence, row.position) < places.get(row.writer, (0, 0)):
        return False
    places[row.writer] = (row.sequence, row.position + 1)
    return True


class Subscription:
    """Events of one topic as they are committed. A listener that falls a thousand events behind is cut off."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.queue: asyncio.Queue[OutboxRow] = asyncio.Queue(_MOST_WAITING)
        self.lost = False

    def offer(self, row: OutboxRow) -> None:
        """Hand an event over, or note that it could not be."""
        try:
            self.queue.put_nowait(row)
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

    @property
    def places(self) -> Places:
        """Where this listener is: what commits from now on lies beyond."""
        return dict(self._places)

    def watch(self, topic: str, callback: Callable[[OutboxRow], None]) -> None:
        """Call `callback` with every event of `topic`, from now on."""
        self._watchers[topic] = callback

    def readers(self, topic: str) -> int:
        """How many subscribe to `topic` here."""
        return len(self._subscriptions.get(topic, ()))

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
                self._places = await heads(connection)
            while True:
                self._wake.clear()
                await self._deliver(connection)
                with suppress(TimeoutError):
                    async with asyncio.timeout(_AT_LEAST_EVERY_S):
                        await self._wake.wait()
                await asyncio.sleep(_SETTLE_S)
        finally:
            connection.terminate()

    async def _deliver(self, connection: asyncpg.Connection) -> None:
        topics = [*self._watchers, *self._subscriptions]
        # Asked before the events, so that whatever these heads cover is among the events.
        ends = await heads(connection)
        rows = await events_from(connection, topics, self._places) if topics else []
        for row in rows:
            if row.topic in self._watchers:
                self._watchers[row.topic](row)
            for subscription in self._subscriptions.get(row.topic, ()):
                subscription.offer(row)
        for writer, end in ends.items():
            self._places[writer] = max(self._places.get(writer, (0, 0)), end)


async def heads(connection: Any) -> Places:
    """The place beyond everything that is committed."""
    return {row["writer"]: (row["sequence"] + 1, 0) for row in await connection.fetch(QUERIES["chain_heads"])}


async def events_from(connection: Any, topics: list[str], places: Places) -> list[OutboxRow]:
    """Events of `topics` from `places` on, all of them; `places` move past them.

    In the order of their times, but each writer's own events always in its own order, whatever its clock did.
    """
    by_writer: dict[int, list[OutboxRow]] = {}
    while True:
        writers = list(places)
        sequences, positions = [places[writer][0] for writer in writers], [places[writer][1] for writer in writers]
        found = await connection.fetch(QUERIES["outbox_of_topics"], topics, writers, sequences, positions, _MOST_AT_ONCE)
        rows = [OutboxRow(*row) for row in found]
        for row in rows:
            if is_new(row, places):
                by_writer.setdefault(row.writer, []).append(row)
        if len(rows) < _MOST_AT_ONCE:
            return list(heapq.merge(*by_writer.values(), key=lambda row: row.at))

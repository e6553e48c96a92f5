"""What the engine asks of a store. Two exist, PostgreSQL and memory; one conformance suite holds both to this contract.

One engine writes at a time. A session is one transaction, and `enter` makes it this engine's turn until the session ends:
whoever else wants to write waits. The store remembers whose turn the last one was, so that an engine knows whether the rows
that it remembers are still what is stored. A store never decides anything and never repeats anything by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

import msgspec

from tongbao.engine.relation import Relation
from tongbao.engine.sealing import Sealer
from tongbao.engine.types import Key, Link, Record


class Rows(msgspec.Struct):
    """Rows of one relation to be written, each with its bytes and, where the relation is sealed, its seal."""

    rows: list[Any]
    encoded: list[bytes]
    seals: list[bytes]


class Changes(msgspec.Struct):
    """Everything that one batch writes: rows by relation (records and events among the appended), keys of those removed, and its
    link of the chain.
    `derived`: rows of which only derived fields changed, for a store that has no other way to derive them."""

    inserted: dict[Relation[Any], Rows]
    updated: dict[Relation[Any], Rows]
    appended: dict[Relation[Any], Rows]
    removed: dict[Relation[Any], list[Any]]
    derived: dict[Key, Any]
    link: Link


class Stored(msgspec.Struct, frozen=True):
    """Rows as they are stored: every key asked for (absent rows as None), and the seals of those that have one."""

    rows: dict[Key, Any]
    seals: dict[Key, bytes]


#: Before anything happened.
NEVER = datetime(2000, 1, 1, tzinfo=UTC)


class Head(msgspec.Struct, frozen=True):
    """Where a writer's chain ends: the last sequence and hash, 0 and 32 zero bytes for a new one. `moment` is that of the last
    batch of all writers, as far as is known: none later may be earlier, whatever the clocks say."""

    writer: int
    sequence: int
    hash: bytes
    moment: datetime = NEVER

    @classmethod
    def after(cls, link: Link) -> Head:
        """With this link as the last."""
        return cls(link.writer, link.sequence, link.hash, link.decided_at)


class RetryableFailure(Exception):
    """The transaction did not happen, or it is unknown whether it did; trying the same batch again is safe and may succeed.

    `committing` is true when the failure came so late that the batch may be durable all the same.
    """

    def __init__(self, message: str, *, committing: bool = False) -> None:
        super().__init__(message)
        self.committing = committing


class WriterLost(RetryableFailure):
    """Somebody else wrote to this writer's chain, or the claim on it is gone: claim a writer again before the next try."""


class Conflict(RetryableFailure):
    """A row with this key exists. Trying again finds it and decides by it; if that does not help, a command is at fault."""


class TurnOfAnother(Exception):
    """Somebody else has written since this engine's last turn."""


class Session(Protocol):
    """One transaction of one batch. Leaving it normally commits: once that returns, everything saved is durable. Leaving it by
    an exception leaves no trace."""

    async def enter(self, *, keep: bool = False) -> datetime | None:
        """Wait for the turn and take it. None if the last turn was this engine's too: what it remembers still holds. Otherwise
        the moment of the last batch of all writers; or, with `keep`, TurnOfAnother is raised and the session is over."""
        ...

    async def load(self, keys: Sequence[Key]) -> Stored:
        """Rows as of this turn. A row that does not fit its seal raises InvariantBroken."""
        ...

    async def recorded(self, command_ids: Sequence[UUID]) -> dict[UUID, Record]:
        """Stored outcomes as of this turn."""
        ...

    async def save(self, changes: Changes) -> None:
        """Write everything; once, last. Nothing is durable until the session ends."""
        ...


class Store(Protocol):
    """Where rows live, as one engine sees it."""

    sealer: Sealer

    async def claim_writer(self) -> Head:
        """Take a writer number that no other engine holds, until `close` or the loss of the process."""
        ...

    def session(self) -> AbstractAsyncContextManager[Session]:
        """Begin. Raises RetryableFailure, from here or from any call inside, where another try is safe."""
        ...

    async def peek(self, keys: Sequence[Key]) -> Stored:
        """Rows as they are committed now, without a turn: to decide upon ahead, if the next turn proves that nobody else had one
        since the engine's last."""
        ...

    async def close(self) -> None:
        """Give back the writer number and every resource."""
        ...

"""What the engine asks of a store. Two exist, PostgreSQL and memory; one conformance suite holds both to this contract.

A session is one transaction. Leaving the context normally commits it: once that returns, everything saved is durable.
Leaving it by an exception leaves no trace. A store never decides anything and never repeats anything by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol
from uuid import UUID

import msgspec

from tongbao.engine.relation import Relation
from tongbao.engine.types import Key, Link, OutboxRow, Record


class Changes(msgspec.Struct):
    """The rows that one batch writes."""

    inserted: dict[Relation[Any], list[Any]]
    updated: dict[Relation[Any], list[Any]]
    appended: dict[Relation[Any], list[Any]]


class Seal(msgspec.Struct):
    """What the engine writes about a batch: outcomes, events, its link of the audit chain."""

    records: list[Record]
    events: list[OutboxRow]
    link: Link


class Head(msgspec.Struct, frozen=True):
    """Where a writer's chain ends: the last sequence and hash, 0 and 32 zero bytes for a new one."""

    writer: int
    sequence: int
    hash: bytes


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
    """Another row has this key by now. Trying again finds it and decides by it; if that does not help, a command is at fault."""


class Session(Protocol):
    """One transaction of one batch."""

    async def load(self, keys: Sequence[Key]) -> dict[Key, Any]:
        """Lock (relations by rank, keys sorted) and read. Every key asked for is in the answer, absent rows as None."""
        ...

    async def recorded(self, command_ids: Sequence[UUID]) -> dict[UUID, Record]:
        """Stored outcomes. Called after `load`, so that whoever held our rows has committed and is seen."""
        ...

    async def save(self, changes: Changes) -> None:
        """Write rows; may be called several times. Nothing is durable until the session ends."""
        ...

    async def seal(self, seal: Seal) -> None:
        """Write the outcomes, the events and the link; once, after `save`."""
        ...


class Store(Protocol):
    """Where rows live."""

    async def claim_writer(self) -> Head:
        """Take a writer number that no other process holds, until `close` or the loss of the process."""
        ...

    def session(self) -> AbstractAsyncContextManager[Session]:
        """One transaction. Raises `RetryableFailure` for what a retry may cure."""
        ...

    async def close(self) -> None:
        """Give the writer back and close connections."""
        ...

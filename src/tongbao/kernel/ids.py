"""Identifiers: 128-bit, time-ordered (UUID version 7 by shape), so that new rows land at the end of their index.

`new_id` is for requests that begin here. A decider needs no random number: what it appends is numbered by the batch (`RowIds`),
what it creates otherwise is named after its command (`derived_id`), and what has a name already has an id too (`named_id`).
"""

from __future__ import annotations

import os
from datetime import datetime
from hashlib import blake2b
from typing import NamedTuple, cast
from uuid import UUID

# A subclass of uuid.UUID in C, and what asyncpg returns: it compares, hashes and prints five times as fast, and a payment
# handles some fifty identifiers.
from asyncpg.pgproto.pgproto import UUID as FastUUID

_VERSION = 0x7 << 76
_VARIANT = 0b10 << 62
_KEEP = ((1 << 128) - 1) & ~(0xF << 76) & ~(0b11 << 62)


def _stamp(milliseconds: int, tail: bytes) -> UUID:
    value = (milliseconds & 0xFFFFFFFFFFFF) << 80 | int.from_bytes(tail, "big")
    return _uuid(value & _KEEP | _VERSION | _VARIANT)


def _uuid(value: int) -> UUID:
    return cast(UUID, FastUUID(value.to_bytes(16, "big")))


def fast_id(id: UUID) -> UUID:
    """The same identifier, of the kind that is quick to handle."""
    return cast(UUID, FastUUID(id.bytes))


def new_id(now: datetime) -> UUID:
    """A fresh identifier that sorts by `now`."""
    return _stamp(int(now.timestamp() * 1000), os.urandom(10))


def derived_id(now: datetime, source: UUID, label: bytes = b"") -> UUID:
    """The identifier of a row that `source` brings into being at `now`; `label` tells several of one command apart."""
    return _stamp(int(now.timestamp() * 1000), blake2b(source.bytes + label, digest_size=10).digest())


class RowIds:
    """The identifiers of the rows that one batch appends: increasing, unique because a batch is committed only once, and saying
    which command of which batch they belong to.

    48 bits of milliseconds, 4 of version; 10 of writer and the upper 2 of the sequence; 2 of variant; the lower 34 of the
    sequence, 12 of the command's position in the batch, 16 of a counter.
    """

    __slots__ = ("_batch", "_next")

    def __init__(self, now: datetime, writer: int, sequence: int) -> None:
        milliseconds = int(now.timestamp() * 1000) & 0xFFFFFFFFFFFF
        high = milliseconds << 16 | 0x7000 | (writer & 0x3FF) << 2 | sequence >> 34 & 0x3
        self._batch = high << 64 | _VARIANT | (sequence & 0x3FFFFFFFF) << 28
        self._next = self._batch

    def begin(self, position: int) -> None:
        """From now on for the command at this position, 0 to 4,095."""
        self._next = self._batch | position << 16

    def prefix(self, position: int) -> bytes:
        """The 14 bytes that all identifiers of the command at this position begin with."""
        return (self._batch | position << 16).to_bytes(16, "big")[:14]

    def next(self) -> UUID:
        """One more; at most 65,536 for one command."""
        value = self._next
        self._next = value + 1
        return FastUUID(value.to_bytes(16, "big"))  # type: ignore[no-any-return]

    def spent(self, position: int) -> bool:
        """Whether a command took more than there are."""
        return self._next - (self._batch | position << 16) > 0x10000


class Origin(NamedTuple):
    """Where a row came from: the writer, its batch, the command's place in it."""

    writer: int
    sequence: int
    position: int


def origin(row_id: UUID) -> Origin:
    """The command that an identifier made by `RowIds` belongs to."""
    value = row_id.int
    return Origin(value >> 66 & 0x3FF, (value >> 64 & 0x3) << 34 | value >> 28 & 0x3FFFFFFFF, value >> 16 & 0xFFF)


def id_range(first: datetime, last: datetime) -> tuple[UUID, UUID]:
    """The smallest and the largest identifier of rows appended from one moment to another (inclusive, to the millisecond)."""
    low, high = (int(moment.timestamp() * 1000) & 0xFFFFFFFFFFFF for moment in (first, last))
    return _uuid(low << 80), _uuid(high << 80 | (1 << 80) - 1)


def named_id(*parts: str) -> UUID:
    """The identifier that a name has always and everywhere: an idempotency key of a caller, a system account of a currency."""
    digest = blake2b("\x1f".join(parts).encode(), digest_size=16).digest()
    return _uuid(int.from_bytes(digest, "big") & _KEEP | 0x8 << 76 | _VARIANT)

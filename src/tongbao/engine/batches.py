"""Batches read back from what is stored: every command of some links with all it appended, hashed as the engine hashed it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from struct import Struct
from typing import Any
from uuid import UUID

import asyncpg

from tongbao.engine import chain
from tongbao.engine.postgres import QUERIES
from tongbao.engine.relation import Relation
from tongbao.engine.sealing import BLIND_BYTES, Sealer
from tongbao.engine.stored import Shape, each_row, selecting
from tongbao.engine.types import EVENT_BITS, OUTBOX, RECORDS, Link
from tongbao.engine.work import MOST_COMMANDS
from tongbao.kernel.ids import Origin, RowIds, id_range, origin

#: Bytes of an identifier that say which command it belongs to; the rest is a counter.
PREFIX = 14
#: The end of a record: writer, sequence, position, decided_at.
_RECORD_PLACE = Struct(">4xq4xq4xq12x")
#: The begin of an event: writer, sequence, position.
_EVENT_PLACE = Struct(">4xq4xq4xq")
#: Blinds made for every command at first: most commands append no more rows, and so many are one block of SHAKE128.
_FEW_BLINDS = 10

Batch = tuple[int, int]
Row = tuple[Relation[Any], bytes]


class Stretch:
    """Some batches, read at once.

    hashes   of each command that the links speak of, by its prefix: its record's first; empty if nothing of it is stored
    blinds   of each command's first rows, by its prefix
    rows     the same as rows, if they were to be kept
    strays   rows that say they belong to one of these batches, and of which no command is known
    counts   rows by relation, strays left out
    """

    def __init__(self, links: Sequence[Link], sealer: Sealer, keep: bool) -> None:
        self.links = links
        self._sealer = sealer
        self.bases = {(link.writer, link.sequence): _base(link) for link in links}
        self.hashes: dict[bytes, list[bytes]] = {prefix: [] for link in links for prefix in self.prefixes(link)}
        self.blinds = {prefix: sealer.blinds(prefix, _FEW_BLINDS) for prefix in self.hashes}
        self.rows: dict[bytes, list[Row]] | None = {prefix: [] for prefix in self.hashes} if keep else None
        self.unrecorded: set[bytes] = set()
        self.strays: list[Row] = []
        self.counts: dict[str, int] = {}

    def prefixes(self, link: Link) -> list[bytes]:
        """Of a link's commands, in order."""
        base = self.bases[link.writer, link.sequence]
        return [(base + position).to_bytes(PREFIX, "big") for position in range(min(link.commands, MOST_COMMANDS))]

    def blind(self, prefix: bytes, at: int) -> bytes:
        """The blind of row `at` of a command."""
        blinds = self.blinds[prefix]
        begin = at * BLIND_BYTES
        if begin >= len(blinds):
            blinds = self.blinds[prefix] = self._sealer.blinds(prefix, 4 * at)
        return blinds[begin : begin + BLIND_BYTES]

    def leaves(self, link: Link) -> list[bytes]:
        """The recomputed hashes of a link's commands."""
        return [chain.command_hash(self.hashes[prefix]) for prefix in self.prefixes(link)]

    def missing(self, link: Link) -> list[int]:
        """Positions of commands that are not recorded."""
        return [at for at, prefix in enumerate(self.prefixes(link)) if prefix in self.unrecorded] if self.unrecorded else []


class BatchReader:
    """Reads batches on one connection, which should be in a transaction that sees one snapshot."""

    def __init__(self, connection: asyncpg.Connection, relations: Iterable[Relation[Any]], sealer: Sealer) -> None:
        self._connection = connection
        self._sealer = sealer
        appended = sorted((each for each in relations if each.append_only), key=lambda each: each.rank)
        self.appended = [(Shape(relation), _origin_of(relation)) for relation in appended]
        self.records, self.events = Shape(RECORDS), Shape(OUTBOX)

    async def read(self, links: Sequence[Link], *, keep: bool = False) -> Stretch:
        """Everything that these batches appended. `keep`: the rows too, not only their hashes."""
        stretch = Stretch(links, self._sealer, keep)
        spans: dict[int, tuple[int, int]] = {}
        for link in links:
            low, high = spans.get(link.writer, (link.sequence, link.sequence))
            spans[link.writer] = (min(low, link.sequence), max(high, link.sequence))
        for writer, (low, high) in spans.items():
            take = _recorded(stretch)
            await each_row(
                self._connection, self.records, take, selecting(RECORDS, "where writer = $1 and sequence between $2 and $3"),
                writer, low, high,
            )  # fmt: skip
        stretch.unrecorded = {prefix for prefix, hashes in stretch.hashes.items() if not hashes}
        times = [link.decided_at for link in links]
        first, last = id_range(min(times), max(times))
        for shape, prefix_of in self.appended:
            relation = shape.relation
            rest = f"where {relation.origin} between $1 and $2 order by {', '.join(relation.chain_order)}"
            await each_row(
                self._connection, shape, _appended(stretch, relation, prefix_of), selecting(relation, rest), first, last
            )
        for writer, (low, high) in spans.items():
            rest = "where writer = $1 and sequence between $2 and $3 order by sequence, position"
            await each_row(self._connection, self.events, _told(stretch), selecting(OUTBOX, rest), writer, low, high)
        return stretch

    async def links_from(self, low: datetime, writer: int, sequence: int, limit: int) -> list[Link]:
        """Links in the order of their time, after a place in that order."""
        rows = await self._connection.fetch(QUERIES["links_by_time"], low, writer, sequence, limit)
        return [Link(*row) for row in rows]

    def batch_of(self, relation: Relation[Any], row: bytes) -> Origin:
        """The command that an appended row says it belongs to."""
        if relation is RECORDS:
            return Origin(*_RECORD_PLACE.unpack_from(row, len(row) - 48))
        if relation is OUTBOX:
            writer, sequence, position = _EVENT_PLACE.unpack_from(row)
            return Origin(writer, sequence, position >> EVENT_BITS)
        _, prefix_of = next(each for each in self.appended if each[0].relation is relation)
        return origin(UUID(bytes=prefix_of(row, 0) + b"\0\0"))


def _base(link: Link) -> int:
    """What the prefixes of a link's commands begin from."""
    return int.from_bytes(RowIds(link.decided_at, link.writer, link.sequence).prefix(0), "big")


def _origin_of(relation: Relation[Any]) -> Callable[[bytes, int], bytes]:
    shape = Shape(relation)
    offset = shape.fixed_offset(relation.origin)
    if offset is None:
        return lambda buffer, at: shape.value(buffer[at : shape.end(buffer, at)], relation.origin)[:PREFIX]
    return lambda buffer, at: buffer[at + offset : at + offset + PREFIX]


def _keeper(stretch: Stretch, relation: Relation[Any]) -> Callable[[bytes, bytes], None]:
    """Puts a row into its command."""
    hashes, blinds, rows, tag = stretch.hashes, stretch.blinds, stretch.rows, relation.row_tag

    def keep(prefix: bytes, row: bytes) -> None:
        own = hashes[prefix]
        begin = BLIND_BYTES * len(own)
        blind = blinds[prefix][begin : begin + BLIND_BYTES] or stretch.blind(prefix, len(own))
        own.append(sha256(tag + row + blind).digest())
        if rows is not None:
            rows[prefix].append((relation, row))

    return keep


def _recorded(stretch: Stretch) -> Callable[[bytes, int, int], None]:
    keep, bases, hashes, counts = _keeper(stretch, RECORDS), stretch.bases, stretch.hashes, stretch.counts
    counts.setdefault(RECORDS.name, 0)

    def take(buffer: bytes, begin: int, end: int) -> None:
        writer, sequence, position = _RECORD_PLACE.unpack_from(buffer, end - 48)
        base = bases.get((writer, sequence))
        if base is None:
            return
        prefix = (base + position).to_bytes(PREFIX, "big") if 0 <= position < MOST_COMMANDS else b""
        known = hashes.get(prefix)
        if known is None or known:
            stretch.strays.append((RECORDS, buffer[begin:end]))
            return
        keep(prefix, buffer[begin:end])
        counts[RECORDS.name] += 1

    return take


def _appended(
    stretch: Stretch, relation: Relation[Any], prefix_of: Callable[[bytes, int], bytes]
) -> Callable[[bytes, int, int], None]:
    keep, bases, hashes, counts, name = _keeper(stretch, relation), stretch.bases, stretch.hashes, stretch.counts, relation.name
    counts.setdefault(name, 0)

    def take(buffer: bytes, begin: int, end: int) -> None:
        prefix = prefix_of(buffer, begin)
        if prefix in hashes:
            keep(prefix, buffer[begin:end])
            counts[name] += 1
        else:
            made = origin(UUID(bytes=prefix + b"\0\0"))
            if (made.writer, made.sequence) in bases:
                stretch.strays.append((relation, buffer[begin:end]))

    return take


def _told(stretch: Stretch) -> Callable[[bytes, int, int], None]:
    keep, bases, hashes, counts = _keeper(stretch, OUTBOX), stretch.bases, stretch.hashes, stretch.counts
    counts.setdefault(OUTBOX.name, 0)

    def take(buffer: bytes, begin: int, end: int) -> None:
        writer, sequence, position = _EVENT_PLACE.unpack_from(buffer, begin)
        base = bases.get((writer, sequence))
        if base is None:
            return
        prefix = (base + (position >> EVENT_BITS)).to_bytes(PREFIX, "big") if 0 <= position >> EVENT_BITS < MOST_COMMANDS else b""
        if prefix in hashes:
            keep(prefix, buffer[begin:end])
            counts[OUTBOX.name] += 1
        else:
            stretch.strays.append((OUTBOX, buffer[begin:end]))

    return take

"""The state of one verification, which its parts share."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from struct import Struct
from typing import Any, Protocol

import asyncpg

from tongbao.engine.batches import Batch, BatchReader
from tongbao.engine.findings import Finding
from tongbao.engine.naming import PATIENCE_S, Named, Values
from tongbao.engine.points import SLICES, Point
from tongbao.engine.relation import Relation
from tongbao.engine.sealing import SEAL_BYTES, Sealer
from tongbao.engine.stored import Shape
from tongbao.engine.types import OUTBOX, RECORDS, Link

MOST_FINDINGS = 20
MODULUS = 1 << 8 * SEAL_BYTES
LENGTH = Struct(">i")
WHOLE = Struct(">q")
NEVER = 1 << 62

Progress = Callable[[int, int], None]


class AnchorsOf(Protocol):
    """Signed ends of the chain, as `verify` compares them."""

    count: int
    signed_at: datetime | None

    async def prepare(self, connection: asyncpg.Connection, heads: dict[int, int]) -> list[Finding]:
        """Read them; `heads`: by writer, up to which sequence the links need not be seen."""
        ...

    def link(self, writer: int, sequence: int, digest: bytes) -> None:
        """A link of the chain, in order within its writer."""
        ...

    def findings(self) -> list[Finding]:
        """What differs, once all links were seen."""
        ...


class Run:
    """One verification: what it compares, with what, and how far it has come. Its parts are `check_…`."""

    def __init__(
        self,
        connection: asyncpg.Connection,
        relations: Sequence[Relation[Any]],
        sealer: Sealer,
        progress: Progress,
        anchors: AnchorsOf | None,
        since: Point | None,
        patience_s: float,
    ) -> None:
        self.connection = connection
        self.relations = relations
        self.appended = [RECORDS, *(each for each in relations if each.append_only), OUTBOX]
        self.sealed = [Shape(each) for each in relations if each.sealed]
        self.sealer = sealer
        self.progress = progress
        self.anchors = anchors
        self.since = since
        self.reader = BatchReader(connection, relations, sealer)
        self.values = Values(connection, relations)
        self.patience = patience_s
        self.heads: dict[int, tuple[int, bytes]] = dict(since.heads) if since else {}
        self.sums: dict[str, int] = dict(since.sums) if since else {}
        self.before: dict[str, int] = dict(since.counts) if since else {}
        self.commands = 0
        self.earliest = NEVER
        #: What a link that was altered said before, by its stored place; None where that is not known.
        self.mended: dict[Batch, Link | None] = {}
        self.missing: list[tuple[int, int, int]] = []
        self.slice = None if since is None else (since.slice + 1) % SLICES
        self.batches = 0
        self.rows: dict[str, int] = {each.name: 0 for each in (*self.appended, *(shape.relation for shape in self.sealed))}
        self.findings: list[Finding] = []
        self._search_began = 0.0

    def point(self, at: datetime) -> Point:
        counts = {each.name: self.rows[each.name] + self.before.get(each.name, 0) for each in self.appended}
        return Point(at, dict(self.heads), dict(self.sums), counts, self.slice or 0)

    def until(self) -> float:
        """Until when to search for what was altered (`time.process_time`): less and less, when there is much to name."""
        self._search_began = time.process_time()
        return self._search_began + min(PATIENCE_S, self.patience / 2)

    def spend(self) -> None:
        """Count the time that a search took."""
        self.patience -= time.process_time() - self._search_began


def found_at(text: str, relation: Relation[Any], key: tuple[str, ...], named: Named) -> Finding:
    """A finding that names column and byte."""
    return Finding(text, relation.name, key, named.column, named.byte, named.before, named.now)

"""What `verify` says: findings, and the sum of what was compared."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec


class Finding(msgspec.Struct, frozen=True):
    """One difference, named as closely as can be known: the table, the row's primary key, the column, the first byte of its value
    that differs (from 0), what was committed there and what stands there now."""

    text: str
    table: str | None = None
    key: tuple[str, ...] | None = None
    column: str | None = None
    byte: int | None = None
    before: Any = None
    now: Any = None

    @property
    def precision(self) -> int:
        """How much is known, for choosing what to say first."""
        return sum(each is not None for each in (self.table, self.key, self.column))


class ChainBroken(Exception):
    """Raised by a check: what is stored does not agree. Where it is known, `table`, `key` and `column` say where."""

    def __init__(
        self, text: str, table: str | None = None, key: tuple[Any, ...] | None = None, column: str | None = None
    ) -> None:
        super().__init__(text)
        self.finding = Finding(text, table, None if key is None else tuple(map(str, key)), column)


class Verification(msgspec.Struct, frozen=True):
    """What was compared and what was found. `problem` is the first finding in a sentence, None when everything holds.

    rows      by relation, how many were compared
    anchors   signed ends that were compared; `anchored_at` is when the newest of them was signed
    since     the moment of the verified point that this began at; None: from nothing
    slice     of an incremental run: which of how many parts of the sealed rows were compared with their seals
    """

    ok: bool
    at: datetime
    batches: int
    commands: int
    rows: dict[str, int]
    duration_ms: int
    problem: str | None = None
    findings: tuple[Finding, ...] = ()
    anchors: int = 0
    anchored_at: datetime | None = None
    since: datetime | None = None
    slice: tuple[int, int] | None = None

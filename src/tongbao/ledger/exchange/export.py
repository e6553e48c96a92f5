"""One way to write the books out: what, from when to when, and how far it is. Memory stays bounded however large they are."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import date
from typing import Literal, get_args

import asyncpg
import msgspec

from tongbao.ledger.exchange import beancount, tables
from tongbao.ledger.exchange.snapshot import Progress, Shown, as_it_is, snapshot

What = Literal["beancount", "journals", "entries", "accounts", "trial-balance"]
WHATS: tuple[What, ...] = get_args(What)

_BEFORE_TIME = date(1970, 1, 1)
_AFTER_TIME = date(2999, 12, 31)


class Export(msgspec.Struct, frozen=True):
    """What to write. Days are value dates and bound journals, entries and the trial balance; Beancount is always the whole books,
    accounts are as they stand. `bom`: begin a CSV with a byte order mark, by which Excel knows UTF-8."""

    what: What
    first: date | None = None
    last: date | None = None
    bom: bool = False

    @property
    def file_name(self) -> str:
        """What the file is called."""
        days = "".join(f"-{day}" for day in (self.first, self.last) if day and self.what not in ("beancount", "accounts"))
        return f"tongbao-{self.what}{days}.{'beancount' if self.what == 'beancount' else 'csv'}"


def silent(done: int, total: int) -> None:
    """Progress that nobody looks at."""


async def export(
    pool: asyncpg.Pool, wish: Export, progress: Progress = silent, shown: Shown = as_it_is
) -> AsyncGenerator[bytes, None]:
    """The file in pieces, from one snapshot; `shown` says what of somebody stands in it. Who stops reading early closes the
    iterator."""
    first, last = wish.first or _BEFORE_TIME, wish.last or _AFTER_TIME
    async with snapshot(pool) as connection:
        pieces = {
            "beancount": lambda: beancount.write(connection, progress, shown),
            "journals": lambda: tables.write_journals(connection, first, last, progress, shown),
            "entries": lambda: tables.write_entries(connection, first, last, progress, shown),
            "accounts": lambda: tables.write_accounts(connection, progress, shown),
            "trial-balance": lambda: tables.write_trial_balance(connection, first, last),
        }[wish.what]()
        if wish.bom and wish.what != "beancount":
            yield b"\xef\xbb\xbf"
        async with aclosing(pieces) as open_pieces:
            async for piece in open_pieces:
                if piece:
                    yield piece.encode()

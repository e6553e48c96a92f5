"""Is what was acknowledged in the database, and nothing else; and do the books balance?"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import asyncpg
import msgspec

from tongbao.app.replaying.parties import Parties
from tongbao.app.replaying.source import Source
from tongbao.kernel.sql import Queries
from tongbao.ledger.types import QUERIES as LEDGER

QUERIES = Queries("tongbao.app.replaying")
_STRETCH = 5_000


class Line(msgspec.Struct, frozen=True):
    """A line of the trial balance: posted sum of a chart line in a currency, credit positive."""

    code: str
    currency: str
    accounts: int
    posted_minor: int


class Comparison(msgspec.Struct):
    """Payments found in the database, and how they differ from what was acknowledged. `example`: a payment that differs."""

    found: int = 0
    missing: int = 0
    unexpected: int = 0
    different: int = 0
    example: str = ""

    @property
    def agrees(self) -> bool:
        """Whether nothing differs."""
        return not (self.missing or self.unexpected or self.different)


async def compare_payments(
    dsn: str, source: Source, parties: Parties, accepted: bytearray, progress: Callable[[int], None]
) -> Comparison:
    """Look every row's payment up: an accepted one must be paid, by its customer, in its amount; a declined one must not be.

    `progress(n)` is called after every `n` rows.
    """
    result = Comparison()
    connection = await asyncpg.connect(dsn)
    try:
        chunks = source.chunks(_STRETCH)
        place = 0
        while rows := await asyncio.to_thread(next, chunks, None):
            ids = [parties.payment_id(row) for row in rows]
            paid = {each["payment_id"]: each for each in await connection.fetch(QUERIES["paid"], ids)}
            for payment_id, row in zip(ids, rows, strict=True):
                known, wanted = paid.get(payment_id), accepted[place]
                place += 1
                if known is None and not wanted:
                    continue
                if known is None:
                    result.missing += 1
                elif not wanted:
                    result.unexpected += 1
                elif (known["out_trade_no"], known["payer_id"], known["amount_minor"]) != (
                    row.transaction, parties.customers[row.customer].customer_id, row.amount_minor,
                ):  # fmt: skip
                    result.different += 1
                else:
                    result.found += 1
                    continue
                result.example = result.example or row.transaction
            progress(len(rows))
    finally:
        await connection.close()
    return result


async def trial_balance(dsn: str) -> list[Line]:
    """The whole database's trial balance."""
    connection = await asyncpg.connect(dsn)
    try:
        return [Line(*row) for row in await connection.fetch(LEDGER["trial_balance"])]
    finally:
        await connection.close()

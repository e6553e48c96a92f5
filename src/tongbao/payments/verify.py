"""Do payments and refunds say what the journals say? Checked in the database, over all of them."""

from __future__ import annotations

import asyncpg

from tongbao.engine.findings import ChainBroken
from tongbao.payments.service import QUERIES


async def check_payments(connection: asyncpg.Connection) -> None:
    """Every payment against its refunds, both against the journals they name. Raises ChainBroken naming the first difference."""
    for row in await connection.fetch(QUERIES["payments_unlike_refunds"], 1):
        raise ChainBroken(
            f"payment {row['payment_id']}: {row['refunded_minor']} in {row['refunds']} refunds are noted, "
            f"its refunds come to {row['found_minor']} in {row['found']}"
        )
    for row in await connection.fetch(QUERIES["payments_unlike_captures"], 1):
        raise ChainBroken(
            f"payment {row['payment_id']}: {row['paid_minor']} is noted as taken, its captures come to {row['found_minor']}, "
            "or to another fee"
        )
    for row in await connection.fetch(QUERIES["payments_unlike_journals"], 1):
        raise ChainBroken(f"payment {row['payment_id']}: its journal does not say that {row['paid_minor']} was paid")
    for row in await connection.fetch(QUERIES["fees_unlike_journals"], 1):
        raise ChainBroken(f"journal {row['journal_id']}: it does not say that the fee was {row['fee_minor']}")
    for row in await connection.fetch(QUERIES["reversed_unlike_journals"], 1):
        raise ChainBroken(f"payment {row['payment_id']}: it is undone where its journal is not, or the other way round")
    for row in await connection.fetch(QUERIES["refunds_unlike_journals"], 1):
        raise ChainBroken(f"refund {row['refund_id']}: its journal does not say that {row['amount_minor']} was given back")
    for row in await connection.fetch(QUERIES["journals_without_payment"], 1):
        raise ChainBroken(f"journal {row['journal_id']}: no payment or refund names it")

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
    for row in await connection.fetch(QUERIES["funding_unlike_payments"], 1):
        raise ChainBroken(f"payment {row['payment_id']}: {row['state']}, and its parts say otherwise")
    for row in await connection.fetch(QUERIES["parts_unlike_journals"], 1):
        raise ChainBroken(f"payment {row['payment_id']}: its journal does not take part {row['number']}, {row['amount_minor']}")
    for row in await connection.fetch(QUERIES["card_requests_unlike_parts"], 1):
        raise ChainBroken(f"payment {row['payment_id']}: its parts do not say what the card network was asked for")
    for row in await connection.fetch(QUERIES["refunds_unlike_card_requests"], 1):
        raise ChainBroken(f"refund {row['refund_id']}: it is pending where the card network has answered, or the other way round")
    for row in await connection.fetch(QUERIES["on_their_way_to_cards"], 1):
        raise ChainBroken(
            f"{row['booked_minor']} {row['currency']} are booked as on their way to cards, {row['asked_minor']} were asked for"
        )


async def check_agreements(connection: asyncpg.Connection) -> None:
    """Every agreement against its debits, and those against the payments that they became. Raises ChainBroken naming the first
    difference."""
    for row in await connection.fetch(QUERIES["agreements_unlike_debits"], 1):
        raise ChainBroken(f"agreement {row['agreement_id']}: {row['debits']} debits are noted, {row['found']} were taken")
    for row in await connection.fetch(QUERIES["debits_unlike_payments"], 1):
        raise ChainBroken(f"payment {row['payment_id']}: it is not what a debit under an agreement says that it is")

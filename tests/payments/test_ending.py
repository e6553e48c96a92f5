"""An authorisation past its time is over from that very moment: whoever acts upon it first, it comes to the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from tests.support.leavings import rows
from tests.support.town import CURRENCY, Town, town
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.engine.api import Command, MemoryStore, PostgresStore, Sealer
from tongbao.engine.verify import verify
from tongbao.ledger.api import ACCOUNT, HOLD
from tongbao.payments.rules import fees_in, merchant_balance
from tongbao.payments.types import AUTHORISATION, PAYMENT, REFUND
from tongbao.wallet.rules import wallet_of

HOUR = timedelta(hours=1)
#: 1 % of it: 10.00.
WHOLE = 100_000
SMALL = 100


async def taken_in_part(place: Town) -> tuple[UUID, UUID, UUID]:
    """A payer of 1000.00, of whom 1.00 of 1000.00 was captured before the time was over, just now; and its journal."""
    merchant, payer = await place.merchant(10_000), await place.customer(WHOLE)
    await place.happens(place.ordering(merchant, "order", WHOLE, agreed_minor=WHOLE, capture_within_s=3600))
    await place.happens(place.authorising(merchant, "order", payer, WHOLE))
    taken = await place.happens(place.taking(merchant, "order", payer, "one", SMALL))
    place.clock.advance(HOUR)
    journal: UUID = taken.journal_id
    return merchant, payer, journal


#: What a merchant may wish when the time is over, what is said to it, and what is left of the 1.00 then: with the payer, with
#: the merchant, in fees.
WISHES: dict[str, tuple[Callable[[Town, UUID, UUID, UUID], Command], str, tuple[int, int, int]]] = {
    "refund of all": (lambda place, shop, by, _: place.refunding(shop, "order", by, "back", 100), "ok", (WHOLE, 0, 0)),
    "refund of half": (lambda place, shop, by, _: place.refunding(shop, "order", by, "back", 50), "ok", (WHOLE - 50, 49, 1)),
    "refund of more": (
        lambda place, shop, by, _: place.refunding(shop, "order", by, "back", 101), "refund_exceeds_paid",
        (WHOLE - 100, 99, 1),
    ),
    "reversal": (lambda place, shop, by, taken: place.undoing(shop, "order", by, taken), "ok", (WHOLE, 0, 0)),
    "capture": (lambda place, shop, by, _: place.taking(shop, "order", by, "two", 1), "order_captured", (WHOLE - 100, 99, 1)),
    "void": (lambda place, shop, by, _: place.giving_up(shop, "order", by), "order_captured", (WHOLE - 100, 99, 1)),
}  # fmt: skip


@pytest.mark.parametrize("name", WISHES)
async def test_what_is_wished_before_or_after_the_janitor_comes_to_the_same(name: str) -> None:
    wish, says, (with_payer, with_shop, in_fees) = WISHES[name]
    left = []
    for janitor_first in (False, True):
        store = MemoryStore()
        async with town(store) as place:
            shop, payer, taken = await taken_in_part(place)
            lapse, wished = place.lapsing(shop, "order", payer), wish(place, shop, payer, taken)
            answers = [await place.says(each) for each in ((lapse, wished) if janitor_first else (wished, lapse))]
        assert sorted(answers) == sorted(["ok", says]), "neither stands in the other's way"
        accounts = {account.account_id: account for account in rows(store, ACCOUNT)}
        wallet = accounts[wallet_of(payer, CURRENCY).account_id]
        assert (wallet.posted_minor, wallet.held_minor) == (with_payer, 0)
        assert accounts[merchant_balance(shop, CURRENCY).account_id].posted_minor == with_shop
        assert accounts[fees_in(CURRENCY).account_id].posted_minor == in_fees
        left.append(await _left(store))
    assert left[0] == left[1]


async def _left(store: MemoryStore) -> dict[str, Any]:
    (payment,), (found,), (hold,) = rows(store, PAYMENT), rows(store, AUTHORISATION), rows(store, HOLD)
    return {
        "payment": (payment.state, payment.paid_minor, payment.fee_minor, payment.refunded_minor, payment.fee_returned_minor,
                    payment.paid_at, payment.closed_at),
        "authorisation": found,
        "hold": hold.state,
        "refunds": [(refund.amount_minor, refund.fee_returned_minor) for refund in rows(store, REFUND)],
    }  # fmt: skip


async def test_in_postgresql_too_and_a_fee_that_was_never_taken_is_found(database: str) -> None:
    async with town(PostgresStore(database)) as place:
        shop, payer, _ = await taken_in_part(place)
        await place.happens(place.refunding(shop, "order", payer, "back", SMALL))
        await place.happens(place.lapsing(shop, "order", payer))
    connection = await asyncpg.connect(database)
    try:
        assert (await verify(connection, RELATIONS, Sealer(), CHECKS)).problem is None
        row = await connection.fetchrow("select state, fee_minor, fee_returned_minor from payment")
        assert tuple(row) == ("PAID", 1, 1)
        balance = "select posted_minor from account where account_id = $1"
        assert await connection.fetchval(balance, fees_in(CURRENCY).account_id) == 0
        await connection.execute("set session_replication_role = replica")
        for alteration, says in FEES_NEVER_TAKEN:
            transaction = connection.transaction()
            await transaction.start()
            for statement in alteration:
                await connection.execute(statement)
            with pytest.raises(Exception, match=says):
                await CHECKS[-1](connection)
            await transaction.rollback()
    finally:
        await connection.close()


FEES_NEVER_TAKEN = (
    (["update payment set fee_minor = 1000"], "its refunds come to"),
    (["update payment set fee_minor = 1000, fee_returned_minor = 1000", "update refund set fee_returned_minor = 1000"],
     "or to another fee"),
    (["update payment set fee_minor = 100, fee_returned_minor = 100", "update refund set fee_returned_minor = 100",
      "update capture set fee_minor = 100", "update authorisation set fee_minor = 100000"], "does not say that the fee was"),
    (["update authorisation set fee_minor = 1"], "or to another fee"),
)  # fmt: skip

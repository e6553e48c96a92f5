"""What orders, payments and refunds leave behind: whole rows, whole bills, whole events."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.support.leavings import events, rows
from tests.support.town import CURRENCY, NOON, Town, order_id, sealed, town
from tongbao.engine.api import Declined, MemoryStore
from tongbao.identity.factors import KNOWLEDGE
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger.api import ACCOUNT, ENTRY, JOURNAL
from tongbao.ledger.commands import FreezeAccount
from tongbao.payments.lifecycle import PaymentState
from tongbao.payments.rules import Paid
from tongbao.payments.types import PAYMENT, REFUND, ExpireOrder, Payment, Refund, refund_id_of
from tongbao.wallet.types import BILL, Bill

LATER = timedelta(seconds=7)


def order_of(merchant: UUID) -> Payment:
    """An order of 10.00 made at noon, with a fee of six in a thousand and five minutes to live."""
    return Payment(
        order_id(merchant, "order"), merchant, None, "order", "牛肉面", 1000, 0, CURRENCY, 6, "CREATED", "order", None, 0, 0, 0,
        0, NOON, NOON + timedelta(minutes=5), None, None, None, None, None,
    )  # fmt: skip


def told(merchant: UUID, kind: str, state: PaymentState, at: str, **more: Any) -> tuple[str, str, dict[str, Any]]:
    return (
        f"merchant:{merchant}",
        kind,
        {
            "payment_id": str(order_id(merchant, "order")),
            "out_trade_no": "order",
            "amount_minor": 1000,
            "currency": "CNY",
            "state": state,
            "at": at,
            **more,
        },
    )


async def expiring(place: Town, payment_id: UUID) -> None:
    await place.happens(ExpireOrder(command_id=place.id(), payment_id=payment_id))


async def test_an_order_is_kept_as_it_was_asked_for_and_told_to_its_merchant() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = await place.merchant()
        await place.happens(place.ordering(merchant, "order"))
    assert rows(store, PAYMENT) == [order_of(merchant)]
    assert events(store, "merchant") == [told(merchant, "payment.created", "CREATED", "2026-03-01T12:00:00Z")]


async def test_an_order_asked_for_again_is_neither_changed_nor_told_again() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = await place.merchant()
        made = await place.happens(place.ordering(merchant, "order"))
        place.clock.advance(LATER)
        again = await place.happens(place.ordering(merchant, "order"))
    assert (made.payment_id, made.known, again.payment_id, again.known) == (made.payment_id, False, made.payment_id, True)
    assert rows(store, PAYMENT) == [order_of(merchant)]
    assert len(events(store, "merchant")) == 1


async def test_a_paid_order_says_who_paid_when_and_by_what_and_has_its_bill() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = await place.merchant()
        await place.happens(place.ordering(merchant, "order"))
        payer = await place.customer(1500)
        place.clock.advance(LATER)
        paid: Paid = await place.happens(place.paying(merchant, "order", payer))
    order, at = order_of(merchant), NOON + LATER
    expected = replace(
        order,
        state="PAID",
        method="qr",
        payer_id=payer,
        paid_minor=1000,
        paid_at=at,
        journal_id=paid.journal_id,
        bill_id=paid.bill_id,
        factors=KNOWLEDGE,
    )
    assert paid.payment_id == order.payment_id and rows(store, PAYMENT) == [expected]
    assert rows(store, BILL)[-1] == Bill(
        payer, paid.bill_id, "payment", "out", 1000, CURRENCY, "merchant", merchant, "牛肉面", b"", at, 500, paid.journal_id,
        order.payment_id, KNOWLEDGE,
    )  # fmt: skip
    journal = rows(store, JOURNAL)[-1]
    assert (journal.journal_id, journal.kind, journal.memo, journal.posted_at) == (paid.journal_id, "payment", "order", at)
    assert events(store, "merchant")[1:] == [told(merchant, "payment.paid", "PAID", "2026-03-01T12:00:07Z")]


async def test_a_payment_at_once_leaves_an_order_that_is_paid_already() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await place.merchant(), await place.customer(1000)
        place.clock.advance(LATER)
        paid = await place.happens(place.paying_at_once(merchant, "order", payer))
    at = NOON + LATER
    assert rows(store, PAYMENT) == [
        replace(
            order_of(merchant), state="PAID", method="static_code", payer_id=payer, created_at=at, expires_at=at, paid_at=at,
            paid_minor=1000, journal_id=paid.journal_id, bill_id=paid.bill_id, factors=KNOWLEDGE,
        )
    ]  # fmt: skip
    assert events(store, "merchant") == [told(merchant, "payment.paid", "PAID", "2026-03-01T12:00:07Z")]


async def test_a_payment_that_is_all_fee_moves_nothing_to_the_merchant() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await place.merchant(fee_ppm=1_000_000), await place.customer(1000)
        paid = await place.happens(place.paying_at_once(merchant, "order", payer))
        moved = [each.amount_minor for each in rows(store, ENTRY) if each.journal_id == paid.journal_id]
        assert sorted(moved) == [-1000, 1000]
        refunded = await place.happens(place.refunding(merchant, "order", payer, "refund", 400))
    assert sorted(each.amount_minor for each in rows(store, ENTRY) if each.journal_id == refunded.journal_id) == [-400, 400]


async def test_a_payment_without_a_fee_moves_all_of_it_to_the_merchant() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await place.merchant(fee_ppm=0), await place.customer(1000)
        paid = await place.happens(place.paying_at_once(merchant, "order", payer))
        refunded = await place.happens(place.refunding(merchant, "order", payer, "refund", 400))
    for journal, expected in ((paid, [-1000, 1000]), (refunded, [-400, 400])):
        moved = [each.amount_minor for each in rows(store, ENTRY) if each.journal_id == journal.journal_id]
        assert sorted(moved) == expected


async def test_a_closed_order_says_when() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = await place.merchant()
        await place.happens(place.ordering(merchant, "order"))
        place.clock.advance(LATER)
        await place.happens(place.closing(merchant, "order"))
    assert rows(store, PAYMENT) == [replace(order_of(merchant), state="CLOSED", closed_at=NOON + LATER)]
    assert events(store, "merchant")[1:] == [told(merchant, "payment.closed", "CLOSED", "2026-03-01T12:00:07Z")]


async def test_an_order_is_written_down_as_expired_when_its_time_is_over_and_once() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = await place.merchant()
        await place.happens(place.ordering(merchant, "order"))
        order = order_of(merchant)
        place.clock.advance(timedelta(minutes=5) - timedelta(microseconds=1))
        await expiring(place, order.payment_id)
        assert rows(store, PAYMENT) == [order], "too early"
        place.clock.advance(timedelta(microseconds=1))
        await expiring(place, order.payment_id)
        place.clock.advance(LATER)
        await expiring(place, order.payment_id)
    assert rows(store, PAYMENT) == [replace(order, state="EXPIRED", closed_at=NOON + timedelta(minutes=5))]
    assert events(store, "merchant")[1:] == [told(merchant, "payment.expired", "EXPIRED", "2026-03-01T12:05:00Z")]


async def _paid(place: Town, merchant: UUID) -> None:
    await place.happens(place.paying(merchant, "order", await place.customer(1000)))


async def _closed(place: Town, merchant: UUID) -> None:
    await place.happens(place.closing(merchant, "order"))


@pytest.mark.parametrize("end", [_paid, _closed])
async def test_an_order_that_has_ended_does_not_expire(end: Callable[[Town, UUID], Coroutine[Any, Any, None]]) -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = await place.merchant()
        await place.happens(place.ordering(merchant, "order"))
        await end(place, merchant)
        before, heard = rows(store, PAYMENT), len(events(store))
        place.clock.advance(timedelta(hours=1))
        await expiring(place, order_id(merchant, "order"))
        await expiring(place, place.id())
    assert rows(store, PAYMENT) == before and len(events(store)) == heard


async def test_refunds_give_the_fee_back_in_proportion_and_are_billed_and_told_to_both() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant = await place.merchant()
        await place.happens(place.ordering(merchant, "order"))
        payer = await place.customer(1000)
        await place.happens(place.paying(merchant, "order", payer))
        paid = rows(store, PAYMENT)[0]
        results = []
        for number, minor in (("one", 300), ("two", 500), ("three", 200)):
            place.clock.advance(LATER)
            results.append(await place.happens(place.refunding(merchant, "order", payer, number, minor)))

    # 6 of 1000: 300 are worth 1.8 of it, 800 are worth 4.8, all of it all.
    lines = (("one", 300, 1, 7, 300), ("two", 500, 3, 14, 800), ("three", 200, 2, 21, 1000))
    assert rows(store, PAYMENT) == [replace(paid, refunded_minor=1000, fee_returned_minor=6, refunds=3)]
    for (number, minor, fee, seconds, balance), result, row, bill in zip(
        lines, results, rows(store, REFUND), rows(store, BILL)[-3:], strict=True
    ):
        at = NOON + timedelta(seconds=seconds)
        assert result.refund_id == refund_id_of(paid.payment_id, number)
        assert row == Refund(
            result.refund_id, paid.payment_id, number, minor, CURRENCY, fee, "太咸", at, result.journal_id
        )  # fmt: skip
        assert bill == Bill(
            payer, bill.bill_id, "refund", "in", minor, CURRENCY, "merchant", merchant, "牛肉面", sealed("太咸"), at, balance,
            result.journal_id, paid.payment_id, 0,
        )  # fmt: skip
        at_text = f"2026-03-01T12:00:{seconds:02}Z"
        refunded = {"out_refund_no": number, "refund_minor": minor, "refund_state": "SUCCEEDED"}
        assert told(merchant, "payment.refunded", "PAID", at_text, **refunded) in events(store, "merchant")
        ids = {"payment_id": str(paid.payment_id), "refund_id": str(result.refund_id)}
        assert (f"customer:{payer}", "refund.received", ids) in events(store)
    assert [(each.kind, each.memo) for each in rows(store, JOURNAL)[-3:]] == [("refund", each[0]) for each in lines]
    assert len(events(store, "merchant")) == 2 + 3 and len({bill.bill_id for bill in rows(store, BILL)}) == len(rows(store, BILL))


async def test_a_paid_order_tells_who_asks_whether_it_was_they_who_paid() -> None:
    async with town() as place:
        merchant = await place.merchant()
        await place.happens(place.ordering(merchant, "order"))
        payer, other = await place.customer(1000), await place.customer(1000)
        await place.happens(place.paying(merchant, "order", payer))
        for who, by_you in ((payer, True), (other, False)):
            decision = (await place.submit(place.paying(merchant, "order", who))).decision
            assert isinstance(decision, Declined) and decision.detail == {"by_you": by_you}


async def test_a_refund_to_a_frozen_wallet_is_declined_for_what_it_is() -> None:
    async with town() as place:
        merchant = await place.merchant()
        await place.happens(place.ordering(merchant, "order"))
        payer = await place.customer(1000)
        await place.happens(place.paying(merchant, "order", payer))
        freeze = FreezeAccount(
            command_id=place.id(), code="2001", currency=CURRENCY, owner_id=payer, debits=False, credits=True, reason="court"
        )
        await place.happens(freeze)
        assert await place.says(place.refunding(merchant, "order", payer, "one", 300)) == "account_frozen_credit"


async def test_a_refund_that_is_too_much_is_told_what_is_left() -> None:
    async with town() as place:
        merchant = await place.merchant()
        await place.happens(place.ordering(merchant, "order"))
        payer = await place.customer(1000)
        await place.happens(place.paying(merchant, "order", payer))
        await place.happens(place.refunding(merchant, "order", payer, "one", 300))
        decision = (await place.submit(place.refunding(merchant, "order", payer, "two", 701))).decision
        assert isinstance(decision, Declined) and decision.detail == {"left_minor": 700, "currency": "CNY"}


@pytest.mark.parametrize("minor", [0, -1, -100])
async def test_amounts_that_no_edge_lets_through_are_bugs(minor: int) -> None:
    """Not even where the fee is all of it, so that what a negative amount would move could balance."""
    async with town() as place:
        for merchant in (await place.merchant(), await place.merchant(fee_ppm=1_000_000)):
            payer = await place.customer(3000)
            await place.happens(place.ordering(merchant, "order"))
            await place.happens(place.paying(merchant, "order", payer))
            for command in (
                place.ordering(merchant, "other", minor),
                place.paying_at_once(merchant, "other", payer, minor),
                place.refunding(merchant, "order", payer, "refund", minor),
            ):
                with pytest.raises(InvariantBroken):
                    await place.submit(command)


async def test_an_order_whose_id_is_another_orders_is_a_bug() -> None:
    async with town() as place:
        merchant = await place.merchant()
        await place.happens(place.ordering(merchant, "order"))
        with pytest.raises(InvariantBroken):
            await place.submit(replace(place.ordering(merchant, "order"), out_trade_no="other"))
        with pytest.raises(InvariantBroken):
            await place.submit(replace(place.ordering(merchant, "order"), merchant_id=await place.merchant()))


async def test_an_engine_that_has_just_begun_finds_all_that_a_payment_needs() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await place.merchant(), await place.customer(1000)
        await place.happens(place.paying_at_once(merchant, "first", payer, 400))
        await place.happens(place.ordering(merchant, "second", 600))
    async with town(store, seed=2) as place:
        await place.happens(place.paying(merchant, "second", payer, 600))
    left = {account.code: account.posted_minor for account in rows(store, ACCOUNT)}
    assert left == {"1001": -1000, "2001": 0, "2101": 994, "4001": 6}

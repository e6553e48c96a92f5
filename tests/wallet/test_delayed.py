"""Transfers that arrive later: where the money is meanwhile, what both sides are told, and what ends them otherwise."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from tests.support.leavings import events, rows
from tests.support.suspending import SUSPEND, Suspend
from tests.support.town import CURRENCY, NOON, RIGHT, Town, sealed, town
from tests.wallet.test_ladder import RECEIVING
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.engine.api import Declined, MemoryStore, PostgresStore, Sealer
from tongbao.engine.verify import verify
from tongbao.identity.factors import KNOWLEDGE
from tongbao.ledger.api import ACCOUNT, HOLD, ExpireHolds, HoldRef, VoidHold
from tongbao.ledger.commands import FreezeAccount, UnfreezeAccount
from tongbao.wallet.rules import wallet_of
from tongbao.wallet.types import BILL, DELAYED_TRANSFER, DelayedTransfer

HOURS = {"ordinary": 2, "next_day": 24}


async def sent(place: Town, arrival: Any = "ordinary", minor: int = 100) -> tuple[UUID, UUID, Any]:
    payer, payee = await place.customer(500), await place.customer(70)
    return payer, payee, await place.happens(place.transferring(payer, payee, minor, RIGHT, arrival))


def purse(store: MemoryStore, customer: UUID) -> tuple[int, int]:
    """What is posted and what is held of it."""
    account = store.tables.table(ACCOUNT)[wallet_of(customer, CURRENCY).account_id]
    return account.posted_minor, account.held_minor


def the_transfer(store: MemoryStore) -> DelayedTransfer:
    (found,) = rows(store, DELAYED_TRANSFER)
    return found


@pytest.mark.parametrize("arrival", ["ordinary", "next_day"])
async def test_the_money_is_held_until_its_hour_and_arrives_then(arrival: Any) -> None:
    store = MemoryStore()
    async with town(store) as place:
        payer, payee, order = await sent(place, arrival)
        due = NOON + timedelta(hours=HOURS[arrival])
        assert (order.arrives_at, order.journal_id) == (due, None)
        assert (purse(store, payer), purse(store, payee)) == ((500, 100), (70, 0))
        place.clock.advance(due - place.clock.now() - timedelta(microseconds=1))
        early = await place.happens(place.delivering(order.transfer_id, payer, payee))
        assert (early.state, purse(store, payer)) == ("PENDING", (500, 100))
        place.clock.advance(timedelta(microseconds=1))
        for _ in range(2):
            done = await place.happens(place.delivering(order.transfer_id, payer, payee))
            assert done.state == "SUCCEEDED"
            assert (purse(store, payer), purse(store, payee)) == ((400, 0), (170, 0))
    found = the_transfer(store)
    assert (found.state, found.ended_at, found.failure_code) == ("SUCCEEDED", due, None)
    (hold,) = rows(store, HOLD)
    assert (hold.state, hold.captured_minor, hold.ended_at) == ("CAPTURED", 100, due)
    assert hold.expires_at == due + timedelta(days=30)
    outgoing, incoming = [bill for bill in rows(store, BILL) if bill.kind == "transfer"]
    assert (outgoing.customer_id, outgoing.direction, outgoing.balance_minor, outgoing.journal_id) == (payer, "out", None, None)
    assert (incoming.customer_id, incoming.direction, incoming.balance_minor) == (payee, "in", 170)
    assert outgoing.reference_id == incoming.reference_id == found.transfer_id
    assert (outgoing.factors, incoming.factors) == (KNOWLEDGE, 0), "who receives confirms nothing"
    assert (outgoing.note, incoming.note, incoming.journal_id) == (sealed("payer: 午饭"), sealed("payee: 午饭"), found.journal_id)
    told = [(topic, kind) for topic, kind, _ in events(store, "customer:") if kind.startswith("transfer.")]
    assert told == [(f"customer:{payee}", "transfer.received"), (f"customer:{payer}", "transfer.arrived")]


async def test_a_cancelled_transfer_leaves_everything_as_it_was() -> None:
    store = MemoryStore()
    async with town(store) as place:
        payer, payee, order = await sent(place)
        place.clock.advance(timedelta(minutes=1))
        elsewhere = replace(place.cancelling(payer, order.transfer_id), currency="USD")
        assert await place.says(elsewhere) == "transfer_not_found"
        await place.happens(place.cancelling(payer, order.transfer_id))
        assert (purse(store, payer), purse(store, payee)) == ((500, 0), (70, 0))
        place.clock.advance(timedelta(hours=3))
        assert (await place.happens(place.delivering(order.transfer_id, payer, payee))).state == "CANCELLED"
        assert (purse(store, payer), purse(store, payee)) == ((500, 0), (70, 0))
    assert (the_transfer(store).state, the_transfer(store).ended_at) == ("CANCELLED", NOON + timedelta(minutes=1))


async def _frozen(place: Town, payer: UUID, payee: UUID, transfer: UUID) -> None:
    await place.happens(
        FreezeAccount(
            command_id=place.id(), code="2001", currency=CURRENCY, owner_id=payee, debits=False, credits=True, reason="lost",
            note="", by=place.id(),
        )
    )  # fmt: skip


async def _voided(place: Town, payer: UUID, payee: UUID, transfer: UUID) -> None:
    await place.happens(VoidHold(command_id=place.id(), hold_id=transfer, code="2001", currency=CURRENCY, owner_id=payer))


async def _expired(place: Town, payer: UUID, payee: UUID, transfer: UUID) -> None:
    place.clock.advance(timedelta(days=31))
    hold = HoldRef(transfer, wallet_of(payer, CURRENCY).account_id)
    await place.happens(ExpireHolds(command_id=place.id(), holds=(hold,)))


async def _suspended(place: Town, payer: UUID, payee: UUID, transfer: UUID) -> None:
    await place.happens(Suspend(command_id=place.id(), customer_id=payer))


@pytest.mark.parametrize(
    ("meanwhile", "why"),
    [(_frozen, "account_frozen_credit"), (_voided, "hold_ended"), (_expired, "hold_ended"), (_suspended, "account_suspended")],
)
async def test_what_cannot_arrive_stays_with_its_payer(meanwhile: Any, why: str) -> None:
    store = MemoryStore()
    async with town(store, more=[SUSPEND]) as place:
        payer, payee, order = await sent(place)
        await meanwhile(place, payer, payee, order.transfer_id)
        place.clock.advance(timedelta(hours=2))
        assert (await place.happens(place.delivering(order.transfer_id, payer, payee))).state == "FAILED"
        assert (purse(store, payer), purse(store, payee)) == ((500, 0), (70, 0))
    found = the_transfer(store)
    assert found == replace(found, state="FAILED", failure_code=why, journal_id=None)
    told = [payload for topic, kind, payload in events(store, f"customer:{payer}") if kind == "transfer.failed"]
    assert told == [{"transfer_id": str(found.transfer_id), "failure_code": why}]


DELAYING = """
pack = "test"
title = { zh = "试", en = "Test" }
[[rule]]
id = "test.delay"
name = { zh = "试", en = "Test" }
law = "Test"
article = "1"
effective_from = 2020-01-01
verified = true
action = "delay"
delay_hours = 3
metric = "amount"
window = { kind = "transaction" }
limit = { CNY = "1.00" }
[[rule]]
id = "test.day"
name = { zh = "试", en = "Test" }
law = "Test"
article = "2"
effective_from = 2020-01-01
verified = true
action = "refuse"
metric = "amount"
window = { kind = "day" }
limit = { CNY = "3.00" }
when = { kinds = ["transfer"] }
counts = { kinds = ["transfer"] }
"""


@pytest.mark.parametrize(
    ("minor", "arrival", "hours"), [(100, "now", 0), (101, "now", 3), (101, "ordinary", 3), (101, "next_day", 24)]
)
async def test_a_rule_delays_a_transfer_by_at_least_its_hours(minor: int, arrival: Any, hours: int) -> None:
    async with town() as place:
        payer, payee = await place.customer(500), await place.customer()
        await place.adopt("none", DELAYING)
        order = await place.happens(place.transferring(payer, payee, minor, RIGHT, arrival))
        assert order.arrives_at == (NOON + timedelta(hours=hours) if hours else None)


async def test_a_payment_cannot_wait_and_is_declined_where_a_rule_delays() -> None:
    async with town() as place:
        payer, merchant = await place.customer(500), await place.merchant()
        await place.adopt("none", DELAYING)
        await place.happens(place.ordering(merchant, "a", 101))
        assert await place.says(place.paying(merchant, "a", payer, 101)) == "delay_required"


async def test_a_cancelled_transfer_gives_back_what_it_counted_and_one_that_arrived_does_not() -> None:
    async with town() as place:
        payer, payee = await place.customer(900), await place.customer()
        await place.adopt("none", DELAYING)
        order = await place.happens(place.transferring(payer, payee, 300, RIGHT))
        assert await place.says(place.transferring(payer, payee, 1)) == "limit_reached"
        await place.happens(place.cancelling(payer, order.transfer_id))
        order = await place.happens(place.transferring(payer, payee, 300, RIGHT))
        place.clock.advance(timedelta(hours=3))
        await place.happens(place.delivering(order.transfer_id, payer, payee))
        assert await place.says(place.transferring(payer, payee, 1)) == "limit_reached"


async def test_who_cancels_too_late_is_told_so_and_the_payee_of_which_bill() -> None:
    store = MemoryStore()
    async with town(store) as place:
        payer, payee, order = await sent(place)
        place.clock.advance(timedelta(hours=3))
        await place.happens(place.delivering(order.transfer_id, payer, payee))
        late = await place.submit(place.cancelling(payer, order.transfer_id))
        assert isinstance(late.decision, Declined)
        assert (late.decision.code.name, late.decision.detail) == ("transfer_ended", {"state": "SUCCEEDED"})
    (bill,) = [each for each in rows(store, BILL) if each.customer_id == payee and each.kind == "transfer"]
    told = [payload for _, kind, payload in events(store, f"customer:{payee}") if kind == "transfer.received"]
    assert told == [{"bill_id": str(bill.bill_id)}]


async def test_what_could_not_arrive_does_not_count_against_what_its_payee_may_receive() -> None:
    store = MemoryStore()
    async with town(store) as place:
        await place.adopt("none", RECEIVING)
        payer, payee, order = await sent(place, minor=300)
        await _frozen(place, payer, payee, order.transfer_id)
        place.clock.advance(timedelta(hours=2))
        assert (await place.happens(place.delivering(order.transfer_id, payer, payee))).state == "FAILED"
        thaw = UnfreezeAccount(
            command_id=place.id(), code="2001", currency=CURRENCY, owner_id=payee, debits=False, credits=True, reason="lost",
            note="", by=place.id(),
        )  # fmt: skip
        await place.happens(thaw)
        assert await place.says(place.transferring(payer, payee, 300)) == "ok"


async def test_what_arrives_counts_against_what_its_payee_may_receive() -> None:
    async with town() as place:
        payer, payee, order = await sent(place, minor=200)
        await place.adopt("none", RECEIVING)
        place.clock.advance(timedelta(hours=2))
        assert await place.says(place.transferring(payer, payee, 101)) == "ok"
        done = await place.happens(place.delivering(order.transfer_id, payer, payee))
        assert done.state == "FAILED", "three hundred a day is what they may receive"


async def test_what_arrived_what_was_cancelled_and_what_waits_still_verifies(database: str) -> None:
    async with town(PostgresStore(database)) as place:
        payer, payee = await place.customer(500), await place.customer(10)
        arriving, cancelled, _ = [
            await place.happens(place.transferring(payer, payee, 100, arrival="ordinary")) for _ in range(3)
        ]
        await place.happens(place.cancelling(payer, cancelled.transfer_id))
        place.clock.advance(timedelta(hours=2))
        assert (await place.happens(place.delivering(arriving.transfer_id, payer, payee))).state == "SUCCEEDED"
    connection = await asyncpg.connect(database)
    try:
        assert (await verify(connection, RELATIONS, Sealer(), CHECKS)).problem is None
    finally:
        await connection.close()

"""What transfers, top-ups and withdrawals leave behind: whole rows, whole bills, whole events."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.support.leavings import events, rows
from tests.support.town import CURRENCY, NOON, Town, sealed, town
from tongbao.engine.api import Declined, MemoryStore
from tongbao.identity.alerts import ALERT
from tongbao.identity.factors import KNOWLEDGE
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger.api import JOURNAL, PlaceHold
from tongbao.ledger.commands import FreezeAccount
from tongbao.wallet.types import BANK_ACCOUNT, BANK_TRANSFER, BILL, BankAccount, BankTransfer, Bill, UnlinkBankAccount

LATER = timedelta(seconds=7)


async def started(place: Town, kind: str) -> BankTransfer:
    """A bank transfer of 1.00, as it must be just after it began at seven seconds past noon; its customer has 5.00."""
    customer = await place.customer(500)
    bank_account = await place.bank_account(customer)
    place.clock.advance(LATER)
    result = await place.happens(place.starting(customer, bank_account, 100, kind))
    at = NOON + LATER
    return BankTransfer(
        result.bank_transfer_id, customer, bank_account, "topup" if kind == "topup" else "withdrawal", "PENDING", 100, CURRENCY,
        0, at + timedelta(seconds=10), None, None, at, None, "",
    )  # fmt: skip


def answered(place: Town, transfer: BankTransfer, state: str, **more: Any) -> Any:
    return replace(place.settling(transfer.customer_id, transfer.bank_transfer_id, state), **more)


async def test_a_bank_account_is_linked_as_it_was_confirmed_and_unlinked_with_its_time() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await place.customer()
        linked = await place.bank_account(customer)
        expected = BankAccount(linked, customer, "ICBC", sealed("6222020000000000"), sealed("张小明"), NOON, None)
        assert rows(store, BANK_ACCOUNT) == [expected]
        place.clock.advance(LATER)
        await place.happens(
            UnlinkBankAccount(command_id=place.id(), customer_id=customer, bank_account_id=linked, proven_at=NOON)
        )
    assert rows(store, BANK_ACCOUNT) == [replace(expected, unlinked_at=NOON + LATER)]
    assert [(each.customer_id, each.kind, each.at) for each in rows(store, ALERT)] == [(customer, "bank_unlinked", NOON + LATER)]


async def test_a_top_up_begins_with_a_bill_that_moves_nothing_yet() -> None:
    store = MemoryStore()
    async with town(store) as place:
        expected = await started(place, "topup")
        journals = len(rows(store, JOURNAL))
    assert rows(store, BANK_TRANSFER)[-1] == expected and journals == 1
    bill = rows(store, BILL)[-1]
    assert bill == Bill(
        expected.customer_id, bill.bill_id, "topup", "in", 100, CURRENCY, "bank", expected.bank_account_id, "", b"", NOON + LATER,
        None, None, expected.bank_transfer_id, KNOWLEDGE,
    )  # fmt: skip


async def test_a_withdrawal_begins_with_a_bill_and_the_money_on_its_way() -> None:
    store = MemoryStore()
    async with town(store) as place:
        expected = await started(place, "withdrawal")
    journal = rows(store, JOURNAL)[-1]
    assert rows(store, BANK_TRANSFER)[-1] == expected and journal.kind == "withdrawal.start"
    bill = rows(store, BILL)[-1]
    assert bill == Bill(
        expected.customer_id, bill.bill_id, "withdrawal", "out", 100, CURRENCY, "bank", expected.bank_account_id, "", b"",
        NOON + LATER, 400, journal.journal_id, expected.bank_transfer_id, KNOWLEDGE,
    )  # fmt: skip


@pytest.mark.parametrize("kind", ["topup", "withdrawal"])
@pytest.mark.parametrize(("state", "failure"), [("SUCCEEDED", None), ("FAILED", "no_funds")])
async def test_the_banks_answer_is_kept_whole_and_told_to_the_customer(kind: str, state: Any, failure: str | None) -> None:
    store = MemoryStore()
    async with town(store) as place:
        expected = await started(place, kind)
        heard, journals = len(events(store)), len(rows(store, JOURNAL))
        place.clock.advance(LATER)
        await place.happens(answered(place, expected, state, bank_reference="B-1", failure_code=failure))
    assert rows(store, BANK_TRANSFER)[-1] == replace(
        expected, state=state, attempts=1, next_attempt_at=None, bank_reference="B-1", failure_code=failure,
        finished_at=NOON + 2 * LATER,
    )  # fmt: skip
    named = {"bank_transfer_id": str(expected.bank_transfer_id)}
    assert events(store)[heard:] == [(f"customer:{expected.customer_id}", f"{kind}.{state.lower()}", named)]
    posted = [each.kind for each in rows(store, JOURNAL)[journals:]]
    assert posted == ([] if (kind, state) == ("topup", "FAILED") else [f"{kind}.{state.lower()}"])


async def test_silence_of_the_bank_is_waited_out_as_long_as_was_said() -> None:
    store = MemoryStore()
    async with town(store) as place:
        expected = await started(place, "topup")
        heard = len(events(store))
        place.clock.advance(LATER)
        await place.happens(answered(place, expected, "UNKNOWN", retry_in_s=40))
    due = NOON + 2 * LATER + timedelta(seconds=40)
    assert rows(store, BANK_TRANSFER)[-1] == replace(expected, state="UNKNOWN", attempts=1, next_attempt_at=due)
    assert len(events(store)) == heard


async def test_a_contradicting_answer_is_told_with_both_words() -> None:
    async with town() as place:
        expected = await started(place, "withdrawal")
        await place.happens(answered(place, expected, "SUCCEEDED"))
        decision = (await place.submit(answered(place, expected, "FAILED"))).decision
        assert isinstance(decision, Declined) and decision.detail == {"state": "SUCCEEDED", "bank_says": "FAILED"}


async def test_money_in_transit_that_is_not_there_is_a_bug() -> None:
    store = MemoryStore()
    async with town(store) as place:
        expected = await started(place, "withdrawal")
        hold = PlaceHold(
            command_id=place.id(), hold_id=place.id(), code="2301", currency=CURRENCY, owner_id=None, amount_minor=100,
            expires_at=NOON + timedelta(hours=1),
        )  # fmt: skip
        await place.happens(hold)
        with pytest.raises(InvariantBroken, match="transit"):
            await place.submit(answered(place, expected, "FAILED"))
    assert rows(store, BANK_TRANSFER)[-1] == expected


def freezing(place: Town, customer: UUID) -> FreezeAccount:
    return FreezeAccount(
        command_id=place.id(), code="2001", currency=CURRENCY, owner_id=customer, debits=False, credits=True, reason="court"
    )


@pytest.mark.parametrize(("kind", "state"), [("topup", "SUCCEEDED"), ("withdrawal", "FAILED")])
async def test_money_that_a_frozen_wallet_cannot_take_waits_and_is_asked_for_again(kind: str, state: str) -> None:
    store = MemoryStore()
    async with town(store) as place:
        expected = await started(place, kind)
        await place.happens(freezing(place, expected.customer_id))
        heard, journals = len(events(store)), len(rows(store, JOURNAL))
        await place.happens(answered(place, expected, state))
        due = NOON + LATER + timedelta(hours=1)
        assert rows(store, BANK_TRANSFER)[-1] == replace(expected, state="UNKNOWN", attempts=1, next_attempt_at=due)
        await place.happens(answered(place, expected, state))
    assert rows(store, BANK_TRANSFER)[-1] == replace(expected, state="UNKNOWN", attempts=2, next_attempt_at=due)
    assert len(events(store)) == heard and len(rows(store, JOURNAL)) == journals


def _bill(mine: UUID, other: UUID, bill_id: UUID, journal_id: UUID, direction: Any, balance: int) -> Bill:
    note = sealed("payer: 午饭" if direction == "out" else "payee: 午饭")
    return Bill(
        mine, bill_id, "transfer", direction, 30, CURRENCY, "customer", other, "", note, NOON + LATER, balance, journal_id,
        None, KNOWLEDGE if direction == "out" else 0,
    )  # fmt: skip


async def test_a_transfer_leaves_two_bills_of_one_number_and_a_word_to_the_payee() -> None:
    store = MemoryStore()
    async with town(store) as place:
        payer, payee = await place.customer(500), await place.customer(70)
        heard = len(events(store))
        place.clock.advance(LATER)
        sent = await place.happens(place.transferring(payer, payee, 30))
    assert {bill.customer_id: bill for bill in rows(store, BILL)[-2:]} == {
        payer: _bill(payer, payee, sent.bill_id, sent.journal_id, "out", 470),
        payee: _bill(payee, payer, sent.bill_id, sent.journal_id, "in", 100),
    }
    journal = rows(store, JOURNAL)[-1]
    assert (journal.journal_id, journal.kind, journal.memo) == (sent.journal_id, "transfer", "")
    assert events(store)[heard:] == [(f"customer:{payee}", "transfer.received", {"bill_id": str(sent.bill_id)})]


async def test_amounts_that_no_edge_lets_through_are_bugs() -> None:
    async with town() as place:
        payer, payee = await place.customer(500), await place.customer()
        bank_account = await place.bank_account(payer)
        for minor in (0, -100):
            for command in (place.transferring(payer, payee, minor), place.starting(payer, bank_account, minor)):
                with pytest.raises(InvariantBroken):
                    await place.submit(command)

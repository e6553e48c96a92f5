"""What becomes of transfers, bank accounts, top-ups and withdrawals, situation by situation."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest

from tests.support.ladder import Row, answer, declines_of, ladder, said_in
from tests.support.town import WRONG, Town, sealed, town
from tests.wallet.test_cards import ROWS as CARDS
from tests.wallet.test_links import ROWS as LINKS
from tests.wallet.test_small_payments import ROWS as SMALL
from tongbao.engine.api import Command, MemoryStore
from tongbao.wallet import errors
from tongbao.wallet.types import BANK_TRANSFER, BILL, LinkBankAccount, UnlinkBankAccount

ROWS, says = ladder()

#: Three yuan a day.
_DAILY = """
pack = "test"
title = { zh = "试", en = "Test" }
[[rule]]
id = "test"
name = { zh = "试", en = "Test" }
law = "Test"
article = "1"
effective_from = 2020-01-01
verified = true
action = "refuse"
metric = "amount"
window = { kind = "day" }
limit = { CNY = "3.00" }
"""
RECEIVING = _DAILY + 'side = "credit"\nwhen = { kinds = ["receive"] }\ncounts = { kinds = ["receive"] }'
WITHDRAWING = _DAILY + 'when = { kinds = ["withdrawal"] }\ncounts = { kinds = ["withdrawal"] }'

#: Said by the service when a page is looked up, before any command.
AT_THE_EDGE = {"bill_not_found"}


def linking(place: Town, customer: UUID, bank_account: UUID) -> LinkBankAccount:
    return LinkBankAccount(
        command_id=place.id(),
        customer_id=customer,
        bank_account_id=bank_account,
        bank="ICBC",
        number=sealed("6222020000000000"),
        holder_name=sealed("张"),
        holder_index=b"",
    )


def unlinking(place: Town, customer: UUID, bank_account: UUID) -> UnlinkBankAccount:
    return UnlinkBankAccount(
        command_id=place.id(), customer_id=customer, bank_account_id=bank_account, proven_at=place.clock.now()
    )


async def started(place: Town, kind: str = "topup", minor: int = 100) -> tuple[UUID, UUID]:
    """A customer with 500 and a bank transfer that is under way."""
    customer = await place.customer(500)
    result = await place.happens(place.starting(customer, await place.bank_account(customer), minor, kind))
    return customer, result.bank_transfer_id


@says("ok")
async def sending_all_one_has(place: Town) -> Command:
    return place.transferring(await place.customer(500), await place.customer(), 500)


@says("insufficient_funds")
async def sending_a_cent_more(place: Town) -> Command:
    return place.transferring(await place.customer(500), await place.customer(), 501)


@says("insufficient_funds")
async def sending_what_is_held(place: Town) -> Command:
    customer = await place.customer(500)
    await place.happens(place.holding(customer, place.id(), 1))
    return place.transferring(customer, await place.customer(), 500)


@says("payee_is_payer")
async def sending_to_oneself(place: Town) -> Command:
    customer = await place.customer(500)
    return place.transferring(customer, customer, 1, WRONG)


@says("payee_not_found")
async def sending_to_nobody(place: Town) -> Command:
    return place.transferring(await place.customer(500), place.id(), 1, WRONG)


@says("payee_not_found")
async def sending_to_an_operator(place: Town) -> Command:
    operator = (await place.happens(place.registering("ops@example.com", "console"))).principal_id
    return place.transferring(await place.customer(500), operator, 1)


@says("bank_account_linked")
async def linking_a_linked_account(place: Town) -> Command:
    customer = await place.customer()
    return linking(place, customer, await place.bank_account(customer))


@says("ok")
async def linking_an_unlinked_account_again(place: Town) -> Command:
    customer = await place.customer()
    card = await place.bank_account(customer)
    await place.happens(unlinking(place, customer, card))
    return linking(place, customer, card)


@says("bank_account_unknown")
async def unlinking_what_was_never_linked(place: Town) -> Command:
    return unlinking(place, await place.customer(), place.id())


@says("bank_account_unknown")
async def unlinking_somebody_elses(place: Town) -> Command:
    return unlinking(place, await place.customer(), await place.bank_account(await place.customer()))


@says("bank_account_unknown")
async def unlinking_twice(place: Town) -> Command:
    customer = await place.customer()
    card = await place.bank_account(customer)
    await place.happens(unlinking(place, customer, card))
    return unlinking(place, customer, card)


@says("bank_account_unknown")
async def withdrawing_to_somebody_elses_account(place: Town) -> Command:
    return place.starting(await place.customer(500), await place.bank_account(await place.customer()), 1, "withdrawal", WRONG)


@says("bank_account_unknown")
async def withdrawing_to_an_unlinked_account(place: Town) -> Command:
    customer = await place.customer(500)
    card = await place.bank_account(customer)
    await place.happens(unlinking(place, customer, card))
    return place.starting(customer, card, 1, "withdrawal")


@says("wrong_pin")
async def withdrawing_with_a_wrong_pin(place: Town) -> Command:
    customer = await place.customer(500)
    return place.starting(customer, await place.bank_account(customer), 501, "withdrawal", WRONG)


@says("insufficient_funds")
async def withdrawing_more_than_one_has(place: Town) -> Command:
    customer = await place.customer(500)
    return place.starting(customer, await place.bank_account(customer), 501, "withdrawal")


@says("insufficient_funds")
async def spending_what_is_being_withdrawn(place: Town) -> Command:
    customer, _ = await started(place, "withdrawal", 400)
    return place.transferring(customer, await place.customer(), 101)


@says("insufficient_funds")
async def spending_a_top_up_before_the_bank_has_said_yes(place: Town) -> Command:
    customer, _ = await started(place)
    return place.transferring(customer, await place.customer(), 501)


@says("ok")
async def spending_a_withdrawal_that_failed(place: Town) -> Command:
    customer, transfer = await started(place, "withdrawal", 400)
    await place.happens(place.settling(customer, transfer, "FAILED"))
    return place.transferring(customer, await place.customer(), 500)


@says("bank_transfer_unknown")
async def settling_what_was_never_started(place: Town) -> Command:
    return place.settling(await place.customer(), place.id())


@says("bank_transfer_unknown")
async def settling_for_another_customer(place: Town) -> Command:
    _, transfer = await started(place)
    return place.settling(await place.customer(), transfer)


@says("bank_transfer_unknown")
async def settling_in_another_currency(place: Town) -> Command:
    customer, transfer = await started(place)
    return place.settling(customer, transfer, currency="USD")


@says("ok")
async def success_heard_twice(place: Town) -> Command:
    customer, transfer = await started(place)
    await place.happens(place.settling(customer, transfer))
    return place.settling(customer, transfer)


@says("ok")
async def silence_after_success(place: Town) -> Command:
    customer, transfer = await started(place)
    await place.happens(place.settling(customer, transfer))
    return place.settling(customer, transfer, "UNKNOWN")


@says("bank_transfer_settled")
async def failure_after_success(place: Town) -> Command:
    customer, transfer = await started(place)
    await place.happens(place.settling(customer, transfer))
    return place.settling(customer, transfer, "FAILED")


@says("bank_transfer_settled")
async def success_after_failure(place: Town) -> Command:
    customer, transfer = await started(place, "withdrawal")
    await place.happens(place.settling(customer, transfer, "FAILED"))
    return place.settling(customer, transfer)


async def waiting(place: Town, minor: int = 100) -> tuple[UUID, UUID, UUID]:
    """Somebody with 500, somebody else, and a transfer between them that arrives in two hours."""
    payer, payee = await place.customer(500), await place.customer()
    sent = await place.happens(place.transferring(payer, payee, minor, arrival="ordinary"))
    return payer, payee, sent.transfer_id


@says("insufficient_funds")
async def spending_what_is_on_its_way_to_somebody(place: Town) -> Command:
    payer, payee, _ = await waiting(place, 400)
    return place.transferring(payer, payee, 101)


@says("insufficient_funds")
async def sending_a_cent_more_to_arrive_tomorrow(place: Town) -> Command:
    return place.transferring(await place.customer(500), await place.customer(), 501, arrival="next_day")


@says("ok")
async def spending_what_was_taken_back(place: Town) -> Command:
    payer, payee, transfer = await waiting(place, 400)
    await place.happens(place.cancelling(payer, transfer))
    return place.transferring(payer, payee, 500)


@says("ok")
async def taking_back_at_the_last_moment(place: Town) -> Command:
    payer, _, transfer = await waiting(place)
    place.clock.advance(timedelta(hours=2) - timedelta(microseconds=1))
    return place.cancelling(payer, transfer)


@says("transfer_ended")
async def taking_back_when_its_time_has_come(place: Town) -> Command:
    payer, _, transfer = await waiting(place)
    place.clock.advance(timedelta(hours=2))
    return place.cancelling(payer, transfer)


@says("transfer_ended")
async def taking_back_what_has_arrived(place: Town) -> Command:
    payer, payee, transfer = await waiting(place)
    place.clock.advance(timedelta(hours=2))
    await place.happens(place.delivering(transfer, payer, payee))
    return place.cancelling(payer, transfer)


@says("ok")
async def taking_back_twice(place: Town) -> Command:
    payer, _, transfer = await waiting(place)
    await place.happens(place.cancelling(payer, transfer))
    return place.cancelling(payer, transfer)


@says("transfer_not_found")
async def taking_back_what_somebody_else_sent(place: Town) -> Command:
    _, payee, transfer = await waiting(place)
    return place.cancelling(payee, transfer)


@says("transfer_not_found")
async def taking_back_what_was_never_sent(place: Town) -> Command:
    return place.cancelling(await place.customer(), place.id())


@says("transfer_not_found")
async def delivering_to_somebody_else(place: Town) -> Command:
    payer, _, transfer = await waiting(place)
    place.clock.advance(timedelta(hours=2))
    return place.delivering(transfer, payer, payer)


@says("ok")
async def receiving_all_that_one_may(place: Town) -> Command:
    payer, payee = await place.customer(500), await place.customer()
    await place.adopt("none", RECEIVING)
    return place.transferring(payer, payee, 300)


@says("payee_cannot_receive")
async def receiving_a_cent_more(place: Town) -> Command:
    payer, payee = await place.customer(500), await place.customer()
    await place.adopt("none", RECEIVING)
    await place.happens(place.transferring(payer, payee, 300))
    return place.transferring(payer, payee, 1)


@says("limit_reached")
async def withdrawing_more_in_a_day_than_one_may(place: Town) -> Command:
    customer = await place.customer(500)
    card = await place.bank_account(customer)
    await place.adopt("none", WITHDRAWING)
    await place.happens(place.starting(customer, card, 200, "withdrawal"))
    return place.starting(customer, card, 101, "withdrawal")


@says("ok")
async def withdrawing_again_what_the_bank_did_not_take(place: Town) -> Command:
    customer = await place.customer(500)
    card = await place.bank_account(customer)
    await place.adopt("none", WITHDRAWING)
    started = await place.happens(place.starting(customer, card, 300, "withdrawal"))
    await place.happens(place.settling(customer, started.bank_transfer_id, "FAILED"))
    return place.starting(customer, card, 300, "withdrawal")


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_the_wallet_says(row: Row) -> None:
    assert await answer(row) == row.says


def test_every_decline_of_the_wallet_has_its_situation() -> None:
    assert declines_of(errors) - AT_THE_EDGE <= said_in(ROWS) | said_in(CARDS) | said_in(LINKS) | said_in(SMALL)


@pytest.mark.parametrize(
    ("kind", "answers", "state", "wallet", "transit", "reserve"),
    [
        ("topup", [], "PENDING", 500, 0, -500),
        ("topup", ["UNKNOWN"], "UNKNOWN", 500, 0, -500),
        ("topup", ["UNKNOWN", "UNKNOWN", "SUCCEEDED"], "SUCCEEDED", 600, 0, -600),
        ("topup", ["FAILED"], "FAILED", 500, 0, -500),
        ("withdrawal", [], "PENDING", 400, 100, -500),
        ("withdrawal", ["UNKNOWN"], "UNKNOWN", 400, 100, -500),
        ("withdrawal", ["UNKNOWN", "SUCCEEDED", "SUCCEEDED"], "SUCCEEDED", 400, 0, -400),
        ("withdrawal", ["UNKNOWN", "FAILED", "FAILED"], "FAILED", 500, 0, -500),
    ],
)
async def test_where_the_money_is(kind: str, answers: list[str], state: str, wallet: int, transit: int, reserve: int) -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer, transfer = await started(place, kind)
        for said in answers:
            await place.happens(place.settling(customer, transfer, said))
    balances = {account.code: account.posted_minor for account in store.tables.rows["account_master"].values()}
    assert (balances["2001"], balances.get("2301", 0), balances["1001"]) == (wallet, transit, reserve)
    row = store.tables.table(BANK_TRANSFER)[transfer]
    assert (row.state, row.attempts) == (state, len(answers) - (len(answers) > 1 and answers[-1] == answers[-2] != "UNKNOWN"))


async def test_both_sides_of_a_transfer_get_a_bill_with_their_balance() -> None:
    store = MemoryStore()
    async with town(store) as place:
        payer, payee = await place.customer(500), await place.customer(70)
        await place.happens(place.transferring(payer, payee, 30))
    bills = {
        bill.customer_id: (bill.direction, bill.balance_minor) for bill in store.tables.appended[BILL] if bill.kind == "transfer"
    }
    assert bills == {payer: ("out", 470), payee: ("in", 100)}

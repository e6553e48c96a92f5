"""What becomes of debits under an agreement: within its caps, told before, tried again, and never twice."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from msgspec.structs import replace

from tests.payments.agreement_wishes import (
    CAPS,
    DAY,
    agreement_id,
    asked,
    asking,
    changing,
    debiting,
    declined,
    ending,
    noticing,
    pausing,
    resuming,
    revoking,
    signed,
    signing,
    stopping,
)
from tests.support.ladder import Row, answer, ladder
from tests.support.leavings import events, rows
from tests.support.town import CURRENCY, NOON, Town, order_id, town
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.engine.api import Command, Declined, MemoryStore, PostgresStore, Sealer
from tongbao.engine.verify import verify
from tongbao.identity.alerts import MESSAGE
from tongbao.identity.takeover import ReportTakeover
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger.api import ACCOUNT
from tongbao.ledger.commands import FreezeAccount
from tongbao.payments.agreements_debits import DebitDone, period_of
from tongbao.payments.agreements_types import AGREEMENT, DEBIT, Caps, Debit, Period
from tongbao.payments.types import PAYMENT
from tongbao.payments.verify import check_agreements
from tongbao.wallet.rules import wallet_of
from tongbao.wallet.types import BILL

ROWS, says = ladder()
HOUR = timedelta(hours=1)
MOMENT = timedelta(microseconds=1)
WIDE = Caps(10_000, 100_000, 1_000, 10_000)


async def taken(place: Town, *amounts: int, **terms: Any) -> tuple[UUID, UUID]:
    """An agreement under which so much was taken today."""
    merchant, payer = await signed(place, **terms)
    for number, amount in enumerate(amounts):
        await place.happens(debiting(place, merchant, payer, f"before-{number}", amount))
    return merchant, payer


# ── within the caps ─────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def taking_the_most_of_one_debit(place: Town) -> Command:
    return debiting(place, *await signed(place))


@says("debit_exceeds_cap")
async def taking_a_cent_more(place: Town) -> Command:
    return debiting(place, *await signed(place), minor=1001)


@says("debit_exceeds_cap")
async def taking_what_the_payer_lowered(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(changing(place, *parties, replace(CAPS, debit_minor=999)))
    return debiting(place, *parties)


@says("ok")
async def taking_the_last_of_a_day(place: Town) -> Command:
    return debiting(place, *await taken(place, 1000, 1000))


@says("debit_exceeds_day")
async def taking_a_cent_beyond_a_day(place: Town) -> Command:
    return debiting(place, *await taken(place, 1000, 1000, caps=replace(CAPS, day_minor=2999)))


@says("debit_exceeds_count")
async def taking_once_too_often_a_day(place: Town) -> Command:
    return debiting(place, *await taken(place, 1, 1, 1), minor=1)


@says("ok")
async def taking_on_the_next_local_day(place: Town) -> Command:
    parties = await taken(place, 1000, 1000, 1000)
    place.clock.advance(4 * HOUR)  # noon is 20:00 in Shanghai
    return debiting(place, *parties)


@says("debit_exceeds_count")
async def taking_a_moment_before_the_next_local_day(place: Town) -> Command:
    parties = await taken(place, 1, 1, 1)
    place.clock.advance(4 * HOUR - MOMENT)
    return debiting(place, *parties, minor=1)


async def a_full_month(place: Town) -> tuple[UUID, UUID]:
    parties = await taken(place, 1, 1, 1)
    place.clock.advance(DAY)
    for number in ("fourth", "fifth"):
        await place.happens(debiting(place, *parties, number, 1))
    return parties


@says("debit_exceeds_count")
async def taking_once_too_often_a_month(place: Town) -> Command:
    return debiting(place, *await a_full_month(place), minor=1)


@says("ok")
async def taking_in_the_next_month(place: Town) -> Command:
    parties = await a_full_month(place)
    place.clock.advance(30 * DAY)
    return debiting(place, *parties, minor=1)


@says("debit_period_used")
async def taking_twice_in_a_month_that_is_monthly(place: Town) -> Command:
    parties = await taken(place, 1000, period="month")
    place.clock.advance(30 * DAY)  # the last day of the month that began on the first
    return debiting(place, *parties)


@says("ok")
async def taking_in_the_second_month_of_what_is_monthly(place: Town) -> Command:
    parties = await taken(place, 1000, period="month")
    place.clock.advance(31 * DAY)
    return debiting(place, *parties)


@says("debit_too_early")
async def taking_before_the_first_day(place: Town) -> Command:
    return debiting(place, *await signed(place, first_debit_on=date(2026, 3, 2)))


@says("ok")
async def taking_on_the_first_day(place: Town) -> Command:
    parties = await signed(place, first_debit_on=date(2026, 3, 2))
    place.clock.advance(4 * HOUR)
    return debiting(place, *parties)


# ── the state of the agreement, and whose it is ─────────────────────────────────────────────────────────────────────────


@says("agreement_not_signed")
async def taking_from_who_never_signed(place: Town) -> Command:
    return debiting(place, *await asked(place))


@says("agreement_paused")
async def taking_while_paused(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(pausing(place, *parties))
    return debiting(place, *parties)


@says("ok")
async def taking_when_it_goes_on(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(pausing(place, *parties))
    await place.happens(resuming(place, *parties))
    return debiting(place, *parties)


@says("agreement_ended")
async def taking_what_was_revoked(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(revoking(place, *parties))
    return debiting(place, *parties)


@says("agreement_not_found")
async def taking_under_another_merchants(place: Town) -> Command:
    merchant, payer = await signed(place)
    return debiting(place, merchant, payer, merchant_id=await place.merchant())


@says("agreement_not_found")
async def taking_from_another_customer(place: Town) -> Command:
    return debiting(place, (await signed(place))[0], await place.customer(1000))


@says("agreement_not_found")
async def taking_under_what_is_not_there(place: Town) -> Command:
    return debiting(place, await place.merchant(), await place.customer(1000))


@says("currency_mismatch")
async def taking_in_another_currency(place: Town) -> Command:
    return debiting(place, *await signed(place), currency="USD")


# ── the payer's money ───────────────────────────────────────────────────────────────────────────────────────────────────


@says("debit_funds_insufficient")
async def taking_more_than_is_there(place: Town) -> Command:
    return debiting(place, *await signed(place, 999))


@says("debit_not_possible")
async def taking_from_who_is_suspended(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(ReportTakeover(command_id=place.id(), customer_id=parties[1], session_ids=()))
    return debiting(place, *parties)


@says("debit_not_possible")
async def taking_from_a_frozen_wallet(place: Town) -> Command:
    parties = await signed(place)
    freeze = FreezeAccount(
        command_id=place.id(), code="2001", currency=CURRENCY, owner_id=parties[1], debits=True, credits=False, reason="court"
    )
    await place.happens(freeze)
    return debiting(place, *parties)


@says("debit_not_possible")
async def taking_beyond_what_the_law_lets_go_unconfirmed(place: Town) -> Command:
    await place.adopt("cn")
    merchant, payer = await place.merchant(), await place.customer(200_000)
    return await _after_a_day(place, merchant, payer)


async def _after_a_day(place: Town, merchant: UUID, payer: UUID) -> Command:

    caps = Caps(100_001, 100_001, 1, 1)
    await place.happens(asking(place, merchant, caps=caps))
    await place.happens(signing(place, merchant, payer, caps=caps))
    return debiting(place, merchant, payer, minor=100_001)


# ── once ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def the_same_again(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(debiting(place, *parties))
    return debiting(place, *parties)


@says("ok")
async def the_same_again_when_it_was_revoked_since(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(debiting(place, *parties))
    await place.happens(revoking(place, *parties))
    return debiting(place, *parties)


@says("out_trade_no_used")
async def another_amount_under_the_same_number(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(debiting(place, *parties))
    return debiting(place, *parties, minor=999)


@says("out_trade_no_used")
async def the_number_of_an_order(place: Town) -> Command:
    merchant, payer = await signed(place)
    await place.happens(place.ordering(merchant, "debit"))
    return debiting(place, merchant, payer)


@says("out_trade_no_used")
async def telling_of_the_number_of_an_order(place: Town) -> Command:
    merchant, payer = await signed(place)
    await place.happens(place.ordering(merchant, "debit"))
    return noticing(place, merchant, payer)


# ── told before ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("debit_notice_missing")
async def taking_what_nobody_was_told_of(place: Town) -> Command:
    return debiting(place, *await signed(place, notice_hours=24))


async def noticed(place: Town, waits: timedelta = DAY, **terms: Any) -> tuple[UUID, UUID]:
    parties = await signed(place, notice_hours=24, **terms)
    await place.happens(noticing(place, *parties, minor=900))
    place.clock.advance(waits)
    return parties


@says("ok")
async def taking_what_was_told_a_day_before(place: Town) -> Command:
    return debiting(place, *await noticed(place), minor=900)


@says("ok")
async def taking_less_than_was_told(place: Town) -> Command:
    return debiting(place, *await noticed(place), minor=1)


@says("debit_beyond_notice")
async def taking_more_than_was_told(place: Town) -> Command:
    return debiting(place, *await noticed(place), minor=901)


@says("debit_too_early")
async def taking_a_moment_too_early(place: Town) -> Command:
    return debiting(place, *await noticed(place, DAY - MOMENT), minor=900)


@says("debit_notice_lapsed")
async def taking_a_month_later(place: Town) -> Command:
    return debiting(place, *await noticed(place, 31 * DAY), minor=900)


@says("debit_stopped")
async def taking_what_the_payer_stopped(place: Town) -> Command:
    parties = await noticed(place)
    await place.happens(stopping(place, *parties))
    return debiting(place, *parties, minor=900)


@says("ok")
async def telling_the_same_again(place: Town) -> Command:
    return noticing(place, *await noticed(place), minor=900)


@says("out_trade_no_used")
async def telling_another_amount_under_the_same_number(place: Town) -> Command:
    return noticing(place, *await noticed(place), minor=901)


@says("debit_exceeds_cap")
async def telling_of_more_than_may_be_taken(place: Town) -> Command:
    return noticing(place, *await signed(place), minor=1001)


@says("agreement_paused")
async def telling_while_paused(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(pausing(place, *parties))
    return noticing(place, *parties)


@says("agreement_not_found")
async def telling_of_another_merchants(place: Town) -> Command:
    merchant, payer = await signed(place)
    return noticing(place, merchant, payer, merchant_id=await place.merchant())


# ── stopping ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("debit_not_found")
async def stopping_what_is_not_there(place: Town) -> Command:
    return stopping(place, *await signed(place))


@says("debit_not_found")
async def stopping_somebody_elses(place: Town) -> Command:
    return stopping(place, (await noticed(place))[0], await place.customer())


@says("debit_ended")
async def stopping_what_was_taken(place: Town) -> Command:
    parties = await signed(place)
    await place.happens(debiting(place, *parties))
    return stopping(place, *parties)


@says("ok")
async def stopping_twice(place: Town) -> Command:
    parties = await noticed(place)
    await place.happens(stopping(place, *parties))
    return stopping(place, *parties)


# ── tried again ─────────────────────────────────────────────────────────────────────────────────────────────────────────


async def waiting(place: Town, **terms: Any) -> tuple[UUID, UUID]:
    """A debit of 10.00 waits, for its payer has 9.99."""
    parties = await signed(place, 999, **terms)
    await place.happens(declined(place, *parties))
    return parties


async def filled(place: Town, payer: UUID, minor: int = 1) -> None:
    await place.happens(place.transferring(await place.customer(minor), payer, minor))


@says("ok")
async def trying_again_with_money(place: Town) -> Command:
    parties = await waiting(place)
    await filled(place, parties[1])
    return debiting(place, *parties, attempt=2)


@says("debit_funds_insufficient")
async def trying_again_without(place: Town) -> Command:
    return debiting(place, *await waiting(place), attempt=2)


@says("out_trade_no_used")
async def trying_again_another_amount(place: Town) -> Command:
    return debiting(place, *await waiting(place), minor=1, attempt=2)


@says("debit_stopped")
async def trying_again_what_was_stopped(place: Town) -> Command:
    parties = await waiting(place)
    await place.happens(stopping(place, *parties))
    return debiting(place, *parties, attempt=2)


@says("debit_failed")
async def trying_again_what_has_failed(place: Town) -> Command:
    parties = await waiting(place)
    await place.happens(declined(place, *parties, 2))
    await place.happens(declined(place, *parties, 3))
    return debiting(place, *parties, attempt=4)


@says("agreement_ended")
async def trying_again_when_it_has_ended(place: Town) -> Command:
    parties = await waiting(place)
    await place.happens(ending(place, parties[0]))
    return debiting(place, *parties, attempt=2)


@says("agreement_not_found")
async def recording_for_another_customer(place: Town) -> Command:
    return declined(place, (await signed(place))[0], await place.customer())


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_debits_say(row: Row) -> None:
    assert await answer(row) == row.says


# ── what is left behind ─────────────────────────────────────────────────────────────────────────────────────────────────


def the_debit(store: MemoryStore) -> Debit:
    (found,) = rows(store, DEBIT)
    return found


def told(store: MemoryStore) -> list[str]:

    return [json.loads(each.facts)["what"] for each in rows(store, MESSAGE) if each.kind == "agreement"]


async def test_a_debit_that_was_taken_is_a_payment_a_bill_and_a_count() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await signed(place)
        done = await place.happens(debiting(place, merchant, payer))
    payment_id = order_id(merchant, "debit")
    assert done == DebitDone(payment_id, "TAKEN")
    assert the_debit(store) == Debit(
        payment_id, agreement_id(merchant), merchant, payer, "debit", "三月", 1000, CURRENCY, "TAKEN", 1, NOON, None, NOON, None,
        NOON, None,
    )  # fmt: skip
    (payment,) = rows(store, PAYMENT)
    assert (payment.state, payment.method, payment.payer_id, payment.paid_minor, payment.factors) == (
        "PAID", "agreement", payer, 1000, 0,
    )  # fmt: skip
    bill = rows(store, BILL)[-1]
    assert (bill.customer_id, bill.kind, bill.amount_minor, bill.title, bill.factors) == (payer, "payment", 1000, "三月", 0)
    (found,) = rows(store, AGREEMENT)
    day = date(2026, 3, 1)
    counted = (found.day, found.day_used_minor, found.day_used_count, found.month, found.month_used_count, found.last_period)
    assert counted == (day.toordinal(), 1000, 1, 2026 * 12 + 3, 1, 0)
    assert (found.debits, found.last_debit_at) == (1, NOON)
    assert told(store) == ["taken"]
    assert [kind for _, kind, _ in events(store, f"agreements:{merchant}")] == ["agreement.signed", "debit.taken"]


async def test_what_was_declined_leaves_no_trace() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await signed(place, 999)
        before = rows(store, AGREEMENT), len(rows(store, MESSAGE)), len(events(store))
        decision = (await place.submit(debiting(place, merchant, payer))).decision
    assert isinstance(decision, Declined) and decision.detail == {}, "what the payer has is not the merchant's to know"
    assert (rows(store, AGREEMENT), len(rows(store, MESSAGE)), len(events(store))) == before
    assert rows(store, DEBIT) == [] and rows(store, PAYMENT) == []


async def test_a_lack_of_money_is_waited_for_as_often_as_agreed_and_both_are_told() -> None:
    store = MemoryStore()
    async with town(store) as place:
        parties = await signed(place, 999)
        for attempt, (state, due) in enumerate([("WAITING", 1), ("WAITING", 2), ("FAILED", None)], 1):
            await place.happens(declined(place, *parties, attempt))
            found = the_debit(store)
            assert (found.state, found.attempts, found.failure_code) == (state, attempt, "debit_funds_insufficient")
            assert found.next_attempt_at == (None if due is None else NOON + due * DAY)
            assert found.ended_at == (None if due is not None else place.clock.now())
            await place.happens(declined(place, *parties, attempt))  # twice is once
            assert the_debit(store) == found
            place.clock.advance(DAY)
    assert told(store) == ["waiting", "waiting", "failed"]
    topic = f"agreements:{parties[0]}"
    assert [kind for _, kind, _ in events(store, topic)][1:] == ["debit.waiting", "debit.waiting", "debit.failed"]


@pytest.mark.parametrize("code", ["debit_not_possible", "agreement_paused", "debit_exceeds_day"])
async def test_what_no_money_would_cure_is_not_waited_for(code: str) -> None:
    store = MemoryStore()
    async with town(store) as place:
        parties = await waiting(place)
        await place.happens(declined(place, *parties, 2, code))
    found = the_debit(store)
    assert (found.state, found.failure_code, found.next_attempt_at) == ("FAILED", code, None)


async def test_an_agreement_of_one_attempt_waits_for_nothing() -> None:
    store = MemoryStore()
    async with town(store) as place:
        await place.happens(declined(place, *await signed(place, 999, attempts=1)))
    assert the_debit(store).state == "FAILED"


async def test_a_wish_that_comes_again_while_it_waits_is_no_attempt() -> None:
    store = MemoryStore()
    async with town(store) as place:
        parties = await waiting(place)
        await filled(place, parties[1])
        done = await place.happens(debiting(place, *parties))
        assert done.state == "WAITING" and rows(store, PAYMENT) == []
        assert (await place.happens(debiting(place, *parties, attempt=2))).state == "TAKEN"
    found = the_debit(store)
    assert (found.state, found.attempts, found.failure_code, found.next_attempt_at) == ("TAKEN", 2, None, None)


async def test_what_was_told_and_taken_for_less_is_kept_as_it_was_taken() -> None:
    store = MemoryStore()
    async with town(store) as place:
        parties = await noticed(place)
        assert the_debit(store).due_at == NOON + DAY and told(store) == ["noticed"]
        await place.happens(debiting(place, *parties, minor=300))
    found = the_debit(store)
    assert (found.state, found.amount_minor, found.noticed_at, found.ended_at) == ("TAKEN", 300, NOON, NOON + DAY)


async def test_a_debit_of_nothing_is_a_bug() -> None:
    async with town() as place:
        parties = await signed(place)
        for wish in (debiting(place, *parties, minor=0), noticing(place, *parties, minor=-1)):
            with pytest.raises(InvariantBroken):
                await place.submit(wish)


async def test_a_thousand_debits_at_once_never_exceed_a_cap() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await signed(place, 500_000, caps=replace(WIDE, day_minor=70_000, day_count=900))
        wishes = [debiting(place, merchant, payer, f"debit-{number}", 100) for number in range(1_000)]
        said = await asyncio.gather(*(place.says(wish) for wish in wishes))
    assert Counter(said) == {"ok": 700, "debit_exceeds_day": 300}
    (found,) = rows(store, AGREEMENT)
    assert (found.day_used_minor, found.day_used_count, found.debits) == (70_000, 700, 700)
    assert store.tables.table(ACCOUNT)[wallet_of(payer, CURRENCY).account_id].posted_minor == 430_000


async def test_a_thousand_debits_at_once_are_never_more_than_agreed() -> None:
    async with town() as place:
        merchant, payer = await signed(place, 500_000, caps=replace(WIDE, month_count=10))
        wishes = [debiting(place, merchant, payer, f"debit-{number}", 100) for number in range(1_000)]
        said = await asyncio.gather(*(place.says(wish) for wish in wishes))
    assert Counter(said) == {"ok": 10, "debit_exceeds_count": 990}


async def test_one_number_a_hundred_times_at_once_is_taken_once() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await signed(place, 500_000, caps=WIDE)
        said = await asyncio.gather(*(place.says(debiting(place, merchant, payer, minor=100)) for _ in range(100)))
    assert Counter(said) == {"ok": 100} and len(rows(store, PAYMENT)) == 1


@pytest.mark.parametrize(
    ("period", "first", "day", "number"),
    [
        ("any", date(2026, 3, 1), date(2027, 3, 1), 0),
        ("week", date(2026, 3, 1), date(2026, 3, 7), 0),
        ("week", date(2026, 3, 1), date(2026, 3, 8), 1),
        ("month", date(2026, 1, 31), date(2026, 2, 27), 0),
        ("month", date(2026, 1, 31), date(2026, 2, 28), 1),
        ("month", date(2026, 1, 31), date(2026, 3, 30), 1),
        ("month", date(2026, 1, 31), date(2026, 3, 31), 2),
        ("month", date(2026, 12, 15), date(2027, 1, 15), 1),
        ("year", date(2024, 2, 29), date(2025, 2, 27), 0),
        ("year", date(2024, 2, 29), date(2025, 2, 28), 1),
        ("year", date(2026, 3, 1), date(2027, 2, 28), 0),
        ("year", date(2026, 3, 1), date(2028, 3, 1), 2),
    ],
)
def test_periods_are_counted_from_the_first_debit(period: Period, first: date, day: date, number: int) -> None:
    assert period_of(period, first, day) == number


async def test_verify_compares_agreements_debits_and_payments(database: str) -> None:
    async with town(PostgresStore(database, sealer=Sealer())) as place:
        merchant, payer = await signed(place)
        await place.happens(debiting(place, merchant, payer))
    connection = await asyncpg.connect(database)
    try:
        assert (await verify(connection, RELATIONS, Sealer(), CHECKS)).problem is None
        for alteration, says in (
            ("update agreement set debits = 2", "2 debits are noted, 1 were taken"),
            ("update payment set method = 'qr', factors = 1", "is not what a debit"),
            ("update debit set payer_id = gen_random_uuid()", "is not what a debit"),
            ("update debit set state = 'FAILED'; update agreement set debits = 0", "is not what a debit"),
        ):
            transaction = connection.transaction()
            await transaction.start()
            await connection.execute(alteration)
            with pytest.raises(Exception, match=says):
                await check_agreements(connection)
            await transaction.rollback()
    finally:
        await connection.close()

"""Payers who are asked: what their code alone may not pay waits for their word."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.identity.instrument_situations import OTHER, at_till, bound, missed, shown
from tests.payments.test_races import assert_books_hold, compete, value
from tests.support.ladder import Row, answer, ladder
from tests.support.leavings import events, rows
from tests.support.town import NOON, Town, order_id, town
from tongbao.engine.api import Command, MemoryStore, PostgresStore
from tongbao.identity.instrument_rules import BindInstrument
from tongbao.identity.instruments import INSTRUMENT, MOST_MISSES_A_DAY
from tongbao.kernel.errors import InvariantBroken
from tongbao.payments.asks import ASK, AskPayer, RefuseAsk
from tongbao.payments.claim_service import ASKED_FOR_S
from tongbao.payments.types import PAYMENT

ROWS, says = ladder()


async def asking(place: Town, minor: int = 60_000, nonce: int = 1) -> tuple[AskPayer, BindInstrument]:
    """A till that asks the payer of a code for more than goes without a PIN."""
    wish, merchant = await bound(place, 100_000), await place.merchant()
    order = place.ordering(merchant, "till", minor, expires_in_s=ASKED_FOR_S)
    return AskPayer(
        command_id=place.id(), order=order, payer_id=wish.customer_id, method="qr_payer", confirmation=shown(wish, nonce)
    ), wish


async def asked(place: Town) -> tuple[UUID, UUID]:
    """The merchant, and the payer who was asked."""
    wish, code = await asking(place)
    await place.happens(wish)
    return wish.order.merchant_id, code.customer_id


@says("ok")
async def a_payer_who_can_be_asked(place: Town) -> Command:
    return (await asking(place))[0]


@says("out_trade_no_used")
async def asking_under_a_number_that_is_used(place: Town) -> Command:
    wish, _ = await asking(place)
    await place.happens(replace(wish.order, command_id=place.id()))
    return wish


@says("merchant_not_found")
async def asking_for_nobody(place: Town) -> Command:
    wish, _ = await asking(place)
    return replace(wish, order=replace(wish.order, merchant_id=place.id()))


@says("currency_mismatch")
async def asking_in_a_currency_that_the_merchant_does_not_take(place: Town) -> Command:
    wish, _ = await asking(place)
    return replace(wish, order=replace(wish.order, currency="KES"))


@says("instrument_used")
async def asking_with_a_proof_that_was_paid_with(place: Town) -> Command:
    wish, code = await asking(place)
    await place.happens(await at_till(place, code))
    return wish


@says("too_many_wrong_proofs")
async def asking_from_a_till_that_guesses(place: Town) -> Command:
    wish, _ = await asking(place)
    await missed(place, OTHER, MOST_MISSES_A_DAY, wish.order.merchant_id)
    return wish


@says("ok")
async def the_payer_confirms(place: Town) -> Command:
    merchant, payer = await asked(place)
    return place.paying(merchant, "till", payer, 60_000)


@says("ok")
async def the_payer_says_no(place: Town) -> Command:
    merchant, payer = await asked(place)
    return RefuseAsk(command_id=place.id(), payment_id=order_id(merchant, "till"), customer_id=payer)


@says("payment_not_found")
async def somebody_else_says_no(place: Town) -> Command:
    merchant, _ = await asked(place)
    return RefuseAsk(command_id=place.id(), payment_id=order_id(merchant, "till"), customer_id=await place.customer())


@says("payment_not_found")
async def saying_no_to_an_order_for_which_nobody_asked(place: Town) -> Command:
    merchant, payer = await place.merchant(), await place.customer()
    await place.happens(place.ordering(merchant, "till"))
    return RefuseAsk(command_id=place.id(), payment_id=order_id(merchant, "till"), customer_id=payer)


@says("order_paid")
async def saying_no_after_yes(place: Town) -> Command:
    merchant, payer = await asked(place)
    await place.happens(place.paying(merchant, "till", payer, 60_000))
    return RefuseAsk(command_id=place.id(), payment_id=order_id(merchant, "till"), customer_id=payer)


@says("order_expired")
async def saying_no_too_late(place: Town) -> Command:
    merchant, payer = await asked(place)
    place.clock.advance(timedelta(seconds=ASKED_FOR_S))
    return RefuseAsk(command_id=place.id(), payment_id=order_id(merchant, "till"), customer_id=payer)


@says("order_closed")
async def yes_after_no(place: Town) -> Command:
    merchant, payer = await asked(place)
    await place.happens(RefuseAsk(command_id=place.id(), payment_id=order_id(merchant, "till"), customer_id=payer))
    return place.paying(merchant, "till", payer, 60_000)


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_asking_says(row: Row) -> None:
    assert await answer(row) == row.says


async def test_asking_uses_the_proof_and_tells_both_sides() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wish, code = await asking(place, nonce=5)
        await place.happens(wish)
        assert await place.says(await at_till(place, code, nonce=5)) == "instrument_used"
    (payment,), (ask,), (instrument,) = rows(store, PAYMENT), rows(store, ASK), rows(store, INSTRUMENT)
    assert (payment.state, payment.payer_id, payment.expires_at) == ("CREATED", None, NOON + timedelta(seconds=ASKED_FOR_S))
    assert (ask.payment_id, ask.customer_id, ask.method, ask.refused_at) == (
        payment.payment_id, code.customer_id, "qr_payer", None,
    )  # fmt: skip
    assert instrument.nonce == 5
    told = [(topic, kind) for topic, kind, _ in events(store) if kind.startswith("payment.")]
    assert told == [
        (f"merchant:{payment.merchant_id}", "payment.created"), (f"customer:{code.customer_id}", "payment.asked"),
    ]  # fmt: skip


async def test_a_refusal_closes_the_order_and_tells_the_merchant() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await asked(place)
        place.clock.advance(timedelta(seconds=5))
        await place.happens(RefuseAsk(command_id=place.id(), payment_id=order_id(merchant, "till"), customer_id=payer))
    at = NOON + timedelta(seconds=5)
    assert [(each.state, each.closed_at) for each in rows(store, PAYMENT)] == [("CLOSED", at)]
    assert [each.refused_at for each in rows(store, ASK)] == [at]
    assert [(kind, told["state"]) for _, kind, told in events(store, "merchant:")] == [
        ("payment.created", "CREATED"), ("payment.closed", "CLOSED"),
    ]  # fmt: skip


async def test_a_payer_has_three_minutes_and_is_told_which_order_asks() -> None:
    assert ASKED_FOR_S == 180
    store = MemoryStore()
    async with town(store) as place:
        wish, code = await asking(place)
        await place.happens(wish)
        again = replace(wish, confirmation=shown(code, 77))
        assert wish.fingerprint() == again.fingerprint() != replace(wish, method="nfc").fingerprint()
    assert events(store, "customer:")[-1:] == [
        (f"customer:{code.customer_id}", "payment.asked", {"payment_id": str(wish.order.payment_id)})
    ]


async def test_nothing_is_asked_for_nothing() -> None:
    async with town() as place:
        wish, _ = await asking(place)
        with pytest.raises(InvariantBroken, match="an amount of 0"):
            await place.submit(replace(wish, order=replace(wish.order, amount_minor=0)))


async def test_a_payment_by_code_counts_what_it_spends_and_forgets_wrong_proofs() -> None:
    store = MemoryStore()
    async with town(store) as place:
        wish = await bound(place, day=5000)
        await missed(place, wish.number, 3)
        await place.happens(await at_till(place, wish, 1200, nonce=7))
        await place.happens(await at_till(place, wish, 300, nonce=9))
    (instrument,) = rows(store, INSTRUMENT)
    assert (instrument.nonce, instrument.wrong, instrument.spent_minor, instrument.day) == (9, 0, 1500, NOON.date())
    assert {(each.state, each.method, each.factors) for each in rows(store, PAYMENT)} == {("PAID", "qr_payer", 2)}


async def test_one_code_pays_once_at_a_thousand_tills(database: str) -> None:
    async with town(PostgresStore(database)) as place:
        wish = await bound(place, 10**6, kind="nfc")  # lives longer than from the town's noon until now
        merchants = [await place.merchant() for _ in range(2)]
        answers = await compete(database, [await at_till(place, wish, merchant=merchants[n // 2 % 2]) for n in range(1000)])
        assert Counter(each.code for each in answers) == {"ok": 1, "instrument_used": 999}
        assert await value(database, "select count(*) from payment where state = 'PAID'") == 1
        assert await value(database, "select posted_minor from account where code = '2001'") == 10**6 - 1000
        await assert_books_hold(database)

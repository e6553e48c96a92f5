"""What becomes of orders, payments and refunds, situation by situation."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.payments.test_agreements import ROWS as AGREEMENTS
from tests.payments.test_debits import ROWS as DEBITS
from tests.payments.test_funding_ladder import ROWS as OF_PARTS
from tests.support.ladder import Row, answer, declines_of, ladder, said_in
from tests.support.town import WRONG, Town, order_id, town
from tongbao.engine.api import Command, MemoryStore
from tongbao.identity.takeover import ReportTakeover
from tongbao.payments import errors
from tongbao.payments.types import PAYMENT, ExpireOrder

ROWS, says = ladder()


async def ordered(place: Town, minor: int = 1000) -> tuple[UUID, UUID]:
    """A merchant with an order, and a customer who can pay it exactly."""
    merchant = await place.merchant()
    await place.happens(place.ordering(merchant, "order", minor))
    return merchant, await place.customer(minor)


async def paid(place: Town, minor: int = 1000) -> tuple[UUID, UUID]:
    merchant, payer = await ordered(place, minor)
    await place.happens(place.paying(merchant, "order", payer, minor))
    return merchant, payer


# ── orders ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("merchant_not_found")
async def an_order_of_nobody(place: Town) -> Command:
    return place.ordering(place.id(), "order")


@says("ok")
async def the_same_order_again_under_another_key(place: Town) -> Command:
    merchant, _ = await ordered(place)
    return place.ordering(merchant, "order")


@says("out_trade_no_used")
async def the_same_number_for_another_amount(place: Town) -> Command:
    merchant, _ = await ordered(place)
    return place.ordering(merchant, "order", 1001)


@says("out_trade_no_used")
async def the_same_number_for_another_subject(place: Town) -> Command:
    merchant, _ = await ordered(place)
    return place.ordering(merchant, "order", subject="other")


@says("currency_mismatch")
async def the_same_number_in_another_currency(place: Town) -> Command:
    merchant, _ = await ordered(place)
    return place.ordering(merchant, "order", currency="USD")


@says("currency_mismatch")
async def an_order_in_another_currency_than_the_merchants(place: Town) -> Command:
    return place.ordering(await place.merchant(currency="JPY"), "order")


@says("ok")
async def an_order_in_the_merchants_own_currency(place: Town) -> Command:
    return place.ordering(await place.merchant(currency="JPY"), "order", currency="JPY")


@says("ok")
async def the_same_number_of_another_merchant(place: Town) -> Command:
    await ordered(place)
    return place.ordering(await place.merchant(), "order", 77)


# ── paying an order ─────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def paying_with_all_one_has(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.paying(merchant, "order", payer)


@says("payment_not_found")
async def paying_what_was_never_ordered(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.paying(merchant, "other", payer)


@says("payment_not_found")
async def paying_an_order_in_the_name_of_another_merchant(place: Town) -> Command:
    merchant, payer = await ordered(place)
    wish = place.paying(merchant, "order", payer)
    return type(wish)(**{name: getattr(wish, name) for name in wish.__struct_fields__} | {"merchant_id": await place.merchant()})


@says("order_paid")
async def paying_twice(place: Town) -> Command:
    merchant, payer = await paid(place)
    return place.paying(merchant, "order", payer, confirmation=WRONG)


@says("order_paid")
async def paying_what_another_has_paid(place: Town) -> Command:
    merchant, _ = await paid(place)
    return place.paying(merchant, "order", await place.customer(1000))


@says("order_closed")
async def paying_a_closed_order(place: Town) -> Command:
    merchant, payer = await ordered(place)
    await place.happens(place.closing(merchant, "order"))
    return place.paying(merchant, "order", payer)


@says("ok")
async def paying_at_the_last_moment(place: Town) -> Command:
    merchant, payer = await ordered(place)
    place.clock.advance(timedelta(seconds=300) - timedelta(microseconds=1))
    return place.paying(merchant, "order", payer)


@says("order_expired")
async def paying_a_moment_too_late(place: Town) -> Command:
    merchant, payer = await ordered(place)
    place.clock.advance(timedelta(seconds=300))
    return place.paying(merchant, "order", payer)


@says("order_expired")
async def paying_after_the_janitor_came(place: Town) -> Command:
    merchant, payer = await ordered(place)
    place.clock.advance(timedelta(seconds=300))
    await place.happens(ExpireOrder(command_id=place.id(), payment_id=order_id(merchant, "order")))
    return place.paying(merchant, "order", payer)


@says("ok")
async def paying_after_the_janitor_came_too_early(place: Town) -> Command:
    merchant, payer = await ordered(place)
    await place.happens(ExpireOrder(command_id=place.id(), payment_id=order_id(merchant, "order")))
    return place.paying(merchant, "order", payer)


@says("amount_mismatch")
async def paying_another_amount_than_was_ordered(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.paying(merchant, "order", payer, 999, confirmation=WRONG)


@says("amount_mismatch")
async def paying_in_another_currency(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.paying(merchant, "order", payer, currency="USD")


@says("wrong_pin")
async def paying_with_a_wrong_pin(place: Town) -> Command:
    merchant, _ = await ordered(place)
    return place.paying(merchant, "order", await place.customer(), confirmation=WRONG)


@says("pin_not_set")
async def paying_without_a_pin(place: Town) -> Command:
    merchant, _ = await ordered(place)
    return place.paying(merchant, "order", await place.customer(pin=False))


@says("insufficient_funds")
async def paying_a_cent_more_than_one_has(place: Town) -> Command:
    merchant, _ = await ordered(place)
    return place.paying(merchant, "order", await place.customer(999))


# ── paying at once ──────────────────────────────────────────────────────────────────────────────────────────────────────


@says("merchant_not_found")
async def paying_nobody_at_once(place: Town) -> Command:
    return place.paying_at_once(place.id(), "order", await place.customer(1000))


@says("out_trade_no_used")
async def paying_at_once_under_a_used_number(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.paying_at_once(merchant, "order", payer)


@says("wrong_pin")
async def paying_at_once_with_a_wrong_pin(place: Town) -> Command:
    return place.paying_at_once(await place.merchant(), "order", await place.customer(), confirmation=WRONG)


@says("ok")
async def a_number_that_failed_may_be_used_again(place: Town) -> Command:
    merchant, payer = await place.merchant(), await place.customer(1000)
    assert await place.says(place.paying_at_once(merchant, "order", payer, confirmation=WRONG)) == "wrong_pin"
    return place.paying_at_once(merchant, "order", payer)


@says("currency_mismatch")
async def paying_at_once_in_another_currency_than_the_merchants(place: Town) -> Command:
    merchant, payer = await place.merchant(currency="JPY"), await place.customer(1000)
    return place.paying_at_once(merchant, "order", payer)


@says("currency_mismatch")
async def a_used_number_at_once_in_another_currency(place: Town) -> Command:
    merchant, payer = await paid(place)
    return place.paying_at_once(merchant, "order", payer, currency="USD")


# ── closing ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("payment_not_found")
async def closing_what_was_never_ordered(place: Town) -> Command:
    return place.closing(await place.merchant(), "order")


@says("payment_not_found")
async def closing_another_merchants_order(place: Town) -> Command:
    merchant, _ = await ordered(place)
    wish = place.closing(merchant, "order")
    return type(wish)(command_id=wish.command_id, payment_id=wish.payment_id, merchant_id=await place.merchant())


@says("order_paid")
async def closing_a_paid_order(place: Town) -> Command:
    merchant, _ = await paid(place)
    return place.closing(merchant, "order")


@says("order_closed")
async def closing_twice(place: Town) -> Command:
    merchant, _ = await ordered(place)
    await place.happens(place.closing(merchant, "order"))
    return place.closing(merchant, "order")


@says("order_expired")
async def closing_too_late(place: Town) -> Command:
    merchant, _ = await ordered(place)
    place.clock.advance(timedelta(seconds=300))
    return place.closing(merchant, "order")


# ── refunds ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def refunding_everything(place: Town) -> Command:
    merchant, payer = await paid(place)
    return place.refunding(merchant, "order", payer, "refund", 1000)


@says("payment_not_found")
async def refunding_what_was_never_ordered(place: Town) -> Command:
    return place.refunding(await place.merchant(), "order", await place.customer(), "refund", 1)


@says("payment_not_found")
async def refunding_another_merchants_payment(place: Town) -> Command:
    merchant, payer = await paid(place)
    wish = place.refunding(merchant, "order", payer, "refund", 1)
    return type(wish)(**{name: getattr(wish, name) for name in wish.__struct_fields__} | {"merchant_id": await place.merchant()})


@says("order_not_paid")
async def refunding_an_unpaid_order(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.refunding(merchant, "order", payer, "refund", 1)


@says("order_not_paid")
async def refunding_to_somebody_else(place: Town) -> Command:
    merchant, _ = await paid(place)
    return place.refunding(merchant, "order", await place.customer(), "refund", 1)


@says("order_not_paid")
async def refunding_in_another_currency(place: Town) -> Command:
    merchant, payer = await paid(place)
    return place.refunding(merchant, "order", payer, "refund", 1, currency="USD")


@says("refund_exceeds_paid")
async def refunding_a_cent_more(place: Town) -> Command:
    merchant, payer = await paid(place)
    return place.refunding(merchant, "order", payer, "refund", 1001)


@says("refund_exceeds_paid")
async def refunding_a_cent_more_in_two(place: Town) -> Command:
    merchant, payer = await paid(place)
    await place.happens(place.refunding(merchant, "order", payer, "refund", 1))
    return place.refunding(merchant, "order", payer, "other", 1000)


@says("ok")
async def the_same_refund_again_under_another_key(place: Town) -> Command:
    merchant, payer = await paid(place)
    await place.happens(place.refunding(merchant, "order", payer, "refund", 1000))
    return place.refunding(merchant, "order", payer, "refund", 1000)


@says("out_refund_no_used")
async def the_same_refund_number_for_another_amount(place: Town) -> Command:
    merchant, payer = await paid(place)
    await place.happens(place.refunding(merchant, "order", payer, "refund", 1))
    return place.refunding(merchant, "order", payer, "refund", 2)


@says("ok")
async def the_fiftieth_refund(place: Town) -> Command:
    merchant, payer = await paid(place)
    for number in range(49):
        await place.happens(place.refunding(merchant, "order", payer, f"refund-{number}", 1))
    return place.refunding(merchant, "order", payer, "refund", 1)


@says("too_many_refunds")
async def the_fifty_first_refund(place: Town) -> Command:
    merchant, payer = await paid(place)
    for number in range(50):
        await place.happens(place.refunding(merchant, "order", payer, f"refund-{number}", 1))
    return place.refunding(merchant, "order", payer, "refund", 1)


@says("merchant_funds_insufficient")
async def refunding_what_the_merchant_no_longer_has(place: Town) -> Command:
    merchant, payer = await paid(place)
    await place.happens(place.holding(merchant, place.id(), 900, code="2101"))
    return place.refunding(merchant, "order", payer, "refund", 1000)


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_payments_says(row: Row) -> None:
    assert await answer(row) == row.says


# ── authorising, capturing, undoing ─────────────────────────────────────────────────────────────────────────────────────────


async def authorised(place: Town, minor: int = 1000, has: int = 5000) -> tuple[UUID, UUID]:
    """A merchant, and a customer who authorised an order of this that may come to 15 % more."""
    merchant, payer = await place.merchant(), await place.customer(has)
    most = minor * 115 // 100
    await place.happens(place.ordering(merchant, "order", minor, agreed_minor=most, capture_within_s=3600))
    await place.happens(place.authorising(merchant, "order", payer, most))
    return merchant, payer


async def journal_of(place: Town, payer: UUID, merchant: UUID, minor: int = 1000) -> UUID:
    """The journal of a payment of the order just made."""
    done = await place.happens(place.paying(merchant, "order", payer, minor))
    journal_id: UUID = done.journal_id
    return journal_id


@says("amount_mismatch")
async def authorising_the_amount_and_not_the_most(place: Town) -> Command:
    merchant, payer = await place.merchant(), await place.customer(5000)
    await place.happens(place.ordering(merchant, "order", 1000, agreed_minor=1150, capture_within_s=3600))
    return place.authorising(merchant, "order", payer, 1000)


@says("wrong_pin")
async def authorising_with_a_wrong_pin(place: Town) -> Command:
    merchant, payer = await place.merchant(), await place.customer(5000)
    await place.happens(place.ordering(merchant, "order", 1000, agreed_minor=1150, capture_within_s=3600))
    return place.authorising(merchant, "order", payer, confirmation=WRONG)


@says("insufficient_funds")
async def authorising_a_cent_more_than_one_has(place: Town) -> Command:
    merchant, payer = await place.merchant(), await place.customer(999)
    await place.happens(place.ordering(merchant, "order", 1000, agreed_minor=1150, capture_within_s=3600))
    return place.authorising(merchant, "order", payer)


@says("out_trade_no_used")
async def the_same_number_for_another_most(place: Town) -> Command:
    merchant, _ = await authorised(place)
    return place.ordering(merchant, "order", 1000, agreed_minor=1149, capture_within_s=3600)


@says("out_trade_no_used")
async def the_same_number_for_another_time_to_capture(place: Town) -> Command:
    merchant, _ = await authorised(place)
    return place.ordering(merchant, "order", 1000, agreed_minor=1150, capture_within_s=3601)


@says("ok")
async def the_same_order_to_be_authorised_again(place: Town) -> Command:
    merchant, _ = await authorised(place)
    return place.ordering(merchant, "order", 1000, agreed_minor=1150, capture_within_s=3600)


@says("order_authorised")
async def authorising_twice(place: Town) -> Command:
    merchant, payer = await authorised(place)
    return place.authorising(merchant, "order", payer, confirmation=WRONG)


@says("order_authorised")
async def closing_what_is_authorised(place: Town) -> Command:
    merchant, _ = await authorised(place)
    return place.closing(merchant, "order")


@says("order_not_captured")
async def refunding_what_is_authorised(place: Town) -> Command:
    merchant, payer = await authorised(place)
    return place.refunding(merchant, "order", payer, "refund", 1)


@says("order_not_authorised")
async def capturing_what_nobody_authorised(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.taking(merchant, "order", payer, "part", 1)


@says("payment_not_found")
async def capturing_in_the_name_of_another_merchant(place: Town) -> Command:
    merchant, payer = await authorised(place)
    return replace(place.taking(merchant, "order", payer, "part", 1), merchant_id=await place.merchant())


@says("payment_not_found")
async def capturing_from_somebody_else(place: Town) -> Command:
    merchant, _ = await authorised(place)
    return place.taking(merchant, "order", await place.customer(5000), "part", 1)


@says("payment_not_found")
async def capturing_what_was_never_ordered(place: Town) -> Command:
    merchant, payer = await authorised(place)
    return place.taking(merchant, "other", payer, "part", 1)


@says("ok")
async def capturing_all_that_was_agreed(place: Town) -> Command:
    merchant, payer = await authorised(place)
    return place.taking(merchant, "order", payer, "part", 1150)


@says("capture_exceeds_authorised")
async def capturing_a_cent_more_than_was_agreed(place: Town) -> Command:
    merchant, payer = await authorised(place)
    return place.taking(merchant, "order", payer, "part", 1151)


@says("insufficient_funds")
async def capturing_beyond_the_hold_what_is_not_there(place: Town) -> Command:
    merchant, payer = await authorised(place, has=1149)
    return place.taking(merchant, "order", payer, "part", 1150)


@says("ok")
async def the_same_capture_again_under_another_key(place: Town) -> Command:
    merchant, payer = await authorised(place)
    await place.happens(place.taking(merchant, "order", payer, "part", 1000, last=True))
    return place.taking(merchant, "order", payer, "part", 1000, last=True)


@says("out_capture_no_used")
async def the_same_capture_number_for_another_amount(place: Town) -> Command:
    merchant, payer = await authorised(place)
    await place.happens(place.taking(merchant, "order", payer, "part", 10))
    return place.taking(merchant, "order", payer, "part", 11)


@says("out_capture_no_used")
async def the_same_capture_number_that_is_now_to_be_the_last(place: Town) -> Command:
    merchant, payer = await authorised(place)
    await place.happens(place.taking(merchant, "order", payer, "part", 10))
    return place.taking(merchant, "order", payer, "part", 10, last=True)


@says("out_capture_no_used")
async def the_same_capture_number_that_is_not_to_have_been_the_last(place: Town) -> Command:
    merchant, payer = await authorised(place)
    await place.happens(place.taking(merchant, "order", payer, "part", 10, last=True))
    return place.taking(merchant, "order", payer, "part", 10)


@says("ok")
async def the_same_capture_of_all_that_was_agreed_which_nobody_said_was_the_last(place: Town) -> Command:
    merchant, payer = await authorised(place)
    await place.happens(place.taking(merchant, "order", payer, "part", 1150))
    return place.taking(merchant, "order", payer, "part", 1150)


@says("capture_waits")
async def capturing_what_is_in_doubt_since_its_payer_reported_a_takeover(place: Town) -> Command:
    merchant, payer = await authorised(place)
    await place.happens(ReportTakeover(command_id=place.id(), customer_id=payer, session_ids=()))
    return place.taking(merchant, "order", payer, "part", 1)


@says("ok")
async def giving_up_what_is_in_doubt(place: Town) -> Command:
    merchant, payer = await authorised(place)
    await place.happens(ReportTakeover(command_id=place.id(), customer_id=payer, session_ids=()))
    return place.giving_up(merchant, "order", payer)


@says("ok")
async def letting_an_authorisation_be_taken(place: Town) -> Command:
    merchant, _ = await authorised(place)
    return place.trusting(merchant, "order")


@says("order_not_authorised")
async def letting_be_taken_what_nobody_agreed_to(place: Town) -> Command:
    merchant, _ = await ordered(place)
    return place.trusting(merchant, "order")


@says("payment_not_found")
async def letting_be_taken_what_was_never_ordered(place: Town) -> Command:
    merchant, _ = await authorised(place)
    return place.trusting(merchant, "other")


@says("too_many_captures")
async def capturing_a_fifty_first_time(place: Town) -> Command:
    merchant, payer = await authorised(place)
    for number in range(50):
        await place.happens(place.taking(merchant, "order", payer, f"part-{number}", 1))
    return place.taking(merchant, "order", payer, "part-50", 1)


@says("order_voided")
async def capturing_what_was_given_up(place: Town) -> Command:
    merchant, payer = await authorised(place)
    await place.happens(place.giving_up(merchant, "order", payer))
    return place.taking(merchant, "order", payer, "part", 1)


@says("ok")
async def giving_up_twice(place: Town) -> Command:
    merchant, payer = await authorised(place)
    await place.happens(place.giving_up(merchant, "order", payer))
    return place.giving_up(merchant, "order", payer)


@says("payment_not_found")
async def giving_up_for_another_merchant(place: Town) -> Command:
    merchant, payer = await authorised(place)
    await place.happens(place.giving_up(merchant, "order", payer))
    return replace(place.giving_up(merchant, "order", payer), merchant_id=await place.merchant())


@says("payment_not_found")
async def giving_up_what_was_never_ordered(place: Town) -> Command:
    merchant, payer = await authorised(place)
    return place.giving_up(merchant, "other", payer)


@says("payment_not_found")
async def giving_up_in_the_name_of_another_payer(place: Town) -> Command:
    merchant, _ = await authorised(place)
    return place.giving_up(merchant, "order", await place.customer())


@says("payment_not_found")
async def undoing_what_was_never_ordered(place: Town) -> Command:
    merchant, payer = await paid(place)
    return place.undoing(merchant, "other", payer, place.id())


@says("payment_not_found")
async def undoing_in_the_name_of_another_payer(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.undoing(merchant, "order", await place.customer(), await journal_of(place, payer, merchant))


@says("payment_not_found")
async def undoing_twice_for_another_merchant(place: Town) -> Command:
    merchant, payer = await ordered(place)
    journal_id = await journal_of(place, payer, merchant)
    await place.happens(place.undoing(merchant, "order", payer, journal_id))
    return replace(place.undoing(merchant, "order", payer, journal_id), merchant_id=await place.merchant())


@says("order_reversed")
async def undoing_again_by_the_name_of_another_journal(place: Town) -> Command:
    merchant, payer = await ordered(place)
    await place.happens(place.undoing(merchant, "order", payer, await journal_of(place, payer, merchant)))
    return place.undoing(merchant, "order", payer, place.id())


@says("order_captured")
async def giving_up_what_is_paid(place: Town) -> Command:
    merchant, payer = await paid(place)
    return place.giving_up(merchant, "order", payer)


@says("order_reversed")
async def refunding_what_was_undone(place: Town) -> Command:
    merchant, payer = await ordered(place)
    await place.happens(place.undoing(merchant, "order", payer, await journal_of(place, payer, merchant)))
    return place.refunding(merchant, "order", payer, "refund", 1)


@says("ok")
async def undoing_at_the_last_moment(place: Town) -> Command:
    merchant, payer = await ordered(place)
    journal_id = await journal_of(place, payer, merchant)
    place.clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
    return place.undoing(merchant, "order", payer, journal_id)


@says("reversal_too_late")
async def undoing_a_moment_too_late(place: Town) -> Command:
    merchant, payer = await ordered(place)
    journal_id = await journal_of(place, payer, merchant)
    place.clock.advance(timedelta(hours=24))
    return place.undoing(merchant, "order", payer, journal_id)


@says("order_refunded")
async def undoing_what_was_partly_refunded(place: Town) -> Command:
    merchant, payer = await ordered(place)
    journal_id = await journal_of(place, payer, merchant)
    await place.happens(place.refunding(merchant, "order", payer, "refund", 1))
    return place.undoing(merchant, "order", payer, journal_id)


@says("captured_in_parts")
async def undoing_what_was_captured_in_parts(place: Town) -> Command:
    merchant, payer = await authorised(place)
    await place.happens(place.taking(merchant, "order", payer, "one", 10))
    done = await place.happens(place.taking(merchant, "order", payer, "two", 10, last=True))
    return place.undoing(merchant, "order", payer, done.journal_id)


@says("captured_in_parts")
async def undoing_by_the_journal_of_a_capture_after_which_another_came(place: Town) -> Command:
    merchant, payer = await authorised(place)
    first = await place.happens(place.taking(merchant, "order", payer, "one", 10))
    await place.happens(place.taking(merchant, "order", payer, "two", 10, last=True))
    return place.undoing(merchant, "order", payer, first.journal_id)


@says("ok")
async def undoing_what_was_captured_within_the_day_and_has_lapsed(place: Town) -> Command:
    merchant, payer = await authorised(place)
    taken = await place.happens(place.taking(merchant, "order", payer, "one", 10))
    place.clock.advance(timedelta(hours=24) - timedelta(microseconds=1))
    return place.undoing(merchant, "order", payer, taken.journal_id)


@says("reversal_too_late")
async def undoing_what_was_captured_a_day_ago_and_ended_just_now(place: Town) -> Command:
    merchant, payer = await place.merchant(), await place.customer(5000)
    month = 30 * 86_400
    await place.happens(place.ordering(merchant, "order", 1000, agreed_minor=1000, capture_within_s=month))
    await place.happens(place.authorising(merchant, "order", payer, 1000))
    taken = await place.happens(place.taking(merchant, "order", payer, "one", 10))
    place.clock.advance(timedelta(hours=24))
    await place.happens(place.giving_up(merchant, "order", payer))
    return place.undoing(merchant, "order", payer, taken.journal_id)


@says("ok")
async def undoing_twice(place: Town) -> Command:
    merchant, payer = await ordered(place)
    journal_id = await journal_of(place, payer, merchant)
    await place.happens(place.undoing(merchant, "order", payer, journal_id))
    return place.undoing(merchant, "order", payer, journal_id)


@says("payment_not_found")
async def undoing_for_another_merchant(place: Town) -> Command:
    merchant, payer = await ordered(place)
    wish = place.undoing(merchant, "order", payer, await journal_of(place, payer, merchant))
    return replace(wish, merchant_id=await place.merchant())


@says("merchant_funds_insufficient")
async def undoing_what_the_merchant_has_given_back_otherwise(place: Town) -> Command:
    merchant, payer = await ordered(place)
    journal_id = await journal_of(place, payer, merchant)
    other = await place.customer(1000)
    await place.happens(place.paying_at_once(merchant, "other", other, 1000))
    # Refunds come out of what all payments brought: the fee of both is ours, so one of them is not whole any more.
    await place.happens(place.refunding(merchant, "other", other, "refund", 1000))
    await place.happens(place.holding(merchant, place.id(), 1, code="2101"))
    return place.undoing(merchant, "order", payer, journal_id)


def test_every_decline_of_payments_has_its_situation() -> None:
    assert declines_of(errors) <= said_in([*ROWS, *OF_PARTS, *AGREEMENTS, *DEBITS])


async def test_a_refund_that_is_declined_leaves_the_payment_as_it_was() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, payer = await paid(place)
        before = (dict(store.tables.rows["account_master"]), store.tables.table(PAYMENT)[order_id(merchant, "order")])
        assert await place.says(place.refunding(merchant, "order", payer, "refund", 1001)) == "refund_exceeds_paid"
        assert before == (store.tables.rows["account_master"], store.tables.table(PAYMENT)[order_id(merchant, "order")])


async def test_the_fee_is_the_one_of_the_day_the_order_was_made() -> None:
    store = MemoryStore()
    async with town(store) as place:
        merchant, _ = await paid(place)
        payment = store.tables.table(PAYMENT)[order_id(merchant, "order")]
        assert (payment.fee_minor, payment.state) == (6, "PAID")
        balances = {account.code: account.posted_minor for account in store.tables.rows["account_master"].values()}
        assert (balances["2101"], balances["4001"], balances["1001"]) == (994, 6, -1000)

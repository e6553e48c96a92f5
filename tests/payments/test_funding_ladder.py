"""What becomes of payments that draw on several sources, situation by situation."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest
from msgspec.structs import replace

from tests.support.ladder import Row, answer, ladder
from tests.support.town import CURRENCY, WRONG, Town, town
from tongbao.engine.api import Command
from tongbao.kernel.errors import InvariantBroken
from tongbao.ledger.commands import DefineColour, EndColour, FreezeAccount, IssueColour, PlaceName
from tongbao.payments.funded import check_parts
from tongbao.payments.funding_types import Part, PayInParts
from tongbao.payments.types import ExpireOrder

ROWS, says = ladder()

CARD = Part("card", 600, "00000000-0000-4000-8000-0000000000c1")
OTHER_CARD = Part("card", 600, "00000000-0000-4000-8000-0000000000c2")
BOTH = (Part("balance", 400), CARD)


async def ordered(place: Town, minor: int = 400) -> tuple[UUID, UUID]:
    """A merchant with an order of 10.00, and a customer with so much in the wallet."""
    merchant = await place.merchant()
    await place.happens(place.ordering(merchant, "order"))
    return merchant, await place.customer(minor)


async def asked(place: Town, minor: int = 400) -> PayInParts:
    """An order that waits for a card."""
    merchant, payer = await ordered(place, minor)
    wish = place.paying_in_parts(merchant, "order", payer, BOTH)
    await place.happens(wish)
    return wish


async def settled(place: Town) -> PayInParts:
    wish = await asked(place)
    await place.happens(place.hearing(wish))
    return wish


async def voucher(place: Town, customer: UUID, minor: int, merchants: tuple[UUID, ...] | None, code: str = "lunch") -> str:
    """Restricted money of a new colour, for these merchants or for all."""
    await place.happens(
        DefineColour(
            command_id=place.id(), code=code, currency=CURRENCY, title_zh="午餐券", title_en="Lunch", merchants=merchants,
            valid_until=place.clock.now() + timedelta(days=30),
        )
    )  # fmt: skip
    await place.happens(
        IssueColour(
            command_id=place.id(), code=code, source=PlaceName("1001", CURRENCY), customer_id=customer, amount_minor=minor
        )
    )
    return code


@says("ok")
async def the_balance_and_a_card(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.paying_in_parts(merchant, "order", payer, BOTH)


@says("ok")
async def a_card_alone_by_somebody_with_nothing(place: Town) -> Command:
    merchant = await place.merchant()
    await place.happens(place.ordering(merchant, "order", 600))
    return place.paying_in_parts(merchant, "order", await place.customer(), [CARD])


@says("ok")
async def without_an_order(place: Town) -> Command:
    merchant, payer = await place.merchant(), await place.customer(400)
    return place.paying_in_parts(merchant, "at-once", payer, BOTH, at_once=True)


@says("out_trade_no_used")
async def without_an_order_under_the_number_of_one(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.paying_in_parts(merchant, "order", payer, BOTH, at_once=True)


@says("merchant_not_found")
async def without_an_order_to_nobody(place: Town) -> Command:
    return place.paying_in_parts(place.id(), "at-once", await place.customer(400), BOTH, at_once=True)


@says("currency_mismatch")
async def without_an_order_in_another_currency(place: Town) -> Command:
    merchant, payer = await place.merchant(), await place.customer(400)
    return place.paying_in_parts(merchant, "at-once", payer, BOTH, at_once=True, currency="EUR")


@says("payment_not_found")
async def what_was_never_ordered(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.paying_in_parts(merchant, "other", payer, BOTH)


@says("amount_mismatch")
async def more_than_was_ordered(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.paying_in_parts(merchant, "order", payer, (Part("balance", 401), CARD))


@says("parts_not_authorised")
async def what_is_to_be_authorised(place: Town) -> Command:
    merchant, payer = await place.merchant(), await place.customer(400)
    await place.happens(place.ordering(merchant, "order", agreed_minor=1000, capture_within_s=3600))
    return place.paying_in_parts(merchant, "order", payer, BOTH)


@says("wrong_pin")
async def by_who_does_not_know_the_pin(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.paying_in_parts(merchant, "order", payer, BOTH, confirmation=WRONG)


@says("insufficient_funds")
async def more_of_the_balance_than_there_is(place: Town) -> Command:
    merchant, payer = await ordered(place, 399)
    return place.paying_in_parts(merchant, "order", payer, BOTH)


@says("account_frozen_debit")
async def of_a_frozen_balance(place: Town) -> Command:
    merchant, payer = await ordered(place)
    await place.happens(frozen(place, payer))
    return place.paying_in_parts(merchant, "order", payer, BOTH)


def frozen(place: Town, owner: UUID, code: str = "2001", *, credits_too: bool = False) -> FreezeAccount:
    return FreezeAccount(
        command_id=place.id(), code=code, currency=CURRENCY, owner_id=owner, debits=not credits_too, credits=credits_too,
        reason="court",
    )  # fmt: skip


@says("order_being_paid")
async def again_while_the_card_is_asked(place: Town) -> Command:
    wish = await asked(place)
    return place.paying_in_parts(wish.merchant_id, "order", await place.customer(400), BOTH)


@says("order_being_paid")
async def from_the_balance_while_the_card_is_asked(place: Town) -> Command:
    wish = await asked(place)
    return place.paying(wish.merchant_id, "order", await place.customer(1000))


@says("order_being_paid")
async def closing_while_the_card_is_asked(place: Town) -> Command:
    return place.closing((await asked(place)).merchant_id, "order")


@says("order_being_paid")
async def closing_long_after_its_time_while_the_card_is_asked(place: Town) -> Command:
    wish = await asked(place)
    place.clock.advance(timedelta(days=3))
    assert await place.says(ExpireOrder(command_id=place.id(), payment_id=wish.payment_id)) == "ok"
    return place.closing(wish.merchant_id, "order")


@says("order_being_paid")
async def refunding_while_the_card_is_asked(place: Town) -> Command:
    wish = await asked(place)
    return place.refunding(wish.merchant_id, "order", wish.payer_id, "refund", 1)


@says("order_expired")
async def paying_what_was_released_after_its_time(place: Town) -> Command:
    wish = await asked(place)
    place.clock.advance(timedelta(days=3))
    await place.happens(place.hearing(wish, "REFUSED", reason="insufficient"))
    return replace(wish, command_id=place.id())


@says("ok")
async def paying_again_after_a_no(place: Town) -> Command:
    wish = await asked(place)
    await place.happens(place.hearing(wish, "REFUSED", reason="insufficient"))
    return place.paying_in_parts(wish.merchant_id, "order", wish.payer_id, (Part("balance", 400), OTHER_CARD))


@says("ok")
async def paying_from_the_balance_after_a_no(place: Town) -> Command:
    wish = await asked(place, 1000)
    await place.happens(place.hearing(wish, "REFUSED", reason="insufficient"))
    return place.paying(wish.merchant_id, "order", wish.payer_id)


@says("order_paid")
async def paying_what_a_card_paid(place: Town) -> Command:
    wish = await settled(place)
    return replace(wish, command_id=place.id())


@says("ok")
async def the_same_answer_twice(place: Town) -> Command:
    return place.hearing(await settled(place))


@says("ok")
async def not_knowing_after_knowing(place: Town) -> Command:
    return place.hearing(await settled(place), "UNKNOWN")


@says("card_answers_differ")
async def a_no_after_a_yes(place: Town) -> Command:
    return place.hearing(await settled(place), "REFUSED", reason="risk")


@says("payment_not_found")
async def an_answer_to_what_was_never_asked(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.hearing(place.paying_in_parts(merchant, "order", payer, BOTH))


@says("payment_not_found")
async def an_answer_about_another_payer(place: Town) -> Command:
    return place.hearing(replace(await asked(place), payer_id=await place.customer()))


@says("payment_not_found")
async def an_answer_to_a_debit_as_to_a_refund(place: Town) -> Command:
    wish = await asked(place)
    heard = place.hearing_back(wish, place.id(), None)
    return replace(heard, request_id=place.hearing(wish).request_id)


@says("card_answers_differ")
async def what_arrived_at_the_card_did_not(place: Town) -> Command:
    wish = await settled(place)
    done = await place.happens(place.refunding(wish.merchant_id, "order", wish.payer_id, "refund", 1, parts=BOTH))
    await place.happens(place.hearing_back(wish, done.refund_id, done.refund_id))
    return place.hearing_back(wish, done.refund_id, done.refund_id, "REFUSED")


@says("ok")
async def a_voucher_here(place: Town) -> Command:
    merchant, payer = await ordered(place)
    code = await voucher(place, payer, 600, (merchant,))
    return place.paying_in_parts(merchant, "order", payer, (Part("balance", 400), Part("voucher", 600, code)))


@says("colour_not_here")
async def a_voucher_of_other_merchants(place: Town) -> Command:
    merchant, payer = await ordered(place)
    code = await voucher(place, payer, 600, (await place.merchant(),))
    return place.paying_in_parts(merchant, "order", payer, (Part("balance", 400), Part("voucher", 600, code)))


@says("colour_not_found")
async def a_voucher_that_was_never_issued(place: Town) -> Command:
    merchant, payer = await ordered(place)
    return place.paying_in_parts(merchant, "order", payer, (Part("balance", 400), Part("voucher", 600, "dream")))


@says("colour_ended")
async def a_voucher_that_has_ended(place: Town) -> Command:
    merchant, payer = await ordered(place)
    code = await voucher(place, payer, 600, None)
    await place.happens(EndColour(command_id=place.id(), code=code))
    return place.paying_in_parts(merchant, "order", payer, (Part("balance", 400), Part("voucher", 600, code)))


@says("colour_expired")
async def a_voucher_after_its_time(place: Town) -> Command:
    merchant, payer = await place.merchant(), await place.customer(400)
    code = await voucher(place, payer, 600, None)
    place.clock.advance(timedelta(days=30))
    await place.happens(place.ordering(merchant, "order"))
    return place.paying_in_parts(merchant, "order", payer, (Part("balance", 400), Part("voucher", 600, code)))


@says("insufficient_funds")
async def more_of_a_voucher_than_there_is(place: Town) -> Command:
    merchant, payer = await ordered(place)
    code = await voucher(place, payer, 599, None)
    return place.paying_in_parts(merchant, "order", payer, (Part("balance", 400), Part("voucher", 600, code)))


@pytest.mark.parametrize("row", ROWS, ids=repr)
async def test_every_situation_is_answered_as_the_table_says(row: Row) -> None:
    assert await answer(row) == row.says


@pytest.mark.parametrize(
    ("parts", "good"),
    [
        ([Part("balance", 10)], True),
        ([Part("balance", 4), Part("card", 6, CARD.which)], True),
        ([Part("voucher", 1, each) for each in "abcd"] + [Part("balance", 6)], True),
        ([Part("voucher", 2, each) for each in "abcde"], True),
        ([Part("voucher", 1, each) for each in "abcde"] + [Part("balance", 5)], False),
        ([], False),
        ([Part("balance", 9)], False),
        ([Part("balance", 11)], False),
        ([Part("balance", 10), Part("card", 0, CARD.which)], False),
        ([Part("balance", 11), Part("card", -1, CARD.which)], False),
        ([Part("balance", 5), Part("balance", 5)], False),
        ([Part("voucher", 5, "a"), Part("voucher", 5, "a")], False),
        ([Part("card", 5, CARD.which), Part("card", 5, OTHER_CARD.which)], False),
        ([Part("card", 10)], False),
        ([Part("balance", 10, "a")], False),
    ],
)
def test_parts_are_one_to_five_different_ones_that_come_to_the_amount(parts: Sequence[Part], good: bool) -> None:
    assert check_parts(parts, 10) is good


async def test_a_refund_that_names_other_parts_than_the_payment_has_is_a_bug_and_moves_nothing() -> None:
    async with town() as place:
        wish = await settled(place)
        for parts in ((), BOTH[:1], (Part("balance", 600), replace(CARD, amount_minor=400)), (*BOTH, Part("voucher", 1, "a"))):
            with pytest.raises(InvariantBroken):
                await place.submit(place.refunding(wish.merchant_id, "order", wish.payer_id, "refund", 1, parts=parts))
        assert await place.says(place.refunding(wish.merchant_id, "order", wish.payer_id, "refund", 1000, parts=BOTH)) == "ok"

"""Small payments without a PIN: how the setting changes, and what it lets through."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from uuid import UUID

import msgspec
import pytest

from tests.support.ladder import Row, answer, ladder
from tests.support.leavings import rows
from tests.support.town import CURRENCY, NOON, RIGHT, WRONG, Town, town
from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, MemoryStore, View
from tongbao.identity.alerts import ALERT
from tongbao.identity.factors import POSSESSION
from tongbao.identity.types import Confirmation, PinConfirmation
from tongbao.ledger.errors import INSUFFICIENT_FUNDS
from tongbao.wallet.small_payments import SMALL_PAYMENTS, SetSmallPayments, SmallPayments, small_payments_keys, without_pin

ROWS, says = ladder()
ZONE = "Asia/Shanghai"
#: The PIN, typed on a device that the customer was shown to have: two factors.
HERE = PinConfirmation(RIGHT.mac, on_device=True)
DAY = NOON.date().toordinal()


def choosing(
    place: Town,
    customer: UUID,
    per_payment: int,
    per_day: int,
    agreed: Confirmation | None = HERE,
    currency: str = CURRENCY,
) -> SetSmallPayments:
    return SetSmallPayments(
        command_id=place.id(), customer_id=customer, currency=currency, per_payment_minor=per_payment, per_day_minor=per_day,
        zone=ZONE, confirmation=agreed,
    )  # fmt: skip


class Ask(Command, frozen=True, kw_only=True):
    """What a payment without a PIN will ask in its decider."""

    kind = "test.small_payment"
    customer_id: UUID
    amount_minor: int
    currency: str = CURRENCY
    declined_after: bool = False


class Let(msgspec.Struct, frozen=True):
    """Result of `Ask`."""

    factors: int


def _ask(command: Ask, view: View, now: datetime) -> Decision:
    factors = without_pin(view, command.customer_id, command.amount_minor, command.currency, now)
    if isinstance(factors, Declined):
        return factors
    return Declined(INSUFFICIENT_FUNDS) if command.declined_after else Accepted(Let(factors))


ASKING = [Decider(Ask, lambda command: small_payments_keys(command.customer_id), _ask, Let)]


async def chosen(place: Town, per_payment: int = 5000, per_day: int = 20000) -> UUID:
    """A customer who lets so much go."""
    customer = await place.customer()
    await place.happens(choosing(place, customer, per_payment, per_day))
    return customer


# ── the setting ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@says("ok")
async def switching_it_on_with_two_factors(place: Town) -> Command:
    return choosing(place, await place.customer(), 100_000, 100_000)


@says("stronger_confirmation_needed")
async def switching_it_on_with_nothing(place: Town) -> Command:
    return choosing(place, await place.customer(), 1, 1, None)


@says("stronger_confirmation_needed")
async def switching_it_on_with_a_pin_alone(place: Town) -> Command:
    return choosing(place, await place.customer(), 1, 1, RIGHT)


@says("wrong_pin")
async def switching_it_on_with_the_wrong_pin(place: Town) -> Command:
    return choosing(place, await place.customer(), 1, 1, WRONG)


@says("small_payments_range")
async def a_payment_beyond_the_most(place: Town) -> Command:
    return choosing(place, await place.customer(), 100_001, 100_001)


@says("small_payments_range")
async def a_day_beyond_the_most(place: Town) -> Command:
    return choosing(place, await place.customer(), 1, 100_001)


@says("small_payments_range")
async def a_day_below_a_payment(place: Town) -> Command:
    return choosing(place, await place.customer(), 2, 1)


@says("small_payments_range")
async def a_day_without_a_payment(place: Town) -> Command:
    return choosing(place, await place.customer(), 0, 1)


@says("small_payments_range")
async def less_than_nothing(place: Town) -> Command:
    return choosing(place, await place.customer(), -1, 1)


@says("small_payments_range")
async def a_thousand_of_a_currency_without_cents(place: Town) -> Command:
    return choosing(place, await place.customer(), 1001, 1001, currency="JPY")


@says("ok")
async def lowering_both_with_nothing(place: Town) -> Command:
    return choosing(place, await chosen(place), 4999, 19999, None)


@says("ok")
async def the_same_again_with_nothing(place: Town) -> Command:
    return choosing(place, await chosen(place), 5000, 20000, None)


@says("ok")
async def switching_it_off_with_nothing(place: Town) -> Command:
    return choosing(place, await chosen(place), 0, 0, None)


@says("stronger_confirmation_needed")
async def raising_the_payment_while_lowering_the_day(place: Town) -> Command:
    return choosing(place, await chosen(place), 5001, 19999, None)


@says("stronger_confirmation_needed")
async def raising_the_day_while_lowering_the_payment(place: Town) -> Command:
    return choosing(place, await chosen(place), 4999, 20001, None)


@says("stronger_confirmation_needed")
async def the_same_numbers_in_another_currency(place: Town) -> Command:
    return choosing(place, await chosen(place, 500, 900), 500, 900, None, "JPY")


@says("payer_must_confirm")
async def a_small_payment_of_who_never_chose(place: Town) -> Command:
    return Ask(command_id=place.id(), customer_id=await place.customer(), amount_minor=1)


@pytest.mark.parametrize("row", [row for row in ROWS if row.says != "payer_must_confirm"], ids=repr)
async def test_choosing_says(row: Row) -> None:
    assert await answer(row) == row.says


async def test_what_was_chosen_is_kept_and_told_only_where_it_was_raised() -> None:
    store = MemoryStore()
    async with town(store) as place:
        customer = await chosen(place)
        first = SmallPayments(customer, CURRENCY, 5000, 20000, ZONE, DAY, 0, NOON)
        assert rows(store, SMALL_PAYMENTS)[-1:] == [first]
        place.clock.advance(timedelta(seconds=7))
        await place.happens(choosing(place, customer, 100, 200, None))
        later = SmallPayments(customer, CURRENCY, 100, 200, ZONE, DAY, 0, NOON + timedelta(seconds=7))
        assert rows(store, SMALL_PAYMENTS)[-1:] == [later]
    told = [(each.kind, each.facts) for each in rows(store, ALERT)]
    assert told == [("small_payments_raised", '{"per_payment":"50.00","per_day":"200.00"}')]


# ── what it lets through ────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("amounts", "says"),
    [
        ([5000], ["ok"]),
        ([5001], ["payment"]),
        ([5000, 5000, 5000, 5000, 1], ["ok", "ok", "ok", "ok", "day"]),
        ([5000, 5000, 5000, 4999, 2, 1], ["ok", "ok", "ok", "ok", "day", "ok"]),
    ],
)
async def test_so_much_a_payment_and_so_much_a_day(amounts: list[int], says: list[str]) -> None:
    async with town(more=ASKING) as place:
        customer, said = await chosen(place), []
        for amount in amounts:
            decision = (await place.submit(Ask(command_id=place.id(), customer_id=customer, amount_minor=amount))).decision
            said.append(decision.detail["why"] if isinstance(decision, Declined) else "ok")
            assert isinstance(decision, Declined) or decision.result == Let(POSSESSION)
    assert said == says


async def why(place: Town, customer: UUID, minor: int = 100, currency: str = CURRENCY) -> str:
    wish = Ask(command_id=place.id(), customer_id=customer, amount_minor=minor, currency=currency)
    decision = (await place.submit(wish)).decision
    return str(decision.detail["why"]) if isinstance(decision, Declined) else "ok"


async def test_off_and_another_currency_are_said_apart() -> None:
    async with town(more=ASKING) as place:
        customer = await place.customer()
        assert await why(place, customer) == "off"
        await place.happens(choosing(place, customer, 100, 100))
        assert await why(place, customer, currency="USD") == "currency"
        await place.happens(choosing(place, customer, 0, 0, None))
        assert await why(place, customer) == "off"


async def test_a_day_begins_anew_at_local_midnight_and_not_by_switching_off_and_on() -> None:
    async with town(more=ASKING) as place:
        customer = await chosen(place, 100, 100)
        assert [await why(place, customer), await why(place, customer)] == ["ok", "day"]
        await place.happens(choosing(place, customer, 0, 0, None))
        await place.happens(choosing(place, customer, 100, 100))
        assert await why(place, customer) == "day"
        place.clock.advance(timedelta(hours=4) - timedelta(microseconds=1))  # noon is 20:00 in Shanghai
        assert await why(place, customer) == "day"
        place.clock.advance(timedelta(microseconds=1))
        assert await why(place, customer) == "ok"


async def test_what_was_declined_afterwards_does_not_count() -> None:
    async with town(more=ASKING) as place:
        customer = await chosen(place, 100, 100)
        lacking = Ask(command_id=place.id(), customer_id=customer, amount_minor=100, declined_after=True)
        assert await place.says(lacking) == "insufficient_funds"
        assert await why(place, customer) == "ok"


async def test_a_thousand_at_once_never_exceed_the_day() -> None:
    async with town(more=ASKING) as place:
        customer = await chosen(place, 100, 20_000)
        said = await asyncio.gather(*(why(place, customer) for _ in range(1_000)))
    assert Counter(said) == {"ok": 200, "day": 800}

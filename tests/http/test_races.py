"""A thousand requests at once, half to each of two processes: money is spent once, and a repeat is a repeat."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from itertools import cycle

import pytest

from tests.http.crowd import Asked, at_once
from tests.http.town import PIN, Person, Town, key, ok, refused, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

THOUSAND = 1000


def both(town: Town, who: Person) -> Iterator[Person]:
    """The same person at one process and the other in turn."""
    return cycle([who, who.elsewhere(town.there)])


async def test_a_thousand_payments_from_a_balance_for_ten(town: Town) -> None:
    rush, shop = await town.customer("Rush"), await town.merchant("Rush hour", fee_ppm=0)
    await town.gift(rush, "10.00")
    order = {"amount": "1.00", "currency": "CNY", "subject": "ticket"}
    shops = both(town, shop)
    made = await at_once([Asked(next(shops), "/v1/merchant/orders", order) for _ in range(THOUSAND)])
    ids = [ok(answer, status=201)["payment_id"] for answer in made]

    yes, payers = {"amount": "1.00", "currency": "CNY", "pin": PIN}, both(town, rush)
    answers = await at_once([Asked(next(payers), f"/v1/wallet/payments/{payment_id}/confirm", yes) for payment_id in ids])

    assert Counter(answer.status_code for answer in answers) == {200: 10, 422: 990}
    for answer in answers:
        if answer.status_code == 422:
            refused(answer, 422, "insufficient_funds")
        else:
            assert ok(answer)["state"] == "PAID"
    assert ok(await rush.get("/v1/wallet/balance"))["balance"] == "0.00"
    assert ok(await shop.get("/v1/merchant/balance"))["balance"] == "10.00"
    assert len(ok(await shop.get("/v1/merchant/orders", state="PAID", limit=100))["items"]) == 10
    assert len(ok(await rush.get("/v1/wallet/bills", kind="payment", limit=100))["items"]) == 10


async def test_a_thousand_repeats_are_one_payment(town: Town) -> None:
    order = await town.order(town.shop, "1.00")
    before, journals = ok(await town.ann.get("/v1/wallet/balance"))["balance"], (await town.moved())[0]
    yes, again, payers = {"amount": "1.00", "currency": "CNY", "pin": PIN}, key(), both(town, town.ann)
    path = f"/v1/wallet/payments/{order['payment_id']}/confirm"

    answers = await at_once([Asked(next(payers), path, yes, again) for _ in range(THOUSAND)])

    assert {(answer.status_code, answer.content) for answer in answers} == {(200, answers[0].content)}
    assert ok(answers[0])["state"] == "PAID"
    assert (await town.moved())[0] == journals + 1
    assert Decimal(before) - Decimal(ok(await town.ann.get("/v1/wallet/balance"))["balance"]) == 1


async def test_a_thousand_repeats_are_one_transfer(town: Town) -> None:
    before, journals = ok(await town.ben.get("/v1/wallet/balance"))["balance"], (await town.moved())[0]
    body, again, payers = (
        {"payee_id": town.ben.customer_id, "amount": "0.01", "currency": "CNY", "pin": PIN},
        key(),
        both(town, town.ann),
    )

    answers = await at_once([Asked(next(payers), "/v1/wallet/transfers", body, again) for _ in range(THOUSAND)])

    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}
    assert (await town.moved())[0] == journals + 1
    assert Decimal(ok(await town.ben.get("/v1/wallet/balance"))["balance"]) - Decimal(before) == Decimal("0.01")


async def test_one_order_is_paid_by_one_of_many(town: Town) -> None:
    crowd = [await town.customer(f"Crowd {number}") for number in range(5)]
    for each in crowd:
        await town.gift(each, "20.00")
    order = await town.order(town.shop, "2.00")
    yes, path = {"amount": "2.00", "currency": "CNY", "pin": PIN}, f"/v1/wallet/payments/{order['payment_id']}/confirm"

    answers = await at_once(
        [Asked(each if turn % 2 else each.elsewhere(town.there), path, yes) for turn in range(20) for each in crowd]
    )

    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 99}
    balances = [ok(await each.get("/v1/wallet/balance"))["balance"] for each in crowd]
    assert sorted(balances) == ["18.00", "20.00", "20.00", "20.00", "20.00"]


async def test_one_payment_is_not_refunded_twice_over(town: Town) -> None:
    order = await town.order(town.shop, "10.00")
    await town.pay(town.ann, order)
    shops, path = both(town, town.shop), f"/v1/merchant/orders/{order['out_trade_no']}/refunds"

    answers = await at_once([Asked(next(shops), path, {"amount": "1.00", "currency": "CNY"}) for _ in range(100)])

    assert Counter(answer.status_code for answer in answers) == {201: 10, 422: 90}
    assert ok(await town.shop.get(f"/v1/merchant/orders/{order['out_trade_no']}"))["refunded"] == "10.00"


async def test_guessing_a_pin_at_once_gives_five_guesses(town: Town) -> None:
    mark = await town.customer("Mark")
    order, thieves = await town.order(town.shop, "1.00"), both(town, mark)
    path = f"/v1/wallet/payments/{order['payment_id']}/confirm"
    guesses = [f"{number:06d}" for number in range(200_001, 200_101)]

    answers = await at_once(
        [Asked(next(thieves), path, {"amount": "1.00", "currency": "CNY", "pin": guess}) for guess in guesses]
    )

    assert Counter(answer.json()["error"]["code"] for answer in answers) == {"wrong_pin": 4, "pin_locked": 96}
    refused(await mark.post(path, {"amount": "1.00", "currency": "CNY", "pin": PIN}), 403, "pin_locked")


async def test_the_books_hold_after_all_that(town: Town) -> None:
    ok(await town.finance.post("/v1/console/chain/verify"), status=202)

    async def verified() -> bool:
        chain = ok(await town.finance.get("/v1/console/chain"))
        return chain["last_verified"] is not None and not chain["verifying"]

    await until(verified, 30)
    last = ok(await town.finance.get("/v1/console/chain"))["last_verified"]
    assert last["ok"] and last["problem"] is None

    async def bank_agrees() -> bool:  # once it has answered for every transfer that the tests before left open
        currencies = ok(await town.finance.get("/v1/console/trial-balance"))["currencies"]
        assert all(each["balanced"] and each["reserve"]["equal"] for each in currencies)
        return all(each["reserve"]["at_bank"] == each["reserve"]["held"] for each in currencies)

    await until(bank_agrees, 60)

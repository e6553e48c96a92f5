"""Authorising, capturing, releasing and undoing over HTTP: two servers, a worker, and what both sides are shown."""

from __future__ import annotations

import asyncio

import pytest

from tests.http.town import PIN, Person, Town, key, ok, refused

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def authorised(town: Town, most: str | None = "115.00", **more: object) -> tuple[Person, str]:
    """A customer with 150.00 who authorised an order of 100.00."""
    payer = await town.customer("Val")
    await town.gift(payer, "150.00")
    wish = {"capture": "later", **({"most": most} if most else {}), **more}
    order = await town.order(town.shop, "100.00", **wish)
    body = {"amount": most or "100.00", "currency": "CNY", "pin": PIN}
    agreed = ok(await payer.post(f"/v1/wallet/payments/{order['payment_id']}/confirm", body))
    assert (agreed["state"], agreed["paid"], agreed["most"]) == ("AUTHORISED", "0.00", most or "100.00")
    return payer, order["out_trade_no"]


async def purse(payer: Person) -> tuple[str, str, str]:
    balance = ok(await payer.get("/v1/wallet/balance"))
    return balance["balance"], balance["held"], balance["available"]


async def test_what_is_authorised_is_held_taken_in_parts_and_beyond_and_refunded(town: Town) -> None:
    payer, number = await authorised(town)
    assert await purse(payer) == ("150.00", "100.00", "50.00")
    waiting = ok(await payer.get("/v1/wallet/authorisations"))["items"]
    assert [each["out_trade_no"] for each in waiting] == [number]

    path = f"/v1/merchant/orders/{number}/captures"
    one = {"amount": "60.00", "currency": "CNY", "out_capture_no": "one", "last": False}
    for server in (town.here, town.there):
        part = ok(await town.shop.elsewhere(server).post(path, one), status=201)
        assert (part["state"], part["paid"], [each["amount"] for each in part["captures"]]) == ("AUTHORISED", "60.00", ["60.00"])
    assert await purse(payer) == ("90.00", "40.00", "50.00")
    refused(await town.shop.post(path, {**one, "amount": "61.00"}), 409, "out_capture_no_used")
    over = refused(await town.shop.post(path, {"amount": "55.01", "currency": "CNY"}), 422, "capture_exceeds_authorised")
    assert over.detail["left_minor"] == 5500

    rest = ok(await town.shop.post(path, {"amount": "55.00", "currency": "CNY", "last": False}), status=201)
    assert (rest["state"], rest["paid"], rest["fee"], rest["net"]) == ("PAID", "115.00", "0.69", "114.31")
    assert await purse(payer) == ("35.00", "0.00", "35.00")
    assert ok(await payer.get("/v1/wallet/authorisations"))["items"] == []
    back = {"amount": "115.00", "currency": "CNY"}
    ok(await town.shop.post(f"/v1/merchant/orders/{number}/refunds", back), status=201)
    assert await purse(payer) == ("150.00", "0.00", "150.00")
    bills = ok(await payer.get("/v1/wallet/bills", kind="payment"))["items"]
    assert [(each["amount"], each["state"]) for each in bills] == [("55.00", "REFUNDED"), ("60.00", "REFUNDED")]


async def test_what_is_given_up_goes_back_and_what_was_taken_stays(town: Town) -> None:
    payer, number = await authorised(town, None)
    void = f"/v1/merchant/orders/{number}/void"
    given_up = ok(await town.shop.post(void, {}))
    assert (given_up["state"], given_up["paid"]) == ("VOIDED", "0.00")
    assert ok(await town.shop.post(void, {}))["state"] == "VOIDED"
    assert await purse(payer) == ("150.00", "0.00", "150.00")
    refused(await town.shop.post(f"/v1/merchant/orders/{number}/captures", OURS), 409, "order_voided")

    payer, number = await authorised(town)
    ok(await town.shop.post(f"/v1/merchant/orders/{number}/captures", {**OURS, "last": False}), status=201)
    given_up = ok(await town.shop.post(f"/v1/merchant/orders/{number}/void", {}))
    assert (given_up["state"], given_up["paid"]) == ("PAID", "1.00")
    assert await purse(payer) == ("149.00", "0.00", "149.00")


OURS = {"amount": "1.00", "currency": "CNY"}


async def test_a_payment_is_undone_as_a_whole_once(town: Town) -> None:
    payer = await town.customer("Uma")
    await town.gift(payer, "20.00")
    order = await town.order(town.shop, "20.00")
    await town.pay(payer, order)
    path = f"/v1/merchant/orders/{order['out_trade_no']}/reverse"
    answers = await asyncio.gather(*(town.shop.elsewhere(server).post(path, {}) for server in (town.here, town.there) * 5))
    assert {ok(answer)["state"] for answer in answers} == {"REVERSED"}
    assert ok(answers[0])["net"] == "0.00"
    assert await purse(payer) == ("20.00", "0.00", "20.00")
    refused(await town.shop.post(f"/v1/merchant/orders/{order['out_trade_no']}/refunds", OURS), 409, "order_reversed")
    bills = ok(await payer.get("/v1/wallet/bills"))["items"]
    assert [(each["kind"], each["direction"], each["amount"]) for each in bills[:2]] == [
        ("refund", "in", "20.00"), ("payment", "out", "20.00"),
    ]  # fmt: skip
    assert bills[1]["state"] == "REFUNDED"


async def test_two_captures_at_once_never_take_more_than_was_agreed(town: Town) -> None:
    payer, number = await authorised(town, None)
    path = f"/v1/merchant/orders/{number}/captures"
    wish = {"amount": "60.00", "currency": "CNY", "last": False}
    answers = await asyncio.gather(
        *(town.shop.elsewhere(server).post(path, wish, key=key()) for server in (town.here, town.there) * 4)
    )
    assert sorted(answer.status_code for answer in answers) == [201, *[422] * 7]
    assert await purse(payer) == ("90.00", "40.00", "50.00")


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"capture": "later", "most": "99.99"}, "agreed_range"),
        ({"capture": "later", "most": "115.01"}, "agreed_range"),
        ({"capture": "now", "most": "115.00"}, "agreed_range"),
        ({"capture": "later", "capture_within_s": 59}, "capture_within_range"),
        ({"capture": "later", "capture_within_s": 30 * 86_400 + 1}, "capture_within_range"),
    ],
)  # fmt: skip
async def test_an_order_that_asks_for_too_much_is_refused(town: Town, wish: dict[str, object], code: str) -> None:
    body = {"amount": "100.00", "currency": "CNY", "subject": "押金", **wish}
    refused(await town.shop.post("/v1/merchant/orders", body), 400, code)


@pytest.mark.parametrize("step", ["captures", "void", "reverse"])
async def test_what_nobody_agreed_to_cannot_be_taken_given_up_or_undone(town: Town, step: str) -> None:
    order = await town.order(town.shop, "100.00", capture="later")
    code = "order_not_paid" if step == "reverse" else "order_not_authorised"
    refused(
        await town.shop.post(f"/v1/merchant/orders/{order['out_trade_no']}/{step}", OURS if step == "captures" else {}), 409, code
    )

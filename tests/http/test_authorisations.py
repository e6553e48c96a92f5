"""Authorising, capturing, releasing and undoing over HTTP: two servers, a worker, and what both sides are shown."""

from __future__ import annotations

import asyncio
from typing import Any

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
        assert (part["fee"], part["net"]) == ("0.36", "59.64"), "of what was taken"
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
        ("reversal", "in", "20.00"), ("payment", "out", "20.00"),
    ]  # fmt: skip
    assert bills[1]["state"] == "REVERSED" and bills[0]["payment_id"] == order["payment_id"]
    page = ok(await payer.get("/v1/wallet/bills", kind="reversal"))
    assert [each["amount"] for each in page["items"]] == ["20.00"]
    assert [(each["in"], each["out"]) for each in page["days"]] == [("20.00", "0.00")], (
        "what was given, and nothing that was undone"
    )


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


async def test_the_console_tells_the_story_of_what_was_authorised_whatever_became_of_it(town: Town) -> None:
    payer, number = await authorised(town)
    captures = f"/v1/merchant/orders/{number}/captures"
    for amount in ("1.00", "2.00"):
        ok(await town.shop.post(captures, {"amount": amount, "currency": "CNY", "last": False}), status=201)
    waiting = await _told(town, payer)
    assert (waiting["state"], _kinds(waiting)) == ("AUTHORISED", ["created", "authorised", "captured", "captured"])
    ok(await town.shop.post(f"/v1/merchant/orders/{number}/void", {}))
    ended = await _told(town, payer)
    assert _kinds(ended) == ["created", "authorised", "captured", "captured", "released"]
    assert [_taken_from(payer, journal) for journal in ended["journals"]] == ["-1.00", "-2.00"]

    given_up, number = await authorised(town)
    ok(await town.shop.post(f"/v1/merchant/orders/{number}/void", {}))
    voided = await _told(town, given_up)
    assert (voided["state"], _kinds(voided), voided["journals"]) == ("VOIDED", ["created", "authorised", "voided"], [])

    at_once = await town.customer("Rex")
    await town.gift(at_once, "20.00")
    order = await town.order(town.shop, "20.00")
    await town.pay(at_once, order)
    ok(await town.shop.post(f"/v1/merchant/orders/{order['out_trade_no']}/reverse", {}))
    undone = await _told(town, at_once)
    assert (undone["state"], _kinds(undone)) == ("REVERSED", ["created", "paid", "reversed"])
    assert [_taken_from(at_once, journal) for journal in undone["journals"]] == ["-20.00", "20.00"]


async def _told(town: Town, payer: Person) -> dict[str, Any]:
    """The one payment of a payer, found by their log-in."""
    (found,) = ok(await town.support.get("/v1/console/payments", q=payer.login))["items"]
    told: dict[str, Any] = ok(await town.support.get(f"/v1/console/payments/{found['payment_id']}"))
    return told


def _kinds(told: dict[str, Any]) -> list[str]:
    return [event["kind"] for event in told["events"]]


def _taken_from(payer: Person, journal: dict[str, Any]) -> str:
    (amount,) = [entry["amount"] for entry in journal["entries"] if entry["owner"] == payer.customer_id]
    return str(amount)


async def test_an_operator_who_frees_a_hold_ends_the_authorisation_and_its_payer_reads_who_it_was(town: Town) -> None:
    payer, number = await authorised(town)
    order = ok(await town.shop.get(f"/v1/merchant/orders/{number}"))
    refused(await town.finance.post(f"/v1/console/holds/{order['payment_id']}/void"), 403, "approval_needed")
    body = {"hold_id": order["payment_id"]}
    wish = {"kind": "hold.void", "body": body, "reason": "the payer did not order it"}
    named = {**wish, "body": {**body, "customer_id": payer.customer_id}}
    refused(await town.finance.post("/v1/console/proposals", named), 400, "act_malformed")
    freed = await town.agreed("hold.void", body)
    assert (freed["state"], freed["subject_kind"], freed["subject_id"]) == ("DONE", "customer", payer.customer_id)
    refused(await town.finance.post("/v1/console/proposals", wish), 409, "hold_ended")
    assert ok(await town.shop.get(f"/v1/merchant/orders/{number}"))["state"] == "VOIDED"
    refused(await town.shop.post(f"/v1/merchant/orders/{number}/captures", OURS), 409, "order_voided")
    assert await purse(payer) == ("150.00", "0.00", "150.00")
    looked = ok(await payer.get("/v1/wallet/privacy/accesses"))["items"]
    assert [(each["act"], each["changed"]) for each in looked] == [("approve", True), ("propose", True)]


async def test_what_a_reported_thief_may_have_authorised_waits_until_two_operators_let_it_be_taken(town: Town) -> None:
    payer, number = await authorised(town)
    order = ok(await town.shop.get(f"/v1/merchant/orders/{number}"))
    shown = f"/v1/console/payments/{order['payment_id']}"
    assert ok(await town.support.get(shown))["in_doubt"] is False
    assert (await payer.post("/v1/wallet/report-takeover")).status_code == 204
    assert ok(await town.support.get(shown))["in_doubt"] is True
    captures = f"/v1/merchant/orders/{number}/captures"
    refused(await town.shop.post(captures, OURS), 409, "capture_waits")
    done = await town.agreed("authorisation.trust", {"payment_id": order["payment_id"]})
    assert (done["state"], done["subject_id"]) == ("DONE", payer.customer_id)
    assert ok(await town.support.get(shown))["in_doubt"] is False
    ok(await town.shop.post(captures, OURS), status=201)


async def test_a_copy_says_what_was_taken_and_what_was_only_agreed_to(town: Town) -> None:
    payer, number = await authorised(town)
    ok(await town.shop.post(f"/v1/merchant/orders/{number}/captures", OURS), status=201)
    order = await town.order(town.shop, "5.00", capture="later")
    agreed = {"amount": "5.00", "currency": "CNY", "pin": PIN}
    ok(await payer.post(f"/v1/wallet/payments/{order['payment_id']}/confirm", agreed))
    answer = await payer.post("/v1/wallet/privacy/copy", {"pin": PIN})
    assert answer.status_code == 200
    shown = [tuple(each[name] for name in ("state", "amount", "most", "paid")) for each in answer.json()["data"]["payments"]]
    assert shown == [("PAID", "100.00", "115.00", "1.00"), ("AUTHORISED", "5.00", "5.00", "0.00")]
    kinds = {each["kind"] for each in ok(await payer.get("/v1/wallet/privacy/erasure"))["obstacles"]}
    assert kinds == {"balance", "hold", "authorisation"}

"""Paying from the balance and a card over HTTP, with the card network as a program of its own."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from tests.http.town import PIN, Person, Town, ok, refused
from tongbao.app.asgi import open_services

pytestmark = pytest.mark.asyncio(loop_scope="session")


def parts(person: Person, balance: str, card: str) -> list[dict[str, str]]:
    return [{"source": "balance", "amount": balance}, {"source": "card", "amount": card, "of": person.card_id}]


def agreeing(amount: str, funding: list[dict[str, str]]) -> dict[str, Any]:
    return {"amount": amount, "currency": "CNY", "pin": PIN, "funding": funding}


async def settle(town: Town) -> None:
    """The worker's round of what the network was asked for."""
    async with open_services(town.stack.settings, town.stack.dsn) as services:
        await services.funded.settle_due()


async def held_and_left(person: Person) -> tuple[str, str]:
    balance = ok(await person.get("/v1/wallet/balance"))
    return balance["held"], balance["balance"]


async def test_an_order_is_paid_from_the_balance_and_a_card_and_refunded_to_the_card_first(town: Town) -> None:
    order = await town.order(town.shop, "10.00")
    path = f"/v1/wallet/payments/{order['payment_id']}"
    before = await held_and_left(town.ann)
    done = ok(await town.ann.post(f"{path}/confirm", agreeing("10.00", parts(town.ann, "4.00", "6.00"))))
    assert (done["state"], done["paid"]) == ("PAID", "10.00")
    drew = [("balance", "", "4.00", "0.00"), ("card", town.ann.card_id, "6.00", "0.00")]
    assert [(each["source"], each["of"], each["amount"], each["refunded"]) for each in done["funding"]] == drew
    held, left = await held_and_left(town.ann)
    assert (held, Decimal(left)) == (before[0], Decimal(before[1]) - 4)

    number = order["out_trade_no"]
    shown = ok(await town.shop.get(f"/v1/merchant/orders/{number}"))
    assert shown["funding"] == [] and town.ann.card_id not in str(shown), "the merchant is shown nothing of the card"
    back = ok(await town.shop.post(f"/v1/merchant/orders/{number}/refunds", {"amount": "7.00", "currency": "CNY"}), status=201)
    assert back["state"] == "PENDING"
    on_the_way = ok(await town.ann.get(path))["back"]
    assert [(each["source"], each["amount"]) for each in on_the_way] == [("balance", "1.00"), ("card", "6.00")]
    await settle(town)
    shown = ok(await town.shop.get(f"/v1/merchant/orders/{number}"))
    assert [(each["amount"], each["state"]) for each in shown["refunds"]] == [("7.00", "SUCCEEDED")]
    now = ok(await town.ann.get(path))
    assert [each["refunded"] for each in now["funding"]] == ["1.00", "6.00"]
    assert [(each["source"], each["amount"], each["state"]) for each in now["back"]] == [
        ("balance", "1.00", "ARRIVED"), ("card", "6.00", "ARRIVED"),
    ]  # fmt: skip
    assert len(now["funding"][1]["last4"]) == 4 and now["funding"][1]["name"]["zh"]


async def test_a_lost_answer_is_asked_for_until_it_is_known(town: Town) -> None:
    order = await town.order(town.shop, "10.00")
    path = f"/v1/wallet/payments/{order['payment_id']}"
    number = order["out_trade_no"]
    # The network debits the card and its answer is lost, as for every amount that ends so.
    asked = ok(await town.ann.post(f"{path}/confirm", agreeing("10.00", parts(town.ann, "3.98", "6.02"))))
    if asked["state"] == "UNKNOWN":  # or the worker was quicker
        answer = await town.ben.post(f"{path}/confirm", {"amount": "10.00", "currency": "CNY", "pin": PIN})
        assert answer.json()["error"]["code"] in ("order_being_paid", "order_paid")
        answer = await town.shop.post(f"/v1/merchant/orders/{number}/close")
        assert answer.json()["error"]["code"] in ("order_being_paid", "order_paid")
    async with asyncio.timeout(30):
        while (shown := ok(await town.ann.get(path)))["state"] == "UNKNOWN":
            await settle(town)
    assert (shown["state"], shown["paid"]) == ("PAID", "10.00")


async def test_undoing_gives_both_back(town: Town) -> None:
    order = await town.order(town.shop, "3.00")
    before = await held_and_left(town.ann)
    ok(
        await town.ann.post(
            f"/v1/wallet/payments/{order['payment_id']}/confirm", agreeing("3.00", parts(town.ann, "1.00", "2.00"))
        )
    )
    undone = ok(await town.shop.post(f"/v1/merchant/orders/{order['out_trade_no']}/reverse"))
    assert undone["state"] == "REVERSED"
    await settle(town)
    assert await held_and_left(town.ann) == before


async def test_what_a_card_refuses_leaves_the_order_to_be_paid_otherwise(town: Town) -> None:
    amount = "60.51"  # what the demonstration's network refuses, for want of money
    order = await town.order(town.shop, amount)
    before = await held_and_left(town.ann)
    path = f"/v1/wallet/payments/{order['payment_id']}"
    wish = agreeing(amount, [{"source": "card", "amount": amount, "of": town.ann.card_id}])
    refused(await town.ann.post(f"{path}/confirm", wish), 422, "card_insufficient")
    assert await held_and_left(town.ann) == before
    left = ok(await town.ann.get(path))
    assert (left["state"], left["refused"]["code"]) == ("CREATED", "card_insufficient")
    assert ok(await town.ben.get(path))["refused"] is None, "why a card said no is its owner's to know"


@pytest.mark.parametrize(
    ("funding", "status", "code"),
    [
        ([{"source": "balance", "amount": "4.00"}], 400, "parts_format"),
        ([{"source": "balance", "amount": "5.00"}, {"source": "balance", "amount": "5.00"}], 400, "parts_format"),
        ([{"source": "card", "amount": "10.00"}], 400, "parts_format"),
        ([{"source": "card", "amount": "10.00", "of": "mine"}], 404, "card_unknown"),
        ([{"source": "card", "amount": "10.00", "of": "$ann"}], 404, "card_unknown"),
        ([{"source": "voucher", "amount": "10.00", "of": "none"}], 404, "colour_not_found"),
    ],
)
async def test_parts_that_are_none_of_the_payers_are_refused(
    town: Town, funding: list[dict[str, str]], status: int, code: str
) -> None:
    order = await town.order(town.shop, "10.00")
    wish = agreeing("10.00", [each | ({"of": town.ann.card_id} if each.get("of") == "$ann" else {}) for each in funding])
    refused(await town.ben.post(f"/v1/wallet/payments/{order['payment_id']}/confirm", wish), status, code)
    assert ok(await town.ben.get(f"/v1/wallet/payments/{order['payment_id']}"))["state"] == "CREATED"


async def test_the_balance_named_alone_is_a_payment_like_any_other(town: Town) -> None:
    order = await town.order(town.shop, "1.00")
    done = ok(
        await town.ann.post(
            f"/v1/wallet/payments/{order['payment_id']}/confirm", agreeing("1.00", [{"source": "balance", "amount": "1.00"}])
        )
    )
    assert (done["state"], done["funding"]) == ("PAID", [])


async def test_sources_are_what_is_the_payers_own_in_their_own_order(town: Town) -> None:
    found = ok(await town.ann.get("/v1/wallet/sources", merchant_id=town.shop.merchant_id))["sources"]
    assert (found[0]["source"], found[0]["of"]) == ("balance", "")
    balance = ok(await town.ann.get("/v1/wallet/balance"))
    assert found[0]["available"] == balance["available"]
    assert town.ann.card_id in [each["of"] for each in found if each["available"] is None]
    others = ok(await town.ben.get("/v1/wallet/sources", merchant_id=town.shop.merchant_id))["sources"]
    assert town.ann.card_id not in str(others)
    refused(await town.ann.get("/v1/wallet/sources", merchant_id="mine"), 404, "merchant_not_found")

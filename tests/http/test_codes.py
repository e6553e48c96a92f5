"""Payers' codes over HTTP: bound on a proven device, made without asking us, read at a till, asked about, revoked."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.http.test_cards import DEBIT, HOLDER
from tests.http.test_credentials import added
from tests.http.test_funding import settle
from tests.http.test_safety import enters
from tests.http.test_small_payments import PATH as SMALL
from tests.http.test_small_payments import agreed
from tests.http.town import PASSWORD, PIN, Person, Town, key, ok, refused, session_of
from tests.support.authenticator import Authenticator
from tongbao.channels.simulated.people import DEMO_PEOPLE
from tongbao.identity.wire import decoded
from tongbao.methods.code.digits import nonce_of, payer_code, step_at

pytestmark = pytest.mark.asyncio(loop_scope="session")


class Phone:
    """What the wallet keeps: makes codes without a network."""

    def __init__(self, bound: dict[str, Any]) -> None:
        self.number = int(bound["number"])
        self.secret = decoded(bound["secret"])
        self._uses = -1

    def code(self) -> str:
        """A fresh one each time; the fourth within half a minute is the last."""
        self._uses += 1
        return payer_code(self.number, self.secret, nonce_of(step_at(datetime.now(UTC)), self._uses))


async def with_phone(town: Town, name: str) -> tuple[Person, Phone]:
    """A customer with 100.00 whose phone makes codes; up to 50.00 goes without a PIN."""
    person, authenticator, under = await town.customer(name), Authenticator(), key()
    await town.gift(person, "100.00")
    bound = ok(await person.post("/v1/wallet/code", {"name": "my phone", "pin": PIN}), status=201)
    ok(await added(person, authenticator), status=201)
    shown = await agreed(person, authenticator, under, "per_day=90.00,per_payment=50.00")
    ok(await person.put(SMALL, {"per_payment": "50.00", "per_day": "90.00", **shown}, key=under))
    return person, Phone(bound)


def till(shown: str, amount: str = "20.00", **more: str) -> dict[str, str]:
    return {"shown": shown, "amount": amount, "currency": "CNY", "subject": "牛肉面", **more}


async def test_a_small_sum_is_paid_by_the_code_alone_and_a_larger_one_asks(town: Town) -> None:
    person, phone = await with_phone(town, "Coder")
    paid = ok(await town.shop.post("/v1/merchant/payments", till(phone.code())), status=201)
    assert (paid["state"], paid["amount"], paid["net"]) == ("PAID", "20.00", "19.88")
    used = phone.code()
    asked = ok(await town.shop.post("/v1/merchant/payments", till(used, "60.00")), status=201)
    assert asked["state"] == "CREATED"
    seen = ok(await person.get("/v1/wallet/till"))
    assert [each["payment_id"] for each in seen["asked"]] == [asked["payment_id"]]
    assert [each["payment_id"] for each in seen["paid"]] == [paid["payment_id"]]
    refused(await town.shop.post("/v1/merchant/payments", till(used)), 409, "instrument_used")
    yes = {"amount": "60.00", "currency": "CNY", "pin": PIN}
    ok(await person.post(f"/v1/wallet/payments/{asked['payment_id']}/confirm", yes))
    assert ok(await town.shop.get(f"/v1/merchant/orders/{asked['out_trade_no']}"))["state"] == "PAID"
    assert ok(await person.get("/v1/wallet/till"))["asked"] == []


async def test_a_payer_who_is_asked_may_say_no(town: Town) -> None:
    person, phone = await with_phone(town, "Naysayer")
    asked = ok(await town.shop.post("/v1/merchant/payments", till(phone.code(), "60.00")), status=201)
    assert (await person.post(f"/v1/wallet/asks/{asked['payment_id']}/refuse")).status_code == 204
    assert ok(await town.shop.get(f"/v1/merchant/orders/{asked['out_trade_no']}"))["state"] == "CLOSED"
    refused(await person.post(f"/v1/wallet/asks/{asked['payment_id']}/refuse"), 409, "order_closed")


async def test_two_tills_at_once_are_paid_once_by_one_code(town: Town) -> None:
    _, phone = await with_phone(town, "Twice")
    shown = phone.code()
    answers = await asyncio.gather(*(town.shop.post("/v1/merchant/payments", till(shown, "1.00")) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7


async def test_a_code_is_bound_anew_without_a_pin_and_the_one_before_is_over(town: Town) -> None:
    person, phone = await with_phone(town, "Renewer")
    refused(await person.post("/v1/wallet/code", {"name": "another"}), 403, "confirmation_needed")
    again = ok(await person.post("/v1/wallet/code", {"name": "my phone", "replaces": str(phone.number)}), status=201)
    assert int(again["number"]) != phone.number
    refused(await town.shop.post("/v1/merchant/payments", till(phone.code())), 403, "instrument_revoked")
    ok(await town.shop.post("/v1/merchant/payments", till(Phone(again).code())), status=201)
    (line,) = ok(await person.get("/v1/wallet/instruments"))["items"]
    assert (line["number"], line["kind"], line["name"], line["current"]) == (again["number"], "code", "my phone", True)


async def test_the_same_key_answers_the_same_code_and_another_device_binds_none(town: Town) -> None:
    person, under = await town.customer("Keyed"), key()
    wish = {"name": "my phone", "pin": PIN}
    first = ok(await person.post("/v1/wallet/code", wish, key=under), status=201)
    again = ok(await person.post("/v1/wallet/code", wish, key=under), status=201)
    assert (first["number"], first["secret"]) == (again["number"], again["secret"])
    thief = Person(town.there, session_of(await enters(town, person.login, PASSWORD)))
    refused(await thief.post("/v1/wallet/code", wish), 403, "device_unproven")
    refused(await thief.post("/v1/wallet/code", {"name": "x", "replaces": first["number"]}), 403, "device_unproven")


async def test_caps_are_lowered_at_once_raised_by_pin_and_revoking_takes_one_tap(town: Town) -> None:
    person, phone = await with_phone(town, "Capper")
    path = f"/v1/wallet/instruments/{phone.number}"
    assert (await person.put(f"{path}/caps", {"most": "10.00", "day": "15.00", "currency": "CNY"})).status_code == 204
    asked = ok(await town.shop.post("/v1/merchant/payments", till(phone.code(), "10.01")), status=201)
    assert asked["state"] == "CREATED"
    paid = ok(await town.shop.post("/v1/merchant/payments", till(phone.code(), "10.00")), status=201)
    assert paid["state"] == "PAID"
    (line,) = ok(await person.get("/v1/wallet/instruments"))["items"]
    assert (line["most"], line["day"], line["spent_today"]) == ("10.00", "15.00", "10.00")
    higher = {"most": "20.00", "day": None, "currency": "CNY"}
    refused(await person.put(f"{path}/caps", higher), 403, "confirmation_needed")
    assert (await person.put(f"{path}/caps", {**higher, "pin": PIN})).status_code == 204
    refused(await person.put(f"{path}/caps", {"most": "2.00", "day": "1.00", "currency": "CNY"}), 422, "instrument_cap_range")
    assert (await person.delete(path)).status_code == 204
    refused(await town.shop.post("/v1/merchant/payments", till(phone.code())), 403, "instrument_revoked")
    assert ok(await person.get("/v1/wallet/instruments"))["items"] == []


@pytest.mark.parametrize(
    ("shown", "status", "code"),
    [
        ("", 400, "shown_unknown"), ("28763443825664394", 400, "shown_unknown"), ("https://example.com", 400, "shown_unknown"),
        ("8700451236950417723", 400, "shown_unknown"), ("87004512369504177230", 400, "payer_code_mistyped"),
    ],
)  # fmt: skip
async def test_what_is_no_code_is_refused(town: Town, shown: str, status: int, code: str) -> None:
    refused(await town.shop.post("/v1/merchant/payments", till(shown)), status, code)


async def test_a_code_draws_on_the_card_where_it_comes_first_or_the_balance_is_not_enough(town: Town) -> None:
    person, phone = await with_phone(town, "Carder")
    await town.known(person, DEMO_PEOPLE.index(HOLDER))
    card = (await town.bound(person, DEBIT))["card_id"]

    async def drew(payment: dict[str, Any]) -> list[tuple[str, str]]:
        seen = ok(await person.get(f"/v1/wallet/payments/{payment['payment_id']}"))
        return [(each["source"], each["amount"]) for each in seen["funding"]]

    ok(await person.put("/v1/wallet/funding-order", {"sources": [card]}))
    first = ok(await town.shop.post("/v1/merchant/payments", till(phone.code())), status=201)
    assert (first["state"], first["funding"], await drew(first)) == ("PAID", [], [("card", "20.00")])
    ok(await person.put("/v1/wallet/funding-order", {"sources": ["balance"]}))
    away = {"payee_id": town.ben.customer_id, "amount": "95.00", "currency": "CNY", "pin": PIN}
    ok(await person.post("/v1/wallet/transfers", away), status=201)
    both = ok(await town.shop.post("/v1/merchant/payments", till(phone.code())), status=201)
    assert (both["state"], await drew(both)) == ("PAID", [("balance", "5.00"), ("card", "15.00")])

    # The network says no to such an amount: nothing was taken, and nothing was let go without a PIN.
    refused(await town.shop.post("/v1/merchant/payments", till(phone.code(), "20.51")), 422, "card_insufficient")
    assert ok(await person.get(SMALL))["left_today"] == "50.00"

    # Its answer to this one is lost: the till is not paid until it is known, and asking again under the same key asks once.
    again, shown = key(), till(await with_new_code(person, phone), "20.02")
    asked = ok(await town.shop.post("/v1/merchant/payments", shown, key=again), status=201)
    assert asked["state"] == "UNKNOWN", "nothing is to be handed over"
    told = ok(await town.shop.post("/v1/merchant/payments", shown, key=again), status=201)
    assert told["payment_id"] == asked["payment_id"] and told["state"] in ("UNKNOWN", "PAID")
    if told["state"] == "UNKNOWN":
        found = ok(await person.get("/v1/wallet/till"))
        assert asked["payment_id"] in [each["payment_id"] for each in found["waiting"] + found["paid"]]
    async with asyncio.timeout(30):
        while ok(await town.shop.get(f"/v1/merchant/orders/{asked['out_trade_no']}"))["state"] == "UNKNOWN":
            await settle(town)
    assert await drew(asked) == [("card", "20.02")]
    assert ok(await person.get("/v1/wallet/balance"))["balance"] == "0.00"

    # What may not go without a PIN may not by card either: the payer is asked.
    ok(await person.put("/v1/wallet/funding-order", {"sources": [card]}))
    more = till(await with_new_code(person, phone), "60.00")
    assert ok(await town.shop.post("/v1/merchant/payments", more), status=201)["state"] == "CREATED"


async def with_new_code(person: Person, phone: Phone) -> str:
    """A code of the same phone, bound anew: four codes within half a minute are all there are."""
    wish = {"name": "my phone", "replaces": str(phone.number)}
    anew = Phone(ok(await person.post("/v1/wallet/code", wish), status=201))
    phone.number, phone.secret = anew.number, anew.secret
    return anew.code()

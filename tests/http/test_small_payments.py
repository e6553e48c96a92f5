"""Small payments without a PIN, over HTTP: off, switched on by two factors, lowered by nobody's leave."""

from __future__ import annotations

import pytest

from tests.http.test_credentials import added
from tests.http.town import PIN, Person, Town, key, ok, refused
from tests.support.authenticator import Authenticator, on_the_wire, read

PATH = "/v1/wallet/small-payments"

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def agreed(person: Person, phone: Authenticator, under: str, detail: str) -> dict[str, object]:
    act = {"request_key": under, "act": "small_payments", "counterparty_id": person.customer_id, "detail": detail}
    challenge = ok(await person.post("/v1/wallet/acts/challenge", act))["challenge"]
    return {"confirmation": {"kind": "passkey", **on_the_wire(phone.answers(read(challenge)))}}


async def test_it_is_off_until_two_factors_switch_it_on_and_is_lowered_at_once(town: Town) -> None:
    person, phone, under = await town.customer("Small"), Authenticator(), key()
    ok(await added(person, phone), status=201)
    off = {"on": False, "currency": "CNY", "per_payment": "0.00", "per_day": "0.00", "used_today": "0.00", "left_today": "0.00"}
    assert ok(await person.get(PATH)) == {**off, "most": "1000.00", "changed_at": None}
    wish = {"per_payment": "200.00", "per_day": "500.00"}
    refused(await person.put(PATH, wish), 422, "stronger_confirmation_needed")
    refused(await person.put(PATH, {"per_payment": "200.00", "per_day": "1000.01", "pin": PIN}), 422, "small_payments_range")
    shown = await agreed(person, phone, under, "per_day=500.00,per_payment=200.00")
    refused(await person.put(PATH, {**wish, "per_day": "900.00", **shown}, key=under), 401, "challenge_wrong")
    chosen = ok(await person.put(PATH, {**wish, **shown}, key=under))
    assert (chosen["on"], chosen["per_payment"], chosen["per_day"], chosen["left_today"]) == (True, "200.00", "500.00", "500.00")
    there = person.elsewhere(town.there)
    lower = ok(await there.put(PATH, {"per_payment": "50.00", "per_day": "50.00"}))
    assert (lower["per_payment"], lower["per_day"]) == ("50.00", "50.00")
    last = ok(await person.put(PATH, {"per_payment": None, "per_day": None}))
    assert {**last, "changed_at": None} == {**off, "most": "1000.00", "changed_at": None} and last["changed_at"] is not None
    copied = ok(await person.get("/v1/wallet/alerts"))["items"]
    assert [each["kind"] for each in copied if each["kind"].startswith("small")] == ["small_payments_raised"]

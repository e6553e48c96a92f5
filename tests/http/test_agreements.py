"""Agreements to be debited, over HTTP: asked for, scanned, signed, debited, paused, and ended by whoever wants to."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest

from tests.http.test_credentials import added
from tests.http.town import WRONG_PIN, Person, Town, key, ok, refused, until
from tests.support.authenticator import Authenticator, on_the_wire, read

pytestmark = pytest.mark.asyncio(loop_scope="session")

CAPS = {"per_debit": "30.00", "per_day": "60.00", "debits_a_day": 1000, "debits_a_month": 1000}


async def asked(town: Town, **terms: Any) -> dict[str, Any]:
    """The shop asks."""
    wish = {"purpose": "咖啡会员", "currency": "CNY", **CAPS, **terms}
    return ok(await town.shop.post("/v1/merchant/agreements", wish), status=201)


async def shown(
    payer: Person, phone: Authenticator, under: str, agreement: dict[str, Any], caps: dict[str, Any], act: str = "sign_agreement"
) -> dict[str, Any]:
    """These limits, agreed to by passkey under this key."""
    detail = f"debits_a_day={caps['debits_a_day']},debits_a_month={caps['debits_a_month']},per_day={caps['per_day']}"
    wish = {
        "request_key": under, "act": act, "counterparty_id": agreement["agreement_id"], "amount": caps["per_debit"],
        "currency": "CNY", "detail": detail,
    }  # fmt: skip
    challenge = ok(await payer.post("/v1/wallet/acts/challenge", wish))["challenge"]
    return {"confirmation": {"kind": "passkey", **on_the_wire(phone.answers(read(challenge)))}}


async def signed(town: Town, payer: Person, phone: Authenticator, **terms: Any) -> dict[str, Any]:
    """An agreement of the shop's that this customer, who has this passkey, signed as it was asked for."""
    agreement, under = await asked(town, **terms), key()
    caps = agreement["asked"]
    agreed = await shown(payer, phone, under, agreement, caps)
    return ok(await payer.post(f"/v1/wallet/agreements/{agreement['agreement_id']}/sign", {**caps, **agreed}, key=under))


async def a_payer(town: Town, name: str, funds: str) -> tuple[Person, Authenticator]:
    payer, phone = await town.customer(name), Authenticator()
    ok(await added(payer, phone), status=201)
    await town.gift(payer, funds)
    return payer, phone


def wish(amount: str, number: str | None = None) -> dict[str, Any]:
    return {"amount": amount, "currency": "CNY", **({"out_trade_no": number} if number else {})}


async def test_an_agreement_is_scanned_signed_debited_paused_and_revoked(town: Town) -> None:
    payer, phone = await a_payer(town, "Signer", "100.00")
    agreement = await asked(town)
    number, path = agreement["out_agreement_no"], f"/v1/wallet/agreements/{agreement['agreement_id']}"
    refused(await town.shop.post(f"/v1/merchant/agreements/{number}/debits", wish("1.00")), 409, "agreement_not_signed")
    code = ok(await town.shop.get(f"/v1/merchant/agreements/{number}/code"))
    assert code["text"] == agreement["link"] and code["svg"].startswith("<svg")
    scanned = ok(await payer.post("/v1/wallet/scan", {"text": code["text"]}))
    assert scanned == {"kind": "agreement", "agreement_id": agreement["agreement_id"]}
    read_before = ok(await payer.get(path))
    assert (read_before["state"], read_before["asked"], read_before["purpose"]) == ("ASKED", CAPS, "咖啡会员")
    refused(await payer.post(f"{path}/sign", {**CAPS, "pin": WRONG_PIN}), 403, "wrong_pin")
    lower, under = {**CAPS, "per_debit": "20.00"}, key()
    agreed = await shown(payer, phone, under, agreement, lower)
    refused(await payer.post(f"{path}/sign", {**CAPS, **agreed}, key=under), 401, "challenge_wrong")
    active = ok(await payer.post(f"{path}/sign", {**lower, **agreed}, key=under))
    assert (active["state"], active["caps"]["per_debit"], active["asked"]["per_debit"]) == ("ACTIVE", "20.00", "30.00")
    refused(await town.shop.get(f"/v1/merchant/agreements/{number}/code"), 409, "agreement_active")
    debits = f"/v1/merchant/agreements/{number}/debits"
    refused(await town.shop.post(debits, wish("20.01")), 422, "debit_exceeds_cap")
    done = ok(await town.shop.post(debits, wish("20.00", f"{number}-1")), status=201)
    again = ok(await town.shop.post(debits, wish("20.00", f"{number}-1")), status=201)
    assert done == again and (done["state"], done["attempts"]) == ("TAKEN", 1)
    order = ok(await town.shop.get(f"/v1/merchant/orders/{number}-1"))
    assert (order["state"], order["paid"], order["subject"]) == ("PAID", "20.00", "咖啡会员")
    assert ok(await payer.get("/v1/wallet/balance"))["balance"] == "80.00"
    ok(await payer.post(f"{path}/pause"))
    refused(await town.shop.post(debits, wish("1.00")), 409, "agreement_paused")
    ok(await payer.elsewhere(town.there).post(f"{path}/resume"))
    listed = ok(await payer.get("/v1/wallet/agreements"))["items"]
    assert [(each["agreement_id"], each["used_today"], each["debits"]) for each in listed] == [
        (agreement["agreement_id"], "20.00", 1)
    ]
    ended = ok(await payer.post(f"{path}/revoke"))
    assert (ended["state"], ended["ended_by"]) == ("ENDED", "payer")
    refused(await town.shop.post(debits, wish("1.00")), 409, "agreement_ended")
    assert [each["out_trade_no"] for each in ok(await town.shop.get(debits))["items"]] == [f"{number}-1"]
    refund = ok(await town.shop.post(f"/v1/merchant/orders/{number}-1/refunds", wish("20.00")), status=201)
    assert refund["amount"] == "20.00"


async def test_limits_are_lowered_at_once_and_raised_by_two_factors(town: Town) -> None:
    payer, phone = await a_payer(town, "Lower", "10.00")
    agreement = await signed(town, payer, phone)
    path = f"/v1/wallet/agreements/{agreement['agreement_id']}/caps"
    lower = {**CAPS, "per_debit": "1.00"}
    assert ok(await payer.put(path, lower))["caps"] == lower
    refused(await payer.put(path, CAPS), 422, "stronger_confirmation_needed")
    refused(await payer.put(path, {**CAPS, "per_day": "60.01"}), 422, "agreement_caps_range")
    under = key()
    agreed = await shown(payer, phone, under, agreement, CAPS, "change_agreement")
    assert ok(await payer.put(path, {**CAPS, **agreed}, key=under))["caps"] == CAPS


async def test_a_debit_is_told_before_and_can_be_stopped(town: Town) -> None:
    payer, phone = await a_payer(town, "Told", "100.00")
    agreement = await signed(town, payer, phone, notice_hours=24)
    base = f"/v1/merchant/agreements/{agreement['out_agreement_no']}"
    refused(await town.shop.post(f"{base}/debits", wish("5.00")), 409, "debit_notice_missing")
    notice = ok(await town.shop.post(f"{base}/notices", wish("5.00", "T-" + agreement["out_agreement_no"])), status=201)
    assert notice["state"] == "NOTICED" and notice["noticed_at"] is not None
    refused(await town.shop.post(f"{base}/debits", wish("5.00", notice["out_trade_no"])), 409, "debit_too_early")
    path = f"/v1/wallet/agreements/{agreement['agreement_id']}"
    following = ok(await payer.get(path))["next_debit"]
    assert following == {
        "payment_id": notice["payment_id"], "amount": "5.00", "at": notice["due_at"], "state": "NOTICED",
    }  # fmt: skip
    ok(await payer.post(f"{path}/debits/{notice['payment_id']}/stop"))
    refused(await town.shop.post(f"{base}/debits", wish("5.00", notice["out_trade_no"])), 409, "debit_stopped")
    assert ok(await payer.get(f"{path}/debits"))["items"][0]["state"] == "STOPPED"

    async def was_told() -> bool:
        return any("CNY 5.00" in each.text for each in await town.stack.messages.outbox("+86" + payer.login))

    await until(was_told, 20)


async def test_a_debit_that_finds_no_money_waits_and_is_stopped_by_its_payer(town: Town) -> None:
    payer, phone = await a_payer(town, "Poor", "4.99")
    agreement = await signed(town, payer, phone)
    debits = f"/v1/merchant/agreements/{agreement['out_agreement_no']}/debits"
    under = key()
    waiting = ok(await town.shop.post(debits, wish("5.00"), key=under), status=201)
    assert (waiting["state"], waiting["failure_code"], waiting["attempts"]) == ("WAITING", "debit_funds_insufficient", 1)
    assert ok(await town.shop.post(debits, wish("5.00"), key=under), status=201) == waiting
    assert ok(await town.shop.get(f"{debits}/{waiting['out_trade_no']}")) == waiting
    stop = f"/v1/wallet/agreements/{agreement['agreement_id']}/debits/{waiting['payment_id']}/stop"
    assert ok(await payer.post(stop))["state"] == "STOPPED"
    once = await signed(town, payer, phone, attempts=1)
    refused(
        await town.shop.post(f"/v1/merchant/agreements/{once['out_agreement_no']}/debits", wish("5.00")),
        422,
        "debit_funds_insufficient",
    )


async def test_debits_at_once_on_two_servers_never_exceed_a_cap(town: Town) -> None:
    payer, phone = await a_payer(town, "Crowd", "100.00")
    agreement = await signed(town, payer, phone)
    debits = f"/v1/merchant/agreements/{agreement['out_agreement_no']}/debits"
    shops = (town.shop, town.shop.elsewhere(town.there))

    async def once(number: int) -> str:
        answer = await shops[number % 2].post(debits, wish("1.00"))
        return "ok" if answer.status_code == 201 else str(answer.json()["error"]["code"])

    said = await asyncio.gather(*(once(number) for number in range(120)))
    assert Counter(said) == {"ok": 60, "debit_exceeds_day": 60}
    assert ok(await payer.get("/v1/wallet/balance"))["balance"] == "40.00"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"debits_a_day": 0}, "debits_a_day"),
        ({"attempts": 6}, "attempts"),
        ({"retry_hours": 0}, "retry_hours"),
        ({"notice_hours": 241}, "notice_hours"),
        ({"per_day": "29.99"}, "per_day"),
        ({"ends_on": "2020-01-01"}, "ends_on"),
        ({"ends_on": "2099-01-01"}, "ends_on"),
        ({"first_debit_on": "2020-01-01"}, "first_debit_on"),
        ({"sign_within_s": 59}, "sign_within_s"),
    ],
)
async def test_terms_that_nobody_should_sign_are_refused(town: Town, changed: dict[str, Any], field: str) -> None:
    body = {"purpose": "咖啡会员", "currency": "CNY", **CAPS, **changed}
    error = refused(await town.shop.post("/v1/merchant/agreements", body), 400, "agreement_range")
    assert error.detail is not None and error.detail["field"] == field


async def test_a_merchant_ends_what_it_asked_for(town: Town) -> None:
    agreement = await asked(town)
    path = f"/v1/merchant/agreements/{agreement['out_agreement_no']}"
    ended = ok(await town.shop.post(f"{path}/end", {"reason": "停业"}))
    assert (ended["state"], ended["ended_by"], ended["end_reason"]) == ("ENDED", "merchant", "停业")
    assert agreement["agreement_id"] in [each["agreement_id"] for each in ok(
        await town.shop.get("/v1/merchant/agreements", state="ENDED", limit=100))["items"]]  # fmt: skip
    refused(await town.shop.get(f"{path}/code"), 409, "agreement_ended")


async def test_a_merchant_hears_of_its_agreements_and_what_is_debited_under_them_and_of_nobody_elses(town: Town) -> None:
    payer, phone = await a_payer(town, "Heard", "20.00")
    rival = await town.merchant("Deaf")

    def listens(who: Person) -> Any:
        headers = {"authorization": f"Bearer {who.token}"}
        return town.there.stream("GET", "/v1/merchant/agreement-events", headers=headers)

    async with listens(town.shop) as answer, listens(rival) as other, asyncio.timeout(30):
        lines, quiet = answer.aiter_lines(), other.aiter_lines()
        await anext(lines)  # sent when the subscription stands
        await anext(quiet)
        agreement = await signed(town, payer, phone)
        number = agreement["out_agreement_no"]
        ok(await town.shop.post(f"/v1/merchant/agreements/{number}/debits", wish("15.00", "HEARD-1")), status=201)
        again = ok(await town.shop.post(f"/v1/merchant/agreements/{number}/debits", wish("15.00", "HEARD-2")), status=201)
        assert again["state"] == "WAITING"
        heard: list[tuple[str, str | None]] = []
        kind = ""
        while len(heard) < 3:
            line = await anext(lines)
            kind = line.removeprefix("event: ") if line.startswith("event: ") else kind
            if line.startswith("data: ") and (told := json.loads(line.removeprefix("data: ")))["out_agreement_no"] == number:
                assert told["agreement_id"] == agreement["agreement_id"] and told["state"] == "ACTIVE"
                heard.append((kind, told.get("out_trade_no")))
        assert heard == [("agreement.signed", None), ("debit.taken", "HEARD-1"), ("debit.waiting", "HEARD-2")]
        mine = await signed_for(rival, payer, phone)
        while not (line := await anext(quiet)).startswith("data: "):
            pass
        assert json.loads(line.removeprefix("data: "))["agreement_id"] == mine, "the first that it hears is its own"


async def signed_for(shop: Person, payer: Person, phone: Authenticator) -> str:
    """An agreement of another shop's, signed."""
    made = ok(await shop.post("/v1/merchant/agreements", {"purpose": "会员", "currency": "CNY", **CAPS}), status=201)
    under = key()
    agreed = await shown(payer, phone, under, made, made["asked"])
    ok(await payer.post(f"/v1/wallet/agreements/{made['agreement_id']}/sign", {**made["asked"], **agreed}, key=under))
    return str(made["agreement_id"])

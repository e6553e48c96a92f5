"""Codes, getting back in, “it wasn't me”, and that people are told: through the running product and the messages it sends."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator

import httpx
import msgspec
import pytest
import pytest_asyncio

from tests.http.conftest import client
from tests.http.test_credentials import added
from tests.http.town import PASSWORD, PIN, WRONG_PIN, Person, Town, key, ok, refused, session_of
from tests.support.authenticator import Authenticator, on_the_wire, read
from tongbao.app.stack import answering, ended, free_port, spawn
from tongbao.identity.http import SessionAnswer

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANOTHER = "another horse battery"


async def message(town: Town, login: str, said: str, *, within_s: float = 30.0) -> str:
    """The latest message to this phone that says so."""
    until = time.monotonic() + within_s
    while True:
        for each in await town.stack.messages.outbox(f"+86{login}"):
            if said in each.text:
                return each.text
        assert time.monotonic() < until, f"nobody was told: {said}"
        await asyncio.sleep(0.05)


async def code(town: Town, login: str) -> str:
    """The code that was sent last."""
    found = re.search(r"验证码 ([0-9]{6})", await message(town, login, "验证码"))
    assert found is not None
    return found[1]


async def codes(town: Town, login: str) -> list[str]:
    """Every code that was sent."""
    return re.findall(r"验证码 ([0-9]{6})", " ".join(each.text for each in await town.stack.messages.outbox(f"+86{login}")))


async def asks_for_code(town: Town, what: str, login: str) -> httpx.Response:
    return await town.here.post(f"/v1/wallet/{what}/code", json={"login": login}, headers={"idempotency-key": key()})


async def sent(town: Town, what: str, login: str, device_token: str = "") -> tuple[str, str]:
    """Ask for a code: its ticket, and what was sent."""
    body = {"login": login, "device_token": device_token}
    before = await codes(town, login)
    answer = await town.here.post(f"/v1/wallet/{what}/code", json=body, headers={"idempotency-key": key()})
    until = time.monotonic() + 30
    while len(now := await codes(town, login)) == len(before):
        assert time.monotonic() < until, "no code was sent"
        await asyncio.sleep(0.05)
    (new,) = set(now) - set(before)
    return ok(answer)["ticket"], new


async def recovers(town: Town, login: str, ticket: str, typed: str, **more: str) -> httpx.Response:
    body = {"login": login, "ticket": ticket, "code": typed, "new_password": ANOTHER, **more}
    return await town.here.post("/v1/wallet/recovery", json=body, headers={"idempotency-key": key()})


async def enters(town: Town, login: str, password: str) -> httpx.Response:
    return await town.here.post("/v1/wallet/login", json={"login": login, "password": password})


def other_than(digits: str) -> str:
    return f"{(int(digits) + 1) % 10**6:06d}"


async def test_a_forgotten_password_takes_the_code_and_the_pin_and_ends_every_session(town: Town) -> None:
    flo = await town.customer("Flo")
    ticket, typed = await sent(town, "recovery", flo.login)
    refused(await recovers(town, flo.login, ticket, other_than(typed), pin=PIN), 401, "code_wrong")
    refused(await recovers(town, flo.login, ticket, typed), 403, "recovery_needs_more")
    refused(await recovers(town, flo.login, ticket, typed, pin=WRONG_PIN), 403, "wrong_pin")
    refused(await recovers(town, flo.login, ticket, typed, device_token="of somebody else"), 403, "recovery_needs_more")
    refused(await recovers(town, flo.login, ticket, typed, pin=PIN, new_password="short"), 400, "password_too_short")
    ok(await flo.get("/v1/wallet/me"))
    refused(await recovers(town, flo.login, "of somebody else", typed, pin=PIN), 401, "code_wrong")
    assert (await recovers(town, flo.login, ticket, typed, pin=PIN)).status_code == 200
    refused(await flo.get("/v1/wallet/me"), 401, "unauthenticated")
    refused(await enters(town, flo.login, PASSWORD), 401, "wrong_credentials")
    assert (await enters(town, flo.login, ANOTHER)).status_code == 200
    refused(await recovers(town, flo.login, ticket, typed, pin=PIN), 401, "code_wrong")
    assert "找回流程" in await message(town, flo.login, "找回流程")


async def test_a_known_device_stands_in_for_the_pin(town: Town) -> None:
    login = town.login()
    body = {"login": login, "password": PASSWORD, "name": "Dev", "device_name": "first"}
    answer = await town.here.post("/v1/wallet/register", json=body, headers={"idempotency-key": key()})
    token = ok(answer, SessionAnswer, 201).device_token
    assert token is not None
    assert (await recovers(town, login, *await sent(town, "recovery", login), device_token=token)).status_code == 200
    assert (await enters(town, login, ANOTHER)).status_code == 200


async def test_whether_there_is_such_a_customer_is_not_to_be_told_from_recovery(town: Town) -> None:
    gil, nobody = (await town.customer("Gil")).login, town.login()
    tickets = {}
    for login in (gil, nobody):
        first = await asks_for_code(town, "recovery", login)
        tickets[login] = ok(first)["ticket"]
        assert (list(first.json()), len(tickets[login])) == (["ticket"], 43)
        soon = refused(await asks_for_code(town, "recovery", login), 422, "code_too_soon")
        assert list(soon.detail) == ["after"]
    typed = await code(town, gil)
    for login in (gil, nobody):
        for _ in range(6):
            said = refused(await recovers(town, login, tickets[login], other_than(typed), pin=PIN), 401, "code_wrong")
            assert said.detail == {}
    for login in (gil, nobody):
        refused(await recovers(town, login, tickets[login], typed, pin="12345"), 400, "pin_format")
    refused(await recovers(town, gil, tickets[gil], typed, pin=PIN), 401, "code_wrong")  # five tries are all there are
    assert await town.stack.messages.outbox(f"+86{nobody}") == []


async def test_codes_that_strangers_ask_for_neither_spend_nor_replace_the_owners_nor_keep_it_from_being_sent(town: Town) -> None:
    login = town.login()
    body = {"login": login, "password": PASSWORD, "name": "Own"}
    answer = await town.here.post("/v1/wallet/register", json=body, headers={"idempotency-key": key()})
    mine = ok(answer, SessionAnswer, 201).device_token
    assert mine is not None
    theirs, _ = await sent(town, "recovery", login)
    ticket, typed = await sent(town, "recovery", login, mine)  # a moment after the stranger's
    for _ in range(6):
        refused(await recovers(town, login, theirs, other_than(typed), pin=PIN), 401, "code_wrong")
    assert (await recovers(town, login, ticket, typed, device_token=mine)).status_code == 200


async def test_the_password_is_changed_by_who_knows_it_and_other_sessions_end(town: Town) -> None:
    hal = await town.customer("Hal")
    other = Person(town.here, session_of(await enters(town, hal.login, PASSWORD)))
    path = "/v1/wallet/password"
    refused(await hal.post(path, {"password": "not this one", "new_password": ANOTHER}), 401, "wrong_credentials")
    refused(await hal.post(path, {"password": PASSWORD, "new_password": "short"}), 400, "password_too_short")
    refused(await hal.post(path, {"password": PASSWORD, "new_password": "iloveyou"}), 400, "password_common")
    ok(await other.get("/v1/wallet/me"))
    assert (await hal.post(path, {"password": PASSWORD, "new_password": ANOTHER})).status_code == 204
    refused(await other.get("/v1/wallet/me"), 401, "unauthenticated")
    ok(await hal.get("/v1/wallet/me"))
    refused(await enters(town, hal.login, PASSWORD), 401, "wrong_credentials")
    assert (await enters(town, hal.login, ANOTHER)).status_code == 200


async def test_a_reported_takeover_stops_payments_until_the_account_is_recovered(town: Town) -> None:
    ida = await town.customer("Ida")
    await town.gift(ida, "5.00")
    thief = Person(town.here, session_of(await enters(town, ida.login, PASSWORD)))
    send = {"payee_id": town.ben.customer_id, "amount": "1.00", "currency": "CNY", "pin": PIN}
    assert (await ida.post("/v1/wallet/report-takeover")).status_code == 204
    refused(await thief.get("/v1/wallet/me"), 401, "unauthenticated")
    before = await town.moved()
    said = refused(await ida.post("/v1/wallet/transfers", send), 422, "account_suspended")
    assert "reported" in str(said.detail["reasons"]) and await town.moved() == before
    assert (await recovers(town, ida.login, *await sent(town, "recovery", ida.login), pin=PIN)).status_code == 200
    again = Person(town.here, session_of(await enters(town, ida.login, ANOTHER)))
    ok(await again.post("/v1/wallet/transfers", send), status=201)
    told = [each["kind"] for each in ok(await again.get("/v1/wallet/alerts"))["items"]]
    assert told == ["device_added", "recovered", "takeover_reported", "device_added"]


async def test_who_knows_the_password_alone_puts_the_owner_neither_out_nor_off(town: Town) -> None:
    oda = await town.customer("Oda")
    await town.gift(oda, "2.00")
    thief = Person(town.here, session_of(await enters(town, oda.login, PASSWORD)))
    await thief.get("/v1/wallet/me")
    refused(await thief.post("/v1/wallet/password", {"password": PASSWORD, "new_password": ANOTHER}), 403, "device_unproven")
    change = {"password": PASSWORD, "new_password": ANOTHER, "pin": WRONG_PIN}
    refused(await thief.post("/v1/wallet/password", change), 403, "wrong_pin")
    refused(await thief.post("/v1/wallet/totp/start", {"password": PASSWORD}), 403, "device_unproven")
    devices = ok(await oda.get("/v1/wallet/devices"))["items"]
    for device in devices:
        if device["current"]:
            refused(await thief.delete(f"/v1/wallet/devices/{device['device_id']}"), 403, "device_unproven")
    refused(await thief.delete(f"/v1/wallet/sessions/{oda.session_id}"), 403, "device_unproven")
    send = {"payee_id": town.ben.customer_id, "amount": "1.00", "currency": "CNY", "pin": WRONG_PIN}
    for _ in range(4):
        await thief.post("/v1/wallet/transfers", send)
    refused(await thief.post("/v1/wallet/transfers", {**send, "pin": PIN}), 403, "pin_locked")
    ok(await oda.post("/v1/wallet/transfers", {**send, "pin": PIN}), status=201)
    assert (await thief.post("/v1/wallet/report-takeover")).status_code == 204
    ok(await oda.get("/v1/wallet/me"))
    assert (await recovers(town, oda.login, *await sent(town, "recovery", oda.login), pin=PIN)).status_code == 200
    refused(await thief.get("/v1/wallet/me"), 401, "unauthenticated")


async def test_a_takeover_is_reported_by_a_code_of_who_is_not_logged_in(town: Town) -> None:
    pia, nobody = await town.customer("Pia"), town.login()
    path = "/v1/wallet/report-takeover/by-code"
    ticket, typed = await sent(town, "report-takeover", pia.login)
    theirs = ok(await asks_for_code(town, "report-takeover", nobody))["ticket"]

    async def reports(login: str, ticket: str, code: str) -> httpx.Response:
        body = {"login": login, "ticket": ticket, "code": code}
        return await town.here.post(path, json=body, headers={"idempotency-key": key()})

    refused(await reports(pia.login, ticket, other_than(typed)), 401, "code_wrong")
    refused(await reports(nobody, theirs, other_than(typed)), 401, "code_wrong")
    ok(await pia.get("/v1/wallet/me"))
    assert (await reports(pia.login, ticket, typed)).status_code == 204
    refused(await pia.get("/v1/wallet/me"), 401, "unauthenticated")
    again = Person(town.here, session_of(await enters(town, pia.login, PASSWORD)))
    (here,) = [each for each in ok(await again.get("/v1/wallet/devices"))["items"] if each["current"]]
    assert here["proven_at"] is None
    refused(await reports(pia.login, ticket, typed), 401, "code_wrong")


async def test_whose_pin_was_locked_is_told_once(town: Town) -> None:
    jan = await town.customer("Jan")
    await town.gift(jan, "1.00")
    send = {"payee_id": town.ben.customer_id, "amount": "1.00", "currency": "CNY", "pin": WRONG_PIN}
    for _ in range(5):
        await jan.post("/v1/wallet/transfers", send)
    await message(town, jan.login, "已锁定")
    told = [each["kind"] for each in ok(await jan.get("/v1/wallet/alerts"))["items"]]
    assert told == ["pin_locked"]


async def test_whoever_sends_much_is_told(town: Town) -> None:
    ken = await town.customer("Ken")
    await town.gift(ken, "1000.00")
    body = {"payee_id": town.ben.customer_id, "amount": "1000.00", "currency": "CNY", "pin": PIN}
    sent = ok(await ken.post("/v1/wallet/transfers", body), status=201)
    (alert,) = ok(await ken.get("/v1/wallet/alerts"))["items"]
    assert (alert["kind"], alert["facts"]) == ("large_payment", {"bill_id": sent["bill_id"]})
    assert "1000" not in await message(town, ken.login, "大额支出")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strict(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    """A server over the same books that asks for codes."""
    settings = msgspec.structs.replace(town.stack.settings, port=free_port(), registration_codes=True)
    server = await spawn("serve", settings, None)
    url = f"http://{settings.host}:{settings.port}"
    try:
        await answering(url, server)
        async with client(url) as asking:
            yield asking
    finally:
        await ended(server)


async def registers(asking: httpx.AsyncClient, login: str, ticket: str, typed: str, once: str) -> httpx.Response:
    body = {"login": login, "password": PASSWORD, "name": "New", "ticket": ticket, "code": typed}
    return await asking.post("/v1/wallet/register", json=body, headers={"idempotency-key": once})


async def test_where_codes_are_asked_for_nobody_registers_without_one(town: Town, strict: httpx.AsyncClient) -> None:
    free, taken = town.login(), (await town.customer("Had")).login
    for login in (free, taken):
        refused(await registers(strict, login, "", "", key()), 401, "code_needed")
        (ticket, typed), once = await sent(town, "register", login), key()
        refused(await registers(strict, login, ticket, other_than(typed), key()), 401, "code_wrong")
        if login == taken:  # who holds the phone may know
            refused(await registers(strict, login, ticket, typed, once), 409, "login_taken")
        else:
            assert (await registers(strict, login, ticket, typed, once)).status_code == 201
            assert (await registers(strict, login, ticket, typed, once)).status_code == 201  # the same request again


async def test_a_pin_is_replaced_with_the_one_before_or_with_a_code_on_a_proven_device(town: Town) -> None:
    lou = await town.customer("Lou", pin=False)
    path, wish = "/v1/wallet/pin", {"pin": "246801", "password": PASSWORD}
    assert (await lou.post(path, {**wish, "pin": PIN})).status_code == 204  # the first one, where they registered
    refused(await lou.post(path, wish), 403, "old_pin_needed")
    assert (await lou.post("/v1/wallet/pin/code")).status_code == 204
    refused(await lou.post("/v1/wallet/pin/code"), 422, "code_too_soon")
    typed = await code(town, lou.login)
    refused(await lou.post(path, {**wish, "code": other_than(typed)}), 401, "code_wrong")
    refused(await lou.post(path, {**wish, "code": typed, "password": "not this one"}), 401, "wrong_credentials")
    assert (await lou.post(path, {**wish, "code": typed})).status_code == 204
    refused(await lou.post(path, {**wish, "code": typed}), 401, "code_wrong")
    refused(await lou.post(path, {**wish, "old_pin": PIN}), 403, "wrong_pin")
    assert (await lou.post(path, {**wish, "pin": PIN, "old_pin": "246801"})).status_code == 204
    assert [each["kind"] for each in ok(await lou.get("/v1/wallet/alerts"))["items"]] == ["pin_changed", "pin_changed"]


async def test_who_only_knows_a_password_gets_no_pin_no_passkey_and_no_second_factor(town: Town) -> None:
    mia = await town.customer("Mia")
    await town.gift(mia, "5.00")
    thief = Person(town.there, session_of(await enters(town, mia.login, PASSWORD)))
    path, wish = "/v1/wallet/pin", {"pin": "246801", "password": PASSWORD}
    refused(await thief.post(path, wish), 403, "old_pin_needed")
    assert (await thief.post("/v1/wallet/pin/code")).status_code == 204
    said = refused(await thief.post(path, {**wish, "code": await code(town, mia.login)}), 403, "device_unproven")
    devices = ok(await mia.get("/v1/wallet/devices"))["items"]
    assert said.detail == {"after": devices[0]["proven_at"]}
    refused(await added(thief, Authenticator()), 403, "device_unproven")
    ok(await added(thief, Authenticator(), pin=PIN), status=201)  # with the PIN it is no thief
    send = {"payee_id": town.ben.customer_id, "amount": "1.00", "currency": "CNY", "pin": PIN}
    for who, factors in ((thief, ["knowledge"]), (mia, ["knowledge", "possession"])):
        sent = ok(await who.post("/v1/wallet/transfers", send), status=201)
        assert ok(await mia.get(f"/v1/wallet/bills/{sent['bill_id']}"))["factors"] == factors


async def test_a_passkey_vouches_for_another_pin_and_recovery_takes_the_thiefs_things_away(town: Town) -> None:
    nan, phone = await town.customer("Nan"), Authenticator()
    ok(await added(nan, phone), status=201)
    once, path = key(), "/v1/wallet/pin"
    act = {"request_key": once, "act": "set_pin", "counterparty_id": nan.customer_id, "currency": "CNY"}
    asked = ok(await nan.post("/v1/wallet/acts/challenge", act))
    proof = {"kind": "passkey", **on_the_wire(phone.answers(read(asked["challenge"])))}
    wish = {"pin": "246801", "password": PASSWORD, "confirmation": proof}
    refused(await nan.post(path, {**wish, "old_pin": PIN}), 400, "confirmation_format")
    refused(await nan.post(path, wish), 401, "challenge_wrong")  # under another key
    assert (await nan.post(path, wish, key=once)).status_code == 204
    entered = await enters(town, nan.login, PASSWORD)
    known = entered.json()["device_token"]
    said = await recovers(town, nan.login, *await sent(town, "recovery", nan.login), pin="246801", device_token=known)
    dropped, kept = ok(said)["dropped"], ok(said)["kept"]
    assert ([(each["kind"], each["name"]) for each in dropped], kept) == ([("passkey", "手机")], [])
    body = {"login": nan.login, "password": ANOTHER, "device_token": known}
    entered = await town.here.post("/v1/wallet/login", json=body)
    assert ok(entered)["device_token"] not in (None, known), "it is a new device"

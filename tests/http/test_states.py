"""What needs more than one request: repeats, locks, the last refund, sessions by cookie."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from tests.http.test_safety import code
from tests.http.town import PASSWORD, PIN, WRONG_PIN, Person, Town, key, ok, refused, session_of
from tongbao.identity.binding import BoundSession

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_five_wrong_pins_lock_it_and_the_password_opens_it(town: Town) -> None:
    eve = await town.customer("Eve")
    await town.gift(eve, "5.00")
    order = await town.order(town.shop, "1.00")
    path, yes = f"/v1/wallet/payments/{order['payment_id']}/confirm", {"amount": "1.00", "currency": "CNY"}
    before = await town.moved()
    for left in (4, 3, 2, 1):
        error = refused(await eve.post(path, {**yes, "pin": WRONG_PIN}), 403, "wrong_pin")
        assert error.detail["attempts_left"] == left and str(left) in error.messages["en"]
    refused(await eve.post(path, {**yes, "pin": WRONG_PIN}), 403, "pin_locked")
    refused(await eve.post(path, {**yes, "pin": PIN}), 403, "pin_locked")
    refused(await eve.elsewhere(town.there).post(path, {**yes, "pin": PIN}), 403, "pin_locked")
    assert await town.moved() == before
    wish = {"pin": "246801", "password": PASSWORD}
    refused(await eve.post("/v1/wallet/pin", {**wish, "old_pin": PIN}), 403, "pin_locked")
    assert (await eve.post("/v1/wallet/pin/code")).status_code == 204
    assert (await eve.post("/v1/wallet/pin", {**wish, "code": await code(town, eve.login)})).status_code == 204
    assert ok(await eve.post(path, {**yes, "pin": "246801"}))["state"] == "PAID"


async def test_a_right_pin_forgets_the_wrong_ones(town: Town) -> None:
    fay = await town.customer("Fay")
    await town.gift(fay, "5.00")
    body = {"payee_id": town.ann.customer_id, "amount": "0.01", "currency": "CNY"}
    for _ in range(3):
        refused(await fay.post("/v1/wallet/transfers", {**body, "pin": WRONG_PIN}), 403, "wrong_pin")
    ok(await fay.post("/v1/wallet/transfers", {**body, "pin": PIN}), status=201)
    error = refused(await fay.post("/v1/wallet/transfers", {**body, "pin": WRONG_PIN}), 403, "wrong_pin")
    assert error.detail["attempts_left"] == 4


async def test_ten_wrong_passwords_make_their_address_wait_and_no_known_device_nor_do_they_tell_who_exists(town: Town) -> None:
    gus, nobody = town.login(), town.login()
    body = {"login": gus, "password": PASSWORD, "name": "Gus"}
    answer = await town.here.post("/v1/wallet/register", json=body, headers={"idempotency-key": key()})
    device, session = answer.json()["device_token"], Person(town.here, session_of(answer))

    async def tries(login: str, password: str, device_token: str = "") -> httpx.Response:
        given = {"login": login, "password": password, "device_token": device_token}
        return await town.there.post("/v1/wallet/login", json=given)

    for login in (gus, nobody):
        for _ in range(9):
            assert refused(await tries(login, "not this one"), 401, "wrong_credentials").detail == {}
        assert list(refused(await tries(login, "not this one"), 403, "login_locked").detail) == ["until"]
        assert list(refused(await tries(login, PASSWORD), 403, "login_locked").detail) == ["until"]
        assert list(refused(await tries(login, PASSWORD, "of somebody else"), 403, "login_locked").detail) == ["until"]
    ok(await session.get("/v1/wallet/me"))  # who was logged in stays so, and may vouch with the password
    assert (await session.post("/v1/wallet/pin", {"pin": "842075", "password": PASSWORD})).status_code == 204
    ok(await tries(gus, PASSWORD, device))
    refused(await tries(gus, "not this one", device), 401, "wrong_credentials")


async def test_a_repeat_is_answered_alike_and_moves_nothing(town: Town) -> None:
    order = await town.order(town.shop, "2.00")
    yes, path = {"amount": "2.00", "currency": "CNY", "pin": PIN}, f"/v1/wallet/payments/{order['payment_id']}/confirm"
    send = {"payee_id": town.ben.customer_id, "amount": "0.02", "currency": "CNY", "pin": PIN, "note": "饭钱"}
    bank = {"bank_account_id": town.ann.bank_account_id, "amount": "3.00", "currency": "CNY", "pin": PIN}
    number = order["out_trade_no"]
    acts: list[tuple[Person, str, dict[str, str]]] = [
        (town.shop, "/v1/merchant/orders", {"amount": "1.00", "currency": "CNY", "subject": "x"}),
        (town.ann, path, yes),
        (town.ann, "/v1/wallet/transfers", send),
        (town.ann, "/v1/wallet/topups", bank),
        (town.ann, "/v1/wallet/withdrawals", bank),
        (town.shop, f"/v1/merchant/orders/{number}/refunds", {"amount": "1.00", "currency": "CNY", "reason": "cold"}),
    ]
    for who, path, body in acts:
        once = key()
        first = await who.post(path, body, key=once)
        assert first.status_code in (200, 201), first.text
        before = await town.moved()
        for again in (await who.post(path, body, key=once), await who.elsewhere(town.there).post(path, body, key=once)):
            assert (again.status_code, again.content) == (first.status_code, first.content)
        assert await town.moved() == before


async def test_a_decline_is_repeated_too(town: Town) -> None:
    """A decision is for ever: the same request is declined for the same reason though there is money now."""
    hal = await town.customer("Hal")
    send, once = {"payee_id": town.ann.customer_id, "amount": "1.00", "currency": "CNY", "pin": PIN}, key()
    refused(await hal.post("/v1/wallet/transfers", send, key=once), 422, "insufficient_funds")
    await town.gift(hal, "1.00")
    refused(await hal.post("/v1/wallet/transfers", send, key=once), 422, "insufficient_funds")
    ok(await hal.post("/v1/wallet/transfers", send), status=201)


async def test_a_key_is_good_for_one_request(town: Town) -> None:
    order, once = await town.order(town.shop, "1.00"), key()
    send = {"payee_id": town.ben.customer_id, "amount": "0.01", "currency": "CNY", "pin": PIN}
    bank = {"bank_account_id": town.ann.bank_account_id, "amount": "0.01", "currency": "CNY", "pin": PIN}
    yes = {"amount": "1.00", "currency": "CNY", "pin": PIN}
    ok(await town.ann.post("/v1/wallet/transfers", send, key=once), status=201)
    before = await town.moved()
    for path, body in (
        ("/v1/wallet/transfers", {**send, "amount": "0.02"}),
        ("/v1/wallet/transfers", {**send, "note": "x"}),
        ("/v1/wallet/topups", bank),
        ("/v1/wallet/withdrawals", bank),
        (f"/v1/wallet/payments/{order['payment_id']}/confirm", yes),
    ):
        refused(await town.ann.post(path, body, key=once), 409, "idempotency_conflict")
    assert await town.moved() == before
    # Somebody else's key of the same text is another key.
    ok(await town.ben.post("/v1/wallet/transfers", {**send, "payee_id": town.ann.customer_id}, key=once), status=201)


async def test_a_merchants_number_is_its_own_key(town: Town) -> None:
    number = key()
    first = await town.order(town.shop, "1.00", out_trade_no=number)
    assert await town.order(town.shop, "1.00", out_trade_no=number) == first
    assert (await town.order(town.mart, "1.00", out_trade_no=number))["payment_id"] != first["payment_id"]


async def test_a_payment_is_refunded_fifty_times_at_most(town: Town) -> None:
    order = await town.order(town.shop, "1.00")
    await town.pay(town.ann, order)
    path = f"/v1/merchant/orders/{order['out_trade_no']}/refunds"
    answers = await asyncio.gather(*(town.shop.post(path, {"amount": "0.01", "currency": "CNY"}) for _ in range(50)))
    assert {answer.status_code for answer in answers} == {201}
    before = await town.moved()
    refused(await town.shop.post(path, {"amount": "0.01", "currency": "CNY"}), 422, "too_many_refunds")
    assert await town.moved() == before
    shown = ok(await town.ann.get(f"/v1/wallet/payments/{order['payment_id']}"))
    assert (shown["refunded"], len(shown["refunds"])) == ("0.50", 50)


async def test_an_order_refunded_in_full_has_cost_nothing(town: Town) -> None:
    shop = await town.merchant("Thrift", fee_ppm=38_000)
    order = await town.order(shop, "9.99")
    await town.pay(town.ann, order)
    path = f"/v1/merchant/orders/{order['out_trade_no']}/refunds"
    for amount in ("3.33", "3.33", "3.33"):
        ok(await shop.post(path, {"amount": amount, "currency": "CNY"}), status=201)
    refused(await shop.post(path, {"amount": "0.01", "currency": "CNY"}), 422, "refund_exceeds_paid")
    assert ok(await shop.get("/v1/merchant/balance"))["balance"] == "0.00"
    shown = ok(await shop.get(f"/v1/merchant/orders/{order['out_trade_no']}"))
    assert (shown["fee"], shown["net"], shown["refunded"]) == ("0.00", "0.00", "9.99")


async def test_an_expired_order_says_so_before_anybody_writes_it_down(town: Town) -> None:
    order = await town.order(town.shop, "1.00")
    await town.expire(order["payment_id"])
    assert ok(await town.ann.get(f"/v1/wallet/payments/{order['payment_id']}"))["state"] == "EXPIRED"
    listed = ok(await town.shop.get("/v1/merchant/orders", state="EXPIRED", limit=100))["items"]
    assert order["out_trade_no"] in {each["out_trade_no"] for each in listed}


async def test_errors_speak_the_readers_language(town: Town) -> None:
    for accept, said in (("en-GB,en;q=0.9", "en"), ("zh-CN", "zh"), ("EN", "en"), ("", "zh"), ("fr", "zh")):
        answer = await town.here.get("/v1/wallet/me", headers={"accept-language": accept})
        error = refused(answer, 401, "unauthenticated")
        assert error.message == error.messages[said]


async def test_a_cookie_is_as_good_as_a_token_with_the_apps_header(town: Town) -> None:
    ida = await town.customer("Ida")
    answer = await town.here.post("/v1/wallet/login", json={"login": ida.login, "password": PASSWORD})
    cookie = answer.headers["set-cookie"]
    assert all(part in cookie for part in ("HttpOnly", "SameSite=strict", "Path=/v1/wallet")), cookie
    carried = {"cookie": cookie.split(";")[0]}
    ok(await town.here.get("/v1/wallet/me", headers=carried))
    proof = BoundSession(None, answer.json()["binding"])
    ended = await town.here.post("/v1/wallet/logout", headers={**carried, "x-tongbao-app": "1"}, auth=proof)
    assert ended.status_code == 204
    refused(await town.here.get("/v1/wallet/me", headers=carried), 401, "unauthenticated")


async def test_a_repeated_registration_logs_the_same_customer_in(town: Town) -> None:
    body = {"login": town.login(), "password": PASSWORD, "name": "Jo"}
    once = {"idempotency-key": key()}
    first, again = [await town.here.post("/v1/wallet/register", json=body, headers=once) for _ in range(2)]
    assert first.status_code == again.status_code == 201
    assert first.json()["customer"] == again.json()["customer"]
    refused(await town.here.post("/v1/wallet/register", json=body, headers={"idempotency-key": key()}), 409, "login_taken")
    other = {**body, "password": "another password"}
    # A repeat proves nothing: whoever repeats logs in, and a wrong password is counted as at log-in.
    refused(await town.here.post("/v1/wallet/register", json=other, headers=once), 401, "wrong_credentials")
    renamed = {**body, "name": "Joe"}
    refused(await town.here.post("/v1/wallet/register", json=renamed, headers=once), 409, "idempotency_conflict")


async def test_a_lock_against_guessing_passwords_locks_the_setting_of_a_pin_too(town: Town) -> None:
    """A stolen session must not try passwords where log-in would not let it."""
    person = await town.customer("Dora")
    for _ in range(10):
        await person.post("/v1/wallet/pin", {"pin": "246802", "password": "wrong password"})
    refused(await person.post("/v1/wallet/pin", {"pin": "246802", "password": PASSWORD}), 403, "login_locked")


async def test_a_repeat_says_nothing_of_the_pin(town: Town) -> None:
    """The same key with another PIN answers what happened, whether that PIN is right or not, and tries nothing."""
    payee = ok(await town.ann.post("/v1/wallet/payees/resolve", {"login": town.ben.login}))["payee_id"]
    body = {"payee_id": payee, "amount": "1.00", "currency": "CNY", "pin": PIN}
    once = key()
    first = ok(await town.ann.post("/v1/wallet/transfers", body, key=once), status=201)
    for pin in ("111112", "111113", PIN):
        assert ok(await town.ann.post("/v1/wallet/transfers", {**body, "pin": pin}, key=once), status=201) == first

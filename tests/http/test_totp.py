"""Authenticator apps and one's own account over HTTP, the same for customers, merchants' staff and operators; and operators who
must have one."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import pytest_asyncio

from tests.http.conftest import client
from tests.http.town import PASSWORD, PIN, Person, Town, ok, refused, session_of
from tongbao.app.asgi import open_services
from tongbao.app.stack import answering, ended, free_port, spawn
from tongbao.identity.totp_codes import RECOVERY_CODES, code_of, step_at
from tongbao.kernel.ids import new_id

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANOTHER = "another horse battery"
AUDIENCES = ("wallet", "merchant", "console")


async def newcomer(town: Town, audience: str) -> tuple[Person, str]:
    """Somebody logged in, of whom no other test knows, and their login."""
    if audience == "wallet":
        who = await town.customer("Tia", pin=True)
        return who, who.login
    if audience == "merchant":
        who = await town.merchant("Tia's")
        return who, who.login
    login = f"{uuid4().hex}@tongbao.test"
    async with open_services(town.stack.settings, town.stack.dsn) as services:
        command_id = new_id(datetime.now(UTC))
        await services.identity.register(command_id, "console", login, PASSWORD, "Tia", "en", roles="support")
    return Person(town.here, session_of(await enters(town.here, audience, login))), login


async def enters(asking: httpx.AsyncClient, audience: str, login: str, password: str = PASSWORD) -> httpx.Response:
    return await asking.post(f"/v1/{audience}/login", json={"login": login, "password": password})


class App:
    """An authenticator app. Each code is shown once: the next is of the next step, which the server takes early."""

    def __init__(self, secret: str) -> None:
        self._secret = base64.b32decode(secret)
        self._last = 0

    def code(self) -> str:
        self._last = max(self._last + 1, step_at(datetime.now(UTC)))
        return code_of(self._secret, self._last)

    def wrong(self) -> str:
        """Six digits that are the code of no moment near now."""
        now = step_at(datetime.now(UTC))
        near = {code_of(self._secret, step) for step in range(now - 3, now + 4)}
        return next(digits for digits in (f"{number:06d}" for number in range(10)) if digits not in near)


async def set_up(who: Person, audience: str) -> tuple[App, list[str]]:
    """An app that counts, and its recovery codes."""
    shown = ok(await who.post(f"/v1/{audience}/totp/start", {"password": PASSWORD}))
    app = App(shown["secret"])
    return app, ok(await who.post(f"/v1/{audience}/totp/confirm", {"code": app.code()}))["recovery_codes"]


async def challenged(asking: httpx.AsyncClient, audience: str, login: str, password: str = PASSWORD) -> str:
    """What the right password is answered with."""
    said = refused(await enters(asking, audience, login, password), 401, "second_factor_needed")
    assert set(said.detail) == {"challenge"}
    return str(said.detail["challenge"])


async def goes_on(asking: httpx.AsyncClient, audience: str, challenge: str, code: str) -> httpx.Response:
    return await asking.post(f"/v1/{audience}/login/totp", json={"challenge": challenge, "code": code})


@pytest.mark.parametrize("audience", AUDIENCES)
async def test_an_app_is_set_up_asked_for_at_log_in_and_removed(town: Town, audience: str) -> None:
    who, login = await newcomer(town, audience)
    path = f"/v1/{audience}/totp"
    assert ok(await who.get(path)) == {"since": None, "recovery_codes_left": 0}
    refused(await who.post(f"{path}/start", {"password": "not this one"}), 401, "wrong_credentials")
    refused(await who.post(f"{path}/confirm", {"code": "123456"}), 409, "totp_not_set")
    shown = ok(await who.post(f"{path}/start", {"password": PASSWORD}))
    app = App(shown["secret"])
    assert f"secret={shown['secret']}" in shown["uri"] and shown["uri"].startswith("otpauth://totp/Tongbao")
    refused(await who.post(f"{path}/confirm", {"code": "12345"}), 400, "totp_format")
    refused(await who.post(f"{path}/confirm", {"code": app.wrong()}), 401, "totp_wrong")
    assert ok(await who.get(path))["since"] is None
    session_of(await enters(town.here, audience, login))  # it does not count yet
    first = app.code()
    codes = ok(await who.post(f"{path}/confirm", {"code": first}))["recovery_codes"]
    assert len(set(codes)) == RECOVERY_CODES
    assert ok(await who.get(path))["recovery_codes_left"] == RECOVERY_CODES

    sessions = len(ok(await who.get(f"/v1/{audience}/sessions"))["items"])
    challenge = await challenged(town.here, audience, login)
    assert len(ok(await who.get(f"/v1/{audience}/sessions"))["items"]) == sessions
    refused(await goes_on(town.here, audience, challenge, first), 401, "totp_used")
    refused(await goes_on(town.here, audience, challenge, app.wrong()), 401, "totp_wrong")
    for other in AUDIENCES:
        if other != audience:
            refused(await goes_on(town.here, other, challenge, codes[0]), 401, "challenge_wrong")
    second = app.code()
    entered = await goes_on(town.here, audience, challenge, second)
    again = Person(town.here, session_of(entered))
    assert entered.cookies and ok(await again.get(f"/v1/{audience}/me"))
    refused(await goes_on(town.here, audience, challenge, second), 401, "totp_used")
    latest, *earlier = ok(await again.get(f"/v1/{audience}/logins"))["items"]
    assert (latest["factors"], latest["current"], latest["live"]) == (["knowledge", "possession"], True, True)
    # The one opened before the app counted, and the session that set it up.
    assert [each["factors"] for each in earlier] == [["knowledge"], ["knowledge", "possession"]]

    session_of(await goes_on(town.here, audience, challenge, codes[0].lower()))
    refused(await goes_on(town.here, audience, challenge, codes[0]), 401, "totp_wrong")
    renewing = {"password": PASSWORD, "code": codes[1]}
    refused(await who.post(f"{path}/recovery-codes", {**renewing, "password": "not this one"}), 401, "wrong_credentials")
    renewed = ok(await who.post(f"{path}/recovery-codes", renewing))["recovery_codes"]
    refused(await goes_on(town.here, audience, challenge, codes[2]), 401, "totp_wrong")

    change = {"password": PASSWORD, "new_password": ANOTHER}
    refused(await who.post(f"/v1/{audience}/password", change), 401, "second_factor_needed")
    refused(await who.post(f"/v1/{audience}/password", {**change, "totp": app.wrong()}), 401, "totp_wrong")
    assert (await who.post(f"/v1/{audience}/password", {**change, "totp": renewed[0]})).status_code == 204
    refused(await again.get(f"/v1/{audience}/me"), 401, "unauthenticated")
    refused(await goes_on(town.here, audience, challenge, renewed[1]), 401, "challenge_wrong")
    refused(await enters(town.here, audience, login), 401, "wrong_credentials")
    await challenged(town.here, audience, login, ANOTHER)

    removing = {"password": ANOTHER, "code": renewed[1]}
    refused(await who.post(f"{path}/remove", {**removing, "code": app.wrong()}), 401, "totp_wrong")
    refused(await who.post(f"{path}/remove", {**removing, "password": PASSWORD}), 401, "wrong_credentials")
    assert (await who.post(f"{path}/remove", removing)).status_code == 204
    session_of(await enters(town.here, audience, login, ANOTHER))
    told = [each["kind"] for each in ok(await who.get(f"/v1/{audience}/alerts", limit=50))["items"]]
    expected = [
        "totp_added", "recovery_code_used", "recovery_code_used", "recovery_codes_renewed", "recovery_code_used",
        "password_changed", "recovery_code_used", "totp_removed",
    ]  # fmt: skip
    assert [kind for kind in reversed(told) if kind != "device_added"] == expected


async def test_whether_there_is_an_app_is_learnt_only_with_the_password(town: Town) -> None:
    who, login = await newcomer(town, "wallet")
    await set_up(who, "wallet")
    without = (await town.customer("Uma")).login
    said = [
        refused(await enters(town.here, "wallet", each, "guess guess"), 401, "wrong_credentials") for each in (login, without)
    ]
    assert said[0].detail == said[1].detail == {}
    nobody = base64.urlsafe_b64encode(bytes(60)).decode().rstrip("=")
    for text in (nobody, "A", "", "*"):
        refused(await goes_on(town.here, "wallet", text, "123456"), 401, "challenge_wrong")


async def test_pin_and_code_confirm_a_payment_and_a_code_alone_none(town: Town) -> None:
    who, _ = await newcomer(town, "wallet")
    await town.gift(who, "5.00")
    app, codes = await set_up(who, "wallet")
    wish: dict[str, Any] = {"payee_id": town.ben.customer_id, "amount": "1.00", "currency": "CNY"}
    before = await town.moved()
    refused(await who.post("/v1/wallet/transfers", {**wish, "totp": app.wrong()}), 400, "confirmation_format")
    refused(await who.post("/v1/wallet/transfers", {**wish, "pin": PIN, "totp": app.wrong()}), 401, "totp_wrong")
    refused(await who.post("/v1/wallet/transfers", {**wish, "pin": PIN, "totp": codes[0]}), 400, "totp_format")
    refused(await town.ann.post("/v1/wallet/transfers", {**wish, "pin": PIN, "totp": "123456"}), 409, "totp_not_set")
    assert await town.moved() == before
    body = {**wish, "pin": PIN, "totp": app.code()}
    ok(await who.post("/v1/wallet/transfers", body), status=201)
    refused(await who.post("/v1/wallet/transfers", body), 401, "totp_used")


async def test_an_own_account_shows_and_ends_sessions_and_devices(town: Town) -> None:
    for audience in ("merchant", "console"):
        who, login = await newcomer(town, audience)
        other = Person(town.here, session_of(await enters(town.here, audience, login)))
        lines = ok(await who.get(f"/v1/{audience}/sessions"))["items"]
        (theirs,) = [each["session_id"] for each in lines if not each["current"]]
        assert (await who.delete(f"/v1/{audience}/sessions/{theirs}")).status_code == 204
        refused(await other.get(f"/v1/{audience}/me"), 401, "unauthenticated")
        refused(await who.delete(f"/v1/{audience}/sessions/{theirs}"), 404, "session_not_found")
        third = Person(town.here, session_of(await enters(town.here, audience, login)))
        devices = ok(await who.get(f"/v1/{audience}/devices"))["items"]
        newest = devices[0]
        assert not newest["current"]
        named = await who.post(f"/v1/{audience}/devices/{newest['device_id']}/name", {"name": "till"})
        assert named.status_code == 204
        assert (await who.delete(f"/v1/{audience}/devices/{newest['device_id']}")).status_code == 204
        refused(await third.get(f"/v1/{audience}/me"), 401, "unauthenticated")
        assert [each["live"] for each in ok(await who.get(f"/v1/{audience}/logins"))["items"]] == [False, False, True]


async def test_a_merchants_key_has_no_account_of_its_own(town: Town) -> None:
    async with open_services(town.stack.settings, town.stack.dsn) as services:
        merchant_id = (await services.identity.authenticate(town.shop.token, "merchant")).merchant_id
        assert merchant_id is not None
        api_key = await services.merchants.issue_api_key(new_id(datetime.now(UTC)), merchant_id, "server")
    bearer = {"authorization": f"Bearer {api_key}"}
    assert (await town.here.get("/v1/merchant/me", headers=bearer)).status_code == 200
    for path in ("sessions", "logins", "devices", "alerts", "totp"):
        refused(await town.here.get(f"/v1/merchant/{path}", headers=bearer), 401, "unauthenticated")
    change = {"password": PASSWORD, "new_password": ANOTHER}
    headers = {**bearer, "idempotency-key": uuid4().hex}
    refused(await town.here.post("/v1/merchant/password", json=change, headers=headers), 401, "unauthenticated")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strict(town: Town) -> AsyncIterator[httpx.AsyncClient]:
    """A server over the same books where operators need a second factor."""
    settings = msgspec.structs.replace(town.stack.settings, port=free_port(), operators_second_factor="required")
    server = await spawn("serve", settings, None)
    url = f"http://{settings.host}:{settings.port}"
    try:
        await answering(url, server)
        async with client(url) as asking:
            yield asking
    finally:
        await ended(server)


async def test_where_it_is_required_an_operator_without_one_can_only_set_one_up(town: Town, strict: httpx.AsyncClient) -> None:
    who, login = await newcomer(town, "console")
    shown = ok(await who.get("/v1/console/me"))
    assert (shown["second_factor"], shown["second_factor_rule"]) == (False, "warn")
    ok(await who.get("/v1/console/payments"))
    there = Person(strict, session_of(await enters(strict, "console", login)))
    assert ok(await there.get("/v1/console/me"))["second_factor_rule"] == "required"
    refused(await there.get("/v1/console/payments"), 403, "second_factor_required")
    refused(await there.post("/v1/console/proposals", {"kind": "x", "body": {}, "reason": "long enough"}), 403,
            "second_factor_required")  # fmt: skip
    app, _ = await set_up(there, "console")
    ok(await there.get("/v1/console/payments"))
    assert ok(await there.get("/v1/console/me"))["second_factor"] is True
    earlier = who.elsewhere(strict)
    refused(await earlier.get("/v1/console/payments"), 403, "second_factor_required")
    challenge = await challenged(strict, "console", login)
    again = Person(strict, session_of(await goes_on(strict, "console", challenge, app.code())))
    ok(await again.get("/v1/console/payments"))
    removing = {"password": PASSWORD, "code": app.wrong()}
    refused(await again.post("/v1/console/totp/remove", removing), 401, "totp_wrong")
    acts = await town.books.fetch(
        "select act, outcome from operator_act where operator_id = $1 and changing order by act_id", _operator(shown)
    )
    assert ("confirm_totp", "ok") in {(row["act"], row["outcome"]) for row in acts}
    assert ("remove_totp", "totp_wrong") in {(row["act"], row["outcome"]) for row in acts}


def _operator(shown: dict[str, Any]) -> str:
    return str(shown["operator_id"])

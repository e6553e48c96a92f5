"""Paying by text over the wire: switched on in the wallet, dialled from a plain phone, believed of nobody but the gateway."""

from __future__ import annotations

import time

import httpx
import pytest

from tests.http.test_safety import enters
from tests.http.town import PASSWORD, PIN, Person, Town, ok, refused, session_of, until
from tongbao.app.registry import text_key
from tongbao.channels.simulated.phone import USSD_PATH, PlainPhone
from tongbao.methods.text.gateway import signature

pytestmark = pytest.mark.asyncio(loop_scope="session")


def network(town: Town, client: httpx.AsyncClient, number: str) -> PlainPhone:
    """A phone in a network whose gateway the town knows."""
    key = text_key(town.stack.settings, town.keys)

    def sign(path: str, body: bytes) -> dict[str, str]:
        at = str(int(time.time()))
        return {"x-text-timestamp": at, "x-text-signature": signature(key, at, path, body)}

    return PlainPhone(client, f"+86{number}", sign)


async def plain_phone(town: Town, person: Person, number: str, pin: str = PIN) -> PlainPhone:
    """Switch a phone on for somebody, whose PIN becomes `pin`."""
    if pin != PIN:
        body = {"pin": pin, "old_pin": PIN, "password": "correct horse battery"}
        assert (await person.post("/v1/wallet/pin", body)).status_code == 204
    assert (await person.post("/v1/wallet/text/code", {"phone": number})).status_code == 204
    code = await town.stack.messages.code_sent(f"+86{number}")
    wish = {"phone": number, "code": code, "language": "en", "pin": pin}
    assert (await person.post("/v1/wallet/text", wish)).status_code == 204
    return network(town, town.there, number)


async def test_from_switching_on_to_a_receipt_and_off_again(town: Town) -> None:
    person, number = await town.customer("Wanjiru Kamau"), town.login()
    await town.gift(person, "20.00")
    refused(
        await person.post("/v1/wallet/text", {"phone": number, "code": "000000", "language": "en", "pin": PIN}), 401, "code_wrong"
    )
    thief = Person(town.there, session_of(await enters(town, person.login, PASSWORD)))
    typed = {"phone": town.login(), "code": "000000", "language": "en", "pin": PIN}
    refused(await thief.post("/v1/wallet/text", typed), 403, "device_unproven")
    phone = await plain_phone(town, person, number)
    till = ok(await town.shop.post("/v1/merchant/till-number"))["till_number"]
    assert ok(await town.shop.post("/v1/merchant/till-number"))["till_number"] == till
    phone.faults = [("delay", 0.01), ("duplicate", 0.0), ("lose", 0.0)]
    shown = await phone.dial("2", till, "7.50")
    assert (shown.more, shown.text) == (True, "Pay CNY 7.50 to 山前咖啡\nEnter PIN\n0 Back")
    phone.faults = [("lose", 0.0)]
    shown = await phone.type(PIN)
    assert not shown.more and "Balance CNY 12.50" in shown.text
    assert (await phone.again()).text == shown.text
    (bill,) = ok(await person.get("/v1/wallet/bills", limit=1))["items"]
    assert (bill["amount"], bill["factors"]) == ("7.50", ["knowledge", "possession"])

    async def receipt() -> bool:
        return any("Balance CNY 12.50" in each.text for each in await town.stack.messages.outbox(f"+86{number}"))

    await until(receipt, 10)
    await phone.write(f"PAY {till} 2")

    async def asked() -> bool:
        return any("pay CNY 2.00" in each.text for each in await town.stack.messages.outbox(f"+86{number}"))

    await until(asked)
    assert "Balance CNY 10.50" in (await phone.dial(PIN)).text
    (line,) = ok(await person.get("/v1/wallet/text"))["phones"]
    assert (await person.delete(f"/v1/wallet/instruments/{line['number']}")).status_code == 204
    assert not (await phone.dial()).more
    assert ok(await person.get("/v1/wallet/text"))["phones"] == []


async def test_nobody_but_the_gateway_is_believed(town: Town) -> None:
    body, form = b"sessionId=s&phoneNumber=254722000001&text=", {"content-type": "application/x-www-form-urlencoded"}
    at = str(int(time.time()))
    right = {
        **form,
        "x-text-timestamp": at,
        "x-text-signature": signature(text_key(town.stack.settings, town.keys), at, USSD_PATH, body),
    }
    answer = await town.here.post(USSD_PATH, content=body, headers=right)
    assert (answer.status_code, answer.text) == (200, "END 此号码未开通，请在钱包中开通")
    assert answer.headers["content-type"].startswith("text/plain")
    refused(await town.here.post(USSD_PATH, content=body, headers=form), 401, "gateway_signature")
    refused(await town.here.post(USSD_PATH, content=body + b"1", headers=right), 401, "gateway_signature")
    refused(await town.here.post(USSD_PATH, json={}), 415, "unsupported_media_type")

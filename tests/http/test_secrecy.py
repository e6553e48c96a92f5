"""What lies in the database and in the logs says nothing of the people it is about to whoever has not the keys."""

from __future__ import annotations

import asyncio
import base64
import re
from typing import Any

import pytest

from tests.http.test_text import plain_phone
from tests.http.town import PASSWORD, PIN, Person, Town, key, ok, session_of
from tongbao.channels.api import DEMO_ACCOUNTS, DEMO_CARDS
from tongbao.identity.http import SessionAnswer
from tongbao.kernel.postgres import binary

pytestmark = pytest.mark.asyncio(loop_scope="session")

CALLED, DEVICE, NOTE, OWNER = "欧阳若兰·Ouyang", "Ruolan 的手机 4711", "还你上周的火锅钱 8823", "钟离掌柜 9917"
EMAIL, PHONE = "ruolan.ouyang@example.org", "13655550147"
#: A plain phone, and what is typed into it.
PLAIN, SPOKEN_PIN, WRONG_SPOKEN = "13655550148", "907163", "907164"


def forms(value: str) -> set[bytes]:
    """A value as it might lie somewhere: itself, as hexadecimal, as base64 at any offset, escaped as JSON does."""
    raw = value.encode()
    shifted = {base64.b64encode(bytes(lead) + raw)[4 if lead else 0 : len(raw) * 4 // 3 - 4] for lead in range(3)}
    return {raw, raw.hex().encode(), raw.hex().upper().encode(), ascii(value)[1:-1].encode(), *shifted}


async def _dumped(dsn: str) -> bytes:
    process = await asyncio.create_subprocess_exec(
        str(binary("pg_dump")), "--no-owner", dsn, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, said = await process.communicate()
    assert process.returncode == 0, said.decode()
    return out


async def _live(town: Town) -> dict[str, list[str]]:
    """Somebody does whatever leaves personal data; all of it, by what it is."""
    body = {"login": EMAIL, "password": PASSWORD, "name": CALLED, "device_name": DEVICE}
    registered = await town.here.post("/v1/wallet/register", json=body, headers={"idempotency-key": key()})
    session = ok(registered, SessionAnswer, 201)
    me = Person(town.here, session_of(registered), customer_id=session.customer.customer_id)
    assert (await me.post("/v1/wallet/pin", {"pin": PIN, "password": PASSWORD})).status_code == 204
    account = DEMO_ACCOUNTS[2]
    await town.known(me, 2)
    await town.linked(me, 2)
    card = next(each for each in DEMO_CARDS if each.holder_name == account.holder_name)
    await town.bound(me, card)
    await town.gift(me, "30.00")
    sent = {"payee_id": town.ben.customer_id, "amount": "1.00", "currency": "CNY", "pin": PIN, "note": NOTE}
    assert ok(await me.post("/v1/wallet/transfers", sent), status=201)["note"] == NOTE
    assert ok(await town.ben.get("/v1/wallet/bills"))["items"][0]["note"] == NOTE
    merchant = {
        "name": "火锅", "mcc": "5814", "city": "成都", "fee_ppm": 6000, "stores": [{"name": "一店", "city": "成都"}],
        "owner": {"login": PHONE, "name": OWNER, "password": PASSWORD},
    }  # fmt: skip
    ok(await town.admin.post("/v1/console/merchants", merchant), status=201)
    for query in (EMAIL, CALLED, session.customer.customer_id):
        found = ok(await town.support.get("/v1/console/customers", q=query))["items"]
        assert [each["customer_id"] for each in found] == [session.customer.customer_id], query
    assert ok(await town.support.get("/v1/console/customers", q=CALLED[:2]))["items"] == [], "a part of a name finds nobody"
    dialled = await plain_phone(town, me, PLAIN, SPOKEN_PIN)
    assert "No money moved" in (await dialled.dial("4", WRONG_SPOKEN)).text
    assert (await dialled.dial("4", SPOKEN_PIN)).text.startswith("Balance")
    for person in (town.ann, town.ben):
        assert (await person.get("/v1/wallet/bank-accounts")).status_code == 200
        assert (await person.get("/v1/wallet/cards")).status_code == 200
    return {
        "names": [CALLED, OWNER, "张小明", "李雨桐", account.holder_name],
        "phones": [PHONE, PLAIN, town.ann.login, town.ben.login, town.shop.login],
        "emails": [EMAIL, "support@tongbao.test", "finance@tongbao.test"],
        "numbers": [*(each.number for each in DEMO_ACCOUNTS[:3]), DEMO_CARDS[0].number, card.number],
        "notes": [NOTE],
        "devices": [DEVICE],
        "secrets": [PASSWORD, session.token, session.binding],
    }


async def test_a_dump_of_the_database_and_the_logs_say_nothing_of_anybody(town: Town) -> None:
    values = await _live(town)
    dump = await _dumped(town.stack.dsn)
    assert town.ann.customer_id.encode() in dump and "火锅".encode() in dump, "the dump is of this town"
    assert sum(len(each) for each in values.values()) >= 15
    logs = b"".join(path.read_bytes() for path in town.stack.settings.data_dir.glob("*log"))
    assert b"ready" in logs
    found: list[Any] = [
        (kind, value, where)
        for kind, those in values.items()
        for value in those
        for form in forms(value)
        for where, content in (("dump", dump), ("logs", logs))
        if form in content
    ]
    assert found == []
    for typed in (SPOKEN_PIN, WRONG_SPOKEN):  # six digits stand in any long number: but not by themselves
        alone = re.compile(rb"(?<![0-9A-Za-z+/])" + typed.encode() + rb"(?![0-9A-Za-z+/=])")
        assert (alone.search(dump), alone.search(logs)) == (None, None)


async def test_the_search_for_secrets_would_find_one() -> None:
    """Whatever stands before it, and in each of the forms."""
    for lead in range(7):
        text = "x" * lead + CALLED + "y" * 5
        for content in (text.encode(), text.encode().hex().encode(), base64.b64encode(text.encode()), ascii(text).encode()):
            assert any(form in content for form in forms(CALLED)), (lead, content)

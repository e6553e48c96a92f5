"""Documents as people type them, for tests that need somebody known."""

from __future__ import annotations

from datetime import date
from typing import Any

from tests.http.town import PIN, Person, Town, ok
from tongbao.channels.simulated.demo import eighteen
from tongbao.channels.simulated.people import DemoPerson
from tongbao.identity.realname.http import RealNameAnswer

START = "/v1/wallet/real-name"


def document(person: DemoPerson, **changes: Any) -> dict[str, Any]:
    """A document as its bearer types it."""
    told = {"kind": person.kind, "number": person.number, "nationality": person.nationality}
    told |= {"issued_on": str(person.issued_on), "expires_on": str(person.expires_on), "mrz": person.mrz}
    return {**told, "name_latin" if person.name.isascii() else "name": person.name, **changes}


def given(person: DemoPerson, level: int, **changes: Any) -> dict[str, Any]:
    """A whole request. A person known by several customers of these tests gives no phone: it would be somebody's already."""
    return {"document": document(person, **changes), "wanted_level": level, "phone": person.phone, "card_number": person.card}


def anybody(order: int, born: date = date(1990, 1, 1)) -> dict[str, Any]:
    """Somebody every registry knows, under a number that chooses what happens."""
    number = eighteen("330106", born, order)
    return {
        "kind": "resident_id", "number": number, "name": "测试员", "issued_on": "2024-01-01", "expires_on": "2029-01-01"
    }  # fmt: skip


async def start(person: Person, body: dict[str, Any], repeat: str | None = None) -> RealNameAnswer:
    return ok(await person.post(START, body, key=repeat), RealNameAnswer)


async def known(town: Town, person: Person, body: dict[str, Any]) -> RealNameAnswer:
    """Give a document and prove its phone, as levels 2 and 3 take."""
    await start(person, body)
    return await proven(town, person, body.get("phone") or f"+86{person.login}", body.get("card_number", ""))


async def proven(town: Town, person: Person, phone: str, card: str = "") -> RealNameAnswer:
    """Show the code that is sent to the phone."""
    sent = len(await town.stack.messages.outbox(phone))
    assert (await person.post(f"{START}/phone/code")).status_code == 204
    code = await town.stack.messages.code_sent(phone, after=sent)
    return ok(await person.post(f"{START}/phone", {"code": code, "card_number": card}), RealNameAnswer)


async def family(town: Town) -> tuple[Person, Person]:
    """A parent and their child, who may pay."""
    parent, child = await town.customer("测试员"), await town.customer("测试员")
    await start(parent, {"document": anybody(201), "wanted_level": 1})
    await start(child, {"document": anybody(203, date(2014, 6, 1)), "wanted_level": 1})
    ok(await child.post(f"{START}/guardian", {"login": parent.login}))
    ok(await parent.post(f"/v1/wallet/guardianships/{child.customer_id}/agree", {"pin": PIN, "currency": "CNY"}))
    return parent, child

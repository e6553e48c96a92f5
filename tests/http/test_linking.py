"""Linking a bank account over HTTP: one's own only, by the four elements and the bank's code, whatever the bank leaves unsaid."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from tests.http.town import PIN, Person, Town, key, ok, refused, until
from tongbao.channels.simulated.faults import Fault, FaultKind, Match
from tongbao.channels.simulated.people import DEMO_PEOPLE, DemoPerson

pytestmark = pytest.mark.asyncio(loop_scope="session")

LINKS = "/v1/wallet/bank-accounts"
HOLDER, STRANGER = DEMO_PEOPLE[21], DEMO_PEOPLE[22]


async def known(town: Town, papers: DemoPerson = HOLDER) -> Person:
    """Somebody with a PIN who is known as this person."""
    who = await town.customer("测试员")
    document = {"document": msgspec.to_builtins(papers.claim()), "wanted_level": 1}
    assert ok(await who.post("/v1/wallet/real-name", document))["level"] == 1
    return who


def wish(card: str = HOLDER.card, phone: str = HOLDER.phone) -> dict[str, Any]:
    return {"bank": "simbank", "account_number": card, "phone": phone, "pin": PIN}


async def asked(who: Person, body: dict[str, Any], again: str | None = None) -> dict[str, Any]:
    link: dict[str, Any] = ok(await who.post(LINKS, body, key=again), status=201)
    return link


async def sent(town: Town, phone: str = HOLDER.phone) -> str:
    return await town.stack.back_office.code_sent(phone)


async def linked(who: Person) -> list[str]:
    return [each["number_masked"] for each in ok(await who.get(LINKS))["items"]]


async def test_a_strangers_number_name_and_phone_give_nobody_their_account(town: Town) -> None:
    thief = await known(town)
    before = len(await town.stack.back_office.outbox())
    answers = [
        await asked(thief, wish(STRANGER.card, STRANGER.phone)),  # all of another's: the name and document are the thief's own
        await asked(thief, wish(STRANGER.card)),
        await asked(thief, wish(phone=STRANGER.phone)),
        await asked(thief, wish("6222020999999990")),
    ]
    told = [{name: value for name, value in each.items() if name in ("state", "bank_account", "tries_left")} for each in answers]
    assert told == [{"state": "REFUSED", "bank_account": None, "tries_left": 0}] * 4
    assert len(await town.stack.back_office.outbox()) == before, "nobody was sent a code"
    assert await linked(thief) == []


async def test_five_tries_a_day_whatever_came_of_them(town: Town) -> None:
    who = await known(town)
    for _ in range(5):
        assert (await asked(who, wish(STRANGER.card)))["state"] == "REFUSED"
    refused(await who.post(LINKS, wish()), 422, "bank_link_too_many")


async def test_three_wrong_codes_end_it_and_the_right_one_comes_too_late(town: Town) -> None:
    who = await known(town)
    path = f"/v1/wallet/bank-links/{(await asked(who, wish()))['link_id']}/confirm"
    right = await sent(town)
    wrong = {"code": f"{(int(right) + 1) % 10**6:06d}"}
    told = [ok(await who.post(path, wrong)) for _ in range(3)]
    assert [(each["state"], each["tries_left"]) for each in told] == [("SENT", 2), ("SENT", 1), ("ENDED", 0)]
    refused(await who.post(path, {"code": right}), 409, "bank_link_ended")
    assert await linked(who) == []


async def test_the_same_request_again_asks_the_bank_nothing_and_sends_no_second_code(town: Town) -> None:
    who, again = await known(town), key()
    first = await asked(who, wish(), again)
    before = len(await town.stack.back_office.outbox())
    assert await asked(who, wish(), again) == first
    assert len(await town.stack.back_office.outbox()) == before
    refused(await who.post(LINKS, wish(phone=STRANGER.phone), key=again), 409, "idempotency_conflict")


async def test_another_link_takes_the_place_of_the_one_under_way(town: Town) -> None:
    who = await known(town)
    first, second = await asked(who, wish()), await asked(who, wish())
    refused(await who.get(f"/v1/wallet/bank-links/{first['link_id']}"), 404, "bank_link_unknown")
    code = {"code": await sent(town)}
    refused(await who.post(f"/v1/wallet/bank-links/{first['link_id']}/confirm", code), 404, "bank_link_unknown")
    assert ok(await who.post(f"/v1/wallet/bank-links/{second['link_id']}/confirm", code))["state"] == "LINKED"


async def test_whose_name_changes_meanwhile_is_linked_to_nothing(town: Town) -> None:
    who = await known(town)
    link = await asked(who, wish())
    document = {"document": msgspec.to_builtins(STRANGER.claim()), "wanted_level": 1, "phone": STRANGER.phone, "pin": PIN}
    ok(await who.post("/v1/wallet/real-name", document))
    done = ok(await who.post(f"/v1/wallet/bank-links/{link['link_id']}/confirm", {"code": await sent(town)}))
    assert (done["state"], done["bank_account"]) == ("ENDED", None)


@pytest.mark.parametrize(("fault", "first"), [("lost_answer", "SENT"), ("server_error_before", "SENT")])
async def test_when_the_bank_is_silent_the_worker_asks_until_it_sends_the_code(town: Town, fault: FaultKind, first: str) -> None:
    who = await known(town)
    await town.stack.back_office.add_fault(Fault(fault, match=Match(account_number=HOLDER.card, operation="link")))
    link = await asked(who, wish())
    assert link["state"] == "ASKED"
    path = f"/v1/wallet/bank-links/{link['link_id']}"
    refused(await who.post(f"{path}/confirm", {"code": "123456"}), 409, "bank_link_waits")

    async def is_sent() -> bool:
        return bool(ok(await who.get(path))["state"] == first)

    await until(is_sent, 20)
    assert ok(await who.post(f"{path}/confirm", {"code": await sent(town)}))["state"] == "LINKED"


async def test_when_the_banks_word_about_the_code_is_lost_the_worker_hears_it(town: Town) -> None:
    who = await known(town)
    link = await asked(who, wish())
    await town.stack.back_office.add_fault(Fault("lost_answer", match=Match(reference=link["link_id"], operation="link")))
    path = f"/v1/wallet/bank-links/{link['link_id']}"
    assert ok(await who.post(f"{path}/confirm", {"code": await sent(town)}))["state"] == "CHECKING"

    async def is_linked() -> bool:
        return bool(ok(await who.get(path))["state"] == "LINKED")

    await until(is_linked, 20)
    assert await linked(who) == [f"{HOLDER.card[:4]} **** {HOLDER.card[-4:]}"]
    told = ok(await who.get("/v1/wallet/alerts"))["items"]
    assert "bank_linked" in [each["kind"] for each in told]

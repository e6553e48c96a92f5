"""Real names over HTTP: the levels through the simulated registries, silence, masks, two operators, guardians."""

from __future__ import annotations

from datetime import date
from uuid import uuid4

import pytest

from tests.http.names import START, anybody, given, known, proven, start
from tests.http.town import PASSWORD, PIN, Person, Town, key, ok, refused, session_of, until
from tongbao.app.asgi import open_services
from tongbao.channels.simulated.knowledge import RegistryFault
from tongbao.channels.simulated.people import DEMO_CHILD, DEMO_PEOPLE, DEMO_VOID
from tongbao.identity.realname.http import RealNameAnswer
from tongbao.identity.realname.mrz import mrz_of
from tongbao.kernel.ids import named_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


def states(answer: RealNameAnswer) -> dict[str, str | None]:
    return {check.channel: check.state for check in answer.checks}


async def operator(town: Town, name: str, role: str) -> Person:
    """An operator of these tests."""
    async with open_services(town.stack.settings, town.stack.dsn) as services:
        login = f"{name}@names.test"
        await services.identity.register(named_id("operator", name), "console", login, PASSWORD, name, "en", roles=role)
    answer = await town.here.post("/v1/console/login", json={"login": f"{name}@names.test", "password": PASSWORD})
    return Person(town.here, session_of(answer))


async def test_five_channels_give_the_third_level_and_no_more_are_asked(town: Town) -> None:
    who = await town.customer("罗静", pin=False)
    before = ok(await who.get(START), RealNameAnswer)
    assert (before.level, before.document, before.checks) == (0, None, [])
    person = DEMO_PEOPLE[13]
    held = await start(who, given(person, 3))
    assert (held.level, held.phone_proven, [name for name, state in states(held).items() if state]) == (1, False, ["police"])
    assert held.held_back is not None and held.held_back.code == "possession_not_proven"
    answer = await proven(town, who, person.phone, person.card)
    assert answer.phone_proven
    assert answer.level == 3 and answer.state == "VERIFIED" and answer.missing is None
    asked = [channel for channel, state in states(answer).items() if state is not None]
    assert asked == ["police", "bank", "mobile", "social_insurance", "tax"]
    assert answer.document is not None
    assert (answer.document.name_masked, answer.document.number_masked) == ("罗*", f"330***********{person.number[-4:]}")
    assert answer == ok(await who.get(START), RealNameAnswer)


async def test_the_same_request_again_is_the_same_and_asks_nobody_twice(town: Town) -> None:
    who, body, repeat = await town.customer("何静", pin=False), given(DEMO_PEOPLE[9], 2), key()
    first = await start(who, body, repeat)
    assert await start(who, body, repeat) == first  # with the times at which the registries were asked
    refused(await who.post(START, given(DEMO_PEOPLE[9], 3), key=repeat), 409, "idempotency_conflict")


async def test_a_level_is_raised_by_the_channels_that_are_missing(town: Town) -> None:
    who, person = await town.customer("吴静", pin=False), DEMO_PEOPLE[10]
    one = await start(who, given(person, 1))
    assert (one.level, [state for state in states(one).values() if state]) == (1, ["MATCHED"])
    assert one.missing is not None and (one.missing.level, one.missing.channels) == (2, 2)
    three = await known(town, who, given(person, 3))
    assert three.level == 3 and sum(state == "MATCHED" for state in states(three).values()) == 5


async def test_a_channel_that_knows_otherwise_says_what(town: Town) -> None:
    who, person = await town.customer("周思远", pin=False), DEMO_PEOPLE[12]
    answer = await start(who, given(person, 3, name="周思近"))
    assert (answer.level, answer.state) == (0, "MISMATCHED")
    police = next(check for check in answer.checks if check.channel == "police")
    assert list(police.differing) == ["name"]
    again = await known(town, who, given(person, 3))
    assert (again.level, again.state) == (3, "VERIFIED")


async def test_a_cancelled_document_gives_nothing(town: Town) -> None:
    answer = await start(await town.customer("吴作废", pin=False), given(DEMO_VOID, 1))
    assert answer.level == 0 and answer.checks[0].differing == ["void"]


async def test_another_document_that_a_registry_denies_leaves_the_name_and_the_level_that_were_proven(town: Town) -> None:
    who = await town.customer("测试员")
    first = await start(who, {"document": anybody(107), "wanted_level": 1})
    named = ok(await town.ben.post("/v1/wallet/payees/resolve", {"login": who.login}))
    other = ok(await who.post(START, {**given(DEMO_VOID, 1), "pin": PIN}), RealNameAnswer)
    assert (other.level, other.state, other.in_force) == (1, "MISMATCHED", first.document)
    assert other.document is not None and other.missing is not None and other.missing.level == 1
    assert ok(await town.ben.post("/v1/wallet/payees/resolve", {"login": who.login})) == named
    alerts = ok(await who.get("/v1/wallet/alerts"))["items"]
    assert alerts[0]["kind"] == "document_replaced"
    back = ok(await who.post(START, {"document": anybody(107), "wanted_level": 1}), RealNameAnswer)
    assert (back.level, back.state, back.in_force, back.document) == (1, "VERIFIED", None, first.document)


async def test_silence_is_unknown_until_the_worker_has_asked_again(town: Town) -> None:
    who = await town.customer("测试员", pin=False)
    await town.stack.registries_office.order(RegistryFault("lost_answer", registry="police"))
    body = {"document": anybody(101), "wanted_level": 1}
    answer = await start(who, body)
    # Another channel stood in for the one that said nothing.
    assert states(answer)["police"] == "UNKNOWN" and answer.level == 1

    async def settled() -> bool:
        return states(ok(await who.get(START), RealNameAnswer))["police"] == "MATCHED"

    await until(settled, 20)


async def test_one_channel_can_be_asked_by_itself(town: Town) -> None:
    who = await town.customer("测试员", pin=False)
    body = {"document": anybody(103), "wanted_level": 1}
    await start(who, body)
    refused(await who.post(f"{START}/checks/bank", {}), 409, "phone_not_proven")
    await proven(town, who, f"+86{who.login}")
    refused(await who.post(f"{START}/checks/bank", {}), 422, "channel_needs_more")
    refused(await who.post(f"{START}/checks/nobody", {}), 404, "channel_unknown")
    refused(await who.post(f"{START}/checks/immigration", {}), 422, "channel_not_for_document")
    refused(await who.post(f"{START}/checks/bank", {"card_number": "6222020000000008"}), 422, "card_form")
    refused(await who.post(f"{START}/checks/police", {}), 409, "check_settled")
    answer = ok(await who.post(f"{START}/checks/bank", {"card_number": DEMO_PEOPLE[0].card}), RealNameAnswer)
    assert states(answer)["bank"] == "MATCHED"
    nobody = await town.customer("Nobody", pin=False)
    refused(await nobody.post(f"{START}/checks/police", {}), 409, "real_name_not_started")


async def test_a_visitor_is_known_by_a_passport(town: Town) -> None:
    who, person = await town.customer("Grace Lee", pin=False), DEMO_PEOPLE[5]
    assert person.kind == "passport"
    answer = await known(town, who, given(person, 2))
    assert (answer.level, answer.visitor) == (2, True)
    refused(await who.post(START, given(person, 2, mrz=person.mrz[:-1] + "x")), 422, "mrz_form")


async def test_one_phone_belongs_with_one_document(town: Town) -> None:
    first, second = await town.customer("测试员", pin=False), await town.customer("测试员", pin=False)
    phone = f"+86136{uuid4().int % 10**8:08}"
    # Who only says that a phone is theirs keeps nobody from it.
    await start(second, {"document": anybody(107), "wanted_level": 2, "phone": phone})
    assert (await known(town, first, {"document": anybody(105), "wanted_level": 2, "phone": phone})).level == 2
    assert (await second.post(f"{START}/phone/code")).status_code == 204
    code = {"code": await town.stack.messages.code_sent(phone, after=1)}
    refused(await second.post(f"{START}/phone", code), 409, "phone_with_other_document")
    assert ok(await second.get(START), RealNameAnswer).level == 1


async def test_a_code_is_right_once_and_for_the_phone_it_was_sent_to(town: Town) -> None:
    who, nobody = await town.customer("测试员", pin=False), await town.customer("测试员", pin=False)
    refused(await nobody.post(f"{START}/phone/code"), 409, "real_name_not_started")
    mine, other = (f"+86136{uuid4().int % 10**8:08}" for _ in range(2))
    await start(who, {"document": anybody(117), "wanted_level": 2, "phone": mine})
    assert (await who.post(f"{START}/phone/code")).status_code == 204
    code = {"code": await town.stack.messages.code_sent(mine)}
    await start(who, {"document": anybody(117), "wanted_level": 2, "phone": other})
    refused(await who.post(f"{START}/phone", code), 401, "code_wrong")
    await start(who, {"document": anybody(117), "wanted_level": 2, "phone": mine})
    assert ok(await who.post(f"{START}/phone", code), RealNameAnswer).level == 2
    refused(await who.post(f"{START}/phone", code), 401, "code_wrong")
    refused(await who.post(f"{START}/phone/code"), 422, "code_too_soon")


async def test_a_registry_is_asked_whether_birth_date_and_end_are_as_on_the_document(town: Town) -> None:
    person = DEMO_PEOPLE[32]
    assert person.kind == "passport"
    ends, born = date(2034, 6, 30), date(person.born.year - 10, person.born.month, person.born.day)
    for told, differing in (((person.born, ends), "expires_on"), ((born, person.expires_on), "birth_date")):
        mrz = mrz_of(person.number, person.name, "USA", told[0], "F", told[1])
        who = await town.customer("测试员", pin=False)
        answer = await start(who, given(person, 1, mrz=mrz, expires_on=str(told[1])))
        assert (answer.level, answer.state) == (0, "MISMATCHED")
        assert [check.differing for check in answer.checks if check.channel == "immigration"] == [[differing]]


async def test_one_class_three_account_a_person(town: Town) -> None:
    first, second = await town.customer("林勇", pin=False), await town.customer("林勇", pin=False)
    assert (await known(town, first, given(DEMO_PEOPLE[7], 3))).level == 3
    held = await known(town, second, given(DEMO_PEOPLE[7], 3))
    assert held.level == 2 and held.held_back is not None and held.held_back.code == "class_three_elsewhere"


async def test_two_operators_verify_face_to_face(town: Town) -> None:
    ann, ben = await operator(town, "kyc-ann", "kyc"), await operator(town, "kyc-ben", "kyc")
    who = await town.customer("测试员", pin=False)
    await start(who, {"document": anybody(109), "wanted_level": 1})
    path = f"/v1/console/customers/{who.customer_id}/real-name"
    refused(await town.support.post(f"{path}/face-to-face", {"level": 3}), 403, "forbidden")
    refused(await ann.post(f"{path}/face-to-face", {"level": 1}), 422, "face_level")
    read = {"level": 3, "verified_by": str(uuid4())}
    refused(await ben.post(f"{path}/face-to-face/approve", read), 409, "face_not_proposed")
    proposed = ok(await ann.post(f"{path}/face-to-face", {"level": 3}))
    assert (proposed["level"], proposed["state"]) == (1, "FACE_PROPOSED")
    waiting = ok(await ben.get("/v1/console/real-names", state="FACE_PROPOSED"))["items"]
    assert [row["customer_id"] for row in waiting] == [who.customer_id]
    refused(await ben.post(f"{path}/face-to-face/approve", read), 409, "face_not_proposed")
    read = {"level": 3, "verified_by": proposed["face_to_face"]["verified_by"]}
    refused(await ben.post(f"{path}/face-to-face/approve", {**read, "level": 2}), 409, "face_not_proposed")
    refused(await ann.post(f"{path}/face-to-face/approve", read), 403, "same_operator")
    assert ok(await ben.post(f"{path}/face-to-face/approve", read))["level"] == 3
    assert ok(await who.get(START), RealNameAnswer).level == 3
    history = ok(await ben.get(f"{path}/history"))["items"]
    assert [event["act"] for event in history] == ["face_approved", "face_proposed", "checked", "started"]


async def test_the_console_shows_nothing_in_clear(town: Town) -> None:
    ann = await operator(town, "kyc-ann", "kyc")
    who, person = await town.customer("李磊", pin=False), DEMO_PEOPLE[4]
    await known(town, who, given(person, 2))
    path = f"/v1/console/customers/{who.customer_id}/real-name"
    refused(await town.support.get(path), 403, "forbidden")
    for answer in (await ann.get(path), await ann.get(f"{path}/history"), await ann.get("/v1/console/real-names")):
        assert answer.status_code == 200
        for secret in (person.number, person.name, person.phone, person.card, person.number[3:14]):
            assert secret not in answer.text
    assert ok(await ann.get(path))["accounts"] >= 1, "others of these tests may be this person too"


async def test_the_latest_documents_stand_first_and_pages_follow_each_other(town: Town) -> None:
    ann = await operator(town, "kyc-ann", "kyc")
    early, late = await town.customer("测试员", pin=False), await town.customer("测试员", pin=False)
    for who, order in ((late, 111), (early, 113)):  # not in the order in which they registered
        await start(who, {"document": anybody(order), "wanted_level": 1})
    first = ok(await ann.get("/v1/console/real-names", limit=1))
    second = ok(await ann.get("/v1/console/real-names", limit=1, cursor=first["next_cursor"]))
    assert [page["items"][0]["customer_id"] for page in (first, second)] == [early.customer_id, late.customer_id]


async def test_a_child_pays_once_a_guardian_agrees(town: Town) -> None:
    parent, child = await town.customer("胡洋"), await town.customer("张乐乐")
    await start(parent, given(DEMO_PEOPLE[6], 1))
    answer = await start(child, given(DEMO_CHILD, 1))
    assert (answer.level, answer.minor, answer.suspended) == (1, True, ["guardian"])
    refused(await parent.post(f"{START}/guardian", {"login": child.login}), 409, "not_a_minor")
    nobody = {"login": "13500000000"}
    refused(await child.post(f"{START}/guardian", nobody), 422, "guardian_unfit")
    asked = ok(await child.post(f"{START}/guardian", {"login": parent.login}), RealNameAnswer)
    assert asked.guardian is not None and (asked.guardian.name_masked, asked.guardian.state) == ("胡*", "REQUESTED")
    wards = ok(await parent.get("/v1/wallet/guardianships"))["items"]
    assert [(ward["minor_id"], ward["name_masked"], ward["state"]) for ward in wards] == [
        (child.customer_id, "张*乐", "REQUESTED")
    ]  # fmt: skip
    agree, caps = f"/v1/wallet/guardianships/{child.customer_id}", {"pin": PIN, "currency": "CNY", "single": "50.00"}
    refused(await parent.post(f"{agree}/agree", {**caps, "currency": "USD"}), 400, "currency_unsupported")
    refused(await parent.get(f"{agree}/bills"), 404, "guardianship_unknown")
    agreed = ok(await parent.post(f"{agree}/agree", caps))
    assert (agreed["state"], agreed["single"], agreed["daily"], agreed["suspended"]) == ("AGREED", "50.00", None, [])
    assert ok(await child.get(START), RealNameAnswer).suspended == []
    await town.gift(child, "3.00")
    seen, own = ok(await parent.get(f"{agree}/bills")), ok(await child.get("/v1/wallet/bills"))
    assert seen["items"] == own["items"] and [bill["amount"] for bill in seen["items"]] == ["3.00"]
    refused(await town.ben.get(f"{agree}/bills"), 404, "guardianship_unknown")
    assert (await parent.delete(agree)).status_code == 204
    refused(await parent.get(f"{agree}/bills"), 404, "guardianship_unknown")
    refused(await parent.delete(agree), 404, "guardianship_unknown")
    assert ok(await child.get(START), RealNameAnswer).suspended == ["guardian"]

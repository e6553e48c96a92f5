"""People's rights over their data, over HTTP: each right from its route to what it changes."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema_rs
import pytest

from tests.http.test_credentials import added
from tests.http.town import PASSWORD, PIN, WRONG_PIN, Person, Town, key, ok, refused, session_of, until
from tests.support.authenticator import Authenticator, on_the_wire, read
from tongbao.app.asgi import open_services
from tongbao.kernel.ids import named_id

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def officer(town: Town, name: str) -> Person:
    """Somebody of the privacy office. Registering again answers the same person."""
    login = f"{name}@office.test"
    async with open_services(town.stack.settings, town.stack.dsn) as services:
        await services.identity.register(named_id("officer", name), "console", login, PASSWORD, name, "en", roles="compliance")
    return Person(town.here, session_of(await town.here.post("/v1/console/login", json={"login": login, "password": PASSWORD})))


async def test_consent_is_given_to_a_text_and_withdrawn_as_easily(town: Town) -> None:
    who = await town.customer("Consenting")
    told = {each["purpose"]: each for each in ok(await who.get("/v1/wallet/privacy/purposes"))["items"]}
    assert (told["messages"]["state"], told["payments"]["state"]) == ("not_asked", None)
    path = "/v1/wallet/privacy/consents"
    version = told["messages"]["text"]["version"]
    yes = {"purpose": "messages", "granted": True, "version": version, "screen": "settings/privacy"}
    assert ok(await who.post(path, yes))["state"] == "granted"
    error = refused(await who.post(path, {**yes, "version": version + 1}), 409, "consent_text_changed")
    assert error.detail["version"] == version
    no = {"purpose": "messages", "granted": False, "screen": "settings/privacy"}
    assert ok(await who.post(path, no))["state"] == "withdrawn"
    kept = ok(await who.get(path))["items"]
    assert [(each["purpose"], each["granted"], each["screen"]) for each in kept] == [
        ("messages", False, "settings/privacy"),
        ("messages", True, "settings/privacy"),
    ]
    first = ok(await who.get(path, limit=1))
    assert ok(await who.get(path, limit=1, cursor=first["next_cursor"]))["items"] == kept[1:]
    stuck = refused(await who.post(path, {"purpose": "financial_crime", "granted": False}), 409, "consent_not_withdrawable")
    assert "AML" in stuck.messages["en"] and "反洗钱" in stuck.messages["zh"]
    refused(await who.post(path, {**yes, "purpose": "astrology"}), 404, "purpose_unknown")


async def test_a_decline_is_explained_and_a_person_looks_at_it_once(town: Town) -> None:
    who, other, desk = await town.customer("Declined"), await town.customer("Other"), await officer(town, "lin")
    attempt = key()
    body = {"payee_id": town.ann.customer_id, "amount": "5.00", "currency": "CNY", "pin": PIN}
    refused(await who.post("/v1/wallet/transfers", body, key=attempt), 422, "insufficient_funds")
    why = ok(await who.get(f"/v1/wallet/privacy/decisions/{attempt}"))
    assert (why["decision"], why["code"], why["automated"]) == ("wallet.transfer", "insufficient_funds", True)
    refused(await other.get(f"/v1/wallet/privacy/decisions/{attempt}"), 404, "decision_not_found")
    refused(await other.post("/v1/wallet/privacy/reviews", {"request": attempt, "wish": "mine"}), 404, "decision_not_found")

    asked = ok(await who.post("/v1/wallet/privacy/reviews", {"request": attempt, "wish": "我明明有钱\n请人看看"}), status=201)
    assert (asked["state"], asked["wish"], asked["upheld"]) == ("OPEN", "我明明有钱\n请人看看", None)
    due = datetime.fromisoformat(asked["due_at"]) - datetime.fromisoformat(asked["asked_at"])
    assert due == timedelta(days=15)
    refused(await who.post("/v1/wallet/privacy/reviews", {"request": attempt, "wish": "again"}), 409, "review_exists")
    path = f"/v1/wallet/privacy/reviews/{asked['review_id']}"
    refused(await other.get(path), 404, "review_not_found")
    assert "明明".encode() not in await town.books.fetchval(
        "select wish from review where review_id = $1::uuid", asked["review_id"]
    )

    waiting = ok(await desk.get("/v1/console/privacy/reviews", state="OPEN"))["items"]
    assert [each["wish"] for each in waiting if each["review_id"] == asked["review_id"]] == ["我明明有钱\n请人看看"]
    console = f"/v1/console/privacy/reviews/{asked['review_id']}/answer"
    refused(await town.support.post(console, {"upheld": True, "answer": "no"}), 403, "forbidden")
    refused(await desk.post(console, {"upheld": True, "answer": "  "}), 400, "text_missing")
    ok(await desk.post(console, {"upheld": True, "answer": "The balance was 0.00."}))
    refused(await desk.post(console, {"upheld": False, "answer": "Well."}), 409, "review_answered")
    answered = ok(await who.get(path))
    assert (answered["state"], answered["upheld"], answered["answer"]) == ("ANSWERED", True, "The balance was 0.00.")


async def test_a_wish_for_explanations_is_kept(town: Town) -> None:
    who = await town.customer("Curious")
    path = "/v1/wallet/privacy/choices"
    assert ok(await who.get(path)) == {"explain_decisions": False}
    assert ok(await who.post(path, {"explain_decisions": True})) == {"explain_decisions": True}
    assert ok(await who.get(path)) == {"explain_decisions": True}


async def test_a_breach_runs_by_its_clocks_until_it_is_closed_with_a_lesson(town: Town) -> None:
    desk = await officer(town, "lin")
    late = ok(await desk.get("/v1/console/privacy/overdue"))["breach_tasks"]
    known = datetime.now(UTC) - timedelta(hours=73)
    body = {
        "what": "A backup was left on a train.", "categories": ["identity", "money"], "people": 12, "risk": "low",
        "known_at": known.isoformat(),
    }  # fmt: skip
    refused(await desk.post("/v1/console/privacy/breaches", {**body, "categories": ["taste"]}), 400, "category_unknown")
    ahead = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    refused(await desk.post("/v1/console/privacy/breaches", {**body, "known_at": ahead}), 400, "breach_known_later")
    refused(await town.support.post("/v1/console/privacy/breaches", body), 403, "forbidden")
    breach = ok(await desk.post("/v1/console/privacy/breaches", body), status=201)
    assert {each["clock"]: each["overdue"] for each in breach["tasks"]} == {
        "contain": True, "authority_cn": True, "central_bank": True, "authority_eu": True,
    }  # fmt: skip
    path = f"/v1/console/privacy/breaches/{breach['breach_id']}"
    assert ok(await desk.get("/v1/console/privacy/overdue"))["breach_tasks"] == late + 4
    worse = ok(await desk.post(f"{path}/assess", {"people": 900, "risk": "high"}))
    assert len(worse["tasks"]) == 6 and worse["people"] == 900
    refused(await desk.post(f"{path}/close", {"lesson": "Encrypt."}), 409, "breach_tasks_open")
    for task in worse["tasks"]:
        done = {"note": "Told them so.", "told": "CAC", "people": 900 if task["tells"] == "people" else 0}
        ok(await desk.post(f"{path}/tasks/{task['clock']}", done))
    refused(await desk.post(f"{path}/tasks/contain", {"note": "again"}), 409, "breach_task_done")
    closed = ok(await desk.post(f"{path}/close", {"lesson": "Backups are encrypted."}))
    assert (closed["state"], closed["lesson"], len(closed["notices"])) == ("CLOSED", "Backups are encrypted.", 5)
    assert ok(await desk.get("/v1/console/privacy/overdue"))["breach_tasks"] == late


async def test_an_assessment_is_signed_by_a_second_person(town: Town) -> None:
    author, second = await officer(town, "lin"), await officer(town, "wu")
    body = {
        "title": "Recommendations", "purpose": "personalised", "lawful": "With separate consent.", "effects": "Profiling.",
        "measures": "Off by default.", "risk": "medium", "review_on": "2027-11-22",
    }  # fmt: skip
    refused(await author.post("/v1/console/privacy/assessments", {**body, "purpose": "x"}), 404, "purpose_unknown")
    made = ok(await author.post("/v1/console/privacy/assessments", body), status=201)
    path = f"/v1/console/privacy/assessments/{made['assessment_id']}"
    refused(await author.post(f"{path}/sign"), 403, "second_person_needed")
    assert ok(await second.post(f"{path}/sign"))["state"] == "SIGNED"
    again = ok(await author.post("/v1/console/privacy/assessments", {**body, "replaces": made["assessment_id"]}), status=201)
    assert (ok(await author.get(path))["state"], again["replaces"]) == ("SUPERSEDED", made["assessment_id"])
    listed = ok(await author.get("/v1/console/privacy/assessments", state="DRAFT"))["items"]
    assert again in listed


async def test_the_register_names_every_purpose(town: Town) -> None:
    desk = await officer(town, "lin")
    register = ok(await desk.get("/v1/console/privacy/register"))
    purposes = ok(await town.cat.get("/v1/wallet/privacy/purposes"))["items"]
    assert [each["purpose"] for each in register["purposes"]] == [each["purpose"] for each in purposes]
    assert register["unassigned"] == []
    refused(await town.support.get("/v1/console/privacy/register"), 403, "forbidden")


async def test_a_copy_is_everything_fits_its_schema_and_is_confirmed_each_time(town: Town) -> None:
    who = await town.customer("欧阳抄录")
    await town.gift(who, "20.00")
    paid = await town.pay(who, await town.order(town.shop, "3.50"))
    note = {"payee_id": town.ben.customer_id, "amount": "1.25", "currency": "CNY", "pin": PIN, "note": "房租"}
    sent = ok(await who.post("/v1/wallet/transfers", note), status=201)
    consent = {"purpose": "location", "granted": True, "version": 1, "screen": "settings"}
    ok(await who.post("/v1/wallet/privacy/consents", consent))
    path, attempt = "/v1/wallet/privacy/copy", key()
    refused(await who.post(path, {"pin": WRONG_PIN}), 403, "wrong_pin")
    answer = await who.post(path, {"pin": PIN}, key=attempt)
    assert answer.status_code == 200 and answer.headers["cache-control"] == "no-store"
    copy = json.loads(answer.content)
    schema = ok(await town.here.get("/v1/schemas/portable-copy.json"))
    jsonschema_rs.validator_for(schema).validate(copy)
    data = copy["data"]
    assert (data["profile"][0]["name"], data["profile"][0]["login"]) == ("欧阳抄录", f"+86{who.login}")
    assert [each["amount"] for each in data["bills"]] == ["1.25", "3.50", "20.00"]
    assert data["bills"][0]["bill_id"] == sent["bill_id"]
    assert (data["bills"][0]["note"], data["bills"][0]["counterparty"]) == ("房租", "李*桐")
    assert [each["payment_id"] for each in data["payments"]] == [paid["payment_id"]]
    assert [(each["posted"], each["currency"]) for each in data["balances"]] == [("15.25", "CNY")]
    assert [each["purpose"] for each in data["consents"]] == ["location"] and len(data["copies"]) == 1
    assert data["sessions"][0]["device_name"] == "first"
    refused(await who.post(path, {"pin": PIN}, key=attempt), 409, "copy_made")
    refused(await who.post(path, {"pin": WRONG_PIN}, key=attempt), 409, "copy_made")


async def test_a_name_is_corrected_everywhere_and_what_it_was_is_kept(town: Town) -> None:
    who = await town.customer("张晓名")
    await town.gift(who, "2.00")
    send = {"payee_id": town.ben.customer_id, "amount": "0.50", "currency": "CNY", "pin": PIN}
    ok(await who.post("/v1/wallet/transfers", send), status=201)
    shown = ok(await town.ben.get("/v1/wallet/bills", limit=1))["items"][0]
    assert shown["counterparty"]["name"] == "张*名"
    path = "/v1/wallet/privacy/corrections"
    refused(await who.post(path, {"field": "name", "value": " "}), 400, "name_format")
    error = refused(await who.post(path, {"field": "document"}), 409, "correct_elsewhere")
    assert error.detail["where"] == "/v1/wallet/real-name"
    done = ok(await who.post(path, {"field": "name", "value": "张晓铭"}))
    assert [(each["former"], each["corrected"]) for each in done["items"]] == [("张晓名", "张晓铭")]
    assert ok(await who.get("/v1/wallet/me"))["name"] == "张晓铭"
    assert [each["kind"] for each in ok(await who.get("/v1/wallet/alerts"))["items"]] == ["name_changed"]


async def test_an_erasure_waits_for_what_stands_in_its_way_and_for_a_change_of_mind(town: Town) -> None:
    who = await town.customer("Leaving")
    await town.gift(who, "1.00")
    path = "/v1/wallet/privacy/erasure"
    assert [each["kind"] for each in ok(await who.get(path))["obstacles"]] == ["balance"]
    refused(await who.post(path, {"pin": PIN}), 409, "erasure_obstructed")
    send = {"payee_id": town.ben.customer_id, "amount": "1.00", "currency": "CNY", "pin": PIN}
    ok(await who.post("/v1/wallet/transfers", send), status=201)
    refused(await who.post(path, {"pin": WRONG_PIN}), 403, "wrong_pin")
    asked = ok(await who.post(path, {"pin": PIN}))
    due = datetime.fromisoformat(asked["due_at"]) - datetime.fromisoformat(asked["requested_at"])
    assert (asked["state"], asked["obstacles"], due) == ("REQUESTED", [], timedelta(days=7))
    refused(await who.post(path, {"pin": PIN}), 409, "erasure_requested")
    assert ok(await who.post(f"{path}/cancel"))["state"] == "WITHDRAWN"
    refused(await who.post(f"{path}/cancel"), 409, "erasure_not_requested")
    ok(await who.get("/v1/wallet/me"))


async def test_who_looked_is_told_to_whom_it_was_about(town: Town) -> None:
    who, desk = await town.customer("Looked at"), await officer(town, "lin")
    assert ok(await who.get("/v1/wallet/privacy/accesses"))["items"] == []
    assert len(ok(await desk.get("/v1/console/customers", q=who.login))["items"]) == 1
    ok(await town.support.get("/v1/console/customers", q=who.login))
    page = ok(await who.get("/v1/wallet/privacy/accesses", limit=1))
    assert [(each["act"], each["by_masked"], each["roles"], each["changed"]) for each in page["items"]] == [
        ("customers", "s***", ["support"], False)
    ]
    rest = ok(await who.get("/v1/wallet/privacy/accesses", cursor=page["next_cursor"]))["items"]
    assert [(each["by_masked"], each["roles"]) for each in rest] == [("l***", ["compliance"])]
    other = await town.customer("Not looked at")
    assert ok(await other.get("/v1/wallet/privacy/accesses"))["items"] == []


async def test_what_a_passkey_agreed_to_is_done_and_nothing_else(town: Town) -> None:
    """A copy, an erasure and raised limits are the customer's own acts: each is confirmed by itself."""
    who, phone = await town.customer("Passkey's"), Authenticator()
    ok(await added(who, phone), status=201)
    copy, erasure = "/v1/wallet/privacy/copy", "/v1/wallet/privacy/erasure"

    async def agreed(act: str, under: str) -> dict[str, Any]:
        wish = {"request_key": under, "act": act, "counterparty_id": who.customer_id}
        challenge = ok(await who.post("/v1/wallet/acts/challenge", wish))
        assert f"act {act}\nto {who.customer_id}\n" in challenge["text"] and "amount" not in challenge["text"]
        return {"confirmation": {"kind": "passkey", **on_the_wire(phone.answers(read(challenge["challenge"])))}}

    under = key()
    for_a_copy = await agreed("take_copy", under)
    refused(await who.post(erasure, for_a_copy, key=under), 401, "challenge_wrong")
    refused(await who.post(copy, for_a_copy, key=key()), 401, "challenge_wrong")
    refused(await who.post(copy, {**for_a_copy, "pin": PIN}, key=under), 400, "confirmation_format")
    refused(await who.post(copy, {}, key=under), 400, "confirmation_format")
    answer = await who.post(copy, for_a_copy, key=under)
    assert answer.status_code == 200 and json.loads(answer.content)["data"]["passkeys"][0]["name"] == "手机"
    under = key()
    assert ok(await who.post(erasure, await agreed("request_erasure", under), key=under))["state"] == "REQUESTED"


LETTER = {
    "zh": "一台存有您姓名与手机号的电脑遗失，现已远程清除。",
    "en": "A laptop with your name and phone number was lost and has been wiped.",
}


async def test_people_whom_a_breach_concerns_are_written_to_once_and_it_takes_two(town: Town) -> None:
    first, second, other = [await town.customer(name) for name in ("Concerned", "Concerned too", "Not concerned")]
    what = {
        "what": "a lost laptop",
        "categories": ["identity"],
        "people": 2,
        "risk": "high",
        "known_at": datetime.now(UTC).isoformat(),
    }
    breach = ok(await town.admin.post("/v1/console/privacy/breaches", what), status=201)
    path, wish = f"/v1/console/privacy/breaches/{breach['breach_id']}", {"kind": "breach.letter", "reason": "the law asks for it"}
    body = {"breach_id": breach["breach_id"], **LETTER, "customers": [first.customer_id, second.customer_id, first.customer_id]}
    refused(await town.finance.post("/v1/console/proposals", {**wish, "body": body}), 403, "not_permitted")
    for changes, status, code in (
        ({"zh": "太短"}, 400, "letter_text"), ({"customers": [first.customer_id, town.shop.merchant_id]}, 400, "letter_people"),
        ({"breach_id": first.customer_id}, 404, "breach_not_found"),
    ):  # fmt: skip
        refused(await town.admin.post("/v1/console/proposals", {**wish, "body": {**body, **changes}}), status, code)
    assert breach["letter"] is None
    assert (await town.agreed("breach.letter", body, town.admin))["state"] == "DONE"

    async def through() -> bool:
        letter = ok(await town.admin.get(path))["letter"]
        return (letter["state"], letter["sent"]) == ("SENT", 2)

    await until(through, 30)
    letter = ok(await town.admin.get(path))["letter"]
    assert (letter["told"], letter["failed"], letter["waiting"], letter["listed"]) == (2, 0, 0, 2)
    for who, times in ((first, 1), (second, 1), (other, 0)):
        texts = [each.text for each in await town.stack.messages.outbox(f"+86{who.login}")]
        assert len([text for text in texts if LETTER["zh"] in text]) == times
    refused(await town.admin.post("/v1/console/proposals", {**wish, "body": body}), 409, "letter_written")


async def test_a_letter_to_everybody_goes_to_every_customer_there_was_then(town: Town) -> None:
    before = await town.customer("There then")
    what = {
        "what": "a stolen dump",
        "categories": ["identity"],
        "people": 9,
        "risk": "high",
        "known_at": datetime.now(UTC).isoformat(),
    }
    breach = ok(await town.admin.post("/v1/console/privacy/breaches", what), status=201)
    after = await town.customer("Came later")
    text = {
        "zh": "数据库的一份拷贝被盗，其中内容是加密的。请留意诈骗。",
        "en": "A copy of the database was stolen; what is in it is encrypted.",
    }
    assert (await town.agreed("breach.letter", {"breach_id": breach["breach_id"], **text}, town.admin))["state"] == "DONE"

    async def through() -> bool:
        letter = ok(await town.admin.get(f"/v1/console/privacy/breaches/{breach['breach_id']}"))["letter"]
        return bool(letter["state"] == "SENT" and letter["waiting"] == 0)

    await until(through, 60)
    assert any(text["zh"] in each.text for each in await town.stack.messages.outbox(f"+86{before.login}"))
    assert not any(text["zh"] in each.text for each in await town.stack.messages.outbox(f"+86{after.login}"))

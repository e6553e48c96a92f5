"""Operators over HTTP: least privilege, four eyes, the broken glass, and the record of what they did."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from tests.http.town import PASSWORD, Person, Town, ok, refused, session_of
from tests.http.town import until as until_so
from tongbao.app import console
from tongbao.app.asgi import GUARDS, ROUTES, application, open_services
from tongbao.app.schema import document
from tongbao.app.settings import Settings
from tongbao.channels.simulated.messages import Delivered
from tongbao.ledger.api import CUSTOMER_WALLET, account_id
from tongbao.operators.api import looks_at
from tongbao.operators.permissions import ROLE_NAMES, ROLES

on_the_town = pytest.mark.asyncio(loop_scope="session")


def wallet(person: Person) -> str:
    return str(account_id(CUSTOMER_WALLET, "CNY", UUID(person.customer_id)))


async def hired(town: Town, roles: list[str], name: str = "Somebody") -> Person:
    """An operator whom two others took on, and who chose their own password."""
    login = f"{uuid4().hex}@tongbao.test"
    made = await invited(town, {"login": login, "name": name, "roles": roles})
    assert (await welcomed(town, await link(town, login), await code(town.boss, made))).status_code == 204
    answer = await enters(town, login)
    return Person(town.here, session_of(answer), operator_id=made["outcome"], login=login)


async def invited(town: Town, body: dict[str, Any]) -> dict[str, Any]:
    made = await town.agreed("operator.create", body, town.admin)
    assert made["state"] == "DONE", made
    return made


async def link(town: Town, login: str, after: int = 0) -> str:
    """What stands behind the # of the link that was sent to this address, after so many before it."""
    sent: list[str] = []

    async def arrived() -> bool:
        sent[:] = [text.partition("/console/welcome#")[2] for text in map(_text, await town.stack.messages.outbox(login))]
        return len([one for one in sent if one]) > after

    await until_so(arrived, seconds=30)
    return next(one for one in sent if one)


def _text(message: Delivered) -> str:
    return message.text


async def code(approver: Person, made: dict[str, Any]) -> str:
    """The half of an invitation that its approver has."""
    told: str = ok(await approver.get(f"/v1/console/proposals/{made['proposal_id']}/code"))["code"]
    return told


async def welcomed(town: Town, link: str, code: str, password: str = PASSWORD) -> httpx.Response:
    return await town.here.post("/v1/console/welcome", json={"link": link, "code": code, "password": password})


async def enters(town: Town, login: str) -> httpx.Response:
    return await town.here.post("/v1/console/login", json={"login": login, "password": PASSWORD})


async def frozen(town: Town) -> Person:
    who = await town.customer("Frozen")
    await town.gift(who, "1.00")
    body = {"debits": True, "credits": False, "reason": "lost"}
    ok(await town.finance.post(f"/v1/console/accounts/{wallet(who)}/freeze", body))
    return who


def thawing(who: Person) -> dict[str, Any]:
    return {"account_id": wallet(who), "debits": True, "credits": False, "freeze_reason": "lost"}


def wish(who: Person, **more: Any) -> dict[str, Any]:
    return {"kind": "account.unfreeze", "body": thawing(who), "reason": "the phone was found", **more}


# ── least privilege ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_every_console_route_stands_behind_a_permission() -> None:
    open_to_all = {"/v1/console/login", "/v1/console/login/totp", "/v1/console/welcome"}
    for route in ROUTES:
        for path in route.paths:
            if path.startswith("/v1/console") and path not in open_to_all:
                assert route in GUARDS, f"{path} is not in the console's table"
    told = document(application(Settings()))["paths"]
    for path, item in told.items():
        if path.startswith("/v1/console") and path not in open_to_all:
            for operation in item.values():
                assert operation["x-permission"] in operation["description"], path


#: What one route or another must be asked with; the others look past it.
_ASKED = {
    "from": "2026-01-01", "to": "2026-01-31", "date": "2026-01-01", "through": "2026-01-01", "code": "2001", "currency": "CNY",
    "command": str(UUID(int=1)), "kind": "payment", "amount": "1.00",
}  # fmt: skip


@on_the_town
@pytest.mark.parametrize("role", ROLE_NAMES)
async def test_a_role_reads_what_its_permissions_say_and_nothing_else(town: Town, role: str) -> None:
    who = await hired(town, [role])
    readable = [right for right in console.RIGHTS if not right.changing]
    assert len(readable) > 20
    for right in readable:
        (path,) = right.route.paths
        for name in ("account", "payment_id", "journal_id", "proposal_id", "incident_id"):
            path = path.replace(f"{{{name}:str}}", str(UUID(int=1)))
        answer = await who.get(path.replace("{what:str}", "entries"), **_ASKED)
        if right.permission in ROLES[role]:  # type: ignore[index]
            assert answer.status_code in (200, 400, 404) or answer.json()["error"]["code"] == "approval_needed", path
        else:
            refused(answer, 403, "forbidden")


@on_the_town
async def test_an_operator_without_roles_may_do_nothing_any_more_and_is_logged_out(town: Town) -> None:
    who = await hired(town, ["finance"])
    ok(await who.get("/v1/console/customers"))
    ended = await town.agreed("operator.roles", {"operator_id": who.operator_id, "roles": []}, town.admin)
    assert ended["state"] == "DONE"
    refused(await who.get("/v1/console/customers"), 401, "unauthenticated")


@on_the_town
async def test_nobody_gives_themselves_a_role(town: Town) -> None:
    who = await hired(town, ["security"])
    change = {"kind": "operator.roles", "body": {"operator_id": who.operator_id, "roles": ["admin"]}, "reason": "a promotion"}
    mine = ok(await who.post("/v1/console/proposals", change), status=201)
    refused(await who.post(f"/v1/console/proposals/{mine['proposal_id']}/approve"), 403, "own_proposal")
    for_me = ok(await town.admin.post("/v1/console/proposals", change), status=201)
    refused(await who.post(f"/v1/console/proposals/{for_me['proposal_id']}/approve"), 403, "own_proposal")
    alone = {**change, "alone": True, "reason": "nobody else is here this whole night"}
    refused(await who.post("/v1/console/proposals", alone), 403, "break_glass_not_allowed")


# ── four eyes ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@on_the_town
async def test_what_one_proposes_another_approves_and_then_it_is_done(town: Town) -> None:
    who = await frozen(town)
    proposed = ok(await town.finance.post("/v1/console/proposals", wish(who)), status=201)
    path = f"/v1/console/proposals/{proposed['proposal_id']}"
    assert (proposed["state"], proposed["proposed_by"]["name"], proposed["decided_by"]) == ("OPEN", "finance", None)
    refused(await town.finance.post(f"{path}/approve"), 403, "own_proposal")
    refused(await town.support.post(f"{path}/approve"), 403, "not_permitted")
    assert ok(await town.support.get(f"/v1/console/accounts/{wallet(who)}"))["debit_freeze"] == ["lost"]
    done = ok(await town.boss.post(f"{path}/approve", {"note": "checked with the customer"}))
    assert (done["state"], done["decided_by"]["name"], done["note"]) == ("DONE", "boss", "checked with the customer")
    assert ok(await town.support.get(f"/v1/console/accounts/{wallet(who)}"))["debit_freeze"] == []
    refused(await town.admin.post(f"{path}/reject"), 409, "proposal_decided")
    assert ok(await town.support.get(path)) == done
    listed = ok(await town.support.get("/v1/console/proposals", which="ended", limit=100))["items"]
    assert proposed["proposal_id"] in {each["proposal_id"] for each in listed}


@on_the_town
async def test_the_list_of_what_is_mine_shows_nobody_elses(town: Town) -> None:
    who = await frozen(town)
    mine = ok(await town.finance.post("/v1/console/proposals", wish(who)), status=201)
    others = ok(await town.admin.post("/v1/console/proposals", wish(who)), status=201)

    async def listed(**query: Any) -> set[str]:
        page = ok(await town.finance.get("/v1/console/proposals", limit=100, **query))
        return {each["proposal_id"] for each in page["items"]}

    assert {mine["proposal_id"], others["proposal_id"]} <= await listed(which="open")
    assert mine["proposal_id"] in await listed(mine=True)
    assert others["proposal_id"] not in await listed(mine=True)
    ok(await town.finance.post(f"/v1/console/proposals/{mine['proposal_id']}/withdraw"))
    assert mine["proposal_id"] in await listed(which="ended", mine=True)
    assert mine["proposal_id"] not in await listed(which="open")


@on_the_town
async def test_a_repeat_of_either_half_changes_nothing(town: Town) -> None:
    who, once = await frozen(town), uuid4().hex
    first = ok(await town.finance.post("/v1/console/proposals", wish(who), key=once), status=201)
    again = ok(await town.finance.elsewhere(town.there).post("/v1/console/proposals", wish(who), key=once), status=201)
    assert again == first
    path = f"/v1/console/proposals/{first['proposal_id']}/approve"
    done = ok(await town.boss.post(path, key=once))
    assert ok(await town.boss.elsewhere(town.there).post(path, key=once)) == done


@on_the_town
async def test_what_is_rejected_or_withdrawn_is_not_done(town: Town) -> None:
    who = await frozen(town)
    for act, by in (("reject", town.boss), ("withdraw", town.finance)):
        proposed = ok(await town.finance.post("/v1/console/proposals", wish(who)), status=201)
        path = f"/v1/console/proposals/{proposed['proposal_id']}"
        assert ok(await by.post(f"{path}/{act}"))["state"] == {"reject": "REJECTED", "withdraw": "WITHDRAWN"}[act]
        refused(await town.admin.post(f"{path}/approve"), 409, "proposal_decided")
    refused(await town.admin.post(f"/v1/console/proposals/{uuid4()}/withdraw"), 404, "proposal_not_found")
    assert ok(await town.support.get(f"/v1/console/accounts/{wallet(who)}"))["debit_freeze"] == ["lost"]


@on_the_town
async def test_what_the_ledger_declines_ends_failed_with_its_reason(town: Town) -> None:
    who = await frozen(town)
    ended = await town.agreed("account.unfreeze", {**thawing(who), "freeze_reason": "court"})
    assert (ended["state"], ended["outcome"]) == ("FAILED", "freeze_not_found")


@on_the_town
async def test_an_approved_act_whose_server_died_is_done_by_the_worker(town: Town) -> None:
    """Between the approval and the act there is a moment; here the act is held up in it, and comes twice."""
    who = await frozen(town)
    proposed = ok(await town.finance.post("/v1/console/proposals", wish(who)), status=201)
    async with open_services(town.stack.settings, town.stack.dsn) as services:
        operators = services.operators
        boss = ok(await town.boss.get("/v1/console/me"))["operator_id"]
        carried_out, operators.carry_out = operators.carry_out, _nothing  # type: ignore[method-assign]
        proposal = await operators.decide(uuid4(), UUID(boss), UUID(proposed["proposal_id"]), True, "")
        assert proposal.state == "APPROVED"
        done = await carried_out(proposal)
        assert (done.state, (await carried_out(proposal)).ended_at) == ("DONE", done.ended_at)
    assert ok(await town.support.get(f"/v1/console/accounts/{wallet(who)}"))["debit_freeze"] == []


async def _nothing(proposal: Any) -> Any:
    return proposal


WRONG_WISHES = [
    ("an act we do not know", {"kind": "account.empty"}, 400, "act_unknown"),
    ("a body with a field too many", {"body": {"x": 1}}, 400, "act_malformed"),
    ("no reason to speak of", {"reason": " ?  "}, 400, "reason_too_short"),
    ("an emergency in two words", {"alone": True, "reason": "it burns"}, 400, "reason_too_short"),
    ("somebody new with a password that another chose", {"kind": "operator.create", "body": {
        "login": "x@example.com", "name": "X", "roles": ["admin"], "password": PASSWORD}}, 400, "act_malformed"),
    ("somebody new who cannot be reached", {"kind": "operator.create", "body": {
        "login": "nowhere", "name": "X", "roles": ["admin"]}}, 400, "login_format"),
    ("letting a customer in again", {"kind": "operator.reset", "body": {"operator_id": "$ann"}}, 404, "operator_not_found"),
    ("undoing a journal that is none", {"kind": "journal.reverse", "body": {"journal_id": str(UUID(int=1))}}, 404,
     "journal_not_found"),
    ("somebody new in a role we do not have", {"kind": "operator.create", "body": {
        "login": "x@example.com", "name": "X", "roles": ["owner"]}}, 400, "role_unknown"),
    ("somebody who is no operator", {"kind": "operator.roles", "body": {"operator_id": "$ann", "roles": []}}, 404,
     "operator_not_found"),
]  # fmt: skip


@on_the_town
@pytest.mark.parametrize(("more", "status", "code"), [row[1:] for row in WRONG_WISHES], ids=[row[0] for row in WRONG_WISHES])
async def test_a_wish_that_makes_no_sense_is_refused(town: Town, more: dict[str, Any], status: int, code: str) -> None:
    asked = {"kind": "account.unfreeze", "body": thawing(town.ann), "reason": "the phone was found", **more}
    if asked["body"].get("operator_id") == "$ann":
        asked["body"]["operator_id"] = town.ann.customer_id
    refused(await town.admin.post("/v1/console/proposals", asked), status, code)


# ── invitations ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@on_the_town
async def test_neither_who_proposed_an_operator_nor_who_approved_can_log_in_as_them(town: Town) -> None:
    """The proposer named an address of their own: they have the link, and the newcomer's name."""
    login = f"{uuid4().hex}@tongbao.test"
    made = await invited(town, {"login": login, "name": "New", "roles": ["kyc"]})
    refused(await enters(town, login), 401, "wrong_credentials")
    refused(await town.admin.get(f"/v1/console/proposals/{made['proposal_id']}/code"), 403, "not_the_approver")
    sent, told = await link(town, login), await code(town.boss, made)
    assert told not in str(made) and sent not in str(made)
    for wrong_link, wrong_code in ((sent, "0000-0000"), ("A" * 64, told), ("", told), (sent[:-4], told)):
        refused(await welcomed(town, wrong_link, wrong_code), 401, "invitation_wrong")
    refused(await welcomed(town, sent, told, "short"), 400, "password_too_short")
    refused(await enters(town, login), 401, "wrong_credentials")
    assert (await welcomed(town, sent, told.lower().replace("-", " "))).status_code == 204
    session_of(await enters(town, login))
    refused(await welcomed(town, sent, told, "another horse battery"), 401, "invitation_wrong")
    refused(await town.boss.get(f"/v1/console/proposals/{made['proposal_id']}/code"), 410, "invitation_ended")


@on_the_town
async def test_five_wrong_codes_end_an_invitation(town: Town) -> None:
    login = f"{uuid4().hex}@tongbao.test"
    made = await invited(town, {"login": login, "name": "Guessed", "roles": ["kyc"]})
    sent, told = await link(town, login), await code(town.boss, made)
    for _ in range(5):
        refused(await welcomed(town, sent, "0000-0000"), 401, "invitation_wrong")
    refused(await welcomed(town, sent, told), 401, "invitation_wrong")
    refused(await town.boss.get(f"/v1/console/proposals/{made['proposal_id']}/code"), 410, "invitation_ended")


@on_the_town
async def test_nothing_in_the_database_opens_an_invitation(town: Town) -> None:
    login = f"{uuid4().hex}@tongbao.test"
    made = await invited(town, {"login": login, "name": "Kept", "roles": ["kyc"]})
    sent, told = await link(town, login), await code(town.boss, made)
    secret = urlsafe_b64decode(sent)[16:]
    for table in ("operator_invitation", "message", "proposal", "command", "outbox"):
        for row in await town.books.fetch(f"select {table}::text as whole from {table}"):
            assert sent not in row["whole"] and told.replace("-", "") not in row["whole"], table
            assert secret.hex() not in row["whole"], table


@on_the_town
async def test_who_is_let_in_again_loses_password_and_sessions_and_takes_two(town: Town) -> None:
    who = await hired(town, ["support"], "Lost")
    ok(await who.get("/v1/console/customers"))
    wish = {"kind": "operator.reset", "body": {"operator_id": who.operator_id}, "reason": "lost the telephone"}
    mine = ok(await town.boss.post("/v1/console/proposals", wish), status=201)
    refused(await town.boss.post(f"/v1/console/proposals/{mine['proposal_id']}/approve"), 403, "own_proposal")
    done = ok(await town.admin.post(f"/v1/console/proposals/{mine['proposal_id']}/approve"))
    assert (done["state"], done["outcome"]) == ("DONE", who.operator_id)
    refused(await who.get("/v1/console/customers"), 401, "unauthenticated")
    refused(await enters(town, who.login), 401, "wrong_credentials")
    (line,) = [
        each for each in ok(await town.boss.get("/v1/console/operators", limit=100))["items"]
        if each["operator_id"] == who.operator_id
    ]  # fmt: skip
    assert line["invited_until"]
    assert (await welcomed(town, await link(town, who.login, after=1), await code(town.admin, done))).status_code == 204
    session_of(await enters(town, who.login))


# ── what two do ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@on_the_town
async def test_one_suspends_a_customer_and_two_let_them_go(town: Town) -> None:
    who = await town.customer("Stopped")
    await town.gift(who, "5.00")
    path, why = f"/v1/console/customers/{who.customer_id}", {"why": "fraud", "reason": "three chargebacks"}
    refused(await town.finance.post(f"{path}/suspend", why), 403, "forbidden")
    refused(await town.admin.post(f"{path}/suspend", {**why, "reason": " ? "}), 400, "reason_too_short")
    refused(await town.admin.post(f"{path}/suspend", {**why, "until": "2026-12-01T00:00:00"}), 400, "invalid_date")
    shown = ok(await town.admin.post(f"{path}/suspend", why))
    assert (shown["suspended"], shown["suspension"]["why"], shown["suspension"]["until"]) == (["operator"], "fraud", None)
    assert shown["suspension"]["suspended_by"]["name"] == "admin"
    body = {"customer_id": who.customer_id, "reason": "operator"}
    wish = {"kind": "customer.lift_suspension", "body": body, "reason": "all is explained"}
    refused(await town.finance.post("/v1/console/proposals", wish), 403, "not_permitted")
    dormant = {**wish, "body": {**body, "reason": "dormant"}}
    refused(await town.admin.post("/v1/console/proposals", dormant), 409, "not_suspended")
    alone = {**wish, "reason": "nobody else is here this night", "alone": True}
    refused(await town.admin.post("/v1/console/proposals", alone), 403, "break_glass_not_allowed")
    mine = ok(await town.admin.post("/v1/console/proposals", wish), status=201)
    refused(await town.admin.post(f"/v1/console/proposals/{mine['proposal_id']}/approve"), 403, "own_proposal")
    assert ok(await town.support.get(path))["suspended"] == ["operator"]
    assert ok(await town.boss.post(f"/v1/console/proposals/{mine['proposal_id']}/approve"))["state"] == "DONE"
    shown = ok(await town.support.get(path))
    assert (shown["suspended"], shown["suspension"]) == ([], None)


@on_the_town
async def test_a_suspension_ends_by_itself_on_its_day(town: Town) -> None:
    who = await town.customer("Stopped for a moment")
    until = (datetime.now(UTC) + timedelta(seconds=2)).isoformat()
    path, why = f"/v1/console/customers/{who.customer_id}", {"why": "customer", "reason": "asked for it", "until": until}
    assert ok(await town.admin.post(f"{path}/suspend", why))["suspension"]["until"]

    async def free() -> bool:
        return bool(ok(await town.support.get(path))["suspended"] == [])

    await until_so(free, seconds=30)


@on_the_town
async def test_a_key_is_exchanged_by_two_and_once(town: Town) -> None:
    async def newest() -> int:
        listed = ok(await town.admin.get("/v1/console/keys"))["items"]
        assert {each["purpose"] for each in listed if each["exchangeable"]} == {"C2", "C3"}
        return max(int(each["version"]) for each in listed if each["purpose"] == "C2")

    refused(await town.support.get("/v1/console/keys"), 403, "forbidden")
    wish = {"kind": "keys.rotate", "body": {"purpose": "C2"}, "reason": "a year has passed"}
    refused(await town.finance.post("/v1/console/proposals", wish), 403, "not_permitted")
    refused(await town.admin.post("/v1/console/proposals", {**wish, "body": {"purpose": "seal"}}), 400, "act_malformed")
    before = await newest()
    both = [ok(await who.post("/v1/console/proposals", wish), status=201) for who in (town.admin, town.boss)]
    refused(await town.admin.post(f"/v1/console/proposals/{both[0]['proposal_id']}/approve"), 403, "own_proposal")
    assert await newest() == before
    for proposed, other in zip(both, (town.boss, town.admin), strict=True):  # the second wished for what has happened since
        done = ok(await other.post(f"/v1/console/proposals/{proposed['proposal_id']}/approve"))
        assert (done["state"], done["outcome"]) == ("DONE", str(before + 1))
    assert await newest() == before + 1

    async def wrapped_anew() -> bool:
        left = "select count(*) from person_key where shredded_at is null and c2_version <= $1"
        return not await town.books.fetchval(left, before)

    await until_so(wrapped_anew, seconds=30)
    assert ok(await town.ann.get("/v1/wallet/me"))["name_masked"]


@on_the_town
async def test_a_merchants_payment_is_refunded_by_two_operators(town: Town) -> None:
    paid = await town.pay(town.ann, await town.order(town.shop, "2.00"))
    body = {"payment_id": paid["payment_id"], "amount": "0.50", "currency": "CNY"}
    assert (await town.agreed("payment.refund", body))["state"] == "DONE"
    assert ok(await town.support.get(f"/v1/console/payments/{paid['payment_id']}"))["refunded"] == "0.50"


# ── the broken glass ────────────────────────────────────────────────────────────────────────────────────────────────────


@on_the_town
async def test_a_broken_glass_acts_at_once_and_another_must_look_at_it(town: Town) -> None:
    who = await frozen(town)
    before = ok(await town.support.get("/v1/console/waiting"))["incidents"]
    alone = wish(who, alone=True, reason="the customer stands at the hospital's desk")
    done = ok(await town.admin.post("/v1/console/proposals", alone), status=201)
    assert (done["state"], done["alone"]) == ("DONE", True)
    assert ok(await town.support.get(f"/v1/console/accounts/{wallet(who)}"))["debit_freeze"] == []
    assert ok(await town.support.get("/v1/console/waiting"))["incidents"] == before + 1
    found = ok(await town.support.get("/v1/console/incidents", unreviewed=True))["items"][0]
    assert (found["kind"], found["subject_id"], found["overdue"]) == ("break_glass", done["proposal_id"], False)
    path = f"/v1/console/incidents/{found['incident_id']}/review"
    refused(await town.admin.post(path, {"note": "it was me"}), 403, "own_incident")
    refused(await town.support.post(path, {"note": "looks fine"}), 403, "forbidden")
    refused(await town.boss.post(path, {"note": " "}), 400, "reason_too_short")
    assert ok(await town.boss.post(path, {"note": "called the hospital"}))["reviewed_by"]["name"] == "boss"
    refused(await town.boss.post(path, {"note": "once more"}), 409, "incident_reviewed")
    assert ok(await town.support.get("/v1/console/waiting"))["incidents"] == before


# ── the record ──────────────────────────────────────────────────────────────────────────────────────────────────────────


async def recorded(town: Town, **query: Any) -> list[tuple[str, str, str]]:
    page = ok(await town.admin.get("/v1/console/acts", limit=100, **query))
    return [(each["act"], each["by"]["name"], each["outcome"]) for each in page["items"]]


@on_the_town
async def test_reading_somebodys_data_is_on_record_before_the_answer_leaves(town: Town) -> None:
    who = await town.customer("Read")
    await town.gift(who, "1.00")
    assert await recorded(town, subject=wallet(who)) == []
    ok(await town.support.get(f"/v1/console/accounts/{wallet(who)}/statement"))
    assert await recorded(town, subject=wallet(who)) == [("statement", "support", "ok")]
    ok(await town.support.get("/v1/console/customers", q=who.login))
    assert await recorded(town, subject=who.customer_id) == [("customers", "support", "ok")]
    paid = await town.pay(who, await town.order(town.shop, "1.00"))
    ok(await town.finance.get(f"/v1/console/payments/{paid['payment_id']}"))
    assert await recorded(town, subject=paid["payment_id"]) == [("payment_detail", "finance", "ok")]
    assert (await recorded(town, subject=who.customer_id))[0] == ("payment_detail", "finance", "ok")
    async with open_services(town.stack.settings, town.stack.dsn) as services:
        seen = await looks_at(services.operators, services.identity, [who.customer_id, wallet(who)], None, 10)
    assert [(each.act, each.changing) for each in seen] == [
        ("payment_detail", False), ("customers", False), ("statement", False),
    ]  # fmt: skip
    assert all("*" in each.by_masked for each in seen)


@on_the_town
async def test_changes_are_on_record_with_their_reason_whether_they_happened_or_not(town: Town) -> None:
    who = await town.customer("Acted on")
    await town.gift(who, "1.00")
    path, freeze = f"/v1/console/accounts/{wallet(who)}", {"debits": True, "credits": False, "reason": "fraud"}
    refused(await town.support.post(f"{path}/freeze", freeze), 403, "forbidden")
    ok(await town.finance.post(f"{path}/freeze", freeze))
    refused(await town.finance.post(f"{path}/freeze", freeze), 409, "freeze_exists")
    refused(await town.finance.post(f"{path}/unfreeze", freeze), 403, "approval_needed")
    assert await recorded(town, subject=wallet(who), changes=True) == [
        ("unfreeze_account", "finance", "approval_needed"), ("freeze_account", "finance", "freeze_exists"),
        ("freeze_account", "finance", "ok"), ("freeze_account", "support", "forbidden"),
    ]  # fmt: skip
    page = ok(await town.admin.get("/v1/console/acts", subject=wallet(who), act="freeze_account", limit=1))
    assert page["items"][0]["reason"] == "fraud" and page["next_cursor"]
    operator_id = page["items"][0]["by"]["operator_id"]
    assert set(await recorded(town, subject=wallet(who), by=operator_id)) == set(await recorded(town, subject=wallet(who))) - {
        ("freeze_account", "support", "forbidden")
    }


@on_the_town
async def test_what_an_auditor_may_see_others_may_not(town: Town) -> None:
    refused(await town.finance.get("/v1/console/acts"), 403, "forbidden")
    ok(await (await hired(town, ["auditor"])).get("/v1/console/acts"))

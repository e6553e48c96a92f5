"""Limits over HTTP, on two servers over one database: never exceeded, told with their article, and chosen by customers."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest
import pytest_asyncio

from tests.http.conftest import a_town
from tests.http.names import anybody, known
from tests.http.test_credentials import added
from tests.http.town import PIN, Person, Town, key, ok, refused
from tests.support.authenticator import Authenticator, on_the_wire, read
from tongbao.channels.simulated.people import DEMO_PEOPLE
from tongbao.kernel.postgres import EmbeddedPostgres
from tongbao.security.masking import mask_name

pytestmark = pytest.mark.asyncio(loop_scope="module")

LAPUTA = Path(__file__).parent / "laputa.toml"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def island(
    postgres_server: EmbeddedPostgres, database_template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Town]:
    """A town under the rules of Laputa."""
    folder = tmp_path_factory.mktemp("island")
    async with a_town(
        postgres_server, database_template, folder, rules=str(LAPUTA), session_rate=100_000, address_rate=100_000
    ) as town:
        yield town


def sending(payee: Person, amount: str, **more: str) -> dict[str, str]:
    return {"payee_id": payee.customer_id, "amount": amount, "currency": "CNY", "pin": PIN, **more}


#: Everybody's limits are their own: each is another of those whom the bank knows, ann and ben not among them.
_PEOPLE = itertools.count(2)


async def rich(town: Town, amount: str) -> Person:
    """A new customer who has brought so much from the bank."""
    number = next(_PEOPLE)
    return await town.customer(DEMO_PEOPLE[number].name, bank=number, funds=amount)


async def told(payer: Person, body: dict[str, str]) -> str:
    """What became of it: "ok" or a code. As a client does, the same request is sent again where a connection broke under the
    crowd, or a server asks to."""
    once = key()
    for _ in range(20):
        try:
            answer = await payer.post("/v1/wallet/transfers", body, key=once)
        except httpx.TransportError:
            continue
        if answer.status_code == 201:
            return "ok"
        if answer.status_code not in (429, 503, 504):
            return str(answer.json()["error"]["code"])
        await asyncio.sleep(0.2)
    raise AssertionError("no answer in twenty attempts")


async def test_a_limit_is_never_exceeded_by_a_thousand_payments_at_once_on_two_servers(island: Town) -> None:
    payer = await rich(island, "2000.00")
    here, there = payer, payer.elsewhere(island.there)
    asked = [told((here, there)[number % 2], sending(island.cat, "1.00")) for number in range(1_000)]
    assert Counter(await asyncio.gather(*asked)) == {"ok": 500, "limit_reached": 500}
    assert ok(await payer.get("/v1/wallet/balance"))["balance"] == "1500.00"
    (line,) = [each for each in ok(await there.get("/v1/wallet/limits"))["items"] if each["rule_id"] == "laputa.day"]
    assert (line["limit"], line["used"], line["left"]) == ("500.00", "500.00", "0.00")


async def test_two_wallets_of_one_person_share_what_the_law_allows_on_two_servers(island: Town) -> None:
    """Whatever they paid before it was known whose both are, counts too."""
    one, two = await island.customer("测试员"), await island.customer("测试员")
    for who in (one, two):  # of whom nothing is known yet, so that no bank account is theirs
        giver = await rich(island, "500.00")
        assert await told(giver, sending(who, "500.00")) == "ok"
    assert [await told(who, sending(island.cat, "60.00")) for who in (one, two)] == ["ok", "ok"]
    for who in (one, two):
        assert (await known(island, who, {"document": anybody(271), "wanted_level": 2})).level == 2
    wallets = (one, two.elsewhere(island.there), one.elsewhere(island.there), two)
    asked = [told(wallets[number % 4], sending(island.cat, "1.00")) for number in range(1_000)]
    assert Counter(await asyncio.gather(*asked)) == {"ok": 380, "limit_reached": 620}
    left = [ok(await who.get("/v1/wallet/balance"))["balance"] for who in (one, two)]
    assert sum(map(Decimal, left)) == Decimal(1000 - 500)
    for who in (one, two):
        (line,) = [each for each in ok(await who.get("/v1/wallet/limits"))["items"] if each["rule_id"] == "laputa.day"]
        assert (line["used"], line["left"]) == ("500.00", "0.00")


async def test_a_limit_is_told_with_its_article_and_when_it_begins_anew(island: Town) -> None:
    payer = await rich(island, "1000.00")
    ok(await payer.post("/v1/wallet/transfers", sending(island.cat, "120.00")), status=201)
    error = refused(await payer.post("/v1/wallet/transfers", sending(island.cat, "380.01")), 422, "limit_reached")
    told = error.detail
    assert told is not None and (told["rule_id"], told["citation"]) == ("laputa.day", "Statutes of Laputa 1")
    assert (told["limit"], told["used"], told["left"]) == ("500.00", "120.00", "380.00")
    (line,) = [each for each in ok(await payer.get("/v1/wallet/limits"))["items"] if each["rule_id"] == "laputa.day"]
    assert line["renews_at"] == told["renews_at"].replace("+00:00", "Z") and line["name"] == {"zh": "当日累计", "en": "In a day"}
    assert (line["whose"], line["verified"], line["window"]) == ("law", True, "day")
    shown = ok(await island.support.get(f"/v1/console/customers/{payer.customer_id}/limits"))
    assert line in shown["items"]


async def test_what_may_be_paid_today_is_told_by_each_way_of_confirming_with_what_binds_it(island: Town) -> None:
    payer = await rich(island, "1000.00")
    before = ok(await payer.get("/v1/wallet/limits/today"))
    ways = {each["confirmation"]: each for each in before["items"]}
    assert list(ways) == ["none", "pin", "pin_code", "passkey", "certificate"]
    assert (ways["none"]["single"], ways["none"]["single_by"]["whose"]) == ("0.00", "own"), "small payments are off"
    assert (ways["pin"]["strength"], ways["certificate"]["strength"]) == ("medium", "strong"), "on the device that registered"
    assert {(way["single"], way["today"], way["single_by"]["rule_id"]) for name, way in ways.items() if name != "none"} == {
        ("500.00", "500.00", "laputa.day")
    }
    ok(await payer.post("/v1/wallet/transfers", sending(island.cat, "120.00")), status=201)
    after = ok(await payer.get("/v1/wallet/limits/today", method="qr_static"))
    assert {way["today"] for way in after["items"]} == {"0.00", "380.00"}
    assert after["items"][1]["today_by"]["renews_at"] is not None and after["suspended"] == []
    assert (await payer.post("/v1/wallet/report-takeover")).status_code == 204
    stopped = ok(await payer.get("/v1/wallet/limits/today"))
    assert stopped["suspended"] == ["reported"] and {way["single"] for way in stopped["items"]} == {"0.00"}


async def test_each_level_is_told_with_what_the_rules_in_force_allow_it(island: Town) -> None:
    levels = ok(await (await island.customer("Level")).get("/v1/wallet/real-name"))["levels"]
    assert [[(each["rule_id"], each["limit"]) for each in level["allowances"]] for level in levels] == [
        [], [], [], [("laputa.level", "900000.00")],
    ]  # fmt: skip


async def test_what_is_reported_is_known_to_staff_and_not_to_the_customer(island: Town) -> None:
    payer = await rich(island, "10.00")
    changed = ok(await payer.put("/v1/wallet/limits/own", {"limits": {"daily_count": 9}}))
    for told in (ok(await payer.get("/v1/wallet/limits")), changed):
        assert {each["rule_id"] for each in told["items"]} == {"laputa.day", "laputa.own"}
    shown = ok(await island.support.get(f"/v1/console/customers/{payer.customer_id}/limits"))
    assert {each["rule_id"] for each in shown["items"]} >= {"laputa.day", "laputa.own", "laputa.large"}


async def test_a_limit_of_ones_own_holds_on_every_server_at_once(island: Town) -> None:
    payer = await rich(island, "100.00")
    ok(await payer.put("/v1/wallet/limits/own", {"limits": {"daily_count": 1}}))
    ok(await payer.post("/v1/wallet/transfers", sending(island.cat, "1.00")), status=201)
    there = payer.elsewhere(island.there)
    refused(await there.post("/v1/wallet/transfers", sending(island.cat, "1.00")), 422, "limit_reached")
    refused(await payer.put("/v1/wallet/limits/own", {"limits": {"daily_count": 5}}), 422, "stronger_confirmation_needed")
    await raised_by_passkey(payer)
    refused(await payer.put("/v1/wallet/limits/own", {"limits": {"nothing": 5}}), 404, "limit_unknown")
    refused(await payer.put("/v1/wallet/limits/own", {"limits": {"daily_count": "5.00"}}), 400, "limit_format")


async def raised_by_passkey(payer: Person) -> None:
    """What was shown is what is raised, tomorrow: not to another number."""
    phone, under, path = Authenticator(), key(), "/v1/wallet/limits/own"
    ok(await added(payer, phone), status=201)
    act = {"request_key": under, "act": "own_limits", "counterparty_id": payer.customer_id, "detail": "daily_count=5"}
    challenge = ok(await payer.post("/v1/wallet/acts/challenge", act))["challenge"]
    agreed = {"confirmation": {"kind": "passkey", **on_the_wire(phone.answers(read(challenge)))}}
    refused(await payer.put(path, {"limits": {"daily_count": 6}, **agreed}, key=under), 401, "challenge_wrong")
    assert ok(await payer.put(path, {"limits": {"daily_count": 5}, **agreed}, key=under))["coming_from"] is not None


async def test_a_merchants_cap_is_set_by_who_may_and_holds(island: Town) -> None:
    caps = f"/v1/console/merchants/{island.shop.merchant_id}/caps"
    body = {"merchant_id": island.shop.merchant_id, "caps": {"per_payment": "20.00"}}
    wish = {"kind": "merchant.caps", "body": body, "reason": "new merchant"}
    assert ok(await island.admin.get(caps))["items"] == []
    refused(await island.support.post(caps, {"caps": body["caps"], "reason": "x"}), 403, "forbidden")
    refused(await island.admin.post(caps, {"caps": body["caps"], "reason": "alone"}), 403, "approval_needed")
    refused(await island.finance.post("/v1/console/proposals", wish), 403, "not_permitted")
    for wrong, code in (({"nothing": 5}, "limit_unknown"), ({"per_payment": "x"}, "amount_malformed"), ({}, "act_malformed")):
        bad = {**wish, "body": {**body, "caps": wrong}}
        assert (await island.admin.post("/v1/console/proposals", bad)).json()["error"]["code"] == code
    assert (await island.agreed("merchant.caps", body, island.admin))["state"] == "DONE"
    (line,) = ok(await island.admin.get(caps))["items"]
    assert (line["limit"], line["whose"], line["cap"]) == ("20.00", "own", "per_payment")
    payer = await rich(island, "100.00")
    for amount, says in (("20.00", 200), ("20.01", 422)):
        order = await island.order(island.shop, amount)
        paying = {"amount": amount, "currency": "CNY", "pin": PIN}
        assert (await payer.post(f"/v1/wallet/payments/{order['payment_id']}/confirm", paying)).status_code == says


async def test_rules_are_adopted_at_the_console_by_two_and_only_such_as_ship(island: Town) -> None:
    wish = {"kind": "rules.adopt", "body": {"packs": ["house"]}, "reason": "the house changed its mind"}
    refused(await island.finance.post("/v1/console/proposals", wish), 403, "not_permitted")
    for packs in (["/etc/passwd"], ["house", "nowhere"], []):
        refused(await island.admin.post("/v1/console/proposals", {**wish, "body": {"packs": packs}}), 400, "act_malformed")
    stale = {**wish, "body": {"packs": ["house"], "version": 1}}
    refused(await island.admin.post("/v1/console/proposals", stale), 400, "act_malformed")
    proposed = ok(await island.admin.post("/v1/console/proposals", wish), status=201)
    path = f"/v1/console/proposals/{proposed['proposal_id']}"
    refused(await island.admin.post(f"{path}/approve"), 403, "own_proposal")
    before = ok(await island.support.get("/v1/console/rules"))
    assert ok(await island.boss.post(f"{path}/reject"))["state"] == "REJECTED"
    assert ok(await island.support.get("/v1/console/rules")) == before


async def test_a_large_payment_is_a_duty_of_the_staff(island: Town) -> None:
    payer = await rich(island, "500.00")
    ok(await payer.post("/v1/wallet/transfers", sending(island.cat, "400.01")), status=201)
    refused(await island.support.get("/v1/console/duties"), 403, "forbidden")
    (duty,) = ok(await island.admin.get("/v1/console/duties", subject=payer.customer_id))["items"]
    assert (duty["rule_id"], duty["amount"], duty["act"]) == ("laputa.large", "400.01", "transfer")
    assert duty["due_at"] > duty["at"]


async def test_the_rules_in_force_are_those_of_the_setting(island: Town) -> None:
    shown = ok(await island.support.get("/v1/console/rules"))
    assert (shown["version"], shown["packs"], shown["by_hand"]) == (1, ["laputa"], False)
    assert {line["rule"]["id"] for line in shown["rules"]} == {
        "laputa.day", "laputa.own", "laputa.large", "laputa.level", "laputa.merchant"
    }  # fmt: skip
    (version,) = ok(await island.support.get("/v1/console/rules/versions"))["items"]
    assert version["digest"] == shown["digest"]


async def test_a_transfer_that_arrives_tomorrow_is_held_shown_and_taken_back(island: Town) -> None:
    payer = await rich(island, "300.00")
    bill = ok(await payer.post("/v1/wallet/transfers", sending(island.ben, "250.00", arrival="next_day")), status=201)
    assert (bill["state"], bill["balance_after"]) == ("PENDING", None) and bill["arrives_at"] > bill["at"]
    balance = ok(await payer.get("/v1/wallet/balance"))
    assert (balance["balance"], balance["available"], balance["held"]) == ("300.00", "50.00", "250.00")
    (waiting,) = ok(await payer.get("/v1/wallet/transfers", state="PENDING"))["items"]
    assert (waiting["transfer_id"], waiting["arrives_at"]) == (bill["transfer_id"], bill["arrives_at"])
    cancelled = ok(await payer.post(f"/v1/wallet/transfers/{bill['transfer_id']}/cancel"))
    assert cancelled["state"] == "CANCELLED"
    assert ok(await payer.get(f"/v1/wallet/bills/{bill['bill_id']}"))["state"] == "CANCELLED"
    assert ok(await payer.get("/v1/wallet/balance"))["available"] == "300.00"
    assert ok(await payer.get(f"/v1/wallet/transfers/{bill['transfer_id']}")) == cancelled
    (line,) = [each for each in ok(await payer.get("/v1/wallet/limits"))["items"] if each["rule_id"] == "laputa.day"]
    assert line["used"] == "0.00", "what was taken back counts nothing"


async def test_what_the_rules_would_say_is_what_they_say_and_changes_nothing(island: Town) -> None:
    payer = await rich(island, "500.00")
    ok(await payer.post("/v1/wallet/transfers", sending(island.cat, "100.00")), status=201)
    path, wish = "/v1/console/rules/what-if", {"kind": "transfer", "currency": "CNY", "customer_id": payer.customer_id}
    before = ok(await island.support.get(f"/v1/console/customers/{payer.customer_id}/limits"))
    no = ok(await island.support.get(path, amount="400.01", **wish))
    assert (no["decision"], no["code"], [(each["rule_id"], each["role"]) for each in no["rules"]]) == (
        "declined", "limit_reached", [("laputa.day", "because")],
    )  # fmt: skip
    assert "400.00" in no["message"]["en"] and "400.00" in no["message"]["zh"]
    yes = ok(await island.support.get(path, amount="400.00", **wish))
    assert (yes["decision"], yes["rules"]) == ("allowed", [])
    fresh = ok(await island.support.get(path, kind="transfer", currency="CNY", amount="400.01", level=3))
    assert (fresh["decision"], [(each["rule_id"], each["role"]) for each in fresh["rules"]]) == (
        "allowed", [("laputa.large", "report")],
    )  # fmt: skip
    assert ok(await island.support.get(f"/v1/console/customers/{payer.customer_id}/limits")) == before
    assert ok(await island.admin.get("/v1/console/duties", subject=payer.customer_id))["items"] == []
    assert (await told(payer, sending(island.cat, "400.01")), await told(payer, sending(island.cat, "400.00"))) == (
        "limit_reached", "ok",
    )  # fmt: skip
    refused(await island.support.get(path, kind="transfer", currency="CNY", amount="x"), 400, "amount_malformed")


async def test_a_customer_is_shown_masked_with_their_standing_and_doors(island: Town) -> None:
    name = DEMO_PEOPLE[15].name
    payer = await island.customer(name, bank=15, funds="10.00")
    shown = ok(await island.support.get(f"/v1/console/customers/{payer.customer_id}"))
    assert (shown["name_masked"], shown["level"], shown["suspended"], shown["balance"]) == (mask_name(name), 1, [], "10.00")
    assert (shown["sessions"], shown["devices"]) == (1, 1)
    refused(await island.support.get(f"/v1/console/customers/{island.shop.merchant_id}"), 404, "principal_not_found")
    seen = ok(await island.admin.get("/v1/console/acts", subject=payer.customer_id, act="customer_detail"))["items"]
    assert [one["by"]["name"] for one in seen] == ["support"]

"""Where somebody is logged in, and how another device is logged out: at once, and in every process."""

from __future__ import annotations

import asyncio
import time

import httpx
import msgspec
import pytest

from tests.http.refusals import SHOP
from tests.http.town import PASSWORD, PIN, Person, Town, key, ok, refused, session_of
from tongbao.identity.http import SessionAnswer
from tongbao.identity.own_http import SessionLine
from tongbao.kernel import web

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def log_in(town: Town, who: Person, device: str) -> Person:
    body = {"login": who.login, "password": PASSWORD, "device_name": device}
    answer = await town.here.post("/v1/wallet/login", json=body)
    return Person(town.here, session_of(answer), session_id=ok(answer, SessionAnswer).session_id)


async def test_another_device_is_logged_out_at_once_in_both_processes(town: Town) -> None:
    kim = await town.customer("Kim")
    lost = await log_in(town, kim, "lost phone")
    for process in (town.here, town.there):  # both know the session now, and remember it
        ok(await lost.elsewhere(process).get("/v1/wallet/me"))
    listed = ok(await kim.get("/v1/wallet/sessions"), web.Page[SessionLine]).items
    assert [(each.device_name, each.current) for each in listed] == [("lost phone", False), ("first", True)]
    lost_id = listed[0].session_id

    assert (await kim.delete(f"/v1/wallet/sessions/{lost_id}")).status_code == 204
    ended = time.monotonic()

    refused(await lost.get("/v1/wallet/me"), 401, "unauthenticated")
    while (await lost.elsewhere(town.there).get("/v1/wallet/me")).status_code == 200:
        assert time.monotonic() - ended < 1.0, "the other process still takes it"
        await asyncio.sleep(0.01)
    ok(await kim.get("/v1/wallet/me"))
    refused(await kim.delete(f"/v1/wallet/sessions/{lost_id}"), 404, "session_not_found")
    left = ok(await kim.get("/v1/wallet/sessions"), web.Page[SessionLine]).items
    assert [each.device_name for each in left] == ["first"]


async def test_logging_out_ends_the_session_everywhere(town: Town) -> None:
    for who, base in ((await town.customer("Lee"), "wallet"), (await town.merchant("Gone"), "merchant")):
        for process in (town.here, town.there):
            ok(await who.elsewhere(process).get(f"/v1/{base}/me"))
        assert (await who.post(f"/v1/{base}/logout")).status_code == 204
        ended = time.monotonic()
        refused(await who.get(f"/v1/{base}/me"), 401, "unauthenticated")
        while (await who.elsewhere(town.there).get(f"/v1/{base}/me")).status_code == 200:
            assert time.monotonic() - ended < 1.0, "the other process still takes it"
            await asyncio.sleep(0.01)


async def test_an_ended_session_is_refused_with_requests_in_flight(town: Town) -> None:
    """Requests that keep a session warm while it is being ended do not bring it back to life."""
    may = await town.customer("May")
    lost = await log_in(town, may, "lost phone")
    away, stop = lost.elsewhere(town.there), asyncio.Event()

    async def knock() -> float:
        latest = 0.0
        while not stop.is_set():
            asked = time.monotonic()
            if (await away.get("/v1/wallet/me")).status_code == 200:
                latest = asked
        return latest

    knocking = [asyncio.create_task(knock()) for _ in range(8)]
    await asyncio.sleep(0.3)
    assert (await may.delete(f"/v1/wallet/sessions/{lost.session_id}")).status_code == 204
    ended = time.monotonic()
    await asyncio.sleep(1.5)
    stop.set()
    assert max(await asyncio.gather(*knocking)) - ended < 1.0


async def test_sessions_come_in_pages(town: Town) -> None:
    ned = await town.customer("Ned")
    for number in range(4):
        await log_in(town, ned, f"device {number}")
    seen: list[str] = []
    cursor: str | None = None
    while True:
        query: dict[str, str | int] = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = msgspec.json.decode((await ned.get("/v1/wallet/sessions", **query)).content, type=web.Page[SessionLine])
        seen += [line.device_name for line in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == ["device 3", "device 2", "device 1", "device 0", "first"]


async def test_a_leaked_token_or_cookie_changes_nothing(town: Town) -> None:
    """Neither without a proof, nor with one that another session made, nor with one for another request."""
    eve, sue = await town.customer("Eve"), await town.customer("Sue", pin=False)
    body, path = {"pin": PIN, "password": PASSWORD}, "/v1/wallet/pin"
    ways = [{"authorization": f"Bearer {sue.token}"}, {"cookie": f"tongbao_session={sue.token}", "x-tongbao-app": "1"}]
    content = httpx.Request("POST", "http://x", json=body).content
    for carried in ways:
        once = {**carried, "idempotency-key": key()}
        refused(await town.here.post(path, json=body, headers=once), 401, "device_proof_missing")
        wrong = {
            "another session": eve.session.proof("POST", path, once["idempotency-key"], content),
            "another key": sue.session.proof("POST", path, key(), content),
            "another path": sue.session.proof("POST", "/v1/wallet/logout", once["idempotency-key"], content),
            "a query": sue.session.proof("POST", f"{path}?a=b", once["idempotency-key"], content),
            "another body": sue.session.proof("POST", path, once["idempotency-key"], content.replace(b"13", b"31")),
            "no body": sue.session.proof("POST", path, once["idempotency-key"]),
            "nothing": "0.0",
        }
        for given in wrong.values():
            said = refused(
                await town.here.post(path, json=body, headers={**once, "x-tongbao-proof": given}), 401, "device_proof_wrong"
            )
            assert abs(int(str(said.detail["now"])) - time.time()) < 60
        gone = await town.here.delete(f"/v1/wallet/sessions/{sue.session_id}", headers=carried)
        refused(gone, 401, "device_proof_missing")
    assert not ok(await sue.get("/v1/wallet/me"))["has_pin"]
    assert (await sue.post(path, body)).status_code == 204


@pytest.mark.parametrize(("who", "path"), [("shop", "/v1/merchant/orders"), ("admin", "/v1/console/merchants")])
async def test_staff_and_operators_prove_their_device_too(town: Town, who: str, path: str) -> None:
    headers = {"authorization": f"Bearer {getattr(town, who).token}", "idempotency-key": key()}
    refused(await town.here.post(path, json={}, headers=headers), 400, "invalid_request")
    body = {"amount": "1.00", "currency": "CNY", "subject": "x"} if who == "shop" else SHOP
    refused(await town.here.post(path, json=body, headers=headers), 401, "device_proof_missing")


async def test_a_device_is_known_by_what_it_was_given_and_a_removed_one_is_new_again(town: Town) -> None:
    tom = await town.customer("Tom")
    body = {"login": tom.login, "password": PASSWORD, "device_name": "tablet"}

    async def enters(token: str = "") -> tuple[Person, str | None]:
        answer = await town.here.post("/v1/wallet/login", json={**body, "device_token": token})
        return Person(town.here, session_of(answer)), ok(answer, SessionAnswer).device_token

    async def known() -> list[str]:
        return [each["name"] for each in ok(await tom.get("/v1/wallet/devices"))["items"]]

    tablet, token = await enters()
    assert token is not None and await known() == ["tablet", "first"]
    assert (await enters(token))[1] is None and (await enters("of somebody else"))[1] is not None
    assert await known() == ["tablet", "tablet", "first"]
    lines = ok(await tablet.get("/v1/wallet/devices"))["items"]
    (mine,) = [each for each in lines if each["current"]]
    renamed = await tom.post(f"/v1/wallet/devices/{mine['device_id']}/name", {"name": "kitchen"})
    assert renamed.status_code == 204 and sorted(await known()) == ["first", "kitchen", "tablet"]
    refused(await town.ben.delete(f"/v1/wallet/devices/{mine['device_id']}"), 404, "device_not_found")
    assert (await tom.delete(f"/v1/wallet/devices/{mine['device_id']}")).status_code == 204
    refused(await tablet.get("/v1/wallet/me"), 401, "unauthenticated")
    assert (await enters(token))[1] not in (None, token)
    told = ok(await tom.get("/v1/wallet/alerts"))["items"]
    assert [each["kind"] for each in told] == ["device_added", "device_revoked", "device_added", "device_added"]
    assert told[1]["facts"] == told[3]["facts"] == {"device_id": mine["device_id"]}


async def test_a_payment_says_by_what_its_payer_was_shown_to_agree(town: Town) -> None:
    paid = await town.pay(town.ann, await town.order(town.shop, "1.00"))
    bill = ok(await town.ann.get(f"/v1/wallet/bills/{paid['bill_id']}"))
    seen = ok(await town.support.get(f"/v1/console/payments/{paid['payment_id']}"))
    for told in (bill, seen):
        assert (told["factors"], told["strength"]) == (["knowledge", "possession"], "medium")

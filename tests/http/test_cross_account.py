"""What is somebody else's stays theirs: every route that takes an id is asked for another's.

The routes come from the OpenAPI document. One that takes an id and has no row here fails the test: its row says what a stranger
asks and that they get nothing, or why the id is for strangers to know.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import httpx
import pytest
import pytest_asyncio

from tests.http.names import family
from tests.http.test_agreements import signed
from tests.http.test_codes import Phone
from tests.http.test_credentials import added, enrolled
from tests.http.town import PIN, Person, Town, key, ok
from tests.support.authenticator import Authenticator
from tongbao.app.asgi import application
from tongbao.app.schema import document
from tongbao.app.settings import Settings
from tongbao.operators.permissions import permissions_of

DOCUMENT = document(application(Settings()))
AUDIENCES = ("wallet", "merchant", "console")

#: Names of fields and parameters that say which thing is meant, without `_id` at their end.
_NAMES_A_THING = {
    "code", "text", "out_trade_no", "out_refund_no", "out_capture_no", "out_agreement_no", "login", "account", "hold", "owner",
}  # fmt: skip
#: Answer to nobody in particular: they take no session.
_ANYBODY = (
    "/login", "/login/totp", "/welcome", "/register",
    "/login/passkey", "/login/passkey/options", "/register/code", "/recovery", "/recovery/code",
    "/report-takeover/code", "/report-takeover/by-code", "/contacts",
)  # fmt: skip


class Theft(NamedTuple):
    """A stranger asks for somebody else's: who (`thief` the customer, `rival` the merchant), with which body, and what they are
    told. Nothing may change."""

    who: str
    path: str
    body: Any = None
    status: int = 404


class Shared(NamedTuple):
    """An id that strangers are meant to use."""

    why: str


_TYPED = Shared("the code is one that the caller's own authenticator app shows, and is typed")
AGREED = {"per_debit": "1.00", "per_day": "1.00", "debits_a_day": 1, "debits_a_month": 1}
OURS = {"amount": "1.00", "currency": "CNY", "pin": PIN}

ROWS: dict[str, list[Theft] | Shared] = {
    "GET /v1/wallet/bills/{bill_id}": [Theft("thief", "$bill")],
    "GET /v1/wallet/bills/{bill_id}/proof": [Theft("thief", "$bill")],
    "GET /v1/wallet/bank-transfers/{bank_transfer_id}": [Theft("thief", "$bank_transfer")],
    "GET /v1/wallet/transfers/{transfer_id}": [Theft("thief", "$transfer")],
    "POST /v1/wallet/transfers/{transfer_id}/cancel": [Theft("thief", "$transfer")],
    "DELETE /v1/wallet/bank-accounts/{bank_account_id}": [Theft("thief", "$bank_account")],
    "DELETE /v1/wallet/sessions/{session_id}": [Theft("thief", "$session"), Theft("thief", "$staff_session")],
    "DELETE /v1/wallet/devices/{device_id}": [Theft("thief", "$device")],
    "POST /v1/wallet/devices/{device_id}/name": [Theft("thief", "$device", {"name": "mine"})],
    "GET /v1/wallet/privacy/decisions/{request_key}": [Theft("thief", "$declined")],
    "GET /v1/wallet/privacy/reviews/{review_id}": [Theft("thief", "$review")],
    "POST /v1/wallet/passkeys": Shared("the id is what an authenticator calls its own"),
    "DELETE /v1/wallet/passkeys/{passkey_id}": [Theft("thief", "$passkey", None, 403)],
    "DELETE /v1/wallet/certificates/{certificate_id}": [Theft("thief", "$certificate", None, 403)],
    "POST /v1/wallet/totp/confirm": _TYPED,
    "POST /v1/wallet/totp/remove": _TYPED,
    "POST /v1/wallet/totp/recovery-codes": _TYPED,
    "POST /v1/merchant/totp/confirm": _TYPED,
    "POST /v1/merchant/totp/remove": _TYPED,
    "POST /v1/merchant/totp/recovery-codes": _TYPED,
    "DELETE /v1/merchant/sessions/{session_id}": [Theft("rival", "$shop_session"), Theft("rival", "$session")],
    "DELETE /v1/merchant/devices/{device_id}": [Theft("rival", "$shop_device"), Theft("rival", "$device")],
    "POST /v1/merchant/devices/{device_id}/name": [Theft("rival", "$shop_device", {"name": "mine"})],
    "PUT /v1/wallet/instruments/{number}/caps": [Theft("thief", "$instrument", {"currency": "CNY", "most": "1.00"}, 403)],
    "DELETE /v1/wallet/instruments/{number}": [Theft("thief", "$instrument", None, 403)],
    "POST /v1/wallet/text": Shared("the code is one that was sent to the phone that the caller names, and is typed"),
    "POST /v1/wallet/asks/{payment_id}/refuse": [Theft("thief", "$paid", {})],
    "POST /v1/wallet/pin": Shared("the code is one that was sent to the caller, and is typed"),
    "POST /v1/wallet/acts/challenge": Shared("a challenge says nothing of what is meant, not even whether it is there"),
    "POST /v1/wallet/guardianships/{minor_id}/agree": [Theft("thief", "$child", {"pin": PIN, "currency": "CNY"})],
    "GET /v1/wallet/guardianships/{minor_id}/bills": [Theft("thief", "$child")],
    "DELETE /v1/wallet/guardianships/{minor_id}": [Theft("thief", "$child")],
    "POST /v1/wallet/real-name/guardian": Shared("a guardian is named by phone or email, and has to agree"),
    "POST /v1/wallet/real-name/phone": Shared("the caller's own code; a card is only asked about"),
    "POST /v1/wallet/real-name/checks/{channel}": Shared("a channel is the same for everybody, and asked about the caller"),
    "GET /v1/wallet/payments/{payment_id}": [Theft("thief", "$paid")],
    "GET /v1/wallet/sources": Shared("a merchant is anybody's to pay; what is shown is the caller's own"),
    # An order is anybody's to pay who saw its code; of one that is no longer to be paid they learn just that.
    "POST /v1/wallet/payments/{payment_id}/confirm": [
        Theft("thief", "$paid", {**OURS, "amount": "2.00"}, 409), Theft("thief", "$closed", {**OURS, "amount": "3.00"}, 409),
        # Another's card pays for nobody else: `test_funding`.
    ],
    "DELETE /v1/wallet/cards/{card_id}": [Theft("thief", "$card")],
    "GET /v1/wallet/card-bindings/{binding_id}": [Theft("thief", "$card_binding")],
    "POST /v1/wallet/card-bindings/{binding_id}/confirm": [Theft("thief", "$card_binding", {"code": "123456"})],
    "GET /v1/wallet/bank-links/{link_id}": [Theft("thief", "$bank_link")],
    "POST /v1/wallet/bank-links/{link_id}/confirm": [Theft("thief", "$bank_link", {"code": "123456"})],
    "POST /v1/wallet/topups": [Theft("thief", "", {**OURS, "bank_account_id": "$bank_account"})],
    "POST /v1/wallet/withdrawals": [Theft("thief", "", {**OURS, "bank_account_id": "$bank_account"})],
    "POST /v1/wallet/transfers": Shared("money is sent to others"),
    "POST /v1/wallet/payees/resolve": Shared("a payee is found by phone or email, masked"),
    "POST /v1/wallet/payments": Shared("a shop's code hangs at its till for everybody"),
    "POST /v1/wallet/scan": Shared("a shop's code hangs at its till for everybody"),
    "POST /v1/merchant/orders": [
        Theft("rival", "", {"amount": "1.00", "currency": "CNY", "subject": "x", "store_id": "$store"}),
    ],
    "GET /v1/merchant/orders/{out_trade_no}": [Theft("rival", "$number"), Theft("rival", "$paid")],
    "GET /v1/merchant/orders/{out_trade_no}/code": [Theft("rival", "$number")],
    "GET /v1/merchant/orders/{out_trade_no}/proof": [Theft("rival", "$number")],
    "POST /v1/merchant/orders/{out_trade_no}/close": [Theft("rival", "$open_number", {})],
    "POST /v1/merchant/orders/{out_trade_no}/captures": [Theft("rival", "$number", {"amount": "1.00", "currency": "CNY"})],
    "POST /v1/merchant/orders/{out_trade_no}/void": [Theft("rival", "$number", {})],
    "POST /v1/merchant/orders/{out_trade_no}/reverse": [Theft("rival", "$number", {})],
    "POST /v1/merchant/orders/{out_trade_no}/refunds": [Theft("rival", "$number", {"amount": "1.00", "currency": "CNY"})],
    "POST /v1/merchant/payments": [
        Theft("rival", "", {"shown": "$payer_code", "amount": "1.00", "currency": "CNY", "subject": "x", "store_id": "$store"}),
    ],
    "POST /v1/merchant/agreements": Shared("a number is the merchant's own, as of an order"),
    "GET /v1/merchant/agreements/{out_agreement_no}": [Theft("rival", "$agreement_number")],
    "GET /v1/merchant/agreements/{out_agreement_no}/code": [Theft("rival", "$agreement_number")],
    "POST /v1/merchant/agreements/{out_agreement_no}/end": [Theft("rival", "$agreement_number", {})],
    "POST /v1/merchant/agreements/{out_agreement_no}/notices": [
        Theft("rival", "$agreement_number", {"amount": "1.00", "currency": "CNY"}),
    ],
    "POST /v1/merchant/agreements/{out_agreement_no}/debits": [
        Theft("rival", "$agreement_number", {"amount": "1.00", "currency": "CNY"}),
    ],
    "GET /v1/merchant/agreements/{out_agreement_no}/debits": [Theft("rival", "$agreement_number")],
    "GET /v1/merchant/agreements/{out_agreement_no}/debits/{out_trade_no}": [Theft("rival", "$agreement_number")],
    "GET /v1/wallet/agreements/{agreement_id}": [Theft("thief", "$agreement")],
    "POST /v1/wallet/agreements/{agreement_id}/sign": [Theft("thief", "$agreement", {**AGREED, "pin": PIN})],
    "PUT /v1/wallet/agreements/{agreement_id}/caps": [Theft("thief", "$agreement", AGREED)],
    "POST /v1/wallet/agreements/{agreement_id}/pause": [Theft("thief", "$agreement")],
    "POST /v1/wallet/agreements/{agreement_id}/resume": [Theft("thief", "$agreement")],
    "POST /v1/wallet/agreements/{agreement_id}/revoke": [Theft("thief", "$agreement")],
    "GET /v1/wallet/agreements/{agreement_id}/debits": [Theft("thief", "$agreement")],
    "POST /v1/wallet/agreements/{agreement_id}/debits/{payment_id}/stop": [Theft("thief", "$agreement")],
    "GET /v1/merchant/stores/{store_id}/code": [Theft("rival", "$store")],
}  # fmt: skip


def taking_an_id() -> set[str]:
    """Routes of customers and merchants that are told which thing is meant."""
    found = set()
    schemas = DOCUMENT["components"]["schemas"]
    for path, item in DOCUMENT["paths"].items():
        if not path.startswith(("/v1/wallet", "/v1/merchant")) or path.endswith(_ANYBODY):
            continue
        for method, operation in item.items():
            told = [each["name"] for each in operation.get("parameters", []) if each["in"] in ("path", "query")]
            content = operation.get("requestBody", {}).get("content", {})
            for media in content.values():
                told += schemas[media["schema"]["$ref"].rpartition("/")[2]].get("properties", {})
            if "{" in path or any(name.endswith("_id") or name in _NAMES_A_THING for name in told):
                found.add(f"{method.upper()} {path}")
    return found


def test_every_route_that_takes_an_id_has_its_row() -> None:
    assert taking_an_id() == set(ROWS)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def loot(town: Town) -> dict[str, Any]:
    """Things of ann's and of the shop's, and the two who have no business with them."""
    order = await town.order(town.shop, "2.00")
    paid = await town.pay(town.ann, order)
    open_order, closed = await town.order(town.shop, "1.00"), await town.order(town.shop, "3.00")
    ok(await town.shop.post(f"/v1/merchant/orders/{closed['out_trade_no']}/close"))
    bill = ok(await town.ann.get("/v1/wallet/bills", limit=1))["items"][0]
    device = ok(await town.ann.get("/v1/wallet/devices"))["items"][0]
    declined = key()
    too_much = {"payee_id": town.ben.customer_id, "amount": "90000.00", "currency": "CNY", "pin": PIN}
    assert (await town.ann.post("/v1/wallet/transfers", too_much, key=declined)).status_code == 422
    review = ok(await town.ann.post("/v1/wallet/privacy/reviews", {"request": declined, "wish": "看看"}), status=201)
    parent, child = await family(town)
    later = {"payee_id": town.ben.customer_id, "amount": "1.00", "currency": "CNY", "pin": PIN, "arrival": "next_day"}
    sent = ok(await town.ann.post("/v1/wallet/transfers", later), status=201)["transfer_id"]
    ok(await town.ann.post(f"/v1/wallet/transfers/{sent}/cancel"))
    thief, rival = await town.customer("Thief"), await town.merchant("Rival")
    await town.gift(thief, "10.00")
    owner, authenticator = await town.customer("Owner"), Authenticator()
    passkey = ok(await added(owner, authenticator), status=201)
    certificate = await enrolled(owner, authenticator)
    bound = ok(await owner.post("/v1/wallet/code", {"name": "phone", "pin": PIN}), status=201)
    agreement = await signed(town, owner, authenticator, notice_hours=24)
    number = agreement["out_agreement_no"]
    notice = {"amount": "1.00", "currency": "CNY"}
    told = ok(await town.shop.post(f"/v1/merchant/agreements/{number}/notices", notice), status=201)
    return {
        "thief": thief, "rival": rival, "owner": owner, "parent": parent,
        "$bill": bill["bill_id"], "$bank_transfer": town.ann.bank_transfer_id,
        "$bank_account": town.ann.bank_account_id, "$bank_link": town.ann.facts["bank_link_id"],
        "$card": town.ann.facts["card_id"], "$card_binding": town.ann.facts["card_binding_id"],
        "$session": town.ann.session_id, "$paid": paid["payment_id"],
        "$staff_session": str(await town.books.fetchval(
            "select session_id from session join principal using (principal_id) where audience = 'merchant' limit 1")),
        "$shop_session": ok(await town.shop.get("/v1/merchant/sessions"))["items"][0]["session_id"],
        "$shop_device": ok(await town.shop.get("/v1/merchant/devices"))["items"][0]["device_id"],
        "$device": device["device_id"], "$transfer": sent, "$closed": closed["payment_id"],
        "$number": order["out_trade_no"],
        "$open_number": open_order["out_trade_no"], "$store": town.shop.store_id, "$declined": declined,
        "$review": review["review_id"], "$passkey": passkey["passkey_id"], "$certificate": certificate["certificate_id"],
        "$child": child.customer_id, "$instrument": bound["number"], "$payer_code": Phone(bound).code(),
        "$agreement": agreement["agreement_id"], "$agreement_number": number,
        "$debit": told["payment_id"], "$debit_number": told["out_trade_no"],
    }  # fmt: skip


def filled(value: Any, loot: dict[str, Any]) -> Any:
    if isinstance(value, dict):
        return {name: filled(each, loot) for name, each in value.items()}
    return loot[value] if isinstance(value, str) and value.startswith("$") else value


async def asked(who: Person, method: str, path: str, body: Any) -> httpx.Response:
    if method == "GET":
        return await who.get(path)
    if method == "PUT":
        return await who.put(path, body)
    return await (who.delete(path) if method == "DELETE" else who.post(path, body))


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("route", [name for name, row in ROWS.items() if not isinstance(row, Shared)])
async def test_somebody_elses_is_not_found_and_stays_as_it_was(town: Town, loot: dict[str, Any], route: str) -> None:
    thefts = ROWS[route]
    assert not isinstance(thefts, Shared)
    method, template = route.split(" ")
    head, brace, rest = template.partition("{")
    tail = rest.partition("}")[2]
    for theft in thefts:
        path = f"{head}{loot[theft.path]}{tail}" if brace else template
        path = path.format(payment_id=loot["$debit"], out_trade_no=loot["$debit_number"])  # a second id
        before = await town.moved()
        answer = await asked(loot[theft.who], method, path, filled(theft.body, loot))
        error = answer.json()["error"]
        assert (answer.status_code, error["money_moved"]) == (theft.status, False), answer.text
        assert await town.moved() == before
        told = json.dumps(error["detail"], ensure_ascii=False)
        assert "张小明" not in told and "山前咖啡" not in told


def of_ones_own() -> list[str]:
    """Routes that show what is the caller's, told nothing of whose."""
    return [
        path
        for path, item in DOCUMENT["paths"].items()
        if path.startswith(("/v1/wallet", "/v1/merchant")) and "get" in item and "{" not in path and path not in _WITHOUT_END
    ]


#: Asked in a way that the route does not know; nothing of the caller's own to show.
_NOTHING_THERE = {"invalid_request", "entity_not_recorded"}
#: A stream: what it tells, and to whom, is tests/http/test_events.py's.
_WITHOUT_END = {"/v1/merchant/events", "/v1/merchant/agreement-events"}


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("path", of_ones_own())
async def test_what_is_shown_without_asking_for_it_by_name_is_ones_own(town: Town, loot: dict[str, Any], path: str) -> None:
    """The owner finds their things there; whoever has no business with them finds none, by whatever is asked."""
    who = loot["thief"] if path.startswith("/v1/wallet") else loot["rival"]
    things = {name: value for name, value in loot.items() if name.startswith("$")}
    for asked_for in ({}, {"limit": 100}, {"limit": 100, "q": loot["$number"]}):
        answer = await who.get(path, **asked_for)
        assert answer.status_code == 200 or answer.json()["error"]["code"] in _NOTHING_THERE, answer.text
        assert [name for name, value in things.items() if value in answer.text] == []
        assert "张小明" not in answer.text and "山前咖啡" not in answer.text


@pytest.mark.asyncio(loop_scope="session")
async def test_the_owners_find_there_what_nobody_else_does(town: Town, loot: dict[str, Any]) -> None:
    """So that the test above looks for what is there to be found."""
    seen = ""
    for path in of_ones_own():
        who = (town.ann, loot["owner"], loot["parent"]) if path.startswith("/v1/wallet") else (town.shop,)
        for each in who:
            seen += (await each.get(path, **({"limit": 100} if _listed(path) else {}))).text
    hidden = {name for name, value in loot.items() if name.startswith("$") and value not in seen}
    own = {"$staff_session", "$bank_link", "$card_binding", "$declined", "$payer_code", "$debit_number"}
    assert hidden <= own, "ids that only their own routes show"


def _listed(path: str) -> bool:
    return any(each["name"] == "limit" for each in DOCUMENT["paths"][path]["get"].get("parameters", []))


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("role", ["support", "security"])
async def test_an_operator_of_the_least_role_changes_nothing_that_is_not_theirs_to_change(town: Town, role: str) -> None:
    """Every route of the console that changes something, asked in good order."""
    who = await town.operator(role)
    before, count = await town.moved(), 0
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            needed = operation.get("x-permission")
            if method == "get" or needed is None or needed in permissions_of([role]):
                continue
            address, body = _in_good_order(path, method, operation)
            answer = await asked(who, method.upper(), address, body)
            told = f"{role} at {method} {path}: {answer.status_code} {answer.text[:200]}"
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden"), told
            count += 1
    assert count > 10
    assert await town.moved() == before


@pytest.mark.asyncio(loop_scope="session")
async def test_a_session_opens_only_the_doors_of_its_own_audience(town: Town) -> None:
    """Every route, asked with every other audience's session and with none."""
    people = {"wallet": town.ann, "merchant": town.shop, "console": town.admin}
    before = await town.moved()
    count = 0
    for path, item in DOCUMENT["paths"].items():
        audience = path.split("/")[2] if path.count("/") > 2 else ""
        if audience not in AUDIENCES or path.endswith(_ANYBODY):
            continue
        for method, operation in item.items():
            assert operation["security"], f"{method} {path} says it is for everybody"
            address, body = _in_good_order(path, method, operation)
            for name, stranger in people.items():
                if name != audience:
                    answer = await asked(stranger, method.upper(), address, body)
                    assert answer.status_code == 401, f"{name} at {method} {path}: {answer.status_code} {answer.text[:200]}"
                    count += 1
            answer = await town.here.request(method, address, json=body, headers={"idempotency-key": "nobody-at-all"})
            assert answer.status_code == 401, f"nobody at {method} {path}: {answer.status_code} {answer.text[:200]}"
    assert count > 100
    assert await town.moved() == before


def _in_good_order(path: str, method: str, operation: dict[str, Any]) -> tuple[str, Any]:
    """A request that nothing but its caller is wrong with, as far as the document can say."""
    nobody = "01900000-0000-7000-8000-000000000000"
    query = []
    for parameter in operation.get("parameters", []):
        if parameter["in"] == "path":
            path = path.replace(f"{{{parameter['name']}}}", str(_example(parameter["schema"], parameter["name"]) or nobody))
        elif parameter["in"] == "query" and parameter.get("required"):
            query.append(f"{parameter['name']}={_example(parameter['schema'], parameter['name'])}")
    content = operation.get("requestBody", {}).get("content", {})
    body = _example(content["application/json"]["schema"], "") if "application/json" in content else None
    return path + ("?" + "&".join(query) if query else ""), body if method in ("post", "put") else None


def _example(schema: dict[str, Any], name: str) -> Any:
    """The plainest value that a schema takes."""
    if "$ref" in schema:
        return _example(DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]], name)
    for union in ("oneOf", "anyOf"):
        if union in schema:
            return _example(schema[union][0], name)
    if "enum" in schema:
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type", "string")
    kind = kind[0] if isinstance(kind, list) else kind
    match kind:
        case "object":
            wanted = schema.get("required", [])
            return {each: _example(schema["properties"][each], each) for each in wanted if each in schema.get("properties", {})}
        case "array":
            return [_example(schema["items"], name)] * schema.get("minItems", 0)
        case "integer" | "number":
            return schema.get("minimum", 1)
        case "boolean":
            return False
    if name == "Idempotency-Key":
        return "0" * 16
    if schema.get("format") == "date-time":
        return "2026-01-01T00:00:00Z"
    if schema.get("format") == "date" or name in ("from", "to", "date", "through"):
        return "2026-01-01"
    return "x" * max(1, schema.get("minLength", 1))

"""Proofs and anchors over HTTP: everybody sees the anchors, and each gets the proofs of what is theirs."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from tests.http.town import PIN, Town, key, ok
from tongbao.app.proofs import AnchorsAnswer
from tongbao.wallet.rules import wallet_of

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SPEC = importlib.util.spec_from_file_location("verify_proof", Path(__file__).parents[2] / "tools" / "verify_proof.py")
assert _SPEC is not None and _SPEC.loader is not None
_TOOL: Any = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(_TOOL)


async def _anchors(town: Town, **query: int) -> AnchorsAnswer:
    answer = await town.here.get("/v1/anchors", params=query)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.content, type=AnchorsAnswer)


async def _paid(town: Town) -> tuple[dict[str, Any], dict[str, Any]]:
    """An order that Ann has just paid, and her bill of it."""
    order = await town.order(town.shop, "12.50")
    body = {"amount": "12.50", "currency": "CNY", "pin": PIN}
    ok(await town.ann.post(f"/v1/wallet/payments/{order['payment_id']}/confirm", body))
    bills = ok(await town.ann.get("/v1/wallet/bills", limit=1))["items"]
    return order, bills[0]


async def test_a_bill_just_paid_is_proven_to_whoever_has_the_published_key(town: Town) -> None:
    order, bill = await _paid(town)
    answer = await town.ann.get(f"/v1/wallet/bills/{bill['bill_id']}/proof")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].endswith('.proof.json"')
    proof = answer.json()
    published = await _anchors(town)
    statement = _TOOL.verify(proof, published.public_key)
    (row,) = proof["rows"]
    assert (row["table"], row["row"]["bill_id"], row["row"]["amount_minor"]) == ("bill", bill["bill_id"], 1250)
    assert order["out_trade_no"] not in answer.text, "the order is the merchant's"
    mine = next(each for each in (await _anchors(town, after=statement["anchor"] - 1)).anchors)
    assert json.loads(mine.statement) == statement


async def test_a_merchants_proof_shows_its_own_entries_and_not_the_payers(town: Town) -> None:
    order, bill = await _paid(town)
    proof = ok(await town.shop.get(f"/v1/merchant/orders/{order['out_trade_no']}/proof"))
    _TOOL.verify(proof, (await _anchors(town)).public_key)
    assert [part["table"] for part in proof["rows"]] == ["journal", "entry"]
    assert proof["rows"][0]["row"]["memo"] == order["out_trade_no"]
    assert town.ann.customer_id not in json.dumps(proof) and bill["bill_id"] not in json.dumps(proof)


async def test_nobody_gets_the_proof_of_what_is_anothers(town: Town) -> None:
    order, bill = await _paid(town)
    stranger = await town.customer("Stranger")
    other = await town.merchant("Elsewhere")
    for answer in (
        await stranger.get(f"/v1/wallet/bills/{bill['bill_id']}/proof"),
        await town.ann.get("/v1/wallet/bills/not-an-id/proof"),
        await other.get(f"/v1/merchant/orders/{order['out_trade_no']}/proof"),
        await town.shop.get(f"/v1/merchant/orders/{(await town.order(town.shop, '1.00'))['out_trade_no']}/proof"),
    ):
        assert answer.status_code == 404, answer.text
    assert (await town.here.get(f"/v1/wallet/bills/{bill['bill_id']}/proof")).status_code == 401
    assert (await town.ann.get("/v1/console/proofs", receipt=bill["bill_id"])).status_code in (401, 403)


async def test_an_operator_gets_the_proof_of_anything_and_says_of_what(town: Town) -> None:
    _, bill = await _paid(town)
    public_key = (await _anchors(town)).public_key
    for query in ({"receipt": bill["bill_id"]}, {"journal": bill["journal_id"]}):
        proof = ok(await town.finance.get("/v1/console/proofs", **query))
        _TOOL.verify(proof, public_key)
    entry = proof["rows"][1]["row"]
    command = proof["rows"][0]["row"]["command_id"]
    for query in ({"entry": f"{entry['account_id']}:{entry['version']}"}, {"command": command}):
        _TOOL.verify(ok(await town.finance.get("/v1/console/proofs", **query)), public_key)
    for query in ({}, {"receipt": bill["bill_id"], "command": command}, {"entry": "x:1"}, {"entry": f"{entry['account_id']}:-1"},
                  {"journal": key()}, {"receipt": key()}, {"command": "nonsense"}):  # fmt: skip
        assert (await town.finance.get("/v1/console/proofs", **query)).status_code == 404


async def test_who_is_proven_something_about_is_told_who_looked(town: Town) -> None:
    _, bill = await _paid(town)
    path = "/v1/wallet/privacy/accesses"
    entries = ok(await town.finance.get("/v1/console/proofs", journal=bill["journal_id"]))["rows"][1:]
    for query in ({"receipt": bill["bill_id"]}, *({"entry": f"{each['row']['account_id']}:1"} for each in entries)):
        before = [each["access_id"] for each in ok(await town.ann.get(path, limit=100))["items"]]
        answer = await town.support.get("/v1/console/proofs", **query)
        assert answer.status_code == 200, answer.text
        whose = str(wallet_of(UUID(town.ann.customer_id), "CNY").account_id)
        hers = "receipt" in query or query["entry"].startswith(whose)
        after = [each["access_id"] for each in ok(await town.ann.get(path, limit=100))["items"]]
        assert len(set(after) - set(before)) == hers, query


async def test_anchors_are_public_paged_and_may_be_kept_by_caches(town: Town) -> None:
    for _ in range(2):
        _, bill = await _paid(town)
        ok(await town.ann.get(f"/v1/wallet/bills/{bill['bill_id']}/proof"))
    first = await town.here.get("/v1/anchors", params={"limit": 1})
    assert first.headers["cache-control"] == "public, max-age=86400"
    page = msgspec.json.decode(first.content, type=AnchorsAnswer)
    assert page.next == 1 and [each.number for each in page.anchors] == [1]
    rest = await town.here.get("/v1/anchors", params={"after": page.next, "limit": 1000})
    assert rest.headers["cache-control"] == "public, max-age=10"
    more = msgspec.json.decode(rest.content, type=AnchorsAnswer)
    assert [each.number for each in more.anchors] == list(range(2, len(more.anchors) + 2)) and more.next is None
    assert (await town.here.get("/v1/anchors", params={"limit": 1001})).status_code == 400

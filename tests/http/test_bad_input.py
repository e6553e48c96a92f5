"""Each request of `refusals` is answered with its own status and code, and nothing at all has moved afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio

from tests.http.refusals import ROWS, Row
from tests.http.town import Town, key, ok, refused, resealed
from tongbao.methods.qr.api import CodeSigner, Payee, dynamic_code, static_code
from tongbao.methods.qr.codes import pack

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def stage(town: Town) -> Town:
    """What the rows name: orders in every state, codes of every kind."""
    order, dear = await town.order(town.shop), await town.order(town.shop, "5000.00")
    paid, closed, expired = [await town.order(town.shop, out_trade_no=key()) for _ in range(3)]
    bill = (await town.pay(town.ann, paid))["bill_id"]
    ok(await town.shop.post(f"/v1/merchant/orders/{closed['out_trade_no']}/close"))
    await town.expire(expired["payment_id"])
    back = {"amount": "2.50", "currency": "CNY", "out_refund_no": key()}
    ok(await town.shop.post(f"/v1/merchant/orders/{paid['out_trade_no']}/refunds", back), status=201)
    dan = await town.customer("Dan")
    setattr(town, "dan", dan)  # noqa: B010 (somebody of this module only)
    code = ok(await town.shop.get(f"/v1/merchant/orders/{order['out_trade_no']}/code"))["text"]
    town.names = {
        "ann": town.ann.customer_id, "ann_login": town.ann.login, "ann_token": town.ann.token, "ben": town.ben.customer_id,
        "bank_account": town.ann.bank_account_id, "bank_link": town.ann.facts["bank_link_id"],
        "card": town.ann.facts["card_id"], "card_binding": town.ann.facts["card_binding_id"],
        "bank_transfer": town.ann.bank_transfer_id, "session": town.ann.session_id,
        "merchant": town.shop.merchant_id, "store": town.shop.store_id, "shop_login": town.shop.login, "bill": bill,
        "order": order["payment_id"], "number": order["out_trade_no"], "dear": dear["payment_id"],
        "paid": paid["payment_id"], "paid_number": paid["out_trade_no"], "refund_number": back["out_refund_no"],
        "closed": closed["payment_id"], "closed_number": closed["out_trade_no"],
        "expired": expired["payment_id"], "expired_number": expired["out_trade_no"],
        "account": ok(await town.finance.get("/v1/console/accounts", limit=1))["items"][0]["account_id"],
        "code": code, **_codes(town, code, order, paid),
    }  # fmt: skip
    return town


def _codes(town: Town, code: str, order: Mapping[str, Any], paid: Mapping[str, Any]) -> dict[str, str]:
    def payee(merchant: str, store: str | None = None) -> Payee:
        return Payee(
            merchant_id=UUID(merchant), store_id=UUID(store) if store else None, name="Shop", city="Hangzhou", mcc="5814"
        )

    def signed(payment_id: str, minor: int = 1250, minutes: int = 10, signer: CodeSigner = town.signer) -> str:
        return dynamic_code(
            signer, payee(town.shop.merchant_id), payment_id=UUID(payment_id), currency="CNY", amount_minor=minor,
            reference="x", expires_at=datetime.now(UTC) + timedelta(minutes=minutes),
        )  # fmt: skip

    return {
        "code_expired": signed(order["payment_id"], minutes=-1),
        "code_stranger": signed(
            order["payment_id"], signer=CodeSigner.from_seed(b"another installation's secret key"[:32], "k1")
        ),
        "code_amount": resealed(code, "540512.50", "540500.01"),
        "code_merchant": resealed(code, pack(UUID(town.shop.merchant_id)), pack(UUID(town.mart.merchant_id))),
        "code_misread": code[:40] + ("0" if code[40] != "0" else "1") + code[41:],
        "code_half": code[: len(code) // 2],
        "code_nowhere": signed(str(uuid4())),
        "code_other_amount": signed(order["payment_id"], minor=1),
        "code_paid": signed(paid["payment_id"]),
        "static": static_code(payee(town.shop.merchant_id), "CNY"),
        "static_fixed": static_code(payee(town.shop.merchant_id), "CNY", 300),
        "static_nobody": static_code(payee(str(uuid4())), "CNY"),
        "static_mixed": static_code(payee(town.mart.merchant_id, town.shop.store_id), "CNY"),
    }


@pytest.mark.parametrize("given", ROWS)
async def test_refused_and_nothing_moved(stage: Town, given: Row) -> None:
    method, _, path = stage.filled(given.request).partition(" ")
    headers: dict[str, str] = {"idempotency-key": key()} if method in ("POST", "PUT") else {}
    if given.who:
        who = getattr(stage, given.who)
        headers["authorization"] = f"Bearer {who.token}"
    for name, value in stage.filled({name: value or "" for name, value in given.headers.items()}).items():
        if given.headers[name] is None:
            headers.pop(name, None)
        else:
            headers[name] = value
    before = await stage.moved()
    if given.raw is not None:
        headers = {"content-type": "application/json", **headers}
        request = stage.here.build_request(method, path, content=given.raw, headers=headers)
    elif given.body is not None:
        request = stage.here.build_request(method, path, json=stage.filled(given.body), headers=headers)
    else:
        request = stage.here.build_request(method, path, headers=headers)
    if given.who and "x-tongbao-proof" not in headers:
        target, once = request.url.raw_path.decode(), headers.get("idempotency-key", "")
        request.headers["x-tongbao-proof"] = who.session.proof(method, target, once, request.content)
    answer = await stage.here.send(request)
    refused(answer, given.status, given.code)
    assert await stage.moved() == before

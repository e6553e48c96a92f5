"""The OpenAPI document against the running server: whatever it lets a client send is answered as it says, and never with a 500.

Requests come from the document itself (schemathesis), always the same ones, as a customer, as a merchant's staff or as an
operator, whoever the route is for. Half of them are right by the document, half are wrong on purpose. In half of them ids,
amounts and PINs are put right, so that the free texts beside them get as far as the books.
"""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

import hypothesis
import pytest
import pytest_asyncio
import requests
import schemathesis
from hypothesis import strategies
from schemathesis.checks import (
    content_type_conformance,
    not_a_server_error,
    response_schema_conformance,
    status_code_conformance,
)
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode

from tests.http.town import PASSWORD, PIN, Person, Town, ok, session_of
from tongbao.app.asgi import application
from tongbao.app.schema import document
from tongbao.app.settings import Settings
from tongbao.channels.api import DEMO_ACCOUNTS
from tongbao.identity.binding import BoundSession
from tongbao.wallet.rules import wallet_of

DOCUMENT = document(application(Settings()))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

#: Streams without an end, and what would end the session that the others use, or stop its payments.
LEFT_OUT = {
    "/v1/merchant/events", "/v1/wallet/logout", "/v1/merchant/logout", "/v1/console/logout", "/v1/wallet/report-takeover",
}  # fmt: skip

OPERATIONS = [
    pytest.param(operation, id=operation.label)
    for operation in sorted(
        (found.ok() for found in SCHEMA.get_all_operations() if isinstance(found, Ok)), key=lambda each: each.label
    )
    if operation.path not in LEFT_OUT
]


class Callers:
    """Who asks which route, and the ids that exist for them."""

    def __init__(self, url: str, people: dict[str, Person], ids: dict[str, str], fields: dict[str, str]) -> None:
        self.url = url
        self.people = people
        self.ids = ids
        self.fields = fields
        self.session = requests.Session()
        self.session.trust_env = False

    def auth(self, path: str) -> Shown | None:
        audience = path.split("/")[2] if path.count("/") > 2 else ""
        return Shown(self.people[audience].session) if audience in self.people else None


class Shown(requests.auth.AuthBase):
    """A session, shown with whatever path and key the request turned out to have."""

    def __init__(self, session: BoundSession) -> None:
        self.session = session

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self.session.token}"
        path, key = request.path_url.partition("?")[0], request.headers.get("Idempotency-Key") or ""
        request.headers["X-Tongbao-Proof"] = self.session.proof(request.method or "", path, _text(key))
        return request


def _text(header: str | bytes) -> str:
    return header if isinstance(header, str) else header.decode("latin-1")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def callers(town: Town) -> Callers:
    """People of this module only: what is sent in their names may lock them out of everything."""
    payer, shop = await town.customer("Payer"), await town.merchant("Documented")
    bystander = await town.customer("Bystander")
    for each in (payer, bystander):
        await town.gift(each, "5.00")
    order = await town.order(shop, "1.00")
    paid = await town.pay(payer, await town.order(shop, "2.00"))
    bill = ok(await payer.get("/v1/wallet/bills", limit=1))["items"][0]
    login = {"login": "admin@tongbao.test", "password": PASSWORD}
    admin = Person(town.here, session_of(await town.here.post("/v1/console/login", json=login)))
    ids = {
        "payment_id": paid["payment_id"], "out_trade_no": order["out_trade_no"], "bill_id": bill["bill_id"],
        "store_id": shop.store_id, "journal_id": bill["journal_id"],
        # Of somebody who does nothing: money that a frozen account cannot take would wait at the bank for an hour.
        "account": str(wallet_of(UUID(bystander.customer_id), "CNY").account_id),
    }  # fmt: skip
    link = {"bank": "simbank", "account_number": DEMO_ACCOUNTS[7].number, "holder_name": DEMO_ACCOUNTS[7].holder_name}
    fields = {
        "amount": "0.20", "currency": "CNY", "pin": PIN, "password": PASSWORD, "payee_id": town.ben.customer_id,
        "login": payer.login, "mcc": "5814", "store_id": shop.store_id, "bank": "simbank",
        "account_number": DEMO_ACCOUNTS[7].number,
        "bank_account_id": ok(await payer.post("/v1/wallet/bank-accounts", link), status=201)["bank_account_id"],
        "code": ok(await shop.get(f"/v1/merchant/stores/{shop.store_id}/code"))["text"],
    }  # fmt: skip
    return Callers(town.stack.url, {"wallet": payer, "merchant": shop, "console": admin}, ids, fields)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_server_does_what_the_document_says(callers: Callers, operation: Any) -> None:
    wrong = operation.as_strategy(generation_mode=GenerationMode.NEGATIVE) if _can_be_wrong(operation) else None
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)

    @hypothesis.settings(
        max_examples=24, derandomize=True, database=None, deadline=None, suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.generate],
    )  # fmt: skip
    @hypothesis.given(case=strategies.one_of(right, wrong) if wrong is not None else right, known=strategies.booleans())
    def answered(case: Any, known: bool) -> None:
        if known:
            case.path_parameters.update({name: value for name, value in callers.ids.items() if name in case.path_parameters})
            if isinstance(case.body, dict):
                case.body.update({name: value for name, value in callers.fields.items() if isinstance(case.body.get(name), str)})
        case.call_and_validate(base_url=callers.url, session=callers.session, auth=callers.auth(operation.path), checks=CHECKS)

    answered()


def _can_be_wrong(operation: Any) -> bool:
    return bool(operation.body or operation.query or operation.path_parameters)


@pytest.mark.asyncio(loop_scope="session")
async def test_the_server_shows_the_document(town: Town) -> None:
    assert ok(await town.here.get("/v1/openapi.json")) == json.loads(json.dumps(DOCUMENT))


def test_every_route_documents_its_errors() -> None:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            if not path.startswith(("/v1/wallet", "/v1/merchant", "/v1/console")) or method == "parameters":
                continue
            for status in ("400", "401", "403", "404", "409", "503"):
                schema = operation["responses"][status]["content"]["application/json"]["schema"]
                assert schema == {"$ref": "#/components/schemas/ErrorAnswer"}, (method, path, status)


def test_every_operation_says_what_it_does() -> None:
    """A sentence as its summary, and the whole of it beside: neither is the name of a function."""
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            summary, description = operation["summary"], operation["description"]
            assert len(description) >= len(summary) >= 5 and " " in summary, (method, path, summary)
            assert description.startswith(summary), (method, path)


def test_no_money_is_a_number() -> None:
    """Whatever is called an amount is text in every schema, beside its currency."""
    money = {"amount", "balance", "available", "held", "fee", "net", "paid", "refunded", "debit", "credit", "fees"}
    for name, schema in DOCUMENT["components"]["schemas"].items():
        for each, described in schema.get("properties", {}).items():
            if each in money:
                assert "number" not in json.dumps(described) and "integer" not in json.dumps(described), (name, each)

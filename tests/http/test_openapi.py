"""The OpenAPI document against the running server: whatever it lets a client send is answered as it says, and never with a 500.

Requests come from the document itself (schemathesis), always the same ones, as a customer, as a merchant's owner or as an
operator of each role, whoever the route is for. Half of them are right by the document, half are wrong on purpose. In half of
them ids, amounts and PINs are put right, so that the free texts beside them get as far as the books.

With TONGBAO_TEST_REQUEST_MINUTES (`make soak` sets it) every route gets its share of that time, with others requests each time.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable
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
from tongbao.operators.permissions import ROLE_NAMES, permissions_of
from tongbao.wallet.rules import wallet_of

DOCUMENT = document(application(Settings()))
SCHEMA = schemathesis.openapi.from_dict(DOCUMENT)
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]

#: Streams without an end, and what would end the session that the others use, or stop its payments.
LEFT_OUT = {
    "/v1/merchant/events", "/v1/merchant/agreement-events", "/v1/wallet/logout", "/v1/merchant/logout", "/v1/console/logout",
    "/v1/wallet/report-takeover",
}  # fmt: skip

FOUND = sorted(
    (each for found in SCHEMA.get_all_operations() if isinstance(found, Ok) and (each := found.ok()).path not in LEFT_OUT),
    key=lambda each: each.label,
)
OPERATIONS = [pytest.param(operation, id=operation.label) for operation in FOUND]


#: What an operator has to be logged in for.
CONSOLE = [pytest.param(each, id=each.label) for each in FOUND if "x-permission" in each.definition.raw]
#: The roles that may not do everything; as an admin, who may, all of it is asked anyway.
LESSER_ROLES = tuple(role for role in ROLE_NAMES if role != "admin")
#: Requests for each route, and for each route and role.
EXAMPLES, EXAMPLES_A_ROLE = 16, 2
#: What a whole run may take, if it is a long one.
MINUTES = float(os.environ.get("TONGBAO_TEST_REQUEST_MINUTES", "0"))


class Callers:
    """Who asks which route, and the ids that exist for them."""

    def __init__(
        self, url: str, people: dict[str, Person], operators: dict[str, Person], ids: dict[str, str], fields: dict[str, str]
    ) -> None:
        self.url = url
        self.people = people
        self.operators = operators
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
        key, body = request.headers.get("Idempotency-Key") or "", request.body or b""
        raw = body.encode() if isinstance(body, str) else body
        assert isinstance(raw, bytes), "a body that is sent in pieces has no proof"
        request.headers["X-Tongbao-Proof"] = self.session.proof(request.method or "", request.path_url, _text(key), raw)
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
    await town.known(payer, 7)
    fields = {
        "amount": "0.20", "currency": "CNY", "pin": PIN, "password": PASSWORD, "payee_id": town.ben.customer_id,
        "login": payer.login, "mcc": "5814", "store_id": shop.store_id, "bank": "simbank",
        "account_number": DEMO_ACCOUNTS[7].number,
        "bank_account_id": (await town.linked(payer, 7))["bank_account_id"],
        "code": ok(await shop.get(f"/v1/merchant/stores/{shop.store_id}/code"))["text"],
    }  # fmt: skip
    operators: dict[str, Person] = {role: await town.operator(role) for role in LESSER_ROLES}
    return Callers(town.stack.url, {"wallet": payer, "merchant": shop, "console": admin}, operators, ids, fields)


def asked(examples: int, share_s: float, ask: Callable[[Any, bool], None], cases: Any) -> None:
    """`ask` with that many cases, always the same; in a long run with others, again and again until its share of the time is
    over. The seed of those that failed is told with them."""
    settings = hypothesis.settings(
        max_examples=examples, derandomize=not MINUTES, database=None, deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck), phases=[hypothesis.Phase.generate],
    )  # fmt: skip
    given = hypothesis.given(case=cases, known=strategies.booleans())
    if not MINUTES:
        settings(given(lambda case, known: ask(case, known)))()
        return
    until = time.monotonic() + share_s
    for seed in itertools.count():
        try:
            hypothesis.seed(seed)(settings(given(lambda case, known: ask(case, known))))()
        except Exception as failure:
            failure.add_note(f"seed {seed}")
            raise
        if time.monotonic() > until:
            return


def made_known(case: Any, callers: Callers) -> None:
    """Put ids and fields right that are there."""
    case.path_parameters.update({name: value for name, value in callers.ids.items() if name in case.path_parameters})
    if isinstance(case.body, dict):
        case.body.update({name: value for name, value in callers.fields.items() if isinstance(case.body.get(name), str)})


@pytest.mark.parametrize("operation", OPERATIONS)
def test_the_server_does_what_the_document_says(callers: Callers, operation: Any) -> None:
    right = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    cases = right
    if _can_be_wrong(operation):
        cases = strategies.one_of(right, operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))

    def answered(case: Any, known: bool) -> None:
        if known:
            made_known(case, callers)
        case.call_and_validate(base_url=callers.url, session=callers.session, auth=callers.auth(operation.path), checks=CHECKS)

    asked(EXAMPLES, MINUTES * 45 / len(OPERATIONS), answered, cases)


@pytest.mark.parametrize("operation", CONSOLE)
def test_every_role_is_answered_as_the_document_says(callers: Callers, operation: Any) -> None:
    """And what a role may not do is refused, whether it reads or changes."""
    needed = operation.definition.raw["x-permission"]

    def answered(case: Any, known: bool) -> None:
        if known:
            made_known(case, callers)
        for role, operator in callers.operators.items():
            auth = Shown(operator.session)
            answer = case.call_and_validate(base_url=callers.url, session=callers.session, auth=auth, checks=CHECKS)
            if needed not in permissions_of([role]):
                code = answer.json()["error"]["code"]
                # What the document cannot say of a body is looked at before who sent it.
                assert code in ("forbidden", "invalid_request"), f"{role} at {operation.label}: {answer.text[:200]}"
                codes.add(code)

    codes: set[str] = set()
    asked(EXAMPLES_A_ROLE, MINUTES * 15 / len(CONSOLE), answered, operation.as_strategy(generation_mode=GenerationMode.POSITIVE))
    everybody = all(needed in permissions_of([role]) for role in callers.operators)
    assert everybody or "forbidden" in codes


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

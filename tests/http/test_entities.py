"""Who stands behind a merchant, over HTTP and through the simulated registries."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.http.names import anybody, document
from tests.http.town import Town, ok, refused, until
from tongbao.app.asgi import open_services
from tongbao.channels.simulated.knowledge import RegistryFault
from tongbao.channels.simulated.people import DEMO_COMPANIES, DEMO_PEOPLE

pytestmark = pytest.mark.asyncio(loop_scope="session")

COFFEE = DEMO_COMPANIES[0]


def company(**changes: Any) -> dict[str, Any]:
    told = {
        "kind": "company", "legal_name": COFFEE.name, "credit_code": COFFEE.credit_code,
        "legal_person": document(COFFEE.legal_person),
        "owners": [{"document": document(DEMO_PEOPLE[0]), "share_ppm": 600_000}],
    }  # fmt: skip
    return told | changes


async def path(town: Town) -> str:
    merchant = await town.merchant("山前咖啡分号")
    return f"/v1/console/merchants/{merchant.merchant_id}/entity"


async def test_a_company_is_verified_with_everybody_behind_it(town: Town) -> None:
    entity = await path(town)
    ok(await town.admin.get(entity), type(None))
    answer = await town.admin.post(entity, company())
    recorded = ok(answer)
    assert recorded["state"] == "VERIFIED" and recorded["business"]["state"] == "MATCHED"
    assert [(person["role"], person["share_ppm"], person["check"]["state"]) for person in recorded["people"]] == [
        ("legal_person", 0, "MATCHED"), ("owner", 600_000, "MATCHED"),
    ]  # fmt: skip
    assert ok(await town.admin.get(entity)) == recorded
    for secret in (DEMO_PEOPLE[0].number, DEMO_PEOPLE[0].name, COFFEE.legal_person.number, COFFEE.legal_person.name):
        assert secret not in answer.text


async def test_a_business_with_another_legal_person_is_not(town: Town) -> None:
    recorded = ok(await town.admin.post(await path(town), company(legal_person=document(DEMO_PEOPLE[0]), owners=[])))
    assert recorded["state"] == "MISMATCHED" and recorded["business"]["differing"] == ["legal_person"]


async def test_a_micro_merchant_is_known_by_its_document(town: Town) -> None:
    told = {"kind": "micro", "legal_name": "王阿姨豆浆", "legal_person": anybody(301)}
    recorded = ok(await town.admin.post(await path(town), told))
    assert (recorded["state"], recorded["business"], recorded["credit_code"]) == ("VERIFIED", None, "")


async def test_a_registry_that_is_down_is_asked_again(town: Town) -> None:
    entity = await path(town)
    await town.stack.registries_office.order(RegistryFault("down", registry="business"))
    recorded = ok(await town.admin.post(entity, company()))
    assert (recorded["state"], recorded["business"]["state"]) == ("STARTED", "UNKNOWN")

    async def verified() -> bool:
        return bool(ok(await town.admin.get(entity))["state"] == "VERIFIED")

    await until(verified, 20)
    assert ok(await town.admin.post(f"{entity}/checks"))["state"] == "VERIFIED"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"credit_code": "91330106MA2000003"}, "credit_code_form"),
        ({"credit_code": "91330106MA2000003I"}, "credit_code_form"),
        ({"credit_code": ""}, "credit_code_form"),
        ({"credit_code": COFFEE.credit_code[:-1] + "0"}, "credit_code_check_digit"),
        ({"kind": "micro"}, "credit_code_of_micro"),
        ({"legal_name": " "}, "legal_name_format"),
        ({"legal_person": document(DEMO_PEOPLE[0], number=DEMO_PEOPLE[0].number[:-1] + "0")}, "document_check_digit"),
        ({"owners": [{"document": document(DEMO_PEOPLE[0]), "share_ppm": 249_999}]}, "owner_share"),
        (
            {"owners": [{"document": document(DEMO_PEOPLE[at]), "share_ppm": 600_000} for at in (0, 1)]}, "owner_share",
        ),
        (
            {"owners": [{"document": document(DEMO_PEOPLE[0]), "share_ppm": 300_000} for _ in range(2)]}, "owner_twice",
        ),
    ],
)  # fmt: skip
async def test_each_way_of_being_wrong_has_its_own_name(town: Town, changes: dict[str, Any], code: str) -> None:
    refused(await town.admin.post(await path(town), company(**changes)), 422, code)


async def test_only_who_takes_merchants_on_records_who_stands_behind_them(town: Town) -> None:
    entity = await path(town)
    refused(await town.support.post(entity, company()), 403, "forbidden")
    nowhere = "/v1/console/merchants/01900000-0000-7000-8000-000000000000/entity"
    refused(await town.admin.post(nowhere, company()), 404, "merchant_not_found")
    refused(await town.admin.get(nowhere), 404, "merchant_not_found")


# ── what the merchant's owner does ──────────────────────────────────────────────────────────────────────────────────────


async def test_an_owner_says_who_stands_behind_the_merchant_and_sees_what_was_found(town: Town) -> None:
    owner, rival = await town.merchant("山前咖啡分号"), await town.merchant("Rival")
    ok(await owner.get("/v1/merchant/entity"), type(None))  # nobody said yet
    answer = await owner.post("/v1/merchant/entity", company())
    recorded = ok(answer)
    assert (recorded["state"], recorded["merchant_id"]) == ("VERIFIED", owner.merchant_id)
    for secret in (DEMO_PEOPLE[0].number, DEMO_PEOPLE[0].name, COFFEE.legal_person.number):
        assert secret not in answer.text
    assert ok(await owner.get("/v1/merchant/entity")) == recorded
    assert ok(await town.admin.get(f"/v1/console/merchants/{owner.merchant_id}/entity")) == recorded
    ok(await rival.get("/v1/merchant/entity"), type(None))
    refused(await owner.post("/v1/merchant/entity", company(credit_code="91330106MA2000003")), 422, "credit_code_form")
    assert ok(await owner.get("/v1/merchant/caps"))["items"] == []


async def test_who_stands_behind_a_merchant_is_no_business_of_its_till_or_its_server(town: Town) -> None:
    merchant = UUID(town.shop.merchant_id)
    async with open_services(town.stack.settings, town.stack.dsn) as services:
        key = await services.merchants.issue_api_key(uuid4(), merchant, "till")
    bearer = {"authorization": f"Bearer {key}", "idempotency-key": uuid4().hex}
    refused(await town.here.get("/v1/merchant/entity", headers=bearer), 403, "forbidden")
    refused(await town.here.post("/v1/merchant/entity", json=company(), headers=bearer), 403, "forbidden")

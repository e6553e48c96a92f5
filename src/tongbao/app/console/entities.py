"""Routes of who stands behind a merchant: the business, its legal person and owners, and what registries say of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post

from tongbao.app.console.wire import PathId
from tongbao.identity.realname.channels import AnswerState, Registry
from tongbao.identity.realname.documents import DocumentKind, mask_number
from tongbao.identity.realname.http import DocumentBody
from tongbao.identity.service import Caller, command_id_for
from tongbao.kernel import web
from tongbao.merchants.entities import MOST_PEOPLE, EntityKind, EntityState, PersonRole
from tongbao.merchants.entity_service import Behind, EntityService, Owner
from tongbao.merchants.errors import MERCHANT_NOT_FOUND
from tongbao.merchants.service import MerchantService
from tongbao.security.masking import mask_name


class BeneficialOwnerBody(web.Request, frozen=True, kw_only=True):
    """A beneficial owner: who has a quarter of the business or more. `share_ppm`: in millionths."""

    document: DocumentBody
    share_ppm: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]


class EntityBody(web.Request, frozen=True, kw_only=True):
    """Who stands behind a merchant. A micro-merchant has no credit code: it is its legal person."""

    kind: EntityKind
    legal_name: Annotated[str, msgspec.Meta(max_length=200)]
    credit_code: Annotated[str, msgspec.Meta(max_length=40)] = ""
    legal_person: DocumentBody
    owners: Annotated[Sequence[BeneficialOwnerBody], msgspec.Meta(max_length=MOST_PEOPLE - 1)] = ()


class EntityCheckAnswer(msgspec.Struct, frozen=True):
    """What a registry said. `differing` names what it knows otherwise."""

    registry: Registry
    state: AnswerState
    differing: Sequence[str]
    answered_at: datetime | None


class EntityPersonAnswer(msgspec.Struct, frozen=True):
    """Somebody behind a merchant, masked; empty once their data was erased."""

    role: PersonRole
    share_ppm: int
    document_kind: DocumentKind
    name_masked: str
    number_masked: str
    check: EntityCheckAnswer


class EntityAnswer(msgspec.Struct, frozen=True):
    """Who stands behind a merchant, and whether all of it was confirmed. `business`: the registry's word on it."""

    merchant_id: str
    kind: EntityKind
    legal_name: str
    credit_code: str
    state: EntityState
    business: EntityCheckAnswer | None
    people: list[EntityPersonAnswer]
    recorded_at: datetime
    verified_at: datetime | None


def entity_answer(behind: Behind) -> EntityAnswer:
    """Who stands behind a merchant, masked."""
    checks = {
        check.place: EntityCheckAnswer(
            check.registry, check.state, check.differing.split(",") if check.differing else [], check.answered_at
        )
        for check in behind.checks
    }
    people = [
        EntityPersonAnswer(
            person.role, person.share_ppm, person.document_kind,  # type: ignore[arg-type]
            mask_name(document.name) if document else "", mask_number(document.number) if document else "",
            checks[person.place],
        )
        for person, document in zip(behind.people, behind.documents, strict=True)
    ]  # fmt: skip
    entity = behind.entity
    return EntityAnswer(
        str(entity.merchant_id), entity.kind, entity.legal_name, entity.credit_code, entity.state, checks.get(0), people,
        entity.recorded_at, entity.verified_at,
    )  # fmt: skip


def _merchant(merchant_id: str) -> UUID:
    return web.parse_id(merchant_id, MERCHANT_NOT_FOUND)


@get("/v1/console/merchants/{merchant_id:str}/entity", tags=["Console"])
async def one_entity(
    operator: Caller, merchant_id: PathId, entities: EntityService, merchants: MerchantService
) -> EntityAnswer | None:
    """Who stands behind a merchant, masked, and what registries said; null until it was recorded."""
    merchant = await merchants.merchant(_merchant(merchant_id))
    behind = await entities.find(merchant.merchant_id)
    return None if behind is None else entity_answer(behind)


@post("/v1/console/merchants/{merchant_id:str}/entity", tags=["Console"], status_code=200)
async def record_entity(
    operator: Caller, merchant_id: PathId, data: EntityBody, entities: EntityService, key: web.IdempotencyKey
) -> EntityAnswer:
    """Record who stands behind a merchant, in the place of what was recorded before, and ask the registries. One that does not
    answer is `UNKNOWN` and is asked again by itself."""
    owners = [Owner(owner.document.claim(), owner.share_ppm) for owner in data.owners]
    behind = await entities.record(
        command_id_for(operator, key), operator.principal_id, _merchant(merchant_id), data.kind, data.legal_name,
        data.credit_code, data.legal_person.claim(), owners,
    )  # fmt: skip
    return entity_answer(behind)


@post("/v1/console/merchants/{merchant_id:str}/entity/checks", tags=["Console"], status_code=200)
async def check_entity(operator: Caller, merchant_id: PathId, entities: EntityService, key: web.IdempotencyKey) -> EntityAnswer:
    """Ask now for the answers that are missing."""
    return entity_answer(await entities.ask_again(_merchant(merchant_id)))

"""Routes by which a merchant's owner sees the merchant's caps and says who stands behind it."""

from __future__ import annotations

from litestar import get, post

from tongbao.app.console.entities import EntityAnswer, EntityBody, entity_answer
from tongbao.identity.errors import FORBIDDEN
from tongbao.identity.service import Caller, command_id_for
from tongbao.kernel import web
from tongbao.kernel.errors import Refusal
from tongbao.merchants.entity_service import EntityService, Owner
from tongbao.merchants.http import merchant_of
from tongbao.rules.http import LimitsAnswer
from tongbao.rules.service import LawService

_OWNER = "owner"


def _need_owner(staff: Caller) -> None:
    """Who stands behind a merchant is for its owner, logged in: not for the till, nor for a server's key. Refuses `forbidden`."""
    if staff.session_id is None or _OWNER not in staff.roles:
        raise Refusal(FORBIDDEN)


@get("/v1/merchant/caps", tags=["Merchant staff"])
async def own_caps(staff: Caller, law: LawService) -> LimitsAnswer:
    """What the merchant may take in, how much of it is used, and when it begins anew; empty where nothing is capped."""
    return LimitsAnswer(await law.limits(merchant_of(staff), "merchant"))


@get("/v1/merchant/entity", tags=["Merchant staff"])
async def own_entity(staff: Caller, entities: EntityService) -> EntityAnswer | None:
    """Who stands behind the merchant, masked, and what registries said of them; null until it was recorded."""
    _need_owner(staff)
    behind = await entities.find(merchant_of(staff))
    return None if behind is None else entity_answer(behind)


@post("/v1/merchant/entity", tags=["Merchant staff"], status_code=200)
async def record_own_entity(staff: Caller, data: EntityBody, entities: EntityService, key: web.IdempotencyKey) -> EntityAnswer:
    """Say who stands behind the merchant, in the place of what was said before: the registries are asked anew. One that does not
    answer is `UNKNOWN` and is asked again by itself."""
    _need_owner(staff)
    owners = [Owner(owner.document.claim(), owner.share_ppm) for owner in data.owners]
    behind = await entities.record(
        command_id_for(staff, key), staff.principal_id, merchant_of(staff), data.kind, data.legal_name, data.credit_code,
        data.legal_person.claim(), owners,
    )  # fmt: skip
    return entity_answer(behind)


ROUTES = (own_caps, own_entity, record_own_entity)

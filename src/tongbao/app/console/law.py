"""Routes of the rules in force: the rulebook, somebody's limits, a merchant's caps, and what the staff has to do."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from tongbao.app.console.wire import PathId
from tongbao.identity.errors import PRINCIPAL_NOT_FOUND
from tongbao.identity.service import Caller, IdentityService, command_id_for
from tongbao.kernel import web
from tongbao.kernel.money import format_minor
from tongbao.merchants.errors import MERCHANT_NOT_FOUND
from tongbao.merchants.service import MerchantService
from tongbao.rules.explain import LimitLine, RuleLine
from tongbao.rules.http import Caps, LimitsAnswer
from tongbao.rules.service import LawService


class RulebookAnswer(msgspec.Struct, frozen=True):
    """The rules in force, every one of them as it was written. `version` 0: none were ever adopted."""

    version: int
    digest: str
    packs: list[str]
    currency: str
    by_hand: bool
    adopted_by: str
    reason: str
    adopted_at: datetime | None
    rules: list[RuleLine]


class VersionLine(msgspec.Struct, frozen=True):
    """A rulebook that was adopted."""

    version: int
    digest: str
    by_hand: bool
    adopted_by: str
    reason: str
    adopted_at: datetime


class CapsBody(web.Request, frozen=True, kw_only=True):
    """Caps to change: `per_payment`, `daily_amount`, `daily_count`, `monthly_amount`, or what else the rulebook names."""

    caps: Caps
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class DutyLine(msgspec.Struct, frozen=True):
    """Something to be reported or asked for because of an act: `rule_id` says what, `total` what it had come to."""

    duty_id: str
    rule_id: str
    subject_id: str
    act: str
    amount: str
    total: str
    currency: str
    at: datetime
    due_at: datetime | None


@get("/v1/console/rules", tags=["Console"])
async def rulebook(operator: Caller, law: LawService) -> RulebookAnswer:
    """The rules in force, with article, window, limit, action and where each is upheld."""
    row, book = await law.row(), await law.book()
    if row is None or book is None:
        return RulebookAnswer(0, "", [], "", False, "", "", None, [])
    return RulebookAnswer(
        row.version, row.digest.hex(), [pack.header.pack for pack in book.packs], book.currency, row.by_hand, row.adopted_by,
        row.reason, row.adopted_at, await law.rules(),
    )  # fmt: skip


@get("/v1/console/rules/versions", tags=["Console"])
async def rulebook_versions(
    operator: Caller, law: LawService, limit: web.Limit = 20, cursor: web.Cursor = None
) -> web.Page[VersionLine]:
    """Every rulebook that was ever adopted, newest first: who, when, why."""
    found = await law.versions(web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row["version_id"])
    return web.Page(
        [
            VersionLine(row["version"], row["digest"].hex(), row["by_hand"], row["adopted_by"], row["reason"], row["adopted_at"])
            for row in rows
        ],
        following,
    )


@get("/v1/console/customers/{customer_id:str}/limits", tags=["Console"])
async def customer_limits(operator: Caller, customer_id: PathId, law: LawService, identity: IdentityService) -> LimitsAnswer:
    """A customer's limits, as the customer sees them."""
    wanted = await identity.need(web.parse_id(customer_id, PRINCIPAL_NOT_FOUND))
    return LimitsAnswer(await law.limits(wanted.principal_id))


@get("/v1/console/merchants/{merchant_id:str}/caps", tags=["Console"])
async def merchant_caps(operator: Caller, merchant_id: PathId, law: LawService, merchants: MerchantService) -> LimitsAnswer:
    """What a merchant may take in; only caps that were set are shown."""
    wanted = await merchants.merchant(web.parse_id(merchant_id, MERCHANT_NOT_FOUND))
    return LimitsAnswer(await _caps_of(law, wanted.merchant_id))


@post("/v1/console/merchants/{merchant_id:str}/caps", tags=["Console"], status_code=200)
async def set_merchant_caps(
    operator: Caller,
    merchant_id: PathId,
    data: CapsBody,
    law: LawService,
    merchants: MerchantService,
    key: web.IdempotencyKey,
) -> LimitsAnswer:
    """Cap what a merchant may take in; it holds at once, for the payments that follow. What was taken in before the first cap was
    set is not counted."""
    wanted = await merchants.merchant(web.parse_id(merchant_id, MERCHANT_NOT_FOUND))
    await law.set_caps(command_id_for(operator, key), wanted.merchant_id, data.caps, operator.principal_id, data.reason)
    return LimitsAnswer(await _caps_of(law, wanted.merchant_id))


async def _caps_of(law: LawService, merchant_id: UUID) -> list[LimitLine]:
    return await law.limits(merchant_id, "merchant")


@get("/v1/console/duties", tags=["Console"])
async def duties(
    operator: Caller,
    law: LawService,
    limit: web.Limit = 20,
    cursor: web.Cursor = None,
    subject: Annotated[str | None, QueryParameter(max_length=64, description="Of this customer or merchant only.")] = None,
) -> web.Page[DutyLine]:
    """What acts oblige the staff to report, newest first, with the day by which it is due."""
    wanted = web.parse_id(subject, PRINCIPAL_NOT_FOUND) if subject else None
    found = await law.duties(wanted, web.decode_cursor(cursor, UUID), limit)
    rows, following = web.page(found, limit, lambda row: row.duty_id)
    return web.Page(
        [
            DutyLine(
                str(row.duty_id), row.rule_id, str(row.subject_id), row.kind, format_minor(row.amount_minor, row.currency),
                format_minor(row.total_minor, row.currency), row.currency, row.at, row.due_at,
            )
            for row in rows
        ],
        following,
    )  # fmt: skip

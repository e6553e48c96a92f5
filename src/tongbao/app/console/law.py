"""Routes of the rules in force: the rulebook, somebody's limits, a merchant's caps, and what the staff has to do."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from litestar import get, post
from litestar.params import QueryParameter

from tongbao.app.console.wire import PathId
from tongbao.engine.api import Declined
from tongbao.identity.errors import PRINCIPAL_NOT_FOUND
from tongbao.identity.factors import KNOWLEDGE, POSSESSION, SIGNATURE, Factors
from tongbao.identity.service import Caller, IdentityService, command_id_for
from tongbao.kernel import web
from tongbao.kernel.money import format_minor, parse
from tongbao.merchants.errors import MERCHANT_NOT_FOUND
from tongbao.merchants.service import MerchantService
from tongbao.rules.explain import LimitLine, RuleLine
from tongbao.rules.http import Caps, LimitsAnswer
from tongbao.rules.pack import Kind, Rule, StrengthName
from tongbao.rules.service import LawService
from tongbao.rules.types import Act

#: Factors that come to each strength.
_FACTORS: dict[StrengthName, Factors] = {
    "weak": KNOWLEDGE,
    "medium": KNOWLEDGE | POSSESSION,
    "strong": KNOWLEDGE | POSSESSION | SIGNATURE,
}


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


class WhatIfRule(msgspec.Struct, frozen=True):
    """A rule that had something to say. `role`: it is why the answer is no, it delays, it has the act reported, or by it a loss
    would be the institution's."""

    rule_id: str
    role: Literal["because", "delay", "report", "cover"]
    name: web.Words
    citation: str
    citation_zh: str


class WhatIfAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What would be decided, and why. `code` and `message`: of the decline, as the customer would read it."""

    customer_id: str | None
    decision: Literal["allowed", "delayed", "declined"]
    code: str | None
    message: web.Words | None
    delay_hours: int
    rules: list[WhatIfRule]


@get("/v1/console/rules/what-if", tags=["Console"])
async def what_if(
    operator: Caller,
    law: LawService,
    identity: IdentityService,
    kind: Kind,
    amount: Annotated[str, QueryParameter(max_length=32)],
    currency: Annotated[str, QueryParameter(max_length=8)],
    method: Annotated[str, QueryParameter(max_length=40)] = "",
    strength: StrengthName = "medium",
    level: Annotated[int, QueryParameter(ge=0, le=3)] = 3,
    customer_id: Annotated[str | None, QueryParameter(max_length=64)] = None,
) -> WhatIfAnswer:
    """What the rules in force would say to an act that does not happen: of a customer, with all they have done, or of somebody of
    a level who has done nothing yet. Nothing moves and nothing is counted."""
    wanted = (await identity.need(web.parse_id(customer_id, PRINCIPAL_NOT_FOUND))).principal_id if customer_id else None
    act = Act(kind, parse(amount, currency).minor, currency, _FACTORS[strength], method=method)
    found = await law.what_if(wanted, level, act)
    said = found.said
    names = {line.rule.id: line.rule for line in await law.rules()}
    rules = [_rule(names[duty.rule_id], "report") for duty in found.duties]
    if isinstance(said, Declined):
        message = web.Words(said.code.message("zh", said.detail), said.code.message("en", said.detail))
        because = names.get(str(said.detail.get("rule_id", "")))
        return WhatIfAnswer(
            customer_id=customer_id, decision="declined", code=said.code.name, message=message, delay_hours=0,
            rules=[_rule(because, "because")] if because else [],
        )  # fmt: skip
    if found.delay is not None:
        rules.insert(0, _rule(names[found.delay.detail["rule_id"]], "delay"))
    rules += [_rule(rule, "cover") for rule in said.covers]
    return WhatIfAnswer(
        customer_id=customer_id, decision="delayed" if said.delay_hours else "allowed", code=None, message=None,
        delay_hours=said.delay_hours, rules=rules,
    )  # fmt: skip


def _rule(rule: Rule, role: Literal["because", "delay", "report", "cover"]) -> WhatIfRule:
    return WhatIfRule(rule.id, role, web.Words(rule.name.zh, rule.name.en), rule.citation, rule.citation_zh)


@get("/v1/console/customers/{customer_id:str}/limits", tags=["Console"])
async def customer_limits(operator: Caller, customer_id: PathId, law: LawService, identity: IdentityService) -> LimitsAnswer:
    """A customer's limits, as the customer sees them."""
    wanted = await identity.need(web.parse_id(customer_id, PRINCIPAL_NOT_FOUND))
    return LimitsAnswer(await law.limits(wanted.principal_id, for_staff=True))


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
    return await law.limits(merchant_id, "merchant", for_staff=True)


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

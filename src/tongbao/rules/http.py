"""Routes of limits as a customer sees them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import get, put

from tongbao.identity.acts import limits_detail
from tongbao.identity.service import Caller, IdentityService, command_id_for, own_act
from tongbao.identity.wire import ConfirmedBody
from tongbao.kernel import web
from tongbao.rules.explain import LimitLine
from tongbao.rules.rules import CapsSet
from tongbao.rules.service import LawService

#: An amount such as "500.00", a number of acts, or null for no cap of one's own.
Cap = Annotated[str, msgspec.Meta(max_length=32)] | Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None
CapName = Annotated[str, msgspec.Meta(max_length=80)]
Caps = Annotated[dict[CapName, Cap], msgspec.Meta(max_length=20)]


class LimitsAnswer(msgspec.Struct, frozen=True):
    """Every limit that applies, the law's, the house's and one's own. Empty where no rules are in force."""

    items: list[LimitLine]


class OwnLimitsBody(ConfirmedBody, frozen=True, kw_only=True):
    """Caps to change, by the names that stand in `cap` of the limits. Confirmed only where one is raised or taken away."""

    limits: Caps


class OwnLimitsAnswer(msgspec.Struct, frozen=True):
    """The limits as they are now, and from when those hold that were raised (null: all hold)."""

    coming_from: datetime | None
    items: list[LimitLine]


@get("/v1/wallet/limits", tags=["Wallet"])
async def limits(customer: Caller, law: LawService) -> LimitsAnswer:
    """What limits the customer, how much of each is used and left, when it begins anew, and which article says so."""
    return LimitsAnswer(await law.limits(customer.principal_id))


@put("/v1/wallet/limits/own", tags=["Wallet"])
async def set_own_limits(
    customer: Caller, data: OwnLimitsBody, law: LawService, identity: IdentityService, key: web.IdempotencyKey
) -> OwnLimitsAnswer:
    """Choose limits of one's own. Lowering holds at once, unconfirmed; raising takes a confirmation of medium strength and holds
    after 24 hours, at once if confirmed strongly."""
    command_id, confirmation = command_id_for(customer, key), None
    if data.pin is not None or data.confirmation is not None:
        act = own_act("own_limits", customer, limits_detail(data.limits))
        confirmation = await identity.confirmation(customer, data.given(), command_id, act)
    done: CapsSet = await law.set_own(command_id, customer, data.limits, confirmation)
    return OwnLimitsAnswer(done.coming_from, await law.limits(customer.principal_id))


ROUTES = (limits, set_own_limits)

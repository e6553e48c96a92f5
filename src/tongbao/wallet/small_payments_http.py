"""Routes of small payments without a PIN."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Annotated

import msgspec
from litestar import get, put

from tongbao.identity.acts import limits_detail
from tongbao.identity.service import Caller, IdentityService, command_id_for, own_act
from tongbao.identity.wire import ConfirmedBody
from tongbao.kernel import web
from tongbao.kernel.money import format_minor
from tongbao.wallet.service import WalletService

Amount = Annotated[str, msgspec.Meta(max_length=32)] | None


class SmallPaymentsAnswer(msgspec.Struct, frozen=True):
    """What goes without a PIN. Not `on`: nothing does. `most`: the most that can be chosen, for one payment and for a day."""

    on: bool
    currency: str
    per_payment: str
    per_day: str
    used_today: str
    left_today: str
    most: str
    changed_at: datetime | None


class SmallPaymentsBody(ConfirmedBody, frozen=True, kw_only=True):
    """What shall go without a PIN from now on; both null: nothing. Confirmed only where either is raised."""

    per_payment: Amount
    per_day: Amount


async def _answer(customer: Caller, wallet: WalletService) -> SmallPaymentsAnswer:
    chosen = await wallet.small_payments.of(customer.principal_id)
    used = chosen.used_at(wallet.small_payments.now())
    said = partial(format_minor, currency=chosen.currency)
    return SmallPaymentsAnswer(
        bool(chosen.per_payment_minor), chosen.currency, said(chosen.per_payment_minor), said(chosen.per_day_minor), said(used),
        said(max(0, chosen.per_day_minor - used)), said(wallet.small_payments.most_minor),
        chosen.changed_at if chosen.zone else None,
    )  # fmt: skip


@get("/v1/wallet/small-payments", tags=["Wallet"])
async def small_payments(customer: Caller, wallet: WalletService) -> SmallPaymentsAnswer:
    """What the customer lets go without a PIN, and how much of it is left today."""
    return await _answer(customer, wallet)


@put("/v1/wallet/small-payments", tags=["Wallet"])
async def set_small_payments(
    customer: Caller, data: SmallPaymentsBody, wallet: WalletService, identity: IdentityService, key: web.IdempotencyKey
) -> SmallPaymentsAnswer:
    """Choose what goes without a PIN. Raising takes a confirmation of medium strength; lowering holds at once, unconfirmed."""
    command_id, confirmation = command_id_for(customer, key), None
    if data.pin is not None or data.confirmation is not None:
        act = own_act("small_payments", customer, limits_detail({"per_day": data.per_day, "per_payment": data.per_payment}))
        confirmation = await identity.confirmation(customer, data.given(), command_id, act)
    await wallet.small_payments.set(command_id, customer, data.per_payment, data.per_day, confirmation)
    return await _answer(customer, wallet)


ROUTES = (small_payments, set_small_payments)

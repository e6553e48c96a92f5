"""What may I pay today? The greatest payment now and all that is left of the day, by each way of confirming."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from litestar import get
from litestar.params import QueryParameter

from tongbao.identity.devices import counts
from tongbao.identity.factors import INHERENCE, KNOWLEDGE, POSSESSION, SIGNATURE, Factors, Strength, strength
from tongbao.identity.service import Caller
from tongbao.identity.standing import reasons
from tongbao.kernel.money import format_minor
from tongbao.rules.greatest import Bound, Greatest, Most
from tongbao.rules.pack import Named
from tongbao.rules.service import LawService
from tongbao.wallet.service import WalletService

Confirming = Literal["none", "pin", "pin_code", "passkey", "certificate"]
Method = Annotated[
    Literal["qr_dynamic", "qr_static", "qr_payer"],
    QueryParameter(description="An order's code or link; a shop's printed code; the code that the payer shows."),
]

_FACTORS: dict[Confirming, Factors] = {
    "none": POSSESSION, "pin": KNOWLEDGE, "pin_code": KNOWLEDGE | POSSESSION, "passkey": POSSESSION | INHERENCE,
    "certificate": KNOWLEDGE | POSSESSION | SIGNATURE,
}  # fmt: skip


class GreatestAnswer(msgspec.Struct, frozen=True):
    """`single`: the greatest payment possible now; `today`: all that can be paid until the day is over; null: no rule says.
    `single_by`, `today_by`: what binds them; null where nothing does, or the account is suspended."""

    confirmation: Confirming
    strength: Strength
    single: str | None
    single_by: Bound | None
    today: str | None
    today_by: Bound | None


class TodayAnswer(msgspec.Struct, frozen=True):
    """What the customer may pay by each way of confirming, on the device that asks. `suspended`: why nothing. What the wallet
    has, and what a shop may take, is not looked at."""

    currency: str
    suspended: list[str]
    items: Sequence[GreatestAnswer]


@get("/v1/wallet/limits/today", tags=["Wallet"])
async def today(customer: Caller, law: LawService, wallet: WalletService, method: Method = "qr_dynamic") -> TodayAnswer:
    """The greatest single payment now, and how much for the rest of the day, with the rule that binds. `none`: what goes from the
    code that the payer shows without being asked. A PIN on a device that is proven is two factors, elsewhere one."""
    known = await law.known(customer.principal_id)
    suspended = list(reasons(known.standing.suspended)) if known.standing is not None else []
    items = []
    for confirming, factors in _FACTORS.items():
        if confirming == "pin" and counts(customer.proven_at, law.now()):
            factors |= POSSESSION
        asked = "qr_payer" if confirming == "none" else method
        found = await law.greatest(customer.principal_id, factors, asked)
        if confirming == "none":
            found = await _without_pin(customer, wallet, found)
        if suspended:
            found = Greatest(Most(0, None), Most(0, None))
        said = (_said(found.single, wallet.currency), found.single.by, _said(found.today, wallet.currency), found.today.by)
        items.append(GreatestAnswer(confirming, strength(factors), *said))
    return TodayAnswer(wallet.currency, suspended, items)


async def _without_pin(customer: Caller, wallet: WalletService, found: Greatest) -> Greatest:
    """What the rules let through, and no more than the customer lets go without a PIN."""
    chosen = await wallet.small_payments.of(customer.principal_id)
    left = max(0, chosen.per_day_minor - chosen.used_at(wallet.small_payments.now()))
    name = Named(zh="小额免密", en="Small payments without a PIN")
    by = Bound("small_payments", name, "own", "your own limit", "您自己设置的限额", None)
    return Greatest(_lower(found.single, min(left, chosen.per_payment_minor), by), _lower(found.today, left, by))


def _lower(most: Most, own_minor: int, by: Bound) -> Most:
    return most if most.minor is not None and most.minor <= own_minor else Most(own_minor, by)


def _said(most: Most, currency: str) -> str | None:
    return None if most.minor is None else format_minor(most.minor, currency)


ROUTES = (today,)

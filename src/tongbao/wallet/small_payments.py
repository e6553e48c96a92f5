"""Small payments without a PIN: a customer's own setting, off until they choose it, and the day's sum of what it let through.

Raising it takes a confirmation by two factors of different kinds; lowering it or switching it off holds at once, unconfirmed, so
that whoever lost a phone is never kept from closing the door.

Whether the payer's device is in the payer's hands is for whoever calls `without_pin` to have shown (a code that only that device
can make); here it is only said that nothing more is asked.

Source: fewer than two factors: 1,000 yuan a day at most, and the institution covers losses (PBOC announcement 2015 No. 43,
Art. 24(3); Yinfa [2017] 296, Art. 12, level C). The rules in force are asked besides, as of every payment.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity.alerts import tell
from tongbao.identity.factors import POSSESSION, Factors, strength
from tongbao.identity.rules import confirm, confirmation_keys
from tongbao.identity.types import UNSAID, Confirmation
from tongbao.kernel.money import format_minor, places
from tongbao.rules.errors import STRONGER_CONFIRMATION
from tongbao.wallet import errors

#: The most that may be chosen, for one payment and for a day, in whole units of the wallet's currency.
MOST = 1_000


class SmallPayments(msgspec.Struct, frozen=True, gc=False):
    """What a customer lets go without a PIN: so much a payment, so much a day; both 0 where it is off. `day`: the local day, in
    `zone`, for which `used_minor` counts, as its ordinal."""

    customer_id: UUID
    currency: str
    per_payment_minor: int
    per_day_minor: int
    zone: str
    day: int
    used_minor: int
    changed_at: datetime

    def used_at(self, now: datetime) -> int:
        """What went without a PIN on the local day of `now`, in minor units."""
        return self.used_minor if self.used_minor and self.day == local_day(self.zone, now) else 0


SMALL_PAYMENTS: Relation[SmallPayments] = Relation(
    "small_payments", SmallPayments, key=("customer_id",), rank=330, removable=True
)


class SetSmallPayments(Command, frozen=True, kw_only=True):
    """A customer chooses what goes without a PIN; both 0: nothing. `zone`: where the installation's days begin."""

    kind = "wallet.set_small_payments"
    customer_id: UUID
    currency: str
    per_payment_minor: int
    per_day_minor: int
    zone: str
    confirmation: Confirmation | None = None

    def hashed(self) -> SetSmallPayments:
        return self if self.confirmation is None else msgspec.structs.replace(self, confirmation=UNSAID)


def local_day(zone: str, now: datetime) -> int:
    """The local day that a moment falls on, as its ordinal."""
    return now.astimezone(ZoneInfo(zone)).date().toordinal()


def most_minor(currency: str) -> int:
    """The most that may be chosen, in minor units."""
    return MOST * int(10 ** places(currency))


def small_payments_keys(customer_id: UUID) -> list[Key]:
    """The row that `without_pin` needs."""
    return [Key(SMALL_PAYMENTS, customer_id)]


def without_pin(view: View, customer_id: UUID, amount_minor: int, currency: str, now: datetime) -> Factors | Declined:
    """Whether a payment goes without a PIN, and then the factors by which its payer agreed: the device alone. The day's sum is
    counted in the same commit, so that no crowd of payments exceeds it; what `assess` says is asked besides. Declines
    `payer_must_confirm` (detail: `why`, one of off, currency, payment, day). Needs the row of `small_payments_keys`."""
    chosen = view.get(SMALL_PAYMENTS, customer_id)
    if chosen is None or not chosen.per_payment_minor:
        return Declined(errors.PAYER_MUST_CONFIRM, {"why": "off"})
    if chosen.currency != currency:
        return Declined(errors.PAYER_MUST_CONFIRM, {"why": "currency"})
    if amount_minor > chosen.per_payment_minor:
        return Declined(errors.PAYER_MUST_CONFIRM, {"why": "payment"})
    used = chosen.used_at(now) + amount_minor
    if used > chosen.per_day_minor:
        return Declined(errors.PAYER_MUST_CONFIRM, {"why": "day"})
    view.put(SMALL_PAYMENTS, replace(chosen, day=local_day(chosen.zone, now), used_minor=used))
    return POSSESSION


def not_without_pin(view: View, customer_id: UUID, amount_minor: int, counted_at: datetime, now: datetime) -> None:
    """What `without_pin` counted was not paid after all: it counts no more, if its day is not over. Needs the row of
    `small_payments_keys`."""
    chosen = view.get(SMALL_PAYMENTS, customer_id)
    if chosen is not None and chosen.day == local_day(chosen.zone, counted_at) == local_day(chosen.zone, now):
        view.put(SMALL_PAYMENTS, replace(chosen, used_minor=max(0, chosen.used_minor - amount_minor)))


def set_small_payments(command: SetSmallPayments, view: View, now: datetime) -> Decision:
    """Declines `small_payments_range` (beyond `MOST`, or less a day than a payment), and where either is raised
    `stronger_confirmation_needed` (below medium) and what `confirm` declines. The customer is told of what was raised."""
    wished = command.per_payment_minor, command.per_day_minor
    if not 0 <= wished[0] <= wished[1] <= most_minor(command.currency) or (not wished[0] and wished[1]):
        return Declined(errors.SMALL_PAYMENTS_RANGE, {"most": format_minor(most_minor(command.currency), command.currency)})
    before = view.get(SMALL_PAYMENTS, command.customer_id)
    known = before is not None and before.currency == command.currency
    chosen = (before.per_payment_minor, before.per_day_minor) if before is not None and known else (0, 0)
    raised = wished[0] > chosen[0] or wished[1] > chosen[1]
    if raised:
        factors = None if command.confirmation is None else confirm(view, command.customer_id, command.confirmation, now)
        if isinstance(factors, Declined):
            return factors
        if factors is None or strength(factors) == "weak":
            detail = {"strength": "medium", "name_zh": "开启或提高小额免密", "name_en": "paying without a PIN"}
            detail |= {"citation": "Tongbao's rules for paying without a PIN", "citation_zh": "通宝关于小额免密的规定"}
            return Declined(STRONGER_CONFIRMATION, detail)
        facts = {"per_payment": format_minor(wished[0], command.currency), "per_day": format_minor(wished[1], command.currency)}
        tell(view, command.customer_id, "small_payments_raised", facts, now)
    day = local_day(command.zone, now)
    # What went today still counts: off and on again is not a new day.
    used = before.used_at(now) if before is not None and known else 0
    view.put(SMALL_PAYMENTS, SmallPayments(command.customer_id, command.currency, *wished, command.zone, day, used, now))
    return Accepted()


def _keys(command: SetSmallPayments) -> list[Key]:
    keys = small_payments_keys(command.customer_id)
    return keys if command.confirmation is None else [*keys, *confirmation_keys(command.customer_id, command.confirmation)]


DECIDERS = (Decider(SetSmallPayments, _keys, set_small_payments),)

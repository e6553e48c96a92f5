"""Use cases of small payments without a PIN: what is chosen, and choosing."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from tongbao.engine.api import Engine, accepted
from tongbao.identity.service import Caller
from tongbao.identity.types import Confirmation
from tongbao.kernel.clock import Clock
from tongbao.kernel.money import parse
from tongbao.wallet.small_payments import SetSmallPayments, SmallPayments, most_minor
from tongbao.wallet.types import QUERIES


class SmallPaymentsService:
    """A customer's setting, in the wallet's currency and by the installation's days."""

    def __init__(self, engine: Engine, pool: asyncpg.Pool, clock: Clock, *, currency: str, zone: ZoneInfo) -> None:
        self._engine = engine
        self._pool = pool
        self._clock = clock
        self._currency = currency
        self._zone = zone
        self.most_minor = most_minor(currency)

    def now(self) -> datetime:
        """The moment for which the day's sum is told."""
        return self._clock.now()

    async def of(self, customer_id: UUID) -> SmallPayments:
        """What a customer chose; off, with no zone, where they never did."""
        row = await self._pool.fetchrow(QUERIES["small_payments"], customer_id)
        if row is None:
            return SmallPayments(customer_id, self._currency, 0, 0, "", 0, 0, self._clock.now())
        return SmallPayments(*row)

    async def set(
        self, command_id: UUID, customer: Caller, per_payment: str | None, per_day: str | None, confirmation: Confirmation | None
    ) -> None:
        """Refuses those of `parse`; declines what `set_small_payments` does."""
        command = SetSmallPayments(
            command_id=command_id, customer_id=customer.principal_id, currency=self._currency,
            per_payment_minor=self._minor(per_payment), per_day_minor=self._minor(per_day), zone=str(self._zone),
            confirmation=confirmation,
        )  # fmt: skip
        accepted(await self._engine.submit(command))

    def _minor(self, amount: str | None) -> int:
        return 0 if amount is None else parse(amount, self._currency).minor

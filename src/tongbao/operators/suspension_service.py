"""Use cases of suspensions: stop a customer, let one go by two, and end those whose time is over."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg

from tongbao.engine.api import Engine, accepted
from tongbao.identity.standing import reasons
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id
from tongbao.kernel.sql import Queries
from tongbao.operators import errors
from tongbao.operators.service import reason_of
from tongbao.operators.suspensions import (
    BY_OPERATOR,
    EndSuspension,
    Liftable,
    LiftSuspension,
    SuspendCustomer,
    Suspension,
    Why,
)
from tongbao.operators.types import LEAST_REASON

_QUERIES = Queries("tongbao.operators")


class Suspensions:
    """Who may not pay, by an operator's word."""

    def __init__(self, engine: Engine, pool: asyncpg.Pool, clock: Clock) -> None:
        self._engine = engine
        self._pool = pool
        self._clock = clock

    async def suspend(self, command_id: UUID, customer_id: UUID, why: Why, text: str, until: datetime | None, by: UUID) -> None:
        """Refuses `reason_too_short`; declines `customer_not_found`, `already_suspended`, `suspension_too_long`,
        `not_permitted`."""
        command = SuspendCustomer(
            command_id=command_id, customer_id=customer_id, why=why, text=reason_of(text, LEAST_REASON), until=until, by=by
        )
        accepted(await self._engine.submit(command))

    async def readable(self, customer_id: UUID, reason: Liftable, suspended: str) -> datetime | None:
        """Since when the suspension is in force that is to be lifted; null for one that is not an operator's. `suspended`: of the
        customer's standing. Declines `not_suspended`."""
        if reason not in reasons(suspended):
            raise Refusal(errors.NOT_SUSPENDED)
        if reason != BY_OPERATOR:
            return None
        found = await self.of(customer_id)
        return found.suspended_at if found else None

    async def lift(
        self,
        command_id: UUID,
        customer_id: UUID,
        reason: Liftable,
        since: datetime | None,
        text: str,
        by: UUID,
        approved_by: UUID,
    ) -> None:
        """Declines `not_suspended`."""
        command = LiftSuspension(
            command_id=command_id, customer_id=customer_id, reason=reason, suspended_at=since, text=text, by=by,
            approved_by=approved_by,
        )  # fmt: skip
        accepted(await self._engine.submit(command))

    async def of(self, customer_id: UUID) -> Suspension | None:
        """A customer's suspension that is in force, or the last that was."""
        row = await self._pool.fetchrow(_QUERIES["suspension"], customer_id)
        return Suspension(*row) if row else None

    async def end_due(self, limit: int = 100) -> int:
        """The worker's round: end those whose time is over. Answers how many there were."""
        rows = await self._pool.fetch(_QUERIES["suspensions_over"], self._clock.now(), limit)
        for row in rows:
            command_id = named_id("suspension over", str(row["customer_id"]), row["suspended_at"].isoformat())
            accepted(await self._engine.submit(EndSuspension(command_id=command_id, customer_id=row["customer_id"])))
        return len(rows)

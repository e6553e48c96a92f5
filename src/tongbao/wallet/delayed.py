"""Use cases of transfers that arrive later: looking, cancelling, and letting those arrive whose time has come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from tongbao.engine.api import Engine, accepted
from tongbao.identity.service import Caller
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import new_id
from tongbao.wallet import errors
from tongbao.wallet.types import QUERIES, BillState, CancelTransfer, DelayedState, DelayedTransfer, DeliverTransfer

Place = tuple[datetime, UUID]


class DelayedTransfers:
    """Transfers that were not to arrive at once. Ordering one is `WalletService.transfer`."""

    def __init__(self, engine: Engine, pool: asyncpg.Pool, clock: Clock) -> None:
        self._engine = engine
        self._pool = pool
        self._clock = clock

    async def of(self, payer_id: UUID, transfer_id: UUID) -> DelayedTransfer:
        """One of a payer's. Declines `transfer_not_found`."""
        found = (await self.several([transfer_id])).get(transfer_id)
        if found is None or found.payer_id != payer_id:
            raise Refusal(errors.TRANSFER_NOT_FOUND)
        return found

    async def several(self, ids: Sequence[UUID]) -> dict[UUID, DelayedTransfer]:
        """By id; unknown ids are left out."""
        rows = await self._pool.fetch(QUERIES["delayed_transfers_by_id"], list(ids))
        return {row["transfer_id"]: DelayedTransfer(*row) for row in rows}

    async def list(self, payer_id: UUID, state: DelayedState | None, place: Place | None, limit: int) -> list[DelayedTransfer]:
        """A payer's, newest first; `limit` + 1 at most."""
        at, last = place or (None, None)
        rows = await self._pool.fetch(QUERIES["delayed_transfers"], payer_id, state, at, last, limit + 1)
        return [DelayedTransfer(*row) for row in rows]

    async def states(self, ids: Sequence[UUID]) -> dict[UUID, BillState]:
        """How each stands: what `states` says of the bills of transfers."""
        return {id: each.state for id, each in (await self.several(ids)).items()}

    async def cancel(self, command_id: UUID, payer: Caller, transfer_id: UUID) -> DelayedTransfer:
        """Declines `transfer_not_found`, `transfer_ended`."""
        found = await self.of(payer.principal_id, transfer_id)
        command = CancelTransfer(
            command_id=command_id, transfer_id=transfer_id, payer_id=payer.principal_id, currency=found.currency
        )
        accepted(await self._engine.submit(command))
        return await self.of(payer.principal_id, transfer_id)

    async def deliver_due(self, limit: int = 200) -> int:
        """The worker's round: those whose time has come arrive. Answers how many were looked at."""
        now = self._clock.now()
        rows = await self._pool.fetch(QUERIES["delayed_transfers_due"], now, limit)
        for found in [DelayedTransfer(*row) for row in rows]:
            command = DeliverTransfer(
                command_id=new_id(now), transfer_id=found.transfer_id, payer_id=found.payer_id, payee_id=found.payee_id,
                currency=found.currency,
            )  # fmt: skip
            accepted(await self._engine.submit(command))
        return len(rows)

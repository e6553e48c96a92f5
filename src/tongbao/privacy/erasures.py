"""Closing accounts for ever: what a customer asks, and what the worker does when the time has come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

import asyncpg
import msgspec
import structlog

from tongbao.engine.api import Command, Engine, accepted
from tongbao.identity.types import Confirmation
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import new_id
from tongbao.ledger.api import CUSTOMER_WALLET, PlaceName
from tongbao.privacy import errors
from tongbao.privacy.erasure import (
    BeginErasure,
    CancelErasure,
    CompleteErasure,
    Erasure,
    ForgetErased,
    ForgetLate,
    PostponeErasure,
    RequestErasure,
)
from tongbao.privacy.obstacles import LoginIndexOf, Obstacle, ObstaclesOf
from tongbao.privacy.retention import fingerprint, sealed_away
from tongbao.privacy.types import QUERIES
from tongbao.security.envelopes import Recipient

_log = structlog.get_logger("tongbao.privacy")

#: Rows of a kind that are ended or removed in one command.
_MOST = 500
#: So long after an erasure, what was being opened meanwhile is looked for.
_LATE = timedelta(days=1)


class PersonKeys(Protocol):
    """The part of `security.personal.Vault` that gives a person's keys out, to be sealed away."""

    async def keys_of(self, person_id: UUID, /) -> bytes: ...


class ErasureState(msgspec.Struct, frozen=True):
    """An erasure, if any, and what stands in the way now."""

    erasure: Erasure | None
    obstacles: list[Obstacle]


class ErasureService:
    """Reads through a pool, changes through the engine. `obstacles`: what each module knows of. `let_go`:
    ends what a customer has with others outside, before the rest."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        vault: PersonKeys,
        retention: Recipient,
        clock: Clock,
        *,
        currency: str,
        login_index_of: LoginIndexOf,
        obstacles: Sequence[ObstaclesOf],
        let_go: Callable[[UUID], Awaitable[None]],
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._vault = vault
        self._retention = retention
        self._clock = clock
        self._currency = currency
        self._login_index_of = login_index_of
        self._obstacles = tuple(obstacles)
        self._let_go = let_go

    async def state(self, customer_id: UUID) -> ErasureState:
        """How far it has come, and what stands in the way."""
        return ErasureState(await self._erasure(customer_id), await self.obstacles(customer_id))

    async def obstacles(self, customer_id: UUID) -> list[Obstacle]:
        """What has to be done first."""
        return [each for found in self._obstacles for each in await found(customer_id)]

    async def request(self, command_id: UUID, customer_id: UUID, confirmation: Confirmation) -> ErasureState:
        """Ask to be forgotten. Refuses `erasure_obstructed` (detail: the kinds of obstacles); declines `erasure_requested`, and
        what a confirmation declines."""
        if obstacles := await self.obstacles(customer_id):
            raise Refusal(errors.ERASURE_OBSTRUCTED, obstacles=",".join(dict.fromkeys(each.kind for each in obstacles)))
        accepted(
            await self._engine.submit(RequestErasure(command_id=command_id, customer_id=customer_id, confirmation=confirmation))
        )
        return await self.state(customer_id)

    async def cancel(self, command_id: UUID, customer_id: UUID) -> ErasureState:
        """Change one's mind. Declines `erasure_not_requested`."""
        accepted(await self._engine.submit(CancelErasure(command_id=command_id, customer_id=customer_id)))
        return await self.state(customer_id)

    async def erasures(self, state: str | None, before: tuple[datetime, UUID] | None, limit: int) -> list[Erasure]:
        """For the office, newest first; `limit` + 1 at most."""
        at, customer_id = before or (None, None)
        return [Erasure(*row) for row in await self._pool.fetch(QUERIES["erasures"], state, at, customer_id, limit + 1)]

    # ── the worker's rounds ─────────────────────────────────────────────────────────────────────────────────────────

    async def erase_due(self, limit: int = 20) -> int:
        """Do what is due; how many were looked at. One that fails leaves the others alone and is tried again next round."""
        rows = await self._pool.fetch(QUERIES["erasures_due"], self._clock.now(), limit)
        for row in rows:
            try:
                await self._erase(Erasure(*row))
            except Refusal as refusal:  # somebody was quicker: cancelled, or money came
                _log.info("erasure_not_done", customer_id=str(row["customer_id"]), code=refusal.code.name)
        return len(rows)

    async def _erase(self, erasure: Erasure) -> None:
        customer_id = erasure.customer_id
        if erasure.state == "REQUESTED":
            if await self._postponed(customer_id):
                return
            await self._do(BeginErasure(command_id=self._new(), customer_id=customer_id))
        # What others outside know of them is let go of while what it takes can be opened.
        await self._let_go(customer_id)
        # Looked at again, now that nothing new can begin.
        if await self._postponed(customer_id):
            return
        try:
            await self._complete(customer_id)
        except Refusal as refusal:
            if refusal.code is errors.ERASURE_OBSTRUCTED:
                blocked = (str(refusal.detail["obstacles"]),)
                await self._do(PostponeErasure(command_id=self._new(), customer_id=customer_id, blocked=blocked))
            raise
        await self.forget_late()

    async def _postponed(self, customer_id: UUID) -> bool:
        obstacles = await self.obstacles(customer_id)
        if obstacles:
            kinds = tuple(dict.fromkeys(each.kind for each in obstacles))
            await self._do(PostponeErasure(command_id=self._new(), customer_id=customer_id, blocked=kinds))
        return bool(obstacles)

    async def _complete(self, customer_id: UUID) -> None:
        fetch = self._pool.fetch
        names = {(CUSTOMER_WALLET.code, self._currency)}
        names |= {(row["code"], row["currency"]) for row in await fetch(QUERIES["money_of"], customer_id)}
        name = await fetch(QUERIES["name_indexes"], customer_id)
        command = CompleteErasure(
            command_id=self._new(), customer_id=customer_id,
            accounts=tuple(PlaceName(code, currency, customer_id) for code, currency in sorted(names)),
            login_index=await self._login_index_of(customer_id),
            sessions=tuple(row["session_id"] for row in await fetch(QUERIES["live_sessions"], customer_id, _MOST)),
            devices=tuple(row["device_id"] for row in await fetch(QUERIES["known_devices"], customer_id, _MOST)),
            bank_accounts=tuple(
                row["bank_account_id"] for row in await fetch(QUERIES["linked_bank_accounts"], customer_id, _MOST)
            ),
            passkeys=tuple(row["passkey_id"] for row in await fetch(QUERIES["passkeys_of"], customer_id, _MOST)),
            certificates=tuple(row["certificate_id"] for row in await fetch(QUERIES["certificates_of"], customer_id, _MOST)),
            agreements=tuple(row["agreement_id"] for row in await fetch(QUERIES["agreements_in_force"], customer_id, _MOST)),
            wards=tuple(row["minor_id"] for row in await fetch(QUERIES["wards_of"], customer_id, _MOST)),
            text_phones=tuple(row["phone_index"] for row in await fetch(QUERIES["text_phones_of"], customer_id, _MOST)),
            document_index=name[0]["document_index"] if name else b"", phone_index=name[0]["phone_index"] if name else b"",
            sealed_to=fingerprint(self._retention),
            sealed=sealed_away(self._retention, customer_id, await self._vault.keys_of(customer_id)),
        )  # fmt: skip
        await self._do(command)

    async def forget_late(self) -> int:
        """End sessions that were opened while their customer was being erased, and remove passkeys and certificates that were
        made meanwhile; how many."""
        found: dict[UUID, dict[str, list[UUID]]] = {}
        rows = await self._pool.fetch(QUERIES["late_of_erased"], self._clock.now() - _LATE, _MOST)
        for row in rows:
            found.setdefault(row["customer_id"], {}).setdefault(row["what"], []).append(row["id"])
        for customer_id, late in found.items():
            of = {what: tuple(late.get(what, ())) for what in ("sessions", "passkeys", "certificates")}
            await self._do(ForgetLate(command_id=self._new(), customer_id=customer_id, **of))
        return len(rows)

    async def forget_due(self, limit: int = 100) -> int:
        """Destroy the sealed keys that the law no longer has us keep; how many."""
        rows = await self._pool.fetch(QUERIES["erasures_to_forget"], self._clock.now(), limit)
        for row in rows:
            await self._do(ForgetErased(command_id=self._new(), customer_id=row["customer_id"]))
        return len(rows)

    async def _erasure(self, customer_id: UUID) -> Erasure | None:
        row = await self._pool.fetchrow(QUERIES["erasure"], customer_id)
        return Erasure(*row) if row else None

    async def _do(self, command: Command) -> None:
        accepted(await self._engine.submit(command))

    def _new(self) -> UUID:
        return new_id(self._clock.now())

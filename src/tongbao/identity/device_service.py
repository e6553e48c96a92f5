"""Use cases of devices, and what customers are told about their own accounts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Engine, accepted
from tongbao.identity import errors
from tongbao.identity.alerts import Alert
from tongbao.identity.devices import MOST_SESSIONS, NAME, NameDevice, RevokeDevice
from tongbao.identity.evidence import QUERIES
from tongbao.identity.service import Caller, IdentityService
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import new_id
from tongbao.kernel.texts import plain
from tongbao.security.personal import Vault

#: A place in a list of devices.
Place = tuple[datetime, UUID]


class KnownDevice(msgspec.Struct, frozen=True):
    """A device, its name opened to be shown."""

    device_id: UUID
    name: str
    first_seen_at: datetime
    confirmed_at: datetime
    proven_at: datetime


class DeviceService:
    """Where somebody logs in, and what they were told."""

    def __init__(self, engine: Engine, pool: asyncpg.Pool, identity: IdentityService, vault: Vault, clock: Clock) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._vault = vault
        self._clock = clock

    async def devices(self, principal_id: UUID, place: Place | None, limit: int) -> list[KnownDevice]:
        """Devices that are trusted, the latest first; `limit` + 1 at most."""
        at, device_id = place or (None, None)
        rows = await self._pool.fetch(QUERIES["devices"], principal_id, at, device_id, limit + 1)
        names = await self._vault.open_many([(principal_id, NAME, row["name"]) for row in rows])
        return [
            KnownDevice(row["device_id"], name, row["first_seen_at"], row["confirmed_at"], row["proven_at"])
            for row, name in zip(rows, names, strict=True)
        ]

    async def name(self, command_id: UUID, caller: Caller, device_id: UUID, name: str) -> None:
        """Call a device something else. Refuses `device_name_format`, `control_characters`; declines `device_not_found`."""
        name = plain(name.strip())
        if not 1 <= len(name) <= 80 or not name.isprintable():
            raise Refusal(errors.DEVICE_NAME_FORMAT)
        who = caller.principal_id
        sealed = await self._vault.seal(who, NAME, name)
        command = NameDevice(command_id=command_id, principal_id=who, device_id=device_id, name=sealed)
        accepted(await self._engine.submit(command))

    async def revoke(self, caller: Caller, device_id: UUID) -> None:
        """Trust a device no more, and end its sessions. Declines `device_not_found`, `device_unproven`."""
        ended = await self.live_sessions(caller.principal_id, device_id)
        command = RevokeDevice(
            command_id=new_id(self._clock.now()), principal_id=caller.principal_id, device_id=device_id, session_ids=ended,
            proven_at=caller.proven_at,
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        for session_id in ended:
            self._identity.forget_session(session_id)

    async def trusted(self, principal_id: UUID) -> tuple[UUID, ...]:
        """Somebody's devices that are trusted."""
        rows = await self._pool.fetch(QUERIES["device_ids"], principal_id, MOST_SESSIONS)
        return tuple(row["device_id"] for row in rows)

    async def live_sessions(
        self, principal_id: UUID, device_id: UUID | None = None, *, spares_proven: bool = False
    ) -> tuple[UUID, ...]:
        """Somebody's live sessions, on one device if one is named; `spares_proven`: without those on devices that are proven."""
        now = self._clock.now()
        rows = await self._pool.fetch(QUERIES["live_sessions"], principal_id, device_id, now, MOST_SESSIONS, spares_proven)
        return tuple(row["session_id"] for row in rows)

    async def alerts(self, customer_id: UUID, before: UUID | None, limit: int) -> list[Alert]:
        """What a customer was told, newest first; `limit` + 1 at most."""
        return [Alert(*row) for row in await self._pool.fetch(QUERIES["alerts"], customer_id, before, limit + 1)]

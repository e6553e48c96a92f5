"""Use cases of guardianship."""

from __future__ import annotations

from uuid import UUID

import asyncpg

from tongbao.engine.api import Engine, accepted
from tongbao.identity.acts import Act
from tongbao.identity.evidence import Given
from tongbao.identity.realname import errors
from tongbao.identity.realname.service import QUERIES
from tongbao.identity.realname.types import AgreeGuardianship, EndGuardianship, Guardianship, RequestGuardian
from tongbao.identity.service import Caller, IdentityService
from tongbao.identity.types import NOBODY
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import new_id
from tongbao.kernel.money import format_minor

#: Which text guardians agree to; another text, another name.
CONSENT = "guardian-2026-1"


class GuardianService:
    """Who answers for whom."""

    def __init__(self, engine: Engine, pool: asyncpg.Pool, identity: IdentityService, clock: Clock) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._clock = clock

    async def request(self, command_id: UUID, minor: Caller, login: str) -> Guardianship:
        """A minor names a guardian by their log-in. Refuses `login_format`; declines `too_many_lookups`, `guardian_unfit`,
        `not_a_minor`, `guardianship_exists`. A log-in of nobody is as unfit as any, and is found so by the same way: it tells no
        stranger who is a customer."""
        guardian = await self._identity.look_up(minor, login)
        guardian_id = guardian.principal_id if guardian is not None else NOBODY
        command = RequestGuardian(command_id=command_id, minor_id=minor.principal_id, guardian_id=guardian_id)
        accepted(await self._engine.submit(command))
        return await self._need(minor.principal_id, guardian_id)

    async def agree(
        self,
        command_id: UUID,
        guardian: Caller,
        minor_id: UUID,
        single_minor: int | None,
        daily_minor: int | None,
        currency: str,
        given: Given,
    ) -> Guardianship:
        """Agree, or change the caps (minor units; None: no cap). Refuses what `IdentityService.confirmation` does; declines what
        the decider does."""
        daily = "" if daily_minor is None else format_minor(daily_minor, currency)
        act = Act("agree_guardian", minor_id, single_minor or 0, currency, daily)
        command = AgreeGuardianship(
            command_id=command_id, minor_id=minor_id, guardian_id=guardian.principal_id, consent=CONSENT,
            single_minor=single_minor, daily_minor=daily_minor,
            confirmation=await self._identity.confirmation(guardian, given, command_id, act),
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        return await self._need(minor_id, guardian.principal_id)

    async def end(self, guardian_id: UUID, minor_id: UUID) -> None:
        """Take the consent back, or say no. Declines `guardianship_unknown`."""
        command = EndGuardianship(command_id=new_id(self._clock.now()), minor_id=minor_id, guardian_id=guardian_id)
        accepted(await self._engine.submit(command))

    async def of_minor(self, minor_id: UUID) -> Guardianship | None:
        """Who answers for a minor, or is asked to."""
        row = await self._pool.fetchrow(QUERIES["guardianship"], minor_id)
        return Guardianship(*row) if row else None

    async def of_guardian(self, guardian_id: UUID, before: UUID | None, limit: int) -> list[Guardianship]:
        """For whom somebody answers, or is asked to; `limit` + 1 at most."""
        rows = await self._pool.fetch(QUERIES["guardianships"], guardian_id, before, limit + 1)
        return [Guardianship(*row) for row in rows]

    async def need_agreed(self, minor_id: UUID, guardian_id: UUID) -> None:
        """Declines `guardianship_unknown` unless this guardian has agreed and still answers for this minor."""
        if (await self._need(minor_id, guardian_id)).state != "AGREED":
            raise Refusal(errors.GUARDIANSHIP_UNKNOWN)

    async def _need(self, minor_id: UUID, guardian_id: UUID) -> Guardianship:
        found = await self.of_minor(minor_id)
        if found is None or found.guardian_id != guardian_id:
            raise Refusal(errors.GUARDIANSHIP_UNKNOWN)
        return found

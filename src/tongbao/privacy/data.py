"""Use cases of a customer's data itself: a copy of everything, and correcting the display name."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Engine, accepted
from tongbao.identity.enrolment import NAME, name_index
from tongbao.identity.rules import normal_name
from tongbao.identity.service import Caller
from tongbao.identity.types import Confirmation
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.privacy import errors
from tongbao.privacy.copies import TakeCopy, schema, written
from tongbao.privacy.corrections import ELSEWHERE, CorrectName, Field
from tongbao.privacy.holdings import PersonalData
from tongbao.privacy.types import QUERIES
from tongbao.security.personal import Vault


class OpenedCorrection(msgspec.Struct, frozen=True):
    """A correction with its values in clear."""

    correction_id: UUID
    field: str
    former: str
    corrected: str
    at: datetime


class PrivacyData:
    """Reads through a pool, changes through the engine. `parts`: what every module holds; `forget`: tells whoever remembers names
    that one has changed."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        vault: Vault,
        clock: Clock,
        parts: Sequence[PersonalData],
        forget: Callable[[UUID], None],
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._vault = vault
        self._clock = clock
        self.parts = tuple(parts)
        self._forget = forget

    async def copy(self, command_id: UUID, caller: Caller, confirmation: Confirmation) -> AsyncGenerator[bytes, None]:
        """The file, in pieces, once the customer has confirmed. Refuses `copy_made` for a repeat, whose confirmation proves
        nothing; declines what a confirmation declines."""
        outcome = await self._engine.submit(
            TakeCopy(
                command_id=command_id, customer_id=caller.principal_id, session_id=caller.session_id, confirmation=confirmation
            )
        )
        accepted(outcome)
        if outcome.repeated:
            raise Refusal(errors.COPY_MADE)
        return self.file(caller.principal_id)

    def file(self, customer_id: UUID) -> AsyncGenerator[bytes, None]:
        """Everything about a customer, in pieces; for whoever has established that they may see it."""
        return written(self.parts, customer_id, self._clock.now())

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of a copy."""
        return schema(self.parts)

    async def correct(self, command_id: UUID, customer_id: UUID, field: Field, value: str, proven_at: datetime | None) -> None:
        """Correct the display name. `proven_at`: of the session's device. Refuses `correct_elsewhere` for anything else,
        `name_format`; declines `device_unproven`."""
        if field != "name":
            where, how = ELSEWHERE[field]
            raise Refusal(errors.CORRECT_ELSEWHERE, where=where, because_zh=how.zh, because_en=how.en)
        name = normal_name(value)
        command = CorrectName(
            command_id=command_id, customer_id=customer_id, name=await self._vault.seal(customer_id, NAME, name),
            name_index=name_index(self._vault, name), proven_at=proven_at,
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        self._forget(customer_id)

    async def corrections(self, customer_id: UUID, before: UUID | None, limit: int) -> list[OpenedCorrection]:
        """What was corrected, newest first; `limit` + 1 at most."""
        rows = await self._pool.fetch(QUERIES["corrections"], customer_id, before, limit + 1)
        sealed = [(customer_id, NAME, value) for row in rows for value in (row["former"], row["corrected"])]
        texts = iter(await self._vault.open_many(sealed))
        return [OpenedCorrection(row["correction_id"], row["field"], next(texts), next(texts), row["at"]) for row in rows]

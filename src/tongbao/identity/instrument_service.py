"""Use cases of instruments: what a customer pays with where they are not logged in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Command, Declined, Engine, accepted
from tongbao.identity import errors
from tongbao.identity.acts import ActKind
from tongbao.identity.devices import counts
from tongbao.identity.evidence import QUERIES, Given
from tongbao.identity.instrument_rules import (
    LIVES,
    BindInstrument,
    CapInstrument,
    MissInstrument,
    RevokeInstrument,
)
from tongbao.identity.instruments import NAME, InstrumentKind, number_from, secret_of
from tongbao.identity.service import Caller, IdentityService, own_act
from tongbao.identity.types import Confirmation
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id, new_id
from tongbao.kernel.texts import plain
from tongbao.security.keys import Keys
from tongbao.security.personal import Vault

#: A place in a list of instruments.
Place = tuple[datetime, int]

#: With a billion numbers and a million instruments, five draws all miss once in 10^15.
_DRAWS = 5
_MOST_REMEMBERED = 100_000
#: The largest cap that can be set, in minor units: more than any law lets an instrument pay.
_MOST_CAP_MINOR = 100_000_000


class Owner(msgspec.Struct, frozen=True, gc=False):
    """Whose a number is: what never changes of an instrument."""

    customer_id: UUID
    device_id: UUID | None


class Bound(msgspec.Struct, frozen=True):
    """An instrument that was bound. `secret` goes to where it lives and is kept nowhere else."""

    number: int
    secret: bytes
    expires_at: datetime


class KnownInstrument(msgspec.Struct, frozen=True):
    """An instrument, its name opened to be shown. `spent_minor`: today."""

    number: int
    kind: InstrumentKind
    name: str
    device_id: UUID | None
    currency: str
    most_minor: int
    day_minor: int
    spent_minor: int
    created_at: datetime
    expires_at: datetime


class InstrumentService:
    """Binds, lists, caps and revokes instruments, and knows their secrets."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        keys: Keys,
        vault: Vault,
        clock: Clock,
        *,
        currency: str,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._key = keys.instrument
        self._vault = vault
        self._clock = clock
        self._currency = currency
        # Whose a number is never changes, so it is asked once; whether it still pays is the decider's to say.
        self._owners: dict[int, Owner] = {}

    async def bind(
        self,
        command_id: UUID,
        caller: Caller,
        kind: InstrumentKind,
        name: str,
        most_minor: int,
        day_minor: int,
        given: Given | None,
        replaces: int | None = None,
        *,
        here: bool = True,
        within: Callable[[BindInstrument], Command] | None = None,
    ) -> Bound:
        """Make an instrument of the caller's, on the device that asks (`here`) or on a thing of its own; `within` another command
        of the same id, which does more beside. The same `command_id` answers the same one. Refuses `device_name_format`,
        `instrument_cap_range`; declines as `bind_instrument`."""
        name = plain(name.strip())
        if not 1 <= len(name) <= 80 or not name.isprintable():
            raise Refusal(errors.DEVICE_NAME_FORMAT)
        check_caps(most_minor, day_minor)
        who = caller.principal_id
        # A thing of its own is not ended with a device, so it is bound on one that is proven, as what lives there is.
        if caller.device_id is None if here else not counts(caller.proven_at, self._clock.now()):
            raise Refusal(errors.DEVICE_UNPROVEN)
        detail = f"{kind},{most_minor},{day_minor}"
        confirmation = await self._confirmation(caller, given, command_id, "bind_instrument", detail)
        sealed = await self._vault.seal(who, NAME, name)
        for attempt in range(_DRAWS):
            number = number_from(self._key, command_id, kind, attempt)
            command = BindInstrument(
                command_id=named_id("command", str(command_id), str(attempt)) if attempt else command_id,
                number=number, customer_id=who, of=kind, device_id=caller.device_id if here else None, name=sealed,
                currency=self._currency, most_minor=most_minor, day_minor=day_minor, replaces=replaces, confirmation=confirmation,
            )  # fmt: skip
            outcome = await self._engine.submit(within(command) if within else command)
            taken = isinstance(outcome.decision, Declined) and outcome.decision.code is errors.INSTRUMENT_NUMBER_TAKEN
            if not taken:
                break
        accepted(outcome)
        return Bound(number, self.secret(number, kind), outcome.decided_at + LIVES[kind])

    async def instruments(self, customer_id: UUID, place: Place | None, limit: int) -> list[KnownInstrument]:
        """Those that still pay, the latest first; `limit` + 1 at most."""
        at, number = place or (None, None)
        now = self._clock.now()
        rows = await self._pool.fetch(QUERIES["instruments"], customer_id, now, at, number, limit + 1)
        names = await self._vault.open_many([(customer_id, NAME, row["name"]) for row in rows])
        return [
            KnownInstrument(
                row["number"], row["kind"], name, row["device_id"], row["currency"], row["most_minor"], row["day_minor"],
                row["spent_minor"] if row["day"] == now.date() else 0, row["created_at"], row["expires_at"],
            )
            for row, name in zip(rows, names, strict=True)
        ]  # fmt: skip

    async def cap(
        self, command_id: UUID, caller: Caller, number: int, most_minor: int, day_minor: int, given: Given | None
    ) -> None:
        """Change what an instrument may pay. Refuses `instrument_cap_range`; declines as `cap_instrument`."""
        check_caps(most_minor, day_minor)
        confirmation = await self._confirmation(caller, given, command_id, "cap_instrument", f"{number},{most_minor},{day_minor}")
        command = CapInstrument(
            command_id=command_id, number=number, customer_id=caller.principal_id, most_minor=most_minor, day_minor=day_minor,
            confirmation=confirmation,
        )  # fmt: skip
        accepted(await self._engine.submit(command))

    async def revoke(self, caller: Caller, number: int) -> None:
        """Take nothing from it any more. Declines `instrument_unknown`."""
        command = RevokeInstrument(command_id=new_id(self._clock.now()), number=number, customer_id=caller.principal_id)
        accepted(await self._engine.submit(command))

    async def owner(self, number: int) -> Owner | None:
        """Whose a number is; None where nobody has it."""
        owner = self._owners.get(number)
        if owner is None:
            row = await self._pool.fetchrow(QUERIES["instrument_owner"], number)
            if row is None:
                return None
            if len(self._owners) >= _MOST_REMEMBERED:
                self._owners.clear()
            owner = self._owners[number] = Owner(*row)
        return owner

    async def pays(self, number: int) -> bool:
        """Whether an instrument is there, neither revoked nor expired."""
        return bool(await self._pool.fetchval(QUERIES["instrument_pays"], number, self._clock.now()))

    async def missed(self, number: int, merchant_id: UUID) -> None:
        """A till of this merchant was shown a proof for this number that does not hold."""
        command = MissInstrument(command_id=new_id(self._clock.now()), number=number, merchant_id=merchant_id)
        accepted(await self._engine.submit(command))

    def secret(self, number: int, kind: InstrumentKind) -> bytes:
        """What only the instrument and we have."""
        return secret_of(self._key, number, kind)

    async def _confirmation(
        self, caller: Caller, given: Given | None, command_id: UUID, what: ActKind, detail: str
    ) -> Confirmation | None:
        if given is None:
            return None
        return await self._identity.confirmation(caller, given, command_id, own_act(what, caller, detail))


def check_caps(most_minor: int, day_minor: int) -> None:
    """Refuses `instrument_cap_range`."""
    fine = 0 <= most_minor <= _MOST_CAP_MINOR and 0 <= day_minor <= _MOST_CAP_MINOR
    if not fine or (day_minor and most_minor > day_minor):
        raise Refusal(errors.INSTRUMENT_CAP_RANGE)

"""Use cases of authenticator apps: set one up, log in with it, remove it, new recovery codes; and who has a second factor."""

from __future__ import annotations

import os
from collections.abc import Collection
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Engine, accepted
from tongbao.identity import errors
from tongbao.identity.evidence import QUERIES
from tongbao.identity.service import Caller, IdentityService, LoggedIn, trying_in
from tongbao.identity.totp import SECRET, left_of
from tongbao.identity.totp_codes import SECRET_BYTES, address_of, recovery_codes, recovery_macs, typed_secret
from tongbao.identity.totp_rules import ConfirmTotp, RemoveTotp, RenewRecoveryCodes, StartTotp
from tongbao.identity.types import Audience
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import new_id
from tongbao.security.keys import Keys
from tongbao.security.personal import Vault


class AppState(msgspec.Struct, frozen=True):
    """Since when somebody has an app, and how many recovery codes are left; None and 0 without one."""

    since: datetime | None
    recovery_codes_left: int


class Shown(msgspec.Struct, frozen=True):
    """What an app is told once: by its picture or typed in."""

    secret: str
    address: str


class TotpService:
    """Authenticator apps of customers, merchants' staff and operators."""

    def __init__(
        self, engine: Engine, pool: asyncpg.Pool, identity: IdentityService, keys: Keys, vault: Vault, clock: Clock
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._evidence = identity.totp
        self._keys = keys
        self._vault = vault
        self._clock = clock

    async def state(self, principal_id: UUID) -> AppState:
        """Whether somebody has an app."""
        found = await self._evidence.of(principal_id)
        if found is None or found.confirmed_at is None:
            return AppState(None, 0)
        return AppState(found.confirmed_at, left_of(found))

    async def with_second_factor(self, principals: Collection[UUID]) -> set[UUID]:
        """Who of these has an app or a passkey."""
        return {row["principal_id"] for row in await self._pool.fetch(QUERIES["second_factors"], list(principals))}

    async def start(self, command_id: UUID, caller: Caller, password: str) -> Shown:
        """A secret for an app; repeating the command shows the same, until its first code was typed. Declines
        `wrong_credentials`, `login_locked`, `totp_set`, `device_unproven`."""
        who, trying = caller.principal_id, trying_in(caller)
        await self._identity.vouch(await self._identity.need(who), password, trying)
        sealed = await self._vault.seal(who, SECRET, typed_secret(os.urandom(SECRET_BYTES)))
        command = StartTotp(
            command_id=command_id, principal_id=who, totp_id=command_id, secret=sealed, trying=trying, proven_at=caller.proven_at
        )
        accepted(await self._engine.submit(command))
        found = await self._evidence.of(who)
        if found is None or found.totp_id != command_id or found.confirmed_at is not None:
            raise Refusal(errors.TOTP_SET)  # it was shown before, and things went on since
        secret = await self._evidence.secret(found)
        return Shown(typed_secret(secret), address_of(secret, (await self._identity.person(who)).login))

    async def confirm(self, command_id: UUID, caller: Caller, code: str) -> tuple[str, ...]:
        """The first code: from now on it counts. Answers the recovery codes. Refuses `totp_format`; declines `totp_not_set`,
        `totp_set`, `totp_wrong`, `totp_locked`."""
        assert caller.session_id is not None
        who = caller.principal_id
        use = await self._evidence.typed(who, code, trying_in(caller))
        codes, macs = self._fresh_codes(command_id, who)
        command = ConfirmTotp(
            command_id=command_id, principal_id=who, session_id=caller.session_id, use=use, recovery=macs
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        self._identity.look_again(caller.session_id)
        return codes

    async def remove(self, command_id: UUID, caller: Caller, password: str, code: str) -> None:
        """Refuses `totp_format`; declines `wrong_credentials`, `login_locked`, `totp_…`."""
        who, trying = caller.principal_id, trying_in(caller)
        await self._identity.vouch(await self._identity.need(who), password, trying)
        use = await self._evidence.typed(who, code, trying, recovery=True)
        accepted(await self._engine.submit(RemoveTotp(command_id=command_id, principal_id=who, use=use, trying=trying)))

    async def renew_codes(self, command_id: UUID, caller: Caller, password: str, code: str) -> tuple[str, ...]:
        """Another set of recovery codes. Refuses `totp_format`; declines `wrong_credentials`, `login_locked`, `totp_…`."""
        who, trying = caller.principal_id, trying_in(caller)
        await self._identity.vouch(await self._identity.need(who), password, trying)
        use = await self._evidence.typed(who, code, trying, recovery=True)
        codes, macs = self._fresh_codes(command_id, who)
        command = RenewRecoveryCodes(command_id=command_id, principal_id=who, use=use, recovery=macs, trying=trying)
        accepted(await self._engine.submit(command))
        return codes

    def _fresh_codes(self, command_id: UUID, principal_id: UUID) -> tuple[tuple[str, ...], bytes]:
        codes = recovery_codes(self._keys.session, command_id.bytes)
        return codes, recovery_macs(self._keys.pin, principal_id.bytes, codes)

    async def log_in(
        self, audience: Audience, challenge: str, code: str, device_name: str, device_token: str = "", address: str = ""
    ) -> LoggedIn:
        """The second step of a log-in, with a code or a recovery code. Refuses `challenge_…`, `totp_format`; declines
        `totp_wrong`, `totp_used`, `totp_locked`."""
        try:
            principal = await self._identity.need(self._evidence.answers(challenge))
        except Refusal:
            raise Refusal(errors.CHALLENGE_WRONG) from None
        now = self._clock.now()
        self._evidence.check(challenge, audience, principal, now)
        device = await self._identity.known_device(principal.principal_id, device_token)
        trying = await self._identity.trying_of(principal, device, address)
        use = await self._evidence.typed(principal.principal_id, code, trying, recovery=True)
        return await self._identity.open_session(new_id(now), principal, device_name, device, trying=trying, totp=use)

"""What was typed from an authenticator app, looked at as far as it can be outside a decision: which time step's code it is.

What is left to the decider is what others may be changing at the same moment: whether the app is still the one, whether that step
was used, how often it was got wrong. And the challenge between the two steps of a log-in, which nobody has to remember.
"""

from __future__ import annotations

import base64
from datetime import datetime
from hashlib import sha256
from uuid import UUID

import asyncpg

from tongbao.identity import errors
from tongbao.identity.acts import challenge, check_challenge
from tongbao.identity.evidence import QUERIES
from tongbao.identity.totp import SECRET, Totp, TotpUse, code_tries
from tongbao.identity.totp_codes import recovery_mac, step_of, typed_code, typed_recovery_code
from tongbao.identity.tries import Trying
from tongbao.identity.types import Audience, Principal
from tongbao.identity.wire import decoded, encoded
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.security.keys import Keys
from tongbao.security.personal import Vault

_PURPOSE = "second factor"
_ID = 16


class TotpEvidence:
    """Looks at codes."""

    def __init__(self, pool: asyncpg.Pool, keys: Keys, vault: Vault, clock: Clock) -> None:
        self._pool = pool
        self._keys = keys
        self._vault = vault
        self._clock = clock

    async def of(self, principal_id: UUID) -> Totp | None:
        """Somebody's app, whether it counts yet or not."""
        row = await self._pool.fetchrow(QUERIES["totp"], principal_id)
        return Totp(*row) if row is not None and row["secret"] else None

    async def counts(self, principal_id: UUID) -> bool:
        """Whether somebody logs in with an app."""
        found = await self.of(principal_id)
        return found is not None and found.confirmed_at is not None

    async def secret(self, totp: Totp) -> bytes:
        """The secret, opened."""
        return base64.b32decode(await self._vault.open(totp.principal_id, SECRET, totp.secret))

    async def typed(self, principal_id: UUID, code: str, trying: Trying, *, recovery: bool = False) -> TotpUse:
        """What a code comes to that was typed where passwords are tried as `trying`. `recovery`: a recovery code will do. Refuses
        `totp_format`; declines `totp_not_set`."""
        totp, digits = await self.of(principal_id), typed_code(code)
        letters = typed_recovery_code(code) if recovery and digits is None else None
        if digits is None and letters is None:
            raise Refusal(errors.TOTP_FORMAT)
        if totp is None:
            raise Refusal(errors.TOTP_NOT_SET)
        tried = code_tries(trying)
        if letters is not None:
            return TotpUse(totp.totp_id, 0, tried, recovery_mac(self._keys.pin, principal_id.bytes, letters))
        return TotpUse(totp.totp_id, step_of(await self.secret(totp), digits or "", self._clock.now()), tried)

    # ── between the two steps of a log-in ───────────────────────────────────────────────────────────────────────────

    def challenge(self, principal: Principal) -> str:
        """For somebody whose password was found right just now. Void once the password is another."""
        made = challenge(self._keys.session, _PURPOSE, _vouched(principal.audience, principal), self._clock.now())
        return encoded(principal.principal_id.bytes + made)

    def answers(self, text: str) -> UUID:
        """Who it is that a challenge was made for, if it was: `check` says that. Refuses `challenge_wrong`, `encoding_wrong`."""
        raw = decoded(text)
        if len(raw) <= _ID:
            raise Refusal(errors.CHALLENGE_WRONG)
        return UUID(bytes=raw[:_ID])

    def check(self, text: str, audience: Audience, principal: Principal, now: datetime) -> None:
        """Refuses `challenge_wrong`, `challenge_expired`."""
        check_challenge(decoded(text)[_ID:], self._keys.session, _PURPOSE, _vouched(audience, principal), now)


def _vouched(audience: str, principal: Principal) -> str:
    password = sha256(principal.password_hash.encode()).hexdigest()
    return f"{audience} {principal.principal_id} {password}"

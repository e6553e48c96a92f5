"""What a customer gave to confirm an act, checked as far as it can be outside a decision: signatures, challenges, whose key it
is.

What is left to the decider is what others may be changing at the same moment: whether the key was revoked, where its counter
stands, whether the PIN is right.
"""

from __future__ import annotations

from uuid import UUID

import asyncpg
import msgspec

from tongbao.identity import errors
from tongbao.identity.acts import Act, act_text, challenge, check_challenge
from tongbao.identity.authority import signed
from tongbao.identity.certificates import Certificate
from tongbao.identity.passkey_checks import Assertion, RelyingParty, challenge_of, check_assertion
from tongbao.identity.passkeys import Passkey, passkey_id_of
from tongbao.identity.types import PasskeyConfirmation
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.sql import Queries

QUERIES = Queries("tongbao.identity")


class Signature(msgspec.Struct, frozen=True):
    """A certificate's signature over the act's text, and the PIN that goes with it."""

    certificate_id: UUID
    signature: bytes
    pin: str


class PinAndCode(msgspec.Struct, frozen=True):
    """A PIN and the code of an authenticator app, as typed."""

    pin: str
    code: str


#: A PIN as typed, alone or with a code; what an authenticator answered; what a certificate signed.
Given = str | PinAndCode | Assertion | Signature


class Evidence:
    """Checks passkeys and signatures."""

    def __init__(self, pool: asyncpg.Pool, key: bytes, clock: Clock, party: RelyingParty) -> None:
        self._pool = pool
        self._key = key
        self._clock = clock
        self.party = party

    def challenge(self, purpose: str, text: str) -> bytes:
        """A challenge for exactly this, to be answered within five minutes."""
        return challenge(self._key, purpose, text, self._clock.now())

    async def passkey(self, purpose: str, text: str, given: Assertion, suffix: int = 0) -> tuple[Passkey, PasskeyConfirmation]:
        """The passkey that answered a challenge for this. `suffix`: how many bytes follow the challenge, which the text says.
        Refuses `passkey_…`, `challenge_wrong`, `challenge_expired`."""
        found = await self._pool.fetchrow(QUERIES["passkey"], passkey_id_of(given.credential_id))
        if found is None:
            raise Refusal(errors.PASSKEY_UNKNOWN)
        passkey = Passkey(*found)
        counter = check_assertion(given, passkey.public_key, self.party)
        asked = challenge_of(given.client_data)
        check_challenge(asked[: len(asked) - suffix], self._key, purpose, text, self._clock.now())
        return passkey, PasskeyConfirmation(passkey.passkey_id, counter)

    async def agreed(
        self, customer_id: UUID, session_id: UUID, command_id: UUID, act: Act, given: Assertion
    ) -> PasskeyConfirmation:
        """As `passkey`, for this act of this customer in this session. Refuses `passkey_unknown` also for somebody else's."""
        passkey, confirmation = await self.passkey("act", act_text(customer_id, session_id, command_id, act), given)
        if passkey.customer_id != customer_id:
            raise Refusal(errors.PASSKEY_UNKNOWN)
        return confirmation

    async def signed(self, customer_id: UUID, session_id: UUID, command_id: UUID, act: Act, given: Signature) -> UUID:
        """The certificate that signed this act. Refuses `certificate_unknown`, `signature_wrong`."""
        found = await self._pool.fetchrow(QUERIES["certificate"], given.certificate_id)
        if found is None or found["customer_id"] != customer_id:
            raise Refusal(errors.CERTIFICATE_UNKNOWN)
        certificate = Certificate(*found)
        text = act_text(customer_id, session_id, command_id, act)
        if not signed(certificate.algorithm, certificate.public_key, text, given.signature):
            raise Refusal(errors.SIGNATURE_WRONG)
        return certificate.certificate_id

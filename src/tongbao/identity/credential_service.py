"""Use cases of passkeys and signing keys: make, list, revoke; log in by passkey; say what is to be confirmed."""

from __future__ import annotations

import os
from datetime import datetime
from uuid import UUID

import asyncpg
import msgspec

from tongbao.engine.api import Engine, accepted
from tongbao.identity import certificates, errors, passkeys
from tongbao.identity.acts import CHALLENGE_LIVES, Act, act_text, check_challenge
from tongbao.identity.authority import Authority, normal_key, signed
from tongbao.identity.certificates import LIVES, Algorithm, Certificate, RevokeCertificate
from tongbao.identity.enrolling import EnrolCertificate
from tongbao.identity.evidence import QUERIES
from tongbao.identity.passkey_checks import Assertion, Attestation, challenge_of, check_attestation
from tongbao.identity.passkeys import AddPasskey, Passkey, RevokePasskey, passkey_id_of
from tongbao.identity.service import Caller, IdentityService, LoggedIn, trying_in
from tongbao.identity.types import Audience
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id, new_id
from tongbao.kernel.texts import plain
from tongbao.security.keys import Keys
from tongbao.security.personal import Vault

#: A place in a list of credentials: when it was made, and its id.
Place = tuple[datetime, UUID]


class NamedPasskey(msgspec.Struct, frozen=True):
    """A passkey, its name opened to be shown."""

    passkey: Passkey
    name: str


class NamedCertificate(msgspec.Struct, frozen=True):
    """A signing key, its name opened to be shown."""

    certificate: Certificate
    name: str


class CredentialService:
    """Passkeys and signing keys of customers."""

    def __init__(
        self, engine: Engine, pool: asyncpg.Pool, identity: IdentityService, keys: Keys, vault: Vault, clock: Clock
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._vault = vault
        self._clock = clock
        self._key = keys.session
        self.authority = Authority(keys.session)
        self.evidence = identity.evidence
        self.party = identity.evidence.party

    # ── what is to be confirmed ─────────────────────────────────────────────────────────────────────────────────────

    def act_challenge(self, caller: Caller, command_id: UUID, act: Act) -> tuple[str, bytes]:
        """The act written out, for a certificate to sign, and a challenge for a passkey."""
        assert caller.session_id is not None
        text = act_text(caller.principal_id, caller.session_id, command_id, act)
        return text, self.evidence.challenge("act", text)

    # ── passkeys ────────────────────────────────────────────────────────────────────────────────────────────────────

    def passkey_challenge(self, caller: Caller) -> bytes:
        """A challenge for making a passkey in this session."""
        return self.evidence.challenge("add passkey", str(caller.session_id))

    async def add_passkey(
        self, command_id: UUID, caller: Caller, password: str, name: str, given: Attestation, pin: str | None = None
    ) -> UUID:
        """Its id. `pin`: on a device that is not proven. Refuses `device_name_format`, `control_characters`, `passkey_…`,
        `challenge_…`, `pin_format`; declines `wrong_credentials`, and what the decider does."""
        who, shown = caller.principal_id, _name(name)
        verified = check_attestation(given, self.party)
        check_challenge(challenge_of(given.client_data), self._key, "add passkey", str(caller.session_id), self._clock.now())
        await self._identity.vouch(await self._identity.need(who), password, trying_in(caller))
        passkey_id = passkey_id_of(verified.credential_id)
        command = AddPasskey(
            command_id=command_id, passkey_id=passkey_id, customer_id=who, credential_id=verified.credential_id,
            public_key=verified.credential_public_key, counter=verified.sign_count,
            name=await self._vault.seal(who, passkeys.NAME, shown), trying=trying_in(caller), proven_at=caller.proven_at,
            pin_mac=self._identity.pin_mac(who, pin) if pin is not None else None,
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        return passkey_id

    async def passkeys(self, customer_id: UUID, place: Place | None, limit: int) -> list[NamedPasskey]:
        """The latest first; `limit` + 1 at most."""
        at, last = place or (None, None)
        rows = [Passkey(*row) for row in await self._pool.fetch(QUERIES["passkeys"], customer_id, at, last, limit + 1)]
        names = await self._vault.open_many([(customer_id, passkeys.NAME, row.name) for row in rows])
        return [NamedPasskey(row, name) for row, name in zip(rows, names, strict=True)]

    async def revoke_passkey(self, caller: Caller, passkey_id: UUID) -> None:
        """Declines `passkey_unknown`, `device_unproven`."""
        command = RevokePasskey(
            command_id=new_id(self._clock.now()), customer_id=caller.principal_id, passkey_id=passkey_id,
            proven_at=caller.proven_at,
        )  # fmt: skip
        accepted(await self._engine.submit(command))

    def login_challenge(self) -> bytes:
        """A challenge for whoever wants to log in: nobody is named yet."""
        nonce = os.urandom(12).hex()
        return self.evidence.challenge("log in", nonce) + bytes.fromhex(nonce)

    async def log_in(self, audience: Audience, given: Assertion, device_name: str, device_token: str) -> LoggedIn:
        """Log in by passkey: who it is follows from it. Refuses `passkey_…`, `challenge_…`, and `passkey_unknown` also for one of
        somebody who logs in elsewhere: a customer's opens no console, an operator's no wallet. Declines `passkey_revoked`,
        `passkey_cloned`."""
        asked = challenge_of(given.client_data)
        passkey, confirmation = await self.evidence.passkey("log in", asked[-12:].hex(), given, suffix=12)
        principal = await self._identity.need(passkey.customer_id)
        if principal.audience != audience:
            raise Refusal(errors.PASSKEY_UNKNOWN)
        # One session a challenge: who replays the answer is refused.
        command_id = named_id("log in by passkey", asked.hex())
        device = await self._identity.known_device(principal.principal_id, device_token)
        return await self._identity.open_session(command_id, principal, device_name, device, confirmation)

    # ── signing keys ────────────────────────────────────────────────────────────────────────────────────────────────

    def enrolment_text(self, caller: Caller, algorithm: Algorithm, public_key: bytes) -> str:
        """What a key signs to be enrolled, and what the passkey's challenge is made of. Refuses `public_key_format`."""
        key = normal_key(algorithm, public_key)
        return (
            f"Tongbao certificate 1\ncustomer {caller.principal_id}\nsession {caller.session_id}\nkey {algorithm} {key.hex()}\n"
        )

    async def enrol(
        self,
        command_id: UUID,
        caller: Caller,
        algorithm: Algorithm,
        public_key: bytes,
        name: str,
        signature: bytes,
        pin: str,
        given: Assertion,
    ) -> UUID:
        """Its id. Refuses `public_key_format`, `signature_wrong`, `pin_format`, `passkey_…`, `challenge_…`; declines `pin_…`."""
        who, shown = caller.principal_id, _name(name)
        key, text = normal_key(algorithm, public_key), self.enrolment_text(caller, algorithm, public_key)
        if not signed(algorithm, key, text, signature):
            raise Refusal(errors.SIGNATURE_WRONG)
        _, confirmation = await self.evidence.passkey("certificate", text, given)
        certificate_id, now = named_id("certificate", str(command_id)), self._clock.now()
        issued = self.authority.issue(certificate_id, who, key, now, now + LIVES) if algorithm == "ed25519" else b""
        command = EnrolCertificate(
            command_id=command_id, certificate_id=certificate_id, customer_id=who, algorithm=algorithm, public_key=key,
            x509=issued, name=await self._vault.seal(who, certificates.NAME, shown), lives=LIVES,
            pin_mac=self._identity.pin_mac(who, pin), passkey=confirmation,
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        return certificate_id

    async def certificates(self, customer_id: UUID, place: Place | None, limit: int) -> list[NamedCertificate]:
        """The latest first; `limit` + 1 at most."""
        at, last = place or (None, None)
        found = await self._pool.fetch(QUERIES["certificates"], customer_id, at, last, limit + 1)
        rows = [Certificate(*row) for row in found]
        names = await self._vault.open_many([(customer_id, certificates.NAME, row.name) for row in rows])
        return [NamedCertificate(row, name) for row, name in zip(rows, names, strict=True)]

    async def certificate(self, customer_id: UUID, certificate_id: UUID) -> NamedCertificate:
        """One of this customer's. Declines `certificate_unknown`."""
        row = await self._pool.fetchrow(QUERIES["certificate"], certificate_id)
        if row is None or row["customer_id"] != customer_id:
            raise Refusal(errors.CERTIFICATE_UNKNOWN)
        found = Certificate(*row)
        return NamedCertificate(found, await self._vault.open(customer_id, certificates.NAME, found.name))

    async def revoke_certificate(self, caller: Caller, certificate_id: UUID) -> None:
        """Declines `certificate_unknown`, `device_unproven`."""
        command = RevokeCertificate(
            command_id=new_id(self._clock.now()), customer_id=caller.principal_id, certificate_id=certificate_id,
            proven_at=caller.proven_at,
        )  # fmt: skip
        accepted(await self._engine.submit(command))


def _name(given: str) -> str:
    name = plain(given.strip())
    if not 1 <= len(name) <= 80 or not name.isprintable():
        raise Refusal(errors.DEVICE_NAME_FORMAT)
    return name


TIMEOUT_MS = int(CHALLENGE_LIVES.total_seconds() * 1000)

"""Use cases of identity: register, log in, sessions, PIN.

Passwords are hashed with Argon2id in threads, a few at a time, never on the event loop. The PIN is six digits: no hash of
it could stand against a search of a million, so it is kept as a keyed MAC whose key is not in the database, and guessing is
stopped by the lock-out. Sources: OWASP ASVS 5, 11.4 (password storage); docs/decisions/0003.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import time
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from typing import Any, cast, get_args
from uuid import UUID

import argon2
import asyncpg
import msgspec
import structlog

from tongbao.engine.api import Engine, accepted
from tongbao.identity import errors
from tongbao.identity.acts import Act, ActKind
from tongbao.identity.binding import binding_of, proves, written
from tongbao.identity.codes import CodeUse
from tongbao.identity.common_passwords import is_common
from tongbao.identity.devices import NAME as DEVICE_NAME
from tongbao.identity.devices import counts, device_id_of, new_token
from tongbao.identity.enrolment import DEVICE, LOGIN, NAME, login_index, name_index, sealed
from tongbao.identity.evidence import QUERIES, Evidence, Given, PinAndCode
from tongbao.identity.factors import KNOWLEDGE, Factors
from tongbao.identity.lookups import CountLookup, count_of
from tongbao.identity.passkey_checks import Assertion, RelyingParty
from tongbao.identity.rules import Registered, SessionOpened, check_pin_choice, normal_login, normal_name
from tongbao.identity.totp import TotpUse
from tongbao.identity.totp_evidence import TotpEvidence
from tongbao.identity.tries import CountWrongPassword, Trying, from_address, ids_of, on_device
from tongbao.identity.types import (
    NOBODY,
    Audience,
    CertificateConfirmation,
    Confirmation,
    EndSession,
    Enrolment,
    Locale,
    OpenSession,
    PasskeyConfirmation,
    PinConfirmation,
    Principal,
    Register,
    SetPin,
    TotpConfirmation,
)
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import OVERLOADED, Refusal
from tongbao.kernel.gather import Gatherer
from tongbao.kernel.ids import named_id, new_id
from tongbao.security.keys import Keys, mac
from tongbao.security.personal import Vault

_log = structlog.get_logger("tongbao.identity")

SESSION_LIFETIME_S: dict[str, int] = {"wallet": 30 * 86_400, "merchant": 12 * 3_600, "console": 8 * 3_600}
_CACHED_S = 5.0
_LONGEST_PASSWORD = 128
_MOST_CACHED = 50_000
_MOST_HASHING = 64
_SEEN_EVERY_S = 300.0


class Person(msgspec.Struct, frozen=True):
    """Somebody's name and log-in, opened to be shown. Both are empty for a person whose data was erased."""

    principal_id: UUID
    name: str
    login: str
    created_at: datetime


class Caller(msgspec.Struct, frozen=True):
    """Who is asking, through which session, on which device: it proves with every change that it is the one. `proven_at`: from
    when on the device counts as something that only they have. What they are called is asked of `IdentityService.person`."""

    principal_id: UUID
    session_id: UUID | None
    audience: str
    locale: Locale
    roles: frozenset[str]
    merchant_id: UUID | None
    created_at: datetime
    device_id: UUID | None = None
    factors: Factors = KNOWLEDGE
    proven_at: datetime | None = None


class LiveSession(msgspec.Struct, frozen=True):
    """Where somebody is logged in."""

    session_id: UUID
    device_name: str
    created_at: datetime
    last_seen_at: datetime


class PastLogin(msgspec.Struct, frozen=True):
    """When somebody logged in, on what, by which factors, and whether that session still lives."""

    session_id: UUID
    device_name: str
    created_at: datetime
    live: bool
    factors: Factors


class LoggedIn(msgspec.Struct, frozen=True):
    """A fresh session: the token and the device's secret leave the server here and nowhere else. `device_token`: what the device
    is to show at its next log-in, where it was not known."""

    session_id: UUID
    token: str
    binding: str
    expires_at: datetime
    principal: Principal
    device_id: UUID
    device_token: str | None


class IdentityService:
    """Who is who. Reads through a pool, changes through the engine."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        keys: Keys,
        vault: Vault,
        clock: Clock,
        hasher: argon2.PasswordHasher,
        party: RelyingParty | None = None,
        *,
        secure_cookies: bool = False,
    ) -> None:
        self.secure_cookies = secure_cookies
        self.evidence = Evidence(pool, keys.session, clock, party or RelyingParty(""))
        self.totp = TotpEvidence(pool, keys, vault, clock)
        self._engine = engine
        self._pool = pool
        self._keys = keys
        self._vault = vault
        self._clock = clock
        self._hasher = hasher
        self._hashing = asyncio.Semaphore(2)
        self._waiting = 0
        self._callers: dict[tuple[Audience, bytes], tuple[float, Caller]] = {}
        self._ended: set[UUID] = set()
        self._touched: dict[UUID, float] = {}
        self._seen: list[UUID] = []
        self._noting: asyncio.Task[None] | None = None
        self._principals = Gatherer(self._fetch_principals)
        # Names and logins never change; what does (locks, password hashes) is read with `need`.
        self._names = Gatherer(self._fetch_people, remember=_MOST_CACHED)
        self._sessions: dict[str, Gatherer[bytes, asyncpg.Record]] = {
            audience: Gatherer(partial(self._fetch_sessions, audience)) for audience in get_args(Audience)
        }
        # Checked when there is no such login, so that an answer takes as long for a stranger as for a customer.
        self._nobody = hasher.hash("nobody has this password")

    # ── passwords ───────────────────────────────────────────────────────────────────────────────────────────────────

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        if self._waiting >= _MOST_HASHING:
            raise Refusal(OVERLOADED)
        self._waiting += 1
        try:
            async with self._hashing:
                return await asyncio.to_thread(work, *arguments)
        finally:
            self._waiting -= 1

    def _verify(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except (argon2.exceptions.VerifyMismatchError, argon2.exceptions.InvalidHashError):
            return False

    # ── register and log in ─────────────────────────────────────────────────────────────────────────────────────────

    async def register(
        self,
        command_id: UUID,
        audience: Audience,
        login: str,
        password: str,
        name: str,
        locale: Locale,
        *,
        roles: str = "",
        merchant_id: UUID | None = None,
    ) -> tuple[UUID, bool]:
        """Make a principal; its id, and whether an earlier sending of this very command made it, in which case the password
        of this one has proved nothing. Refuses `login_format`, `name_format`, `password_…`; declines `login_taken`."""
        who = await self.enrolment(login, password, name, locale, roles)
        outcome = await self._engine.submit(Register(command_id=command_id, audience=audience, merchant_id=merchant_id, who=who))
        return cast(Registered, accepted(outcome)).principal_id, outcome.repeated

    async def password_hash(self, password: str) -> str:
        """How a new password is kept. Refuses `password_too_short`, `password_too_long`, `password_common`."""
        _check_password(password)
        return cast(str, await self._in_thread(self._hasher.hash, password))

    async def enrolment(self, login: str, password: str, name: str, locale: Locale, roles: str) -> Enrolment:
        """Somebody who is to log in, checked, the password hashed. Refuses `login_format`, `name_format`, `password_…`."""
        login, name = normal_login(login), normal_name(name)
        password_hash = await self.password_hash(password)
        return await sealed(self._vault, new_id(self._clock.now()), login, name, locale, password_hash, roles)

    async def log_in(
        self, audience: Audience, login: str, password: str, device_name: str, device_token: str = "", address: str = ""
    ) -> LoggedIn:
        """`address`: where the request comes from. Refuses or declines `login_format`, `wrong_credentials`, `login_locked`: the
        same ones, and as late, where there is no such log-in; and only after the right password `second_factor_needed` (detail:
        challenge), which `TotpService.log_in` answers."""
        login = normal_login(login)
        principal = await self.find(audience, login)
        device = await self.known_device(principal.principal_id if principal else NOBODY, device_token)
        trying = self._trying(device, audience, login_index(self._vault, login), address)
        await self.vouch(principal, password, trying)
        assert principal is not None
        if await self.totp.counts(principal.principal_id):
            raise Refusal(errors.SECOND_FACTOR_NEEDED, challenge=self.totp.challenge(principal))
        return await self.open_session(new_id(self._clock.now()), principal, device_name, device, trying=trying)

    async def trying_of(self, principal: Principal, device: UUID | None, address: str) -> Trying:
        """Where somebody tries to log in: on a device that is known, or from an address."""
        return self._trying(device, principal.audience, await self.login_index_of(principal.principal_id), address)

    def _trying(self, device: UUID | None, audience: str, index: bytes, address: str) -> Trying:
        return on_device(device) if device else from_address(self._keys.session, audience, index, address)

    async def vouch(self, principal: Principal | None, password: str, trying: Trying) -> None:
        """Is it the password? Declines `wrong_credentials`, which is counted, and `login_locked`."""
        if len(password) > _LONGEST_PASSWORD:
            raise Refusal(errors.WRONG_CREDENTIALS)  # nobody's; counting it would let anybody lock anybody out for nothing
        until = await self._pool.fetchval(QUERIES["tries_waiting"], ids_of(trying), self._clock.now())
        if until is not None:  # nothing is hashed for who guesses on
            raise Refusal(errors.LOGIN_LOCKED, until=until)
        right = await self._in_thread(self._verify, (principal and principal.password_hash) or self._nobody, password)
        if principal is None or not principal.password_hash or not right:
            wrong = CountWrongPassword(command_id=new_id(self._clock.now()), trying=trying)
            accepted(await self._engine.submit(wrong))

    async def open_session(
        self,
        command_id: UUID,
        principal: Principal,
        device_name: str,
        device: UUID | None = None,
        passkey: PasskeyConfirmation | None = None,
        trying: Trying | None = None,
        totp: TotpUse | None = None,
    ) -> LoggedIn:
        """A session for somebody whose password was just seen, with `totp` where they have an app; or by passkey. Repeating the
        command answers the same token. `device`: what `known_device` answered; where it was None, this one becomes known, and is
        given a token of its own."""
        fresh = None if device else new_token(self._keys.session, command_id)
        device_id = device or device_id_of(self._keys.session, principal.principal_id, fresh or "")
        is_first = device is None and not await self._pool.fetchval(QUERIES["has_device"], principal.principal_id)
        token = base64.urlsafe_b64encode(mac(self._keys.session, command_id.bytes)).decode().rstrip("=")
        name = device_name.strip()[:80] or "–"
        outcome = await self._engine.submit(
            OpenSession(
                command_id=command_id,
                principal_id=principal.principal_id,
                token_hash=hashlib.sha256(token.encode()).digest(),
                device_name=await self._vault.seal(principal.principal_id, DEVICE, name),
                lifetime_s=SESSION_LIFETIME_S[principal.audience],
                device_id=device_id,
                known_as=b"" if device else await self._vault.seal(principal.principal_id, DEVICE_NAME, name),
                is_first=is_first,
                passkey=passkey,
                trying=trying,
                totp=totp,
            )
        )
        if passkey is not None and outcome.repeated:
            raise Refusal(errors.CHALLENGE_USED)
        opened = cast(SessionOpened, accepted(outcome))
        binding = written(binding_of(self._keys.session, opened.session_id))
        return LoggedIn(opened.session_id, token, binding, opened.expires_at, principal, device_id, fresh)

    async def known_device(self, principal_id: UUID, token: str) -> UUID | None:
        """The device of theirs that was given this token, if it is trusted still."""
        if not token:
            return None
        device_id = device_id_of(self._keys.session, principal_id, token)
        row = await self._pool.fetchrow(QUERIES["device"], device_id)
        return device_id if row is not None and row["revoked_at"] is None else None

    # ── sessions ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def authenticate(self, token: str, audience: Audience) -> Caller:
        """Whose live session this token is. Refuses `unauthenticated`. A session ended elsewhere is known within seconds."""
        token_hash = hashlib.sha256(token.encode()).digest()
        key = (audience, token_hash)
        now = time.monotonic()
        cached = self._callers.get(key)
        if cached is not None and now < cached[0]:
            return cached[1]
        row = await self._sessions[audience].get(token_hash)
        if row is None:
            self._callers.pop(key, None)
            raise Refusal(errors.UNAUTHENTICATED)
        caller = Caller(
            row["principal_id"], row["session_id"], row["audience"], row["locale"], frozenset(row["roles"].split(",")) - {""},
            row["merchant_id"], row["created_at"], row["device_id"], row["factors"], row["proven_at"],
        )  # fmt: skip
        if len(self._callers) >= _MOST_CACHED:
            self._callers.clear()
        if row["session_id"] not in self._ended:
            self._callers[key] = (now + _CACHED_S, caller)
        self._touch(row["session_id"], now)
        return caller

    def check_proof(self, caller: Caller, given: str, method: str, target: str, key: str, body: bytes) -> None:
        """Does the request come from the session's own device? Refuses `device_proof_missing`, `device_proof_wrong`."""
        if not given:
            raise Refusal(errors.DEVICE_PROOF_MISSING)
        assert caller.session_id is not None
        now_s = self._clock.now().timestamp()
        if not proves(given, binding_of(self._keys.session, caller.session_id), method, target, now_s, key, body):
            raise Refusal(errors.DEVICE_PROOF_WRONG, now=int(now_s))

    def _touch(self, session_id: UUID, now: float) -> None:
        if now - self._touched.get(session_id, -_SEEN_EVERY_S) >= _SEEN_EVERY_S:
            if len(self._touched) >= _MOST_CACHED:
                self._touched.clear()
            self._touched[session_id] = now
            self._seen.append(session_id)
            if self._noting is None:
                self._noting = asyncio.create_task(self._note_seen(), name="sessions seen")

    async def _note_seen(self) -> None:
        """Write down what has gathered, one statement a time: nobody who pays waits for it, and losing it does no harm."""
        try:
            while self._seen:
                seen, self._seen = self._seen, []
                await self._pool.execute(QUERIES["touch_sessions"], seen, self._clock.now())
        except Exception as failure:
            _log.warning("sessions_not_noted", reason=repr(failure))
        finally:
            self._noting = None

    def has_ended(self, caller: Caller) -> bool:
        """Whether the caller's session was ended by somebody, as far as this process has heard."""
        return caller.session_id in self._ended

    async def is_live(self, caller: Caller) -> bool:
        """Whether the caller's session still is: neither ended nor expired. A server's key has none and lives on."""
        if caller.session_id is None:
            return True
        return bool(await self._pool.fetchval(QUERIES["session_is_live"], caller.session_id, self._clock.now()))

    def look_again(self, session_id: UUID) -> None:
        """Something about a live session changed: the next request with it asks the database. Other processes learn of
        it within seconds."""
        self._callers = {key: cached for key, cached in self._callers.items() if cached[1].session_id != session_id}

    def forget_session(self, session_id: UUID) -> None:
        """A session has ended, here or in another process: the next request with it asks the database."""
        # Not cached again by a look-up that began before.
        self._ended.add(session_id)
        if len(self._ended) > _MOST_CACHED:
            self._ended.clear()
        self.look_again(session_id)

    async def sessions(self, principal_id: UUID, before: UUID | None, limit: int) -> list[LiveSession]:
        """Live sessions, newest first, `limit` + 1 at most."""
        rows = await self._pool.fetch(QUERIES["sessions"], principal_id, self._clock.now(), before, limit + 1)
        names = await self._vault.open_many([(principal_id, DEVICE, row["device_name"]) for row in rows])
        return [
            LiveSession(row["session_id"], name, row["created_at"], row["last_seen_at"])
            for row, name in zip(rows, names, strict=True)
        ]

    async def logins(self, principal_id: UUID, before: UUID | None, limit: int) -> list[PastLogin]:
        """When somebody logged in, newest first, `limit` + 1 at most."""
        now, rows = self._clock.now(), await self._pool.fetch(QUERIES["logins"], principal_id, before, limit + 1)
        names = await self._vault.open_many([(principal_id, DEVICE, row["device_name"]) for row in rows])
        return [
            PastLogin(
                row["session_id"], name, row["created_at"], row["ended_at"] is None and now < row["expires_at"], row["factors"]
            )
            for row, name in zip(rows, names, strict=True)
        ]

    async def doors(self, principal_id: UUID) -> tuple[int, int]:
        """How many live sessions and trusted devices somebody has."""
        row = await self._pool.fetchrow(QUERIES["doors"], principal_id, self._clock.now())
        return row["sessions"], row["devices"]

    async def end_session(self, caller: Caller, session_id: UUID) -> None:
        """Log out one session. Declines `session_not_found`, `device_unproven`."""
        command = EndSession(
            command_id=new_id(self._clock.now()), principal_id=caller.principal_id, session_id=session_id,
            device_id=await self._pool.fetchval(QUERIES["device_of_session"], session_id),
            here=caller.session_id, proven_at=caller.proven_at,
        )  # fmt: skip
        accepted(await self._engine.submit(command))
        self.forget_session(session_id)

    # ── PIN ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def confirmation(self, customer: Caller, given: Given, command_id: UUID, act: Act) -> Confirmation:
        """What a customer gave to confirm this act, as a decider judges it. Refuses `pin_format`, `passkey_…`, `challenge_…`,
        `certificate_unknown`, `signature_wrong`, `totp_format`; declines `totp_not_set`."""
        who = customer.principal_id
        if isinstance(given, str):
            return self.by_pin(customer, given)
        if isinstance(given, PinAndCode):
            mac_of_pin = self.pin_mac(who, given.pin)
            on_device = counts(customer.proven_at, self._clock.now())
            return TotpConfirmation(mac_of_pin, await self.totp.typed(who, given.code, trying_in(customer)), on_device)
        if customer.session_id is None:
            raise Refusal(errors.CHALLENGE_WRONG)  # challenges are a session's
        if isinstance(given, Assertion):
            return await self.evidence.agreed(who, customer.session_id, command_id, act, given)
        certificate_id = await self.evidence.signed(who, customer.session_id, command_id, act, given)
        return CertificateConfirmation(certificate_id, self.pin_mac(who, given.pin))

    def by_pin(self, customer: Caller, pin: str) -> PinConfirmation:
        """What a typed PIN comes to, for what is confirmed by nothing else. Refuses `pin_format`."""
        on_device = counts(customer.proven_at, self._clock.now())
        return PinConfirmation(self.pin_mac(customer.principal_id, pin), on_device)

    def pin_mac(self, customer_id: UUID, pin: str) -> bytes:
        """How a PIN is kept. Refuses `pin_format`."""
        check_pin_form(pin)
        return mac(self._keys.pin, customer_id.bytes, pin.encode())

    async def set_pin(
        self,
        command_id: UUID,
        caller: Caller,
        pin: str,
        password: str,
        confirmation: Confirmation | None = None,
        code: CodeUse | None = None,
    ) -> None:
        """Set or replace the PIN. Refuses `pin_format`, `pin_too_simple`; declines `wrong_credentials`, and what the decider
        does."""
        check_pin_choice(pin)
        trying, who = trying_in(caller), caller.principal_id
        await self.vouch(await self.need(who), password, trying)
        command = SetPin(
            command_id=command_id, customer_id=who, mac=self.pin_mac(who, pin), trying=trying, proven_at=caller.proven_at,
            confirmation=confirmation, code=code,
        )  # fmt: skip
        accepted(await self._engine.submit(command))

    async def has_pin(self, customer_id: UUID) -> bool:
        """Whether a payment PIN is set."""
        return bool(await self._pool.fetchval(QUERIES["has_pin"], customer_id))

    # ── look-ups ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def find(self, audience: Audience, login: str) -> Principal | None:
        """The principal with this normal login, if any."""
        row = await self._pool.fetchrow(QUERIES["principal_by_login"], audience, login_index(self._vault, login))
        return Principal(*row) if row else None

    async def look_up(self, caller: Caller, login: str) -> Principal | None:
        """The customer with this login, for another who asks: counted before it is known whether there is one. Refuses
        `login_format`; declines `too_many_lookups`."""
        login = normal_login(login)
        command = CountLookup(command_id=new_id(self._clock.now()), count_id=count_of(caller.principal_id))
        accepted(await self._engine.submit(command))
        return await self.find("wallet", login)

    async def need(self, principal_id: UUID) -> Principal:
        """One principal. Declines `principal_not_found`."""
        principal = await self._principals.get(principal_id)
        if principal is None:
            raise Refusal(errors.PRINCIPAL_NOT_FOUND)
        return principal

    async def several(self, principal_ids: Collection[UUID]) -> dict[UUID, Person]:
        """People by id, as they are shown; unknown ids are left out."""
        return await self._names.several(principal_ids)

    async def person(self, principal_id: UUID) -> Person:
        """One, as they are shown. Declines `principal_not_found`."""
        person = await self._names.get(principal_id)
        if person is None:
            raise Refusal(errors.PRINCIPAL_NOT_FOUND)
        return person

    async def login_index_of(self, principal_id: UUID) -> bytes:
        """By what somebody is found who logs in. Declines `principal_not_found`."""
        return login_index(self._vault, (await self.person(principal_id)).login)

    def forget_person(self, principal_id: UUID) -> None:
        """Somebody's data was erased, here or in another process: they are not shown as they were."""
        self._names.forget(principal_id)

    async def _fetch_principals(self, ids: list[UUID]) -> dict[UUID, Principal]:
        return {row["principal_id"]: Principal(*row) for row in await self._pool.fetch(QUERIES["principals"], ids)}

    async def _fetch_people(self, ids: list[UUID]) -> dict[UUID, Person]:
        return {person.principal_id: person for person in await self._opened(list((await self._fetch_principals(ids)).values()))}

    async def _opened(self, rows: Sequence[Principal]) -> list[Person]:
        values = [each for row in rows for each in ((row.principal_id, NAME, row.name), (row.principal_id, LOGIN, row.login))]
        texts = await self._vault.open_many(values)
        return [
            Person(row.principal_id, name, login, row.created_at)
            for row, name, login in zip(rows, texts[::2], texts[1::2], strict=True)
        ]

    async def _fetch_sessions(self, audience: Audience, hashes: list[bytes]) -> dict[bytes, asyncpg.Record]:
        rows = await self._pool.fetch(QUERIES["sessions_by_token"], hashes, audience, self._clock.now())
        return {row["token_hash"]: row for row in rows}

    async def search(self, audience: Audience, query: str, before: UUID | None, limit: int) -> list[Person]:
        """Newest first, by id, exact login or whole name; `limit` + 1 at most. Names are sealed: their parts find nobody."""
        wanted: UUID | None = None
        login = name = None
        if query:
            try:
                wanted = UUID(query)
            except ValueError:
                try:
                    login = login_index(self._vault, normal_login(query))
                except Refusal:
                    name = name_index(self._vault, query)
        rows = await self._pool.fetch(QUERIES["search_principals"], audience, wanted, login, name, before, limit + 1)
        return await self._opened([Principal(*row) for row in rows])


def _check_password(password: str) -> None:
    if len(password) < 8:
        raise Refusal(errors.PASSWORD_TOO_SHORT)
    if len(password) > _LONGEST_PASSWORD:
        raise Refusal(errors.PASSWORD_TOO_LONG)
    if is_common(password):
        raise Refusal(errors.PASSWORD_COMMON)


def check_pin_form(pin: str) -> None:
    """Refuses `pin_format`."""
    if len(pin) != 6 or not (pin.isascii() and pin.isdigit()):
        raise Refusal(errors.PIN_FORMAT)


def trying_in(caller: Caller) -> Trying:
    """Where a session tries a password: on its device."""
    return on_device(caller.device_id or caller.session_id or caller.principal_id)


def own_act(kind: ActKind, customer: Caller, detail: str = "") -> Act:
    """An act of a customer's own, about which no sum is said."""
    return Act(kind, customer.principal_id, 0, "", detail)


def command_id_for(caller: Caller, key: str) -> UUID:
    """The command that this caller's idempotency key names: nobody else's key can name it."""
    return named_id("command", caller.audience, str(caller.merchant_id or caller.principal_id), key)

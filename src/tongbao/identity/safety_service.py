"""Use cases of safety: one-time codes, getting back in, changing the password, reporting a takeover, and telling people."""

from __future__ import annotations

import asyncio
import base64
import secrets
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Literal, cast
from uuid import UUID

import asyncpg
import msgspec
import structlog

from tongbao.engine.api import Engine, accepted
from tongbao.identity import certificates, errors, passkeys
from tongbao.identity.alerts import Delivery, Message, MessageChannel, RaiseAlert, RecordMessage
from tongbao.identity.codes import (
    Asking,
    CodeUse,
    Purpose,
    SendCode,
    UseCode,
    asking_from_address,
    asking_on_device,
    code_id_of,
)
from tongbao.identity.device_service import DeviceService
from tongbao.identity.devices import MOST_SESSIONS, counts, device_id_of
from tongbao.identity.enrolment import login_index
from tongbao.identity.evidence import QUERIES
from tongbao.identity.message_texts import alert_text, code_text
from tongbao.identity.recovery import ChangePassword, Recover, Recovered
from tongbao.identity.rules import PIN_LOCKS, normal_login
from tongbao.identity.service import Caller, IdentityService, check_pin_form, trying_in
from tongbao.identity.takeover import ReportTakeover
from tongbao.identity.tidying import CODES_OLD_AFTER, COUNTS_OLD_AFTER, TRIES_OLD_AFTER, ForgetOld
from tongbao.identity.types import NOBODY, Locale
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id, new_id
from tongbao.kernel.rounds import do_each
from tongbao.security.keys import Keys, mac
from tongbao.security.personal import Vault

_log = structlog.get_logger("tongbao.identity")
_LONGEST_RETRY_S = 3600
_MOST_ATTEMPTS = 12
_MOST_SENDING = 1000
_MOST_SHOWN = 50
_FORGETS_EVERY = timedelta(minutes=1)


class Credential(msgspec.Struct, frozen=True):
    """A passkey or a signing key (`certificate`), as its owner called it."""

    kind: Literal["passkey", "certificate"]
    name: str
    created_at: datetime


class SafetyService:
    """What keeps an account its owner's."""

    def __init__(
        self,
        engine: Engine,
        pool: asyncpg.Pool,
        identity: IdentityService,
        devices: DeviceService,
        channel: MessageChannel,
        keys: Keys,
        vault: Vault,
        clock: Clock,
        *,
        codes_asked: bool,
    ) -> None:
        self._engine = engine
        self._pool = pool
        self._identity = identity
        self._devices = devices
        self._channel = channel
        self._keys = keys
        self._vault = vault
        self._clock = clock
        self.codes_asked = codes_asked
        #: What messages of other modules' kinds say.
        self.texts: dict[str, Callable[[Message, Locale], Awaitable[str]]] = {}
        #: Where they go, if not to the log-in; "": nowhere any more.
        self.reach: dict[str, Callable[[Message], Awaitable[str]]] = {}
        self._sending: set[asyncio.Task[None]] = set()
        self._forgets_at = clock.now()

    # ── one-time codes ──────────────────────────────────────────────────────────────────────────────────────────────

    def typed(self, purpose: Purpose, target: str, ticket: str, code: str) -> CodeUse:
        """A code as typed. `target`: a log-in in its normal form."""
        code_id = code_id_of(purpose, login_index(self._vault, target), ticket)
        return CodeUse(code_id, self._mac(code_id, code.strip()))

    def _mac(self, code_id: UUID, digits: str) -> bytes:
        return mac(self._keys.pin, b"one-time code", code_id.bytes, digits.encode())

    async def send_code(
        self, command_id: UUID, purpose: Purpose, login: str, locale: Locale, device_token: str, address: str
    ) -> str:
        """Send a code to a phone or address; its ticket. Whether anybody has it is not to be told from the answer, nor from how
        long it takes: the message goes out afterwards. `address`: where the request comes from. Refuses `login_format`; declines
        `code_too_soon`, `code_too_many`."""
        login = normal_login(login)
        target = login_index(self._vault, login)
        principal = await self._identity.find("wallet", login)
        device = await self._identity.known_device(principal.principal_id if principal else NOBODY, device_token)
        asking = (
            asking_on_device(purpose, target, device)
            if device
            else asking_from_address(self._keys.session, purpose, target, address)
        )
        ticket = base64.urlsafe_b64encode(mac(self._keys.session, b"code ticket", command_id.bytes)).decode().rstrip("=")
        silent = purpose != "register" and principal is None
        await self._send(command_id, purpose, login, ticket, asking, locale, silent=silent)
        return ticket

    async def _send(
        self, command_id: UUID, purpose: Purpose, to: str, ticket: str, asking: Asking, locale: Locale, *, silent: bool = False
    ) -> None:
        code_id, digits = code_id_of(purpose, login_index(self._vault, to), ticket), f"{secrets.randbelow(10**6):06d}"
        command = SendCode(command_id=command_id, code_id=code_id, mac=self._mac(code_id, digits), asking=asking)
        outcome = await self._engine.submit(command)
        accepted(outcome)
        if outcome.repeated or silent:
            return
        if len(self._sending) >= _MOST_SENDING:
            _log.warning("code_not_sent", reason="too many under way")
            return
        task = asyncio.create_task(self._deliver(str(command_id), to, code_text(purpose, digits, locale)))
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _deliver(self, reference: str, to: str, text: str) -> None:
        delivery = await self._channel.send(reference, to, text)
        if delivery != "SENT":  # whoever waits for it asks for another after a minute
            _log.warning("code_not_sent", reference=reference, delivery=delivery)

    async def send_pin_code(self, command_id: UUID, caller: Caller) -> None:
        """Send a customer the code for replacing their PIN. Declines `code_too_soon`, `code_too_many`."""
        login = (await self._identity.person(caller.principal_id)).login
        asking = asking_on_device("pin", login_index(self._vault, login), _place(caller))
        await self._send(command_id, "pin", login, str(caller.session_id), asking, caller.locale)

    async def pin_code(self, caller: Caller, code: str) -> CodeUse | None:
        """The code for replacing a PIN as typed; None where none was."""
        if not code:
            return None
        return self.typed("pin", (await self._identity.person(caller.principal_id)).login, str(caller.session_id), code)

    async def send_phone_code(self, command_id: UUID, caller: Caller, phone: str) -> None:
        """Send a customer the code by which they show that they hold a phone. Declines `code_too_soon`, `code_too_many`: whatever
        phones a customer names, all their codes count together."""
        who = caller.principal_id
        await self._send(command_id, "phone", phone, str(who), asking_on_device("phone", who.bytes, who), caller.locale)

    def phone_code(self, caller: Caller, phone: str, code: str) -> CodeUse:
        """A code as typed: right for the phone it was sent to, and no other."""
        return self.typed("phone", phone, str(caller.principal_id), code)

    async def check_code(self, command_id: UUID, purpose: Purpose, login: str, ticket: str, code: str) -> None:
        """Refuses `code_needed` where none was typed; declines `code_wrong`."""
        if not code:
            raise Refusal(errors.CODE_NEEDED)
        use = self.typed(purpose, normal_login(login), ticket, code)
        accepted(await self._engine.submit(UseCode(command_id=command_id, use=use)))

    # ── getting back in ─────────────────────────────────────────────────────────────────────────────────────────────

    async def recover(
        self,
        command_id: UUID,
        login: str,
        ticket: str,
        code: str,
        new_password: str,
        device_token: str,
        pin: str | None,
        *,
        drop_all: bool,
    ) -> tuple[list[Credential], list[Credential]]:
        """A new password for who forgot theirs; passkeys and signing keys that are not trusted any more, and those that still
        are. Refuses `login_format`, `password_…`, `pin_format`; declines `code_wrong` (also where there is no such login), and
        what the decider does."""
        login = normal_login(login)
        if pin is not None:  # before it is known whether anybody has the login: the answer must not tell
            check_pin_form(pin)
        password_hash = await self._identity.password_hash(new_password)
        use = self.typed("recover", login, ticket, code)
        principal = await self._identity.find("wallet", login)
        if principal is None:
            await self._nobodys(command_id, use)
        assert principal is not None
        who = principal.principal_id
        sessions = await self._devices.live_sessions(who)
        command = Recover(
            command_id=command_id, customer_id=who, code=use,
            device_id=device_id_of(self._keys.session, who, device_token) if device_token else None,
            pin_mac=self._identity.pin_mac(who, pin) if pin is not None else None,
            password_hash=password_hash, session_ids=sessions,
            passkey_ids=await self._ids("passkeys", who), certificate_ids=await self._ids("certificates", who),
            device_ids=await self._devices.trusted(who), instruments=await self._numbers(who), drop_all=drop_all,
        )  # fmt: skip
        left = cast(Recovered, accepted(await self._engine.submit(command)))
        self._forget(sessions)
        return await self._named(who, left.dropped), await self._named(who, left.kept)

    async def _nobodys(self, command_id: UUID, use: CodeUse) -> None:
        """Nobody has the login for which this code was typed: the same work, and the same answer. Declines `code_wrong`."""
        accepted(await self._engine.submit(UseCode(command_id=command_id, use=CodeUse(use.code_id, b""))))
        raise Refusal(errors.CODE_WRONG)

    async def _named(self, customer_id: UUID, ids: tuple[UUID, ...]) -> list[Credential]:
        rows = await self._pool.fetch(QUERIES["credentials_by_id"], list(ids), _MOST_SHOWN)
        fields = {"passkey": passkeys.NAME, "certificate": certificates.NAME}
        names = await self._vault.open_many([(customer_id, fields[row["kind"]], row["name"]) for row in rows])
        return [Credential(row["kind"], name, row["created_at"]) for row, name in zip(rows, names, strict=True)]

    async def _ids(self, query: str, customer_id: UUID) -> tuple[UUID, ...]:
        """Passkeys or signing keys that are trusted; their ids stand first in their rows."""
        return tuple(row[0] for row in await self._pool.fetch(QUERIES[query], customer_id, None, None, MOST_SESSIONS))

    async def _numbers(self, customer_id: UUID) -> tuple[int, ...]:
        """Instruments that pay still."""
        rows = await self._pool.fetch(QUERIES["instruments"], customer_id, self._clock.now(), None, None, MOST_SESSIONS)
        return tuple(row["number"] for row in rows)

    async def change_password(
        self, command_id: UUID, caller: Caller, password: str, new_password: str, code: str = "", pin: str | None = None
    ) -> None:
        """Refuses `password_…`, `totp_format`, `pin_format`; declines `wrong_credentials`, `login_locked`, and what the decider
        does. Every other session ends, but by a device that is not proven none on one that is."""
        trying = trying_in(caller)
        await self._identity.vouch(await self._identity.need(caller.principal_id), password, trying)
        password_hash = await self._identity.password_hash(new_password)
        pin_mac = self._identity.pin_mac(caller.principal_id, pin) if pin is not None else None
        others = await self._others(caller)
        use = await self._identity.totp.typed(caller.principal_id, code, trying, recovery=True) if code else None
        command = ChangePassword(
            command_id=command_id,
            principal_id=caller.principal_id,
            password_hash=password_hash,
            session_ids=others,
            trying=trying,
            totp=use,
            proven_at=caller.proven_at,
            pin_mac=pin_mac,
        )
        accepted(await self._engine.submit(command))
        self._forget(others)

    async def report_takeover(self, command_id: UUID, caller: Caller) -> None:
        """Suspend at once, and end every other session, but by a device that is not proven none on one that is."""
        who, others = caller.principal_id, await self._others(caller)
        devices = await self._devices.trusted(who)
        command = ReportTakeover(command_id=command_id, customer_id=who, session_ids=others, device_ids=devices)
        accepted(await self._engine.submit(command))
        self._forget(others)

    async def report_by_code(self, command_id: UUID, login: str, ticket: str, code: str) -> None:
        """The same of who is not logged in: every session ends. Refuses `login_format`; declines `code_wrong` (also where there
        is no such login)."""
        login = normal_login(login)
        use = self.typed("report", login, ticket, code)
        principal = await self._identity.find("wallet", login)
        if principal is None:
            await self._nobodys(command_id, use)
        assert principal is not None
        who = principal.principal_id
        sessions, devices = await self._devices.live_sessions(who), await self._devices.trusted(who)
        command = ReportTakeover(command_id=command_id, customer_id=who, session_ids=sessions, device_ids=devices, code=use)
        accepted(await self._engine.submit(command))
        self._forget(sessions)

    async def _others(self, caller: Caller) -> tuple[UUID, ...]:
        """The sessions that the caller may end beside their own."""
        proven = counts(caller.proven_at, self._clock.now())
        live = await self._devices.live_sessions(caller.principal_id, spares_proven=not proven)
        return tuple(session_id for session_id in live if session_id != caller.session_id)

    def _forget(self, sessions: tuple[UUID, ...]) -> None:
        for session_id in sessions:
            self._identity.forget_session(session_id)

    # ── telling people ──────────────────────────────────────────────────────────────────────────────────────────────

    async def send_due(self, limit: int = 50) -> int:
        """The worker's round: send every message that waits. Answers how many were looked at."""
        rows = await self._pool.fetch(QUERIES["messages_due"], self._clock.now(), limit)
        due = [Message(*row) for row in rows]
        return await do_each("messages", due, self._send_one, lambda message: message.message_id)

    async def _send_one(self, message: Message) -> None:
        principal = await self._identity.need(message.customer_id)
        reach = self.reach.get(message.kind)
        to = await reach(message) if reach else (await self._identity.person(message.customer_id)).login
        state: Delivery = "FAILED"
        if to:  # nobody is told whose data was erased
            write = self.texts.get(message.kind)
            text = await write(message, principal.locale) if write else alert_text(message.kind, principal.locale)
            state = await self._channel.send(str(message.message_id), to, text)
        if state == "UNKNOWN" and message.attempts + 1 >= _MOST_ATTEMPTS:
            state = "FAILED"
        command_id = named_id("message", str(message.message_id), str(message.attempts))
        retry_in_s = min(_LONGEST_RETRY_S, 2 ** min(message.attempts + 1, 12))
        command = RecordMessage(
            command_id=command_id, message_id=message.message_id, state=state, retry_in_s=retry_in_s if state == "UNKNOWN" else 0
        )
        accepted(await self._engine.submit(command))

    async def tell_locked_pins(self, limit: int = 100) -> int:
        """The worker's round: tell whose PIN was locked. A declined command leaves no alert, so it is found here."""
        now = self._clock.now()
        rows = await self._pool.fetch(QUERIES["pins_locked_untold"], now, PIN_LOCKS["here"], PIN_LOCKS["elsewhere"], limit)
        for row in rows:
            command_id = named_id("pin locked", str(row["customer_id"]), row["locked_until"].isoformat())
            command = RaiseAlert(command_id=command_id, customer_id=row["customer_id"], alert="pin_locked")
            accepted(await self._engine.submit(command))
        return len(rows)

    async def forget_old(self, limit: int = 500) -> int:
        """The worker's round, once a minute: remove codes and counts that mean nothing any more. Answers how many."""
        now = self._clock.now()
        if now < self._forgets_at:
            return 0
        self._forgets_at = now + _FORGETS_EVERY
        ids = [
            tuple(row[0] for row in await self._pool.fetch(QUERIES[query], now - age, limit))
            for query, age in (
                ("old_codes", CODES_OLD_AFTER), ("old_counts", COUNTS_OLD_AFTER), ("old_tries", TRIES_OLD_AFTER),
            )
        ]  # fmt: skip
        if not any(ids):
            return 0
        command = ForgetOld(command_id=new_id(now), code_ids=ids[0], count_ids=ids[1], tries_ids=ids[2])
        return cast(int, accepted(await self._engine.submit(command)))

    async def close(self) -> None:
        """Wait for what is being sent: each has its own time-out."""
        await asyncio.gather(*self._sending, return_exceptions=True)


def _place(caller: Caller) -> UUID:
    """Where a session is: its device."""
    return caller.device_id or caller.session_id or caller.principal_id

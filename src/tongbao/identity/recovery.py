"""How a customer gets back in, and how passwords and PINs change. No operator can set either, nor help around what is asked here.

forgotten password   a code to the phone or address, and one of: a device that is proven, the PIN
                     ─▶ every session ends and no other device is known any more; passkeys, signing keys and the authenticator
                        app of the last days go too, and all of them if that is wished or a takeover was reported; for a day
                        the limits of a new device hold, and everybody is told
changed password     the password, and the code of the authenticator app where there is one; where there is none, on a device that
                     is not proven, the PIN ─▶ every other session ends, but by a device that is not proven none on one that is
changed PIN          `rules.set_pin`

Source: NIST SP 800-63B-4, 4.2 (account recovery).
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity import errors
from tongbao.identity.alerts import tell
from tongbao.identity.certificates import CERTIFICATE
from tongbao.identity.codes import CODE, CodeUse, spend_try, use_code
from tongbao.identity.devices import DEVICE, cool, counts, end_sessions, unproven
from tongbao.identity.instruments import INSTRUMENT, revoke
from tongbao.identity.passkeys import PASSKEY
from tongbao.identity.rules import by_password, check_pin
from tongbao.identity.standing import CLOSING, REPORTED, STANDING, reasons, standing_of, without_reason
from tongbao.identity.totp import TOTP, TotpUse, drop_totp, totp_keys, totp_of, use_totp
from tongbao.identity.tries import Trying, forget_wrong, tries_keys
from tongbao.identity.types import PIN, PRINCIPAL, SESSION

#: Passkeys and signing keys that are younger are not trusted any more after a recovery: a thief's first act is to add one.
RECENT = timedelta(days=30)


class Recover(Command, frozen=True, kw_only=True):
    """A new password for who forgot theirs. `device_id`: one that the request proved to come from; `pin_mac`: the PIN as typed.
    `session_ids`, `device_ids`: every live session, every trusted device. `passkey_ids`, `certificate_ids`, `instruments` (their
    numbers): what has been added to the account; `drop_all`: trust none of it any more."""

    kind = "identity.recover"
    customer_id: UUID
    code: CodeUse
    device_id: UUID | None
    pin_mac: bytes | None
    password_hash: str
    session_ids: tuple[UUID, ...]
    passkey_ids: tuple[UUID, ...] = ()
    certificate_ids: tuple[UUID, ...] = ()
    device_ids: tuple[UUID, ...] = ()
    instruments: tuple[int, ...] = ()
    drop_all: bool = False

    def hashed(self) -> Recover:
        """Without what may not be tried out by repeating it, and what changes between two sendings."""
        return replace(
            self, code=CodeUse(self.code.code_id, b""), pin_mac=None, password_hash="", session_ids=(), passkey_ids=(),
            certificate_ids=(), device_ids=(), instruments=(),
        )  # fmt: skip


class Recovered(msgspec.Struct, frozen=True):
    """Result of `Recover`: passkeys and signing keys that were given, by whether they are trusted still."""

    dropped: tuple[UUID, ...]
    kept: tuple[UUID, ...]


class ChangePassword(Command, frozen=True, kw_only=True):
    """Another password, after the old one was found right. `session_ids`: the live sessions that end. `totp`: what the
    authenticator app says, where there is one. `proven_at`: of the session's device; `pin_mac`: the PIN as typed."""

    kind = "identity.change_password"
    principal_id: UUID
    password_hash: str
    session_ids: tuple[UUID, ...]
    trying: Trying | None = None
    totp: TotpUse | None = None
    proven_at: datetime | None = None
    pin_mac: bytes | None = None

    def hashed(self) -> ChangePassword:
        return replace(self, password_hash="", session_ids=(), trying=None, totp=None, proven_at=None, pin_mac=None)


def recover(command: Recover, view: View, now: datetime) -> Decision:
    """Declines `code_wrong` (also for an account that was closed for ever: it has no password any more), `account_closing`,
    `recovery_needs_more`, what `check_pin` does. Lifts the suspension of a reported takeover."""
    who = command.customer_id
    principal = view.get(PRINCIPAL, who)
    if principal is None or principal.audience != "wallet" or not principal.password_hash:
        return Declined(errors.CODE_WRONG)
    standing = standing_of(view, who, now)
    if refused := use_code(view, command.code, now):
        return refused
    if CLOSING in reasons(standing.suspended):
        return Declined(errors.ACCOUNT_CLOSING)
    if refused := _second(command, view, now):
        spend_try(view, command.code)
        return refused
    view.put(PRINCIPAL, replace(principal, password_hash=command.password_hash))
    end_sessions(view, who, command.session_ids, now)
    here = command.device_id if _on_proven_device(command, view, now) else None
    for device_id in command.device_ids:
        device = view.get(DEVICE, device_id)
        if device is not None and device.principal_id == who and device_id != here and device.revoked_at is None:
            view.put(DEVICE, replace(device, revoked_at=now))
    drop_all = command.drop_all or REPORTED in reasons(standing.suspended)
    since = datetime.min.replace(tzinfo=UTC) if drop_all else now - RECENT
    left = _drop_credentials(command, view, since, now)
    for number in command.instruments:  # those on a device end with it; a plain phone's or a thing's have none
        instrument = view.get(INSTRUMENT, number)
        if instrument is not None and instrument.customer_id == who and instrument.created_at >= since:
            revoke(view, instrument, now)
    totp = totp_of(view, who)
    if totp is not None and totp.confirmed_at is not None and totp.confirmed_at >= since:
        drop_totp(view, who, now)
    view.put(STANDING, replace(standing, suspended=without_reason(standing.suspended, REPORTED)))
    cool(view, who, now)
    tell(view, who, "recovered", {}, now)
    return Accepted(left)


def _drop_credentials(command: Recover, view: View, since: datetime, now: datetime) -> Recovered:
    """Trust none any more that was added since: whoever was in the account may have."""
    dropped, kept = [], []
    added: list[tuple[Relation[Any], tuple[UUID, ...]]] = [(PASSKEY, command.passkey_ids), (CERTIFICATE, command.certificate_ids)]
    for relation, ids in added:
        for each in ids:
            credential = view.get(relation, each)
            if credential is None or credential.customer_id != command.customer_id or credential.revoked_at is not None:
                continue
            if credential.created_at >= since:
                view.put(relation, replace(credential, revoked_at=now))
                dropped.append(each)
            else:
                kept.append(each)
    return Recovered(tuple(dropped), tuple(kept))


def _second(command: Recover, view: View, now: datetime) -> Declined | None:
    if _on_proven_device(command, view, now):
        return None
    if command.pin_mac is not None:
        return check_pin(view, command.customer_id, command.pin_mac, now, "recovering")
    return Declined(errors.RECOVERY_NEEDS_MORE)


def _on_proven_device(command: Recover, view: View, now: datetime) -> bool:
    device = view.get(DEVICE, command.device_id) if command.device_id is not None else None
    if device is None or device.principal_id != command.customer_id or device.revoked_at is not None:
        return False
    return counts(device.proven_at, now)


def change_password(command: ChangePassword, view: View, now: datetime) -> Decision:
    """Declines `principal_not_found`, `login_locked`, `second_factor_needed`, what `use_totp` does, `wrong_credentials` of an
    account that was closed for ever; and, for a password that leaked must not be enough to take it from its owner, on a device
    that is not proven `device_unproven`, or what `check_pin` does."""
    principal = by_password(view, command.principal_id, command.trying, now)
    if isinstance(principal, Declined):
        return principal
    if totp_of(view, command.principal_id) is not None:
        if command.totp is None:
            return Declined(errors.SECOND_FACTOR_NEEDED)
        if refused := use_totp(view, command.principal_id, command.totp, now):
            return refused
    elif not counts(command.proven_at, now):
        if command.pin_mac is None:
            return unproven(command.proven_at)
        if refused := check_pin(view, command.principal_id, command.pin_mac, now, "elsewhere"):
            return refused
    forget_wrong(view, command.trying)
    view.put(PRINCIPAL, replace(principal, password_hash=command.password_hash))
    end_sessions(view, command.principal_id, command.session_ids, now)
    tell(view, command.principal_id, "password_changed", {}, now)
    return Accepted()


def _recover_keys(command: Recover) -> list[Key]:
    who = command.customer_id
    keys = [Key(PRINCIPAL, who), Key(CODE, command.code.code_id), Key(PIN, who), Key(STANDING, who), Key(TOTP, who)]
    devices = {*command.device_ids, *([command.device_id] if command.device_id else [])}
    keys += [Key(DEVICE, each) for each in devices]
    keys += [Key(PASSKEY, each) for each in command.passkey_ids] + [Key(CERTIFICATE, each) for each in command.certificate_ids]
    keys += [Key(INSTRUMENT, each) for each in command.instruments]
    return keys + [Key(SESSION, each) for each in command.session_ids]


DECIDERS = (
    Decider(Recover, _recover_keys, recover, Recovered),
    Decider(
        ChangePassword,
        lambda command: [
            Key(PRINCIPAL, command.principal_id),
            *tries_keys(command.trying),
            *totp_keys(command.principal_id, command.totp),
            *([Key(PIN, command.principal_id)] if command.pin_mac is not None else []),
            *(Key(SESSION, each) for each in command.session_ids),
        ],
        change_password,
    ),
)

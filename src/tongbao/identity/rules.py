"""Deciders of identity, and `confirm`, by which other modules' deciders ask whether the customer really agreed."""

from __future__ import annotations

import hmac
import re
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Decider, Decision, Declined, Key, View
from tongbao.identity import errors
from tongbao.identity.alerts import tell
from tongbao.identity.certificates import CERTIFICATE, use_certificate
from tongbao.identity.codes import CODE, use_code
from tongbao.identity.devices import DEVICE, arrive, cool, counts, device_keys, unproven
from tongbao.identity.factors import INHERENCE, KNOWLEDGE, POSSESSION, SIGNATURE, Factors
from tongbao.identity.instruments import INSTRUMENT, instrument_keys, use_instrument
from tongbao.identity.passkeys import PASSKEY, use_passkey
from tongbao.identity.standing import STANDING
from tongbao.identity.totp import totp_keys, totp_of, use_totp
from tongbao.identity.tries import Trying, check_waiting, forget_wrong, tries_keys
from tongbao.identity.types import (
    LOGIN,
    PIN,
    PRINCIPAL,
    SESSION,
    ClaimConfirmation,
    Confirmation,
    EndSession,
    Enrolment,
    LoginName,
    OpenSession,
    PasskeyConfirmation,
    Pin,
    PinConfirmation,
    Principal,
    Register,
    Session,
    SetPin,
    TotpConfirmation,
)
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import derived_id
from tongbao.kernel.texts import plain
from tongbao.security.people import make_person

MOST_WRONG_PINS = 5
#: A PIN is typed on a device that is proven, on another, in getting back in, or into a network's menu. What is counted is where.
TypedAt = Literal["here", "elsewhere", "recovering", "text"]
#: How long five wrong ones lock it: a few hours for who has a device of the owner's, a day for anybody else.
PIN_LOCKS: dict[TypedAt, timedelta] = {
    "here": timedelta(hours=3),
    "elsewhere": timedelta(hours=24),
    "recovering": timedelta(hours=24),
    "text": timedelta(hours=24),
}
_COUNTS: dict[TypedAt, tuple[str, str]] = {
    "here": ("wrong_here", "locked_here_until"),
    "elsewhere": ("wrong", "locked_until"),
    "recovering": ("wrong_recovering", "locked_recovering_until"),
    "text": ("wrong_text", "locked_text_until"),
}

#: Characters that count as letters or symbols and show nothing: Hangul fillers, the blank of Braille.
_BLANK = set(" \u115f\u1160\u2800\u3164\uffa0")

_CHINESE_MOBILE = re.compile(r"1[3-9][0-9]{9}")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_EMAIL = re.compile(r"[a-z0-9._%+-]{1,64}@[a-z0-9-]+(?:\.[a-z0-9-]+)+")


class Registered(msgspec.Struct, frozen=True):
    """Result of `Register`."""

    principal_id: UUID


class SessionOpened(msgspec.Struct, frozen=True):
    """Result of `OpenSession`."""

    session_id: UUID
    expires_at: datetime


def normal_login(text: str) -> str:
    """A phone in E.164 (a bare Chinese mobile gets +86) or an email in lower case. Refuses `login_format`."""
    candidate = text.strip().replace(" ", "").replace("-", "") if "@" not in text else text.strip().lower()
    mobile = candidate.removeprefix("+86")
    if _CHINESE_MOBILE.fullmatch(mobile):
        return f"+86{mobile}"
    if candidate.startswith("+86"):  # one number, one spelling: no trunk zero, no landline
        raise Refusal(errors.LOGIN_FORMAT)
    if _E164.fullmatch(candidate) or (len(candidate) <= 254 and _EMAIL.fullmatch(candidate)):
        return candidate
    raise Refusal(errors.LOGIN_FORMAT)


def normal_name(text: str) -> str:
    """A name as it is shown. Refuses `name_format`, `control_characters`."""
    name = plain(text.strip())
    if not 1 <= len(name) <= 60 or not name.isprintable() or not set(name) - _BLANK:
        raise Refusal(errors.NAME_FORMAT)
    return name


def check_pin_choice(pin: str) -> None:
    """Refuses `pin_format` and `pin_too_simple` (one digit repeated, or a run up or down)."""
    if not re.fullmatch(r"[0-9]{6}", pin, re.ASCII):
        raise Refusal(errors.PIN_FORMAT)
    steps = {int(after) - int(before) for before, after in zip(pin, pin[1:], strict=False)}
    if len(steps) == 1 and steps <= {-1, 0, 1}:
        raise Refusal(errors.PIN_TOO_SIMPLE)


def confirmation_keys(customer_id: UUID, confirmation: Confirmation) -> list[Key]:
    """The rows `confirm` needs."""
    if isinstance(confirmation, PinConfirmation):
        return [Key(PIN, customer_id)]
    if isinstance(confirmation, PasskeyConfirmation):
        return [Key(PASSKEY, confirmation.passkey_id)]
    if isinstance(confirmation, ClaimConfirmation):
        return [*instrument_keys(confirmation), *([Key(PIN, customer_id)] if confirmation.mac else [])]
    if isinstance(confirmation, TotpConfirmation):
        return [Key(PIN, customer_id), *totp_keys(customer_id, confirmation.totp)]
    return [Key(PIN, customer_id), Key(CERTIFICATE, confirmation.certificate_id)]


def confirm(view: View, customer_id: UUID, confirmation: Confirmation, now: datetime) -> Declined | Factors:
    """Did the customer agree? If so, the factors by which it was shown. Declines what `check_pin`, `use_passkey`,
    `use_certificate`, `use_totp` and `use_instrument` do. That signatures are right and are over this very act was checked before
    (`evidence`)."""
    if isinstance(confirmation, PinConfirmation):
        refused = check_pin(view, customer_id, confirmation.mac, now, _typed_at(confirmation.on_device))
        return refused or (KNOWLEDGE | POSSESSION if confirmation.on_device else KNOWLEDGE)
    if isinstance(confirmation, PasskeyConfirmation):
        refused = use_passkey(view, customer_id, confirmation.passkey_id, confirmation.counter, now)
        return refused or POSSESSION | INHERENCE
    if isinstance(confirmation, ClaimConfirmation):
        refused = use_instrument(view, customer_id, confirmation, now)
        if refused is None and confirmation.mac:
            refused = check_pin(view, customer_id, confirmation.mac, now, _typed_with(view, confirmation))
        return refused or (KNOWLEDGE | POSSESSION if confirmation.mac else POSSESSION)
    if isinstance(confirmation, TotpConfirmation):
        refused = check_pin(view, customer_id, confirmation.mac, now, _typed_at(confirmation.on_device))
        refused = refused or use_totp(view, customer_id, confirmation.totp, now)
        return refused or KNOWLEDGE | POSSESSION
    refused = use_certificate(view, customer_id, confirmation.certificate_id, now)
    refused = refused or check_pin(view, customer_id, confirmation.mac, now, "here")  # who has the key has a device of theirs
    return refused or KNOWLEDGE | POSSESSION | SIGNATURE


def _typed_at(on_device: bool) -> TypedAt:
    return "here" if on_device else "elsewhere"


def _typed_with(view: View, claim: ClaimConfirmation) -> TypedAt:
    """Where a PIN is typed that goes with an instrument: into a network's menu, or on what is the shop's."""
    return "text" if view.need(INSTRUMENT, claim.number).kind == "text" else "elsewhere"


def check_pin(view: View, customer_id: UUID, mac: bytes, now: datetime, where: TypedAt) -> Declined | None:
    """Is it the PIN? Declines `pin_not_set`, `pin_locked`, `wrong_pin` (detail: attempts_left).

    A wrong PIN is counted even though the command is declined; five in a row lock it where they were typed, whichever process
    they came to, for the counter is changed in the same commit. Elsewhere it is not locked: a stranger who guesses on a device of
    theirs takes nothing from the owner's, nor from how the owner gets back in.
    """
    pin = view.get(PIN, customer_id)
    if pin is None:
        return Declined(errors.PIN_NOT_SET)
    count, lock = _COUNTS[where]
    before, until = getattr(pin, count), getattr(pin, lock)
    if until is not None and now < until:
        return Declined(errors.PIN_LOCKED, {"until": until})
    if hmac.compare_digest(pin.mac, mac):
        if before:
            view.put(PIN, replace(pin, **{count: 0, lock: None}))
        return None
    wrong = (0 if until is not None else before) + 1
    locked_until = now + PIN_LOCKS[where] if wrong >= MOST_WRONG_PINS else None
    view.mark(PIN, replace(pin, **{count: wrong, lock: locked_until}))
    if locked_until is not None:
        return Declined(errors.PIN_LOCKED, {"until": locked_until})
    return Declined(errors.WRONG_PIN, {"attempts_left": MOST_WRONG_PINS - wrong})


def register(command: Register, view: View, now: datetime) -> Decision:
    """Declines `login_taken`."""
    if refused := enrol(view, command.audience, command.who, command.merchant_id, now):
        return refused
    return Accepted(Registered(command.who.principal_id))


def login_keys(audience: str, login_index: bytes) -> list[Key]:
    """The rows `enrol` needs."""
    return [Key(LOGIN, (audience, login_index))]


def enrol(view: View, audience: str, who: Enrolment, merchant_id: UUID | None, now: datetime) -> Declined | None:
    """Make a principal, with keys of their own, as part of any command. Declines `login_taken`."""
    known = view.get(LOGIN, (audience, who.login_index))
    if known is not None:
        return Declined(errors.LOGIN_TAKEN)
    make_person(view, who.principal_id, who.person_key)
    view.put(LOGIN, LoginName(audience, who.login_index, who.principal_id))
    view.put(
        PRINCIPAL,
        Principal(
            who.principal_id, audience, who.name, who.name_index, who.login, who.locale, who.roles, merchant_id,
            who.password_hash, now,
        ),
    )  # fmt: skip
    return None


def open_session(command: OpenSession, view: View, now: datetime) -> Decision:
    """Declines `principal_not_found`, `login_locked`, `device_revoked`, `second_factor_needed` for a password alone where there
    is an authenticator app, what `use_passkey` and `use_totp` do, and `wrong_credentials` for an account that was closed for
    ever: it has no password any more, and takes no session whichever way somebody proved who they were."""
    principal = view.get(PRINCIPAL, command.principal_id)
    if principal is None:
        return Declined(errors.PRINCIPAL_NOT_FOUND)
    if not principal.password_hash:
        return Declined(errors.WRONG_CREDENTIALS)
    who = principal.principal_id
    if command.passkey is not None:  # what is locked is guessing passwords, and who has a passkey need not guess
        factors, refused = (
            POSSESSION | INHERENCE,
            use_passkey(view, who, command.passkey.passkey_id, command.passkey.counter, now),
        )
    else:
        factors, refused = _by_password(command, view, now)
    if refused is not None:
        return refused
    forget_wrong(view, command.trying)
    device_id, name = command.device_id, command.device_name
    if device_id is not None:
        refused = arrive(
            view, who, principal.audience, device_id, command.known_as, now,
            is_first=command.is_first, by_passkey=command.passkey is not None,
        )  # fmt: skip
        if refused is not None:
            return refused
    session_id = derived_id(now, command.command_id)
    expires_at = now + timedelta(seconds=command.lifetime_s)
    view.put(SESSION, Session(session_id, who, command.token_hash, name, now, expires_at, None, device_id, factors))
    return Accepted(SessionOpened(session_id, expires_at))


def _by_password(command: OpenSession, view: View, now: datetime) -> tuple[Factors, Declined | None]:
    """The password was right. Is there, and was there shown, a second factor?"""
    if refused := check_waiting(view, command.trying, now):
        return KNOWLEDGE, refused
    if command.totp is not None:
        return KNOWLEDGE | POSSESSION, use_totp(view, command.principal_id, command.totp, now)
    needed = totp_of(view, command.principal_id) is not None
    return KNOWLEDGE, Declined(errors.SECOND_FACTOR_NEEDED) if needed else None


def end_session(command: EndSession, view: View, now: datetime) -> Decision:
    """Declines `session_not_found`, also for somebody else's; `device_unproven` where a session on a device that is proven is to
    end by one that is not."""
    session = view.get(SESSION, command.session_id)
    if session is None or session.principal_id != command.principal_id or session.ended_at is not None:
        return Declined(errors.SESSION_NOT_FOUND)
    if command.session_id != command.here and not counts(command.proven_at, now):
        device = view.get(DEVICE, command.device_id) if command.device_id is not None else None
        if command.device_id != session.device_id or (device is not None and counts(device.proven_at, now)):
            return unproven(command.proven_at)
    view.put(SESSION, replace(session, ended_at=now))
    view.emit("sessions", "session.ended", {"session_id": session.session_id})
    return Accepted()


def set_pin(command: SetPin, view: View, now: datetime) -> Decision:
    """Declines `principal_not_found`; `login_locked`, for what is locked against guessing passwords is locked here too;
    `wrong_credentials` of an account that was closed for ever; and, since a password alone may have leaked:

        a first one     on a proven device, or with a code            `device_unproven`, `code_wrong`
        another one     with the one that is replaced, a passkey      what `confirm` does
                        or a certificate
                        or with a code, on a proven device            `old_pin_needed`, `device_unproven`, `code_wrong`

    A new PIN clears the lock of the one before, unless that one vouched for it. Of one that is replaced the customer is told, and
    for a day the limits of a new device hold."""
    principal = by_password(view, command.customer_id, command.trying, now)
    if isinstance(principal, Declined):
        return principal
    known = view.get(PIN, command.customer_id)
    if refused := _vouched(command, view, known is not None, now):
        return refused
    forget_wrong(view, command.trying)
    if known is not None and not hmac.compare_digest(known.mac, command.mac):
        cool(view, command.customer_id, now)
        tell(view, command.customer_id, "pin_changed", {}, now)
    view.put(PIN, Pin(command.customer_id, command.mac, 0, None, now))
    return Accepted()


def by_password(view: View, principal_id: UUID, trying: Trying | None, now: datetime) -> Principal | Declined:
    """Whose password was just seen. Declines `principal_not_found`; `wrong_credentials` of an account that was closed for ever;
    `login_locked`."""
    principal = view.get(PRINCIPAL, principal_id)
    if principal is None:
        return Declined(errors.PRINCIPAL_NOT_FOUND)
    if not principal.password_hash:
        return Declined(errors.WRONG_CREDENTIALS)
    return check_waiting(view, trying, now) or principal


def _vouched(command: SetPin, view: View, replaces: bool, now: datetime) -> Declined | None:
    """Is there more than a password? See `set_pin`."""
    if command.confirmation is not None and replaces:
        agreed = confirm(view, command.customer_id, command.confirmation, now)
        return agreed if isinstance(agreed, Declined) else None
    proven = counts(command.proven_at, now)
    if command.code is None:
        if replaces:
            return Declined(errors.OLD_PIN_NEEDED)
        return None if proven else unproven(command.proven_at)
    if replaces and not proven:
        return unproven(command.proven_at)
    return use_code(view, command.code, now)


def _session_keys(command: OpenSession) -> list[Key]:
    passkeys = [Key(PASSKEY, command.passkey.passkey_id)] if command.passkey else []
    return [
        Key(PRINCIPAL, command.principal_id),
        *device_keys(command.principal_id, command.device_id),
        *passkeys,
        *tries_keys(command.trying),
        *totp_keys(command.principal_id, command.totp),
    ]


DECIDERS = (
    Decider(Register, lambda command: login_keys(command.audience, command.who.login_index), register, Registered),
    Decider(
        OpenSession,
        _session_keys,
        open_session,
        SessionOpened,
    ),
    Decider(
        EndSession,
        lambda command: [
            Key(SESSION, command.session_id),
            *([Key(DEVICE, command.device_id)] if command.device_id is not None else []),
        ],
        end_session,
    ),
    Decider(
        SetPin,
        lambda command: [
            Key(PRINCIPAL, command.customer_id),
            Key(PIN, command.customer_id),
            Key(STANDING, command.customer_id),
            *tries_keys(command.trying),
            *([Key(CODE, command.code.code_id)] if command.code else []),
            *(confirmation_keys(command.customer_id, command.confirmation) if command.confirmation else []),
        ],
        set_pin,
    ),
)

"""Rows and commands of identity."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

import msgspec

from tongbao.engine.api import Command, Relation
from tongbao.identity.codes import CodeUse
from tongbao.identity.factors import Factors
from tongbao.identity.totp import TotpUse
from tongbao.identity.tries import Trying

Audience = Literal["wallet", "merchant", "console"]
Locale = Literal["zh", "en"]


class Principal(msgspec.Struct, frozen=True, gc=False):
    """Someone who logs in: a customer (wallet), a merchant's staff (merchant), an operator (console).

    `name` and `login` are sealed for this person (`security.personal`); `name_index` finds them by the whole name.
    `roles` is a comma-separated list; `merchant_id` is set for staff.
    """

    principal_id: UUID
    audience: str
    name: bytes
    name_index: bytes
    login: bytes
    locale: Locale
    roles: str
    merchant_id: UUID | None
    password_hash: str
    created_at: datetime


#: Whose a log-in is that was given up: the next who asks may have it.
NOBODY = UUID(int=0)


class LoginName(msgspec.Struct, frozen=True, gc=False):
    """The index of a phone (E.164) or email (lower case), and whose it is in one audience."""

    audience: str
    login_index: bytes
    principal_id: UUID


class Pin(msgspec.Struct, frozen=True, gc=False):
    """A customer's payment PIN: a keyed MAC, and how often it was got wrong since it was last right: on devices that are not
    proven, on those that are (`…_here`), in getting back in (`…_recovering`), and into a network's menu by who has the SIM
    (`…_text`). Each locks by itself, so that nobody who guesses elsewhere locks an owner out."""

    customer_id: UUID
    mac: bytes
    wrong: int
    locked_until: datetime | None
    set_at: datetime
    wrong_here: int = 0
    locked_here_until: datetime | None = None
    wrong_recovering: int = 0
    locked_recovering_until: datetime | None = None
    wrong_text: int = 0
    locked_text_until: datetime | None = None


class Session(msgspec.Struct, frozen=True, gc=False):
    """A log-in. Its token is known only to its device; here is the token's SHA-256. `device_id`: see `identity.devices`.
    `factors`: by which it was shown who it is."""

    session_id: UUID
    principal_id: UUID
    token_hash: bytes
    device_name: bytes
    created_at: datetime
    expires_at: datetime
    ended_at: datetime | None
    device_id: UUID | None
    factors: Factors


LOGIN: Relation[LoginName] = Relation("login_name", LoginName, key=("audience", "login_index"), rank=100, removable=True)
PRINCIPAL: Relation[Principal] = Relation("principal", Principal, key=("principal_id",), rank=110, marks=True)
PIN: Relation[Pin] = Relation("pin", Pin, key=("customer_id",), rank=120, marks=True)
SESSION: Relation[Session] = Relation("session", Session, key=("session_id",), rank=130)


class PinConfirmation(msgspec.Struct, frozen=True, tag="pin"):
    """The customer typed their PIN. `mac` is what it comes to under the installation's key. Factor: knowledge.

    `on_device`: the request was proved to come from a device of the customer's that is proven (`devices`), by a secret that only
    it has. Factor: possession.
    """

    mac: bytes
    on_device: bool = False


class PasskeyConfirmation(msgspec.Struct, frozen=True, tag="passkey"):
    """A passkey of the customer's signed this very act and saw its user; `counter` is what it said. Factors: possession and
    inherence."""

    passkey_id: UUID
    counter: int


class CertificateConfirmation(msgspec.Struct, frozen=True, tag="certificate"):
    """A key of the customer's signed this very act, and they typed their PIN (`mac`). Factors: knowledge, possession and
    signature."""

    certificate_id: UUID
    mac: bytes


class TotpConfirmation(msgspec.Struct, frozen=True, tag="totp"):
    """The customer typed their PIN (`mac`) and the code of their authenticator app. Factors: knowledge and possession.
    `on_device`: as of a PIN alone; there wrong ones are counted."""

    mac: bytes
    totp: TotpUse
    on_device: bool = False


class ClaimConfirmation(msgspec.Struct, frozen=True, tag="claim"):
    """An instrument of the customer's showed that it was there (`identity.instruments`, `methods.api`): its `number`, the `nonce`
    that it never shows again, and the device on which it lives. `mac`: what the customer's PIN comes to, where they typed it too.
    Factors: possession, and knowledge with a PIN."""

    number: int
    nonce: int
    device_id: UUID | None = None
    mac: bytes = b""


#: How a customer confirms an act.
Confirmation = PinConfirmation | PasskeyConfirmation | CertificateConfirmation | TotpConfirmation | ClaimConfirmation


def pin_of(confirmation: Confirmation) -> bytes:
    """The PIN's MAC of a confirmation by PIN alone, for a model that knows no other."""
    assert isinstance(confirmation, PinConfirmation)
    return confirmation.mac


#: Stands in fingerprints for whatever confirmation a command carries.
UNSAID = PinConfirmation(b"")


class Enrolment(msgspec.Struct, frozen=True):
    """Who is to log in: as a principal of this id (random, used once), with these wrapped keys of their own.

    Made by `enrolment.sealed`.
    """

    principal_id: UUID
    person_key: bytes
    login_index: bytes
    login: bytes
    name_index: bytes
    name: bytes
    locale: Locale
    password_hash: str
    roles: str = ""

    def hashed(self) -> Enrolment:
        """Without what is made anew each time: the id, the keys, what is sealed under them (the indexes stand for that) and the
        salted password, which whoever repeats has to prove apart."""
        return msgspec.structs.replace(self, principal_id=_NOBODY, person_key=b"", login=b"", name=b"", password_hash="")


_NOBODY = UUID(int=0)


class Register(Command, frozen=True, kw_only=True):
    """Make a principal."""

    kind = "identity.register"
    audience: str
    who: Enrolment
    merchant_id: UUID | None = None

    def hashed(self) -> Register:
        return msgspec.structs.replace(self, who=self.who.hashed())


class OpenSession(Command, frozen=True, kw_only=True):
    """Log in, after the password was found right, with `totp` where there is an authenticator app; or by `passkey`.

    `known_as`: what a new device is called, sealed. `is_first`: no device of theirs is known yet; two first ones at the same
    moment would both be taken for it, and both by somebody who knows the password of an account that nobody has used.
    """

    kind = "identity.open_session"
    principal_id: UUID
    token_hash: bytes
    device_name: bytes
    lifetime_s: int
    device_id: UUID | None = None
    known_as: bytes = b""
    is_first: bool = False
    passkey: PasskeyConfirmation | None = None
    trying: Trying | None = None
    totp: TotpUse | None = None

    def hashed(self) -> OpenSession:
        """Without the device's name, which is sealed anew each time and is only a note, and without what proved the wish."""
        return msgspec.structs.replace(self, device_name=b"", known_as=b"", passkey=None, trying=None, totp=None)


class EndSession(Command, frozen=True, kw_only=True):
    """Log out, here or from another device. `device_id`: where the session is; `here`, `proven_at`: the session that asks, and
    its device's."""

    kind = "identity.end_session"
    principal_id: UUID
    session_id: UUID
    device_id: UUID | None = None
    here: UUID | None = None
    proven_at: datetime | None = None

    def hashed(self) -> EndSession:
        return msgspec.structs.replace(self, device_id=None, here=None, proven_at=None)


class SetPin(Command, frozen=True, kw_only=True):
    """Set or replace the payment PIN, after the password was found right. `proven_at`: of the session's device. `confirmation`:
    with the PIN that is replaced, a passkey or a certificate; otherwise `code`, as typed."""

    kind = "identity.set_pin"
    customer_id: UUID
    mac: bytes
    trying: Trying | None = None
    proven_at: datetime | None = None
    confirmation: Confirmation | None = None
    code: CodeUse | None = None

    def hashed(self) -> SetPin:
        """Without where it was tried, and what may not be tried out by repeating it."""
        return msgspec.structs.replace(self, trying=None, proven_at=None, confirmation=None, code=None)

"""What is added to an account, and what vouches for it in the same commit.

a passkey       the password, on a proven device or with the PIN
a signing key   the PIN and a passkey
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, View
from tongbao.identity import errors
from tongbao.identity.alerts import tell
from tongbao.identity.certificates import Algorithm, Certificate, put_certificate, put_keys
from tongbao.identity.devices import cool, counts, unproven
from tongbao.identity.passkeys import PASSKEY, AddPasskey, Passkey, use_passkey
from tongbao.identity.rules import check_pin
from tongbao.identity.standing import STANDING
from tongbao.identity.tries import check_waiting, forget_wrong, tries_keys
from tongbao.identity.types import PIN, PRINCIPAL, PasskeyConfirmation


class EnrolCertificate(Command, frozen=True, kw_only=True):
    """Bind a signing key to its customer. That the key signed its own enrolment was checked before."""

    kind = "identity.enrol_certificate"
    certificate_id: UUID
    customer_id: UUID
    algorithm: Algorithm
    public_key: bytes
    x509: bytes
    name: bytes
    lives: timedelta
    pin_mac: bytes
    passkey: PasskeyConfirmation

    def hashed(self) -> EnrolCertificate:
        """Without what proved the wish, and without what is made anew each time."""
        return replace(self, x509=b"", name=b"", pin_mac=b"", passkey=PasskeyConfirmation(self.certificate_id, 0))


def enrol_certificate(command: EnrolCertificate, view: View, now: datetime) -> Decision:
    """Declines what `check_pin` and `use_passkey` do."""
    who = command.customer_id
    refused = use_passkey(view, who, command.passkey.passkey_id, command.passkey.counter, now)
    refused = refused or check_pin(view, who, command.pin_mac, now, "here")  # who has the passkey has a device of theirs
    if refused is not None:
        return refused
    certificate = Certificate(
        command.certificate_id, who, command.algorithm, command.public_key, command.x509, command.name, now,
        now + command.lives, None,
    )  # fmt: skip
    put_certificate(view, certificate, now)
    return Accepted()


def add_passkey(command: AddPasskey, view: View, now: datetime) -> Decision:
    """Declines `principal_not_found`, `passkey_known`; `login_locked`, for what is locked against guessing passwords is locked
    here too; and on a device that is not proven `device_unproven`, or what `check_pin` does: who has a passkey needs no password
    any more, so a password that leaked must not be enough to add one."""
    if view.get(PRINCIPAL, command.customer_id) is None:
        return Declined(errors.PRINCIPAL_NOT_FOUND)
    if refused := check_waiting(view, command.trying, now):
        return refused
    proven = counts(command.proven_at, now)
    if command.pin_mac is None and not proven:
        return unproven(command.proven_at)
    if command.pin_mac is not None:
        refused = check_pin(view, command.customer_id, command.pin_mac, now, "here" if proven else "elsewhere")
        if refused is not None:
            return refused
    forget_wrong(view, command.trying)
    if view.get(PASSKEY, command.passkey_id) is not None:
        return Declined(errors.PASSKEY_KNOWN)
    view.put(
        PASSKEY,
        Passkey(
            command.passkey_id, command.customer_id, command.credential_id, command.public_key, command.counter, command.name,
            now, None, None,
        ),
    )  # fmt: skip
    cool(view, command.customer_id, now)
    tell(view, command.customer_id, "passkey_added", {"passkey_id": str(command.passkey_id)}, now)
    return Accepted()


def _keys(command: EnrolCertificate) -> list[Key]:
    vouching = [Key(PIN, command.customer_id), Key(PASSKEY, command.passkey.passkey_id)]
    return [*vouching, *put_keys(command.customer_id, command.certificate_id)]


def _passkey_keys(command: AddPasskey) -> list[Key]:
    who = command.customer_id
    pin = [Key(PIN, who)] if command.pin_mac is not None else []
    return [Key(PRINCIPAL, who), Key(PASSKEY, command.passkey_id), Key(STANDING, who), *pin, *tries_keys(command.trying)]


DECIDERS = (Decider(EnrolCertificate, _keys, enrol_certificate), Decider(AddPasskey, _passkey_keys, add_passkey))

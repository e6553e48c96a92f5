"""Enrolling a signing key: the PIN and a passkey vouch for it, in the same commit."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Key, View
from tongbao.identity.certificates import Algorithm, Certificate, put_certificate, put_keys
from tongbao.identity.passkeys import PASSKEY, use_passkey
from tongbao.identity.rules import check_pin
from tongbao.identity.types import PIN, PasskeyConfirmation


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
    refused = check_pin(view, who, command.pin_mac, now)
    refused = refused or use_passkey(view, who, command.passkey.passkey_id, command.passkey.counter, now)
    if refused is not None:
        return refused
    certificate = Certificate(
        command.certificate_id, who, command.algorithm, command.public_key, command.x509, command.name, now,
        now + command.lives, None,
    )  # fmt: skip
    put_certificate(view, certificate, now)
    return Accepted()


def _keys(command: EnrolCertificate) -> list[Key]:
    vouching = [Key(PIN, command.customer_id), Key(PASSKEY, command.passkey.passkey_id)]
    return [*vouching, *put_keys(command.customer_id, command.certificate_id)]


DECIDERS = (Decider(EnrolCertificate, _keys, enrol_certificate),)

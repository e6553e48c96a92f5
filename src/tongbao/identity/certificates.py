"""Certificates: a customer's own signing keys, for payments of any size. The key is made on a device and never leaves it; the
customer vouches for it with the PIN and with a passkey or a one-time code; our own small authority binds it to them.

    enrolled ─▶ expired          after two years
        └─revoke─▶ revoked       for ever

A payment confirmed by a signature over the act's own text, together with the PIN, is the strong kind.

Source: Electronic Signature Law of the PRC, Art. 13; GB/T 32918 (SM2), GB/T 32905 (SM3); RFC 8032, 8410 (Ed25519); RFC 5280.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import msgspec
from msgspec.structs import replace

from tongbao.engine.api import Accepted, Command, Decider, Decision, Declined, Key, Relation, View
from tongbao.identity import errors
from tongbao.identity.alerts import tell
from tongbao.identity.devices import cool, counts, unproven
from tongbao.identity.standing import STANDING

#: Where the vault puts a certificate's name.
NAME = "certificate.name"
LIVES = timedelta(days=730)

Algorithm = Literal["ed25519", "sm2"]


class Certificate(msgspec.Struct, frozen=True, gc=False):
    """A customer's signing key. `public_key`: 32 bytes of Ed25519 or 64 of SM2. `x509`: DER, empty for SM2. `name` is sealed."""

    certificate_id: UUID
    customer_id: UUID
    algorithm: Algorithm
    public_key: bytes
    x509: bytes
    name: bytes
    created_at: datetime
    expires_at: datetime
    revoked_at: datetime | None


CERTIFICATE: Relation[Certificate] = Relation("certificate", Certificate, key=("certificate_id",), rank=128, removable=True)


class RevokeCertificate(Command, frozen=True, kw_only=True):
    """Trust a signing key no more. `proven_at`: of the device where it is asked for."""

    kind = "identity.revoke_certificate"
    customer_id: UUID
    certificate_id: UUID
    proven_at: datetime | None = None

    def hashed(self) -> RevokeCertificate:
        return replace(self, proven_at=None)


def use_certificate(view: View, customer_id: UUID, certificate_id: UUID, now: datetime) -> Declined | None:
    """A signing key signed. Declines `certificate_unknown` (also somebody else's), `certificate_revoked`,
    `certificate_expired`."""
    certificate = view.get(CERTIFICATE, certificate_id)
    if certificate is None or certificate.customer_id != customer_id:
        return Declined(errors.CERTIFICATE_UNKNOWN)
    if certificate.revoked_at is not None:
        return Declined(errors.CERTIFICATE_REVOKED)
    return Declined(errors.CERTIFICATE_EXPIRED) if now >= certificate.expires_at else None


def put_certificate(view: View, certificate: Certificate, now: datetime) -> None:
    """Enrol a key for which its customer has vouched."""
    view.put(CERTIFICATE, certificate)
    cool(view, certificate.customer_id, now)
    tell(view, certificate.customer_id, "certificate_added", {"certificate_id": str(certificate.certificate_id)}, now)


def revoke_certificate(command: RevokeCertificate, view: View, now: datetime) -> Decision:
    """Declines `certificate_unknown`, also for somebody else's and for one that is revoked already; `device_unproven`, for it is
    how its owner shows who they are."""
    certificate = view.get(CERTIFICATE, command.certificate_id)
    if certificate is None or certificate.customer_id != command.customer_id or certificate.revoked_at is not None:
        return Declined(errors.CERTIFICATE_UNKNOWN)
    if not counts(command.proven_at, now):
        return unproven(command.proven_at)
    view.put(CERTIFICATE, replace(certificate, revoked_at=now))
    tell(view, command.customer_id, "certificate_revoked", {"certificate_id": str(command.certificate_id)}, now)
    return Accepted()


def put_keys(customer_id: UUID, certificate_id: UUID) -> list[Key]:
    """The rows `put_certificate` needs."""
    return [Key(CERTIFICATE, certificate_id), Key(STANDING, customer_id)]


DECIDERS = (Decider(RevokeCertificate, lambda command: [Key(CERTIFICATE, command.certificate_id)], revoke_certificate),)

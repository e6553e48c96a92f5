"""Our own small certificate authority, and the checking of signatures.

The authority's key follows from the installation's keys, so its own certificate is the same wherever it is made. It says one
thing only: this Ed25519 key belongs to the customer with this id. No name is in it.

Source: RFC 5280; RFC 8410 (Ed25519 in X.509); GB/T 32918.2 (SM2 with SM3 and the default id).
"""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import gmssl_pyx
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tongbao.identity import errors
from tongbao.identity.certificates import Algorithm
from tongbao.kernel.errors import Refusal
from tongbao.security.keys import mac

_BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
_ENDS = datetime(2046, 1, 1, tzinfo=UTC)


class Authority:
    """Issues certificates. `key`: one of the installation's, from which the authority's own is made."""

    def __init__(self, key: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(mac(key, b"certificate authority"))
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tongbao 通宝 Customer Authority")])

    def own(self) -> bytes:
        """The authority's own certificate, DER: what others check the issued ones against."""
        builder = self._builder(self._name, 1, self._key.public_key(), _BEGAN, _ENDS)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=True), critical=True)
        return builder.sign(self._key, None).public_bytes(Encoding.DER)

    def issue(self, certificate_id: UUID, customer_id: UUID, public_key: bytes, begins: datetime, ends: datetime) -> bytes:
        """A certificate for a customer's Ed25519 key, DER."""
        name = x509.Name([x509.NameAttribute(NameOID.USER_ID, str(customer_id))])
        # A serial number is positive and has at most 20 octets (RFC 5280, 4.1.2.2).
        builder = self._builder(name, certificate_id.int, Ed25519PublicKey.from_public_bytes(public_key), begins, ends)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(signs_certificates=False), critical=True)
        return builder.sign(self._key, None).public_bytes(Encoding.DER)

    def _builder(
        self, subject: x509.Name, serial: int, key: Ed25519PublicKey, begins: datetime, ends: datetime
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .issuer_name(self._name)
            .subject_name(subject)
            .serial_number(serial)
            .public_key(key)
            .not_valid_before(begins)
            .not_valid_after(ends)
        )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates, content_commitment=not signs_certificates, key_encipherment=False,
        data_encipherment=False, key_agreement=False, key_cert_sign=signs_certificates, crl_sign=signs_certificates,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def normal_key(algorithm: Algorithm, public_key: bytes) -> bytes:
    """A public key as it is kept. Refuses `public_key_format`."""
    try:
        if algorithm == "sm2":
            return bytes(gmssl_pyx.normalize_sm2_public_key(public_key))
        return Ed25519PublicKey.from_public_bytes(public_key).public_bytes_raw()
    except (gmssl_pyx.InvalidValueError, ValueError):
        raise Refusal(errors.PUBLIC_KEY_FORMAT) from None


def signed(algorithm: Algorithm, public_key: bytes, text: str, signature: bytes) -> bool:
    """Whether the text was signed with this key. SM2: ASN.1 DER, over SM3 with the default id."""
    try:
        if algorithm == "sm2":
            return bool(gmssl_pyx.sm2_verify(public_key, text.encode(), signature))
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, text.encode())
    except (InvalidSignature, gmssl_pyx.GmsslInnerError):
        return False
    return True

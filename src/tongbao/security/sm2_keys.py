"""SM2 keys in and out of PEM, as OpenSSL and GmSSL write them: the library for the rest does not know the curve.

Only what these two programs write is read: a named curve, an uncompressed point, the public key within the private one. Whatever
else says the same is refused rather than guessed at.
Source: RFC 5208 (PKCS#8), RFC 5915 (ECPrivateKey), RFC 5480 (SubjectPublicKeyInfo), GB/T 33560 (curve 1.2.156.10197.1.301).
"""

from __future__ import annotations

import base64
import binascii
import textwrap
from typing import Final

#: id-ecPublicKey on the curve sm2p256v1.
_ALGORITHM: Final = bytes.fromhex("301306072a8648ce3d020106082a811ccf5501822d")
_PUBLIC_HEAD: Final = bytes.fromhex("3059") + _ALGORITHM + bytes.fromhex("03420004")
_PRIVATE_HEAD: Final = bytes.fromhex("308187020100") + _ALGORITHM + bytes.fromhex("046d306b0201010420")
_PRIVATE_MIDDLE: Final = bytes.fromhex("a144034200" + "04")

_P: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF00000000FFFFFFFFFFFFFFFF
_B: Final = 0x28E9FA9E9D9F5E344D5A9E4BCF6509A7F39789F515AB8F92DDBCBD414D940E93
_ORDER: Final = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123


class PemError(ValueError):
    """A text is no key of the kind that was asked for."""


def public_pem(point: bytes) -> str:
    """A point of 64 bytes as SubjectPublicKeyInfo."""
    return _pem("PUBLIC KEY", _PUBLIC_HEAD + point)


def private_pem(scalar: bytes, point: bytes) -> str:
    """A private key of 32 bytes with its point as PKCS#8."""
    return _pem("PRIVATE KEY", _PRIVATE_HEAD + scalar + _PRIVATE_MIDDLE + point)


def public_sm2(pem: str) -> bytes:
    """The point, 64 bytes. Raises PemError, also for a point that is not on the curve."""
    raw = _der(pem, "PUBLIC KEY")
    if len(raw) != len(_PUBLIC_HEAD) + 64 or not raw.startswith(_PUBLIC_HEAD):
        raise PemError("this is no public key of SM2")
    return _on_curve(raw[-64:])


def private_sm2(pem: str) -> tuple[bytes, bytes]:
    """The private key, 32 bytes, and its point. Raises PemError."""
    raw = _der(pem, "PRIVATE KEY")
    start = len(_PRIVATE_HEAD)
    scalar, middle, point = raw[start : start + 32], raw[start + 32 : -64], raw[-64:]
    if len(raw) != start + 32 + len(_PRIVATE_MIDDLE) + 64 or not raw.startswith(_PRIVATE_HEAD) or middle != _PRIVATE_MIDDLE:
        raise PemError("this is no private key of SM2")
    if not 0 < int.from_bytes(scalar, "big") < _ORDER - 1:
        raise PemError("this private key of SM2 is out of range")
    return scalar, _on_curve(point)


def _on_curve(point: bytes) -> bytes:
    x, y = int.from_bytes(point[:32], "big"), int.from_bytes(point[32:], "big")
    if x >= _P or y >= _P or (y * y - (x * x * x - 3 * x + _B)) % _P:
        raise PemError("this public key of SM2 is no point of the curve")
    return point


def _pem(kind: str, der: bytes) -> str:
    lines = textwrap.wrap(base64.b64encode(der).decode(), 64)
    return "\n".join([f"-----BEGIN {kind}-----", *lines, f"-----END {kind}-----", ""])


def _der(pem: str, kind: str) -> bytes:
    lines = pem.strip().splitlines()
    if len(lines) < 3 or lines[0] != f"-----BEGIN {kind}-----" or lines[-1] != f"-----END {kind}-----":
        raise PemError(f"this is no {kind.lower()} in PEM")
    try:
        return base64.b64decode("".join(line.strip() for line in lines[1:-1]), validate=True)
    except binascii.Error:
        raise PemError(f"this is no {kind.lower()} in PEM") from None

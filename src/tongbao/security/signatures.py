"""Signatures, one shape for all: RSA with SHA-256 (PSS, PKCS#1 v1.5), SM2 with SM3, Ed25519, ML-DSA-65.

    signer = load_signer(pem, "SM2-SM3")
    load_verifier(signer.public_pem(), "SM2-SM3").verify(message, signer.sign(message))   # True

Keys travel as PEM: PKCS#8 for private keys, SubjectPublicKeyInfo for public ones. An RSA key says nothing of the padding, so the
algorithm is always named by who loads it; a key of another kind is refused.
Source: RFC 8017, 8.1 and 8.2 (RSA); GB/T 32918.2 (SM2), GB/T 32905 (SM3), GM/T 0009, 10 (the default user id); RFC 8032
(Ed25519); FIPS 204 (ML-DSA-65, empty context); RFC 8410, RFC 9881 (keys); GM/T 0003, RFC 5915 and RFC 5480 (SM2 keys).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Literal, Protocol, get_args

import gmssl_pyx
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from tongbao.security.sm2_keys import PemError, private_pem, private_sm2, public_pem, public_sm2

Algorithm = Literal["RSA-PSS-SHA256", "RSA-SHA256", "SM2-SM3", "Ed25519", "ML-DSA-65"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)

#: What SM2 signs together with the message, unless two sides agree on another. Source: GM/T 0009-2012, 10.
SM2_USER_ID: Final = b"1234567812345678"
#: The shortest RSA key that is taken. Source: NIST SP 800-57 part 1, 5.6.1 (112 bits of strength).
LEAST_RSA_BITS: Final = 2048


class Verifier(Protocol):
    """A public key with its algorithm."""

    algorithm: Algorithm

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's over this message. Never raises for what others sent."""
        ...

    def public_pem(self) -> str:
        """The public key."""
        ...


class Signer(Protocol):
    """A private key with its algorithm."""

    algorithm: Algorithm

    def sign(self, message: bytes) -> bytes:
        """The signature over this message."""
        ...

    def public_pem(self) -> str:
        """The public key, for `load_verifier`."""
        ...

    def private_pem(self) -> str:
        """The private key, not encrypted: to be kept sealed."""
        ...


_PSS = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
#: By algorithm: the kinds of private and public key, and what signing and verifying add to the message.
_LIBRARY: Final[dict[str, tuple[type[Any], type[Any], tuple[Any, ...]]]] = {
    "RSA-PSS-SHA256": (rsa.RSAPrivateKey, rsa.RSAPublicKey, (_PSS, SHA256())),
    "RSA-SHA256": (rsa.RSAPrivateKey, rsa.RSAPublicKey, (padding.PKCS1v15(), SHA256())),
    "Ed25519": (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey, ()),
    "ML-DSA-65": (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey, ()),
}
_GENERATED: Final[dict[str, Callable[[], Any]]] = {
    "RSA-PSS-SHA256": lambda: rsa.generate_private_key(65_537, 3072),
    "RSA-SHA256": lambda: rsa.generate_private_key(65_537, 3072),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey.generate,
}


class _LibraryVerifier:
    def __init__(self, key: Any, algorithm: Algorithm) -> None:
        self._key = key
        self.algorithm = algorithm

    def verify(self, message: bytes, signature: bytes) -> bool:
        try:
            self._key.verify(signature, message, *_LIBRARY[self.algorithm][2])
        except InvalidSignature:
            return False
        return True

    def public_pem(self) -> str:
        pem: bytes = self._key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return pem.decode()


class _LibrarySigner:
    def __init__(self, key: Any, algorithm: Algorithm) -> None:
        self._key = key
        self.algorithm = algorithm

    def sign(self, message: bytes) -> bytes:
        signature: bytes = self._key.sign(message, *_LIBRARY[self.algorithm][2])
        return signature

    def public_pem(self) -> str:
        return _LibraryVerifier(self._key.public_key(), self.algorithm).public_pem()

    def private_pem(self) -> str:
        pem: bytes = self._key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return pem.decode()


class _Sm2Verifier:
    algorithm: Algorithm = "SM2-SM3"

    def __init__(self, point: bytes, user_id: bytes) -> None:
        self._point = point
        self._user_id = user_id

    def verify(self, message: bytes, signature: bytes) -> bool:
        try:
            return bool(gmssl_pyx.sm2_verify(self._point, message, signature, self._user_id))
        except (gmssl_pyx.GmsslInnerError, ValueError):
            return False  # it is no signature at all

    def public_pem(self) -> str:
        return public_pem(self._point)


class _Sm2Signer:
    algorithm: Algorithm = "SM2-SM3"

    def __init__(self, scalar: bytes, point: bytes, user_id: bytes) -> None:
        self._scalar = scalar
        self._point = point
        self._user_id = user_id

    def sign(self, message: bytes) -> bytes:
        signature: bytes = gmssl_pyx.sm2_sign(self._scalar, self._point, message, self._user_id)
        return signature

    def public_pem(self) -> str:
        return public_pem(self._point)

    def private_pem(self) -> str:
        return private_pem(self._scalar, self._point)


def generate(algorithm: Algorithm) -> Signer:
    """A new key. RSA has 3,072 bits."""
    if algorithm == "SM2-SM3":
        point, scalar = gmssl_pyx.sm2_key_generate()
        return _Sm2Signer(scalar, point, SM2_USER_ID)
    return _LibrarySigner(_GENERATED[algorithm](), algorithm)


def load_signer(pem: str, algorithm: Algorithm, *, user_id: bytes = SM2_USER_ID) -> Signer:
    """A private key. Raises PemError if it is none, or not of this algorithm. `user_id`: for SM2 only."""
    if algorithm == "SM2-SM3":
        scalar, point = private_sm2(pem)
        return _Sm2Signer(scalar, point, user_id)
    return _LibrarySigner(_loaded(lambda: load_pem_private_key(pem.encode(), None), algorithm, 0), algorithm)


def load_verifier(pem: str, algorithm: Algorithm, *, user_id: bytes = SM2_USER_ID) -> Verifier:
    """A public key. Raises PemError if it is none, or not of this algorithm. `user_id`: for SM2 only."""
    if algorithm == "SM2-SM3":
        return _Sm2Verifier(public_sm2(pem), user_id)
    return _LibraryVerifier(_loaded(lambda: load_pem_public_key(pem.encode()), algorithm, 1), algorithm)


def _loaded(load: Callable[[], Any], algorithm: Algorithm, which: int) -> Any:
    try:
        key = load()
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise PemError(f"this is no key of {algorithm}: {error}") from None
    if not isinstance(key, _LIBRARY[algorithm][which]):
        raise PemError(f"this is no key of {algorithm}")
    if isinstance(key, (rsa.RSAPrivateKey, rsa.RSAPublicKey)) and key.key_size < LEAST_RSA_BITS:
        raise PemError(f"an RSA key has at least {LEAST_RSA_BITS} bits, not {key.key_size}")
    return key


__all__ = [
    "ALGORITHMS", "SM2_USER_ID", "Algorithm", "PemError", "Signer", "Verifier", "generate", "load_signer",
    "load_verifier",
]  # fmt: skip

"""Who vouches for a dynamic code: one Ed25519 key signs, several verify, so that keys rotate without a code going dead.

To rotate: publish the new public key everywhere, sign with it, and drop the old one when its last code has expired.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from typing import Protocol

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

#: What is signed begins so, that a signature given for a code is good for nothing else.
_DOMAIN = b"tongbao/qr/dynamic/1\x00"
_KEY_ID = re.compile(r"[A-Za-z0-9_-]{1,8}")
#: 64 bytes in base 85: 16 groups of 5 characters, and one text only for each signature.
SIGNATURE_LENGTH = 80


class CodeVerifier(Protocol):
    """Tells whether a text was signed by one of our keys."""

    def verify(self, key_id: str, text: str, signature: str) -> bool:
        """Whether `signature` (80 characters of base 85) is that of `key_id` over `text`. Never raises: no key, no."""
        ...


class PublicKeys:
    """Verifies only: for a service that reads codes and must not be able to make them."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey]) -> None:
        self._keys = dict(keys)

    def verify(self, key_id: str, text: str, signature: str) -> bool:
        """See `CodeVerifier.verify`."""
        key = self._keys.get(key_id)
        if key is None or len(signature) != SIGNATURE_LENGTH:
            return False
        try:
            key.verify(base64.b85decode(signature), _DOMAIN + text.encode())
        except (InvalidSignature, ValueError):
            return False
        return True


class CodeSigner:
    """Signs under `key_id` (1 to 8 of `A-Za-z0-9_-`) and verifies that key and `others`. A bad key id is a `ValueError`."""

    def __init__(self, private_key: Ed25519PrivateKey, key_id: str, others: Mapping[str, Ed25519PublicKey] | None = None) -> None:
        if _KEY_ID.fullmatch(key_id) is None:
            raise ValueError("a key id is 1 to 8 letters, digits, - or _")
        self.key_id = key_id
        self._private_key = private_key
        self._public = PublicKeys({**(others or {}), key_id: private_key.public_key()})

    @classmethod
    def from_seed(cls, seed: bytes, key_id: str, others: Mapping[str, bytes] | None = None) -> CodeSigner:
        """From raw keys as configuration holds them: a 32-byte private seed, and 32-byte public keys by id."""
        public = {name: Ed25519PublicKey.from_public_bytes(raw) for name, raw in (others or {}).items()}
        return cls(Ed25519PrivateKey.from_private_bytes(seed), key_id, public)

    def sign(self, text: str) -> str:
        """The signature over `text`, 80 characters of base 85."""
        return base64.b85encode(self._private_key.sign(_DOMAIN + text.encode())).decode()

    def verify(self, key_id: str, text: str, signature: str) -> bool:
        """See `CodeVerifier.verify`."""
        return self._public.verify(key_id, text, signature)

"""A sealed value: bytes that only the key opens, and only in their place.

    1 byte   algorithm: 1 AES-256-GCM, 2 SM4-GCM
    2 bytes  version of the key, big-endian
    12 bytes nonce, random
    n bytes  the text, encrypted
    16 bytes tag, over the first three bytes and the value's place too

The place (a column and a person, a purpose and a version) is not stored: whoever opens says it, so a value copied to another row
or column does not open there. How long a text is can be seen.
Source: NIST SP 800-38D, 8.2.2 (nonces of 96 random bits, fewer than 2^32 under one key); GB/T 32907 (SM4); RFC 8998, 2 (SM4-GCM).
"""

from __future__ import annotations

import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher as _Cipher
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tongbao.kernel.errors import InvariantBroken

#: What a new value is sealed with, by the name that settings use. A value says what it was sealed with.
CIPHERS: Final[dict[str, int]] = {"AES-256-GCM": 1, "SM4-GCM": 2}
NAMES: Final[dict[int, str]] = {number: name for name, number in CIPHERS.items()}

_HEAD = 3
_NONCE = 12
_TAG = 16
#: How much longer a sealed value is than its text.
OVERHEAD = _HEAD + _NONCE + _TAG


class Box:
    """One 32-byte key of one version, by either algorithm."""

    __slots__ = ("_aes", "_key", "version")

    def __init__(self, key: bytes, version: int) -> None:
        if len(key) != 32:
            raise InvariantBroken(f"a key has 32 bytes, not {len(key)}")
        self._key = key
        self._aes = AESGCM(key)
        self.version = version

    def seal(self, text: bytes, place: bytes, cipher: int = 1) -> bytes:
        """The value, sealed. `cipher`: a number of `CIPHERS`."""
        head = bytes((cipher,)) + self.version.to_bytes(2, "big")
        nonce = os.urandom(_NONCE)
        if cipher == 1:
            return head + nonce + self._aes.encrypt(nonce, text, head + place)
        encryptor = _Cipher(algorithms.SM4(self._sm4()), modes.GCM(nonce)).encryptor()
        encryptor.authenticate_additional_data(head + place)
        sealed = encryptor.update(text) + encryptor.finalize()
        return head + nonce + sealed + encryptor.tag

    def open(self, value: bytes, place: bytes) -> bytes:
        """The text of a value. Raises InvariantBroken if it was altered, or is another key's or another place's."""
        head, nonce, sealed = value[:_HEAD], value[_HEAD : _HEAD + _NONCE], value[_HEAD + _NONCE :]
        try:
            if len(sealed) < _TAG or head[0] not in NAMES:
                raise InvalidTag
            if head[0] == 1:
                return self._aes.decrypt(nonce, sealed, head + place)
            decryptor = _Cipher(algorithms.SM4(self._sm4()), modes.GCM(nonce, sealed[-_TAG:])).decryptor()
            decryptor.authenticate_additional_data(head + place)
            return decryptor.update(sealed[:-_TAG]) + decryptor.finalize()
        except InvalidTag:
            raise InvariantBroken("a sealed value does not fit its key and its place") from None

    def _sm4(self) -> bytes:
        """A key of SM4's own 16 bytes: one key is not used by two algorithms."""
        return hmac.digest(self._key, b"SM4-GCM", "sha256")[:16]


def version_of(value: bytes) -> int:
    """The version of the key that a value was sealed with. Raises InvariantBroken if it is no sealed value."""
    if len(value) < OVERHEAD or value[0] not in NAMES:
        raise InvariantBroken("that is no sealed value")
    return int.from_bytes(value[1:3], "big")


def place_of(*parts: bytes) -> bytes:
    """A place as bytes: no two lists of parts look alike."""
    return b"".join(len(part).to_bytes(2, "big") + part for part in parts)

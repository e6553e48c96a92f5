"""Envelopes: streams that only their recipient opens, for backups and exports that leave the house.

Hybrid: whoever records one today and breaks X25519 with a machine of tomorrow still faces ML-KEM-768, and the other way round.

    magic      8 bytes
    recipient  8 bytes: which key opens it
    ephemeral  32 bytes: an X25519 key made for this envelope
    kem        1,088 bytes: the ML-KEM-768 ciphertext
    chunks     of 65,536 bytes and a tag each, AES-256-GCM; the last is marked in its nonce and may be shorter

The key is HKDF-SHA-256 over both shared secrets, salted with the hash of all that stands before the chunks and of the recipient's
public keys. A chunk's nonce is its number and whether it is the last: chunks left out, put elsewhere or cut off do not open.
Source: FIPS 203 (ML-KEM); RFC 7748 (X25519); RFC 5869 (HKDF); NIST SP 800-227, 4.6 (combining shared secrets); Hoang,
Reyhanitabar, Rogaway, Vizár, "Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", 2015 (STREAM).
"""

from __future__ import annotations

import base64
import binascii
import os
from hashlib import sha256
from typing import IO, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_MAGIC: Final = b"TONGBAO1"
_CHUNK: Final = 65_536
_TAG: Final = 16
_KEM_PUBLIC, _KEM_CIPHERTEXT, _KEM_SEED = 1_184, 1_088, 64
_RECIPIENT, _IDENTITY = "tongbao-recipient-1", "tongbao-identity-1"


class EnvelopeError(ValueError):
    """It is no envelope, not for this identity, cut short or altered. The message says which."""


class Recipient:
    """Whom an envelope is for: two public keys. Anybody may have them."""

    def __init__(self, x25519: bytes, mlkem: bytes) -> None:
        self._x25519 = X25519PublicKey.from_public_bytes(x25519)
        self._mlkem = MLKEM768PublicKey.from_public_bytes(mlkem)
        self.bytes = x25519 + mlkem
        self.name = sha256(self.bytes).digest()[:8]

    @classmethod
    def parse(cls, text: str) -> Recipient:
        """From the text that `str` gives. Raises EnvelopeError."""
        raw = _parsed(text, _RECIPIENT, 32 + _KEM_PUBLIC)
        return cls(raw[:32], raw[32:])

    def __str__(self) -> str:
        return f"{_RECIPIENT}:{base64.b64encode(self.bytes).decode()}"

    def encapsulated(self) -> tuple[bytes, bytes]:
        """The head of a new envelope, and its key."""
        ephemeral = X25519PrivateKey.generate()
        secret, ciphertext = self._mlkem.encapsulate()
        head = _MAGIC + self.name + ephemeral.public_key().public_bytes_raw() + ciphertext
        return head, _derived(secret + ephemeral.exchange(self._x25519), head, self.bytes)


class Identity:
    """Who opens envelopes: the two private keys, as seeds."""

    def __init__(self, x25519: bytes, mlkem: bytes) -> None:
        self._x25519 = X25519PrivateKey.from_private_bytes(x25519)
        self._mlkem = MLKEM768PrivateKey.from_seed_bytes(mlkem)
        self._seeds = x25519 + mlkem
        self.recipient = Recipient(self._x25519.public_key().public_bytes_raw(), self._mlkem.public_key().public_bytes_raw())

    @classmethod
    def fresh(cls) -> Identity:
        """A new one."""
        return cls(os.urandom(32), os.urandom(_KEM_SEED))

    @classmethod
    def parse(cls, text: str) -> Identity:
        """From the text that `secret_text` gives. Raises EnvelopeError."""
        raw = _parsed(text, _IDENTITY, 32 + _KEM_SEED)
        return cls(raw[:32], raw[32:])

    def secret_text(self) -> str:
        """To be kept in a file that only its owner reads."""
        return f"{_IDENTITY}:{base64.b64encode(self._seeds).decode()}"

    def decapsulated(self, head: bytes) -> bytes:
        """The key of an envelope with this head. Raises EnvelopeError."""
        if len(head) < HEAD or not head.startswith(_MAGIC):
            raise EnvelopeError("this is no envelope, or was cut short in its head")
        if head[8:16] != self.recipient.name:
            raise EnvelopeError(f"this envelope is for recipient {head[8:16].hex()}, and this is {self.recipient.name.hex()}")
        secret = self._mlkem.decapsulate(head[48:])
        try:
            shared = self._x25519.exchange(X25519PublicKey.from_public_bytes(head[16:48]))
        except ValueError:
            raise EnvelopeError("the envelope was altered in its head") from None
        return _derived(secret + shared, head, self.recipient.bytes)


#: Bytes before the first chunk.
HEAD: Final = len(_MAGIC) + 8 + 32 + _KEM_CIPHERTEXT


class SealingWriter:
    """Writes an envelope for `recipient` to `target`, chunk by chunk. Without `close` it has no end, and will not open."""

    def __init__(self, target: IO[bytes], recipient: Recipient) -> None:
        head, key = recipient.encapsulated()
        self._target = target
        self._aead = AESGCM(key)
        self._number = 0
        self._waiting = bytearray()
        target.write(head)

    def write(self, data: bytes) -> int:
        """Seal what fills chunks, and keep the rest."""
        self._waiting += data
        while len(self._waiting) > _CHUNK:  # one stays behind, which may be the last
            self._seal(bytes(self._waiting[:_CHUNK]), last=False)
            del self._waiting[:_CHUNK]
        return len(data)

    def close(self) -> None:
        """Seal the rest as the last chunk. The target stays open."""
        self._seal(bytes(self._waiting), last=True)
        self._waiting.clear()

    def _seal(self, chunk: bytes, *, last: bool) -> None:
        self._target.write(self._aead.encrypt(_nonce(self._number, last), chunk, None))
        self._number += 1


class OpeningReader:
    """Reads what is in an envelope: `read(n)`, as of a file. What it gives was never altered; whether all of it came is known
    when it says that there is no more. Raises EnvelopeError."""

    def __init__(self, source: IO[bytes], identity: Identity) -> None:
        self._source = source
        self._aead = AESGCM(identity.decapsulated(source.read(HEAD)))
        self._number = 0
        self._ahead = source.read(_CHUNK + _TAG)
        self._opened = bytearray()
        self._ended = False

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer only at the end."""
        while len(self._opened) < size and not self._ended:
            self._open_next()
        found = bytes(self._opened[:size])
        del self._opened[:size]
        return found

    def _open_next(self) -> None:
        chunk, self._ahead = self._ahead, self._source.read(_CHUNK + _TAG)
        last = not self._ahead
        try:
            if len(chunk) < _TAG:
                raise InvalidTag
            self._opened += self._aead.decrypt(_nonce(self._number, last), chunk, None)
        except InvalidTag:
            if last:
                raise EnvelopeError(f"the envelope was cut short, or altered in chunk {self._number}, where it ends") from None
            raise EnvelopeError(f"the envelope was altered in chunk {self._number}") from None
        self._number += 1
        self._ended = last


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes((last,))


def _derived(secrets: bytes, head: bytes, recipient: bytes) -> bytes:
    return HKDF(SHA256(), 32, sha256(head + recipient).digest(), b"tongbao envelope 1").derive(secrets)


def _parsed(text: str, kind: str, length: int) -> bytes:
    name, _, value = text.strip().partition(":")
    try:
        raw = base64.b64decode(value, validate=True) if name == kind else b""
    except binascii.Error:
        raw = b""
    if len(raw) != length:
        raise EnvelopeError(f"this is no {kind}")
    return raw

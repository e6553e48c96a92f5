"""The retention key: what is kept only because the law says so is sealed to its public half; the private half is elsewhere.

A hybrid of X25519 and ML-KEM-768, so that neither a broken curve nor a broken lattice alone opens what has to stay shut for ten
years. The AES key comes by HKDF from both shared secrets, over both public keys and both ciphertexts; the place (whose key it is)
is authenticated.

    public    tongbao-retention-public-1 <base64url of X25519 (32) and ML-KEM-768 (1,184)>
    private   tongbao-retention-private-1 <base64url of X25519 (32) and the seed of ML-KEM-768 (64)>
    sealed    1 byte version, X25519 (32), ML-KEM ciphertext (1,088), AES-256-GCM over the data with a nonce of zeros: a key of
    its
              own each time

Source: RFC 7748 (X25519), FIPS 203 (ML-KEM), RFC 5869 (HKDF), NIST SP 800-56C r2 (hybrid shared secrets, 2).
"""

from __future__ import annotations

import base64
import os
from contextlib import suppress
from hashlib import sha256
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_PUBLIC, _PRIVATE = "tongbao-retention-public-1", "tongbao-retention-private-1"
_CURVE, _LATTICE, _SEED, _CIPHERTEXT = 32, 1184, 64, 1088
_VERSION = b"\x01"
_NONCE = bytes(12)


class NotARetentionKey(ValueError):
    """A file or text is not the key it should be, or does not open what it was given."""


class RetentionPublicKey:
    """Seals. Raises NotARetentionKey for anything else than its 1,216 bytes."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) != _CURVE + _LATTICE:
            raise NotARetentionKey("not a public retention key")
        self._raw = raw
        self._curve = X25519PublicKey.from_public_bytes(raw[:_CURVE])
        try:
            self._lattice = MLKEM768PublicKey.from_public_bytes(raw[_CURVE:])
        except ValueError as error:
            raise NotARetentionKey("not a public retention key") from error

    @classmethod
    def read(cls, text: str) -> RetentionPublicKey:
        """From the text of its file."""
        return cls(_raw(text, _PUBLIC))

    @property
    def text(self) -> str:
        """The text of its file."""
        return f"{_PUBLIC} {base64.urlsafe_b64encode(self._raw).decode()}\n"

    @property
    def fingerprint(self) -> str:
        """The first 16 hexadecimal digits of its SHA-256: which key something was sealed to."""
        return sha256(self._raw).hexdigest()[:16]

    def seal(self, data: bytes, place: bytes) -> bytes:
        """The data for whoever has the private half. `place` is not in it: whoever opens says it."""
        ephemeral = X25519PrivateKey.generate()
        shared, ciphertext = self._lattice.encapsulate()
        head = _VERSION + ephemeral.public_key().public_bytes_raw() + ciphertext
        key = _key(ephemeral.exchange(self._curve) + shared, self._raw + head)
        return head + AESGCM(key).encrypt(_NONCE, data, head + place)


class RetentionPrivateKey:
    """Opens. Kept apart from the system: on paper, in a safe, in a module of somebody else's."""

    def __init__(self, raw: bytes) -> None:
        if len(raw) != _CURVE + _SEED:
            raise NotARetentionKey("not a private retention key")
        self._raw = raw
        self._curve = X25519PrivateKey.from_private_bytes(raw[:_CURVE])
        self._lattice = MLKEM768PrivateKey.from_seed_bytes(raw[_CURVE:])

    @classmethod
    def generate(cls) -> RetentionPrivateKey:
        """A new one."""
        return cls(os.urandom(_CURVE + _SEED))

    @classmethod
    def read(cls, text: str) -> RetentionPrivateKey:
        """From the text of its file."""
        return cls(_raw(text, _PRIVATE))

    @property
    def text(self) -> str:
        """The text of its file."""
        return f"{_PRIVATE} {base64.urlsafe_b64encode(self._raw).decode()}\n"

    @property
    def public(self) -> RetentionPublicKey:
        """The half that may be anywhere."""
        return RetentionPublicKey(self._curve.public_key().public_bytes_raw() + self._lattice.public_key().public_bytes_raw())

    def open(self, sealed: bytes, place: bytes) -> bytes:
        """The data. Raises NotARetentionKey if it was sealed to another key or for another place, or was altered."""
        end = 1 + _CURVE + _CIPHERTEXT
        head, body = sealed[:end], sealed[end:]
        if len(head) != end or head[:1] != _VERSION:
            raise NotARetentionKey("nothing that was sealed to a retention key")
        shared = self._curve.exchange(X25519PublicKey.from_public_bytes(head[1 : 1 + _CURVE]))
        shared += self._lattice.decapsulate(head[1 + _CURVE :])
        public = self._curve.public_key().public_bytes_raw() + self._lattice.public_key().public_bytes_raw()
        try:
            return AESGCM(_key(shared, public + head)).decrypt(_NONCE, body, head + place)
        except InvalidTag:
            raise NotARetentionKey("it was sealed to another key, for somebody else, or was altered") from None


def write_pair(private: Path, public: Path) -> RetentionPublicKey:
    """A pair in two files, the private one readable by its owner only and never written over. Safe when several processes start
    at once: the first one's key is everybody's. Raises OSError where a folder cannot be written."""
    for path in (private, public):
        path.parent.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):
        _written(private, RetentionPrivateKey.generate().text, 0o600)
    key = RetentionPrivateKey.read(private.read_text()).public
    with suppress(FileExistsError):
        _written(public, key.text, 0o644)
    return key


def _written(path: Path, text: str, mode: int) -> None:
    """Whole or not at all. Raises FileExistsError if there is one already."""
    draft = path.with_name(f"{path.name}.{os.urandom(8).hex()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    finally:
        draft.unlink()


def _key(secret: bytes, transcript: bytes) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"tongbao retention 1" + sha256(transcript).digest()).derive(secret)


def _raw(text: str, kind: str) -> bytes:
    name, _, encoded = text.strip().partition(" ")
    if name != kind:
        raise NotARetentionKey(f"the text should begin with {kind}")
    try:
        return base64.urlsafe_b64decode(encoded)
    except ValueError as error:
        raise NotARetentionKey("the text is damaged") from error

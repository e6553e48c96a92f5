"""The installation's secret keys, in one file that only its owner can read.

Each purpose has its own key: what leaks from one use says nothing about another. Envelope encryption, rotation and
hardware modules come with part 3; until then the file is the master copy and `Keys.open` its only reader.
"""

from __future__ import annotations

import hmac
import os
import secrets
from hashlib import sha256
from pathlib import Path

import msgspec


class Keys(msgspec.Struct, frozen=True):
    """32-byte secrets by purpose.

    pin       keyed MAC of payment PINs: without it a stolen table of six-digit PINs cannot be searched
    ids       makes the ids of orders unguessable, whose parts (merchant, order number) are not secret
    session   derives session tokens, so that a repeated log-in answers the same token
    code      Ed25519 seed that signs our dynamic QR codes
    bank      authenticates us to the bank and the bank to us
    anchor    Ed25519 seed that signs the ends of the audit chain, for those outside
    seal      seals rows, so that whoever can write to the database but has not this key cannot change one unseen
    """

    pin: bytes
    ids: bytes
    session: bytes
    code: bytes
    bank: bytes
    anchor: bytes
    seal: bytes

    @classmethod
    def fresh(cls) -> Keys:
        """New random keys."""
        return cls(*(os.urandom(32) for _ in cls.__struct_fields__))

    @classmethod
    def open(cls, path: Path) -> Keys:
        """The keys in `path`, made on first use with mode 0600. Safe when several processes start at once."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(f".{secrets.token_hex(8)}")
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(msgspec.json.encode(cls.fresh()))
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)  # the first one wins; a later one reads what the first wrote
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return msgspec.json.decode(path.read_bytes(), type=cls)


def mac(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA-256 over length-prefixed parts, so that no two lists of parts look alike. Source: RFC 2104."""
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.digest(key, message, sha256)

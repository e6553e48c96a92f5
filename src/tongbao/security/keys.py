"""The installation's keys as services use them: one for each purpose, so that what leaks from one use says nothing of another.

They are kept wrapped, by `keyring.KeyRing`; this is what it comes to once it is open.
"""

from __future__ import annotations

import hmac
import os
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
    instrument  the secrets of instruments (`identity.instruments`) follow from it and from their numbers, so none is kept
    index     finds personal data by what it is (a phone, a name) without the database saying what it is
    """

    pin: bytes
    ids: bytes
    session: bytes
    code: bytes
    bank: bytes
    anchor: bytes
    seal: bytes
    instrument: bytes
    index: bytes

    def __repr__(self) -> str:
        return "Keys(…)"  # a trace or a log that shows one must not show it

    @classmethod
    def fresh(cls) -> Keys:
        """New random keys."""
        return cls(*(os.urandom(32) for _ in cls.__struct_fields__))

    @classmethod
    def open(cls, path: Path) -> Keys:
        """Those of the key ring in `path` whose master key lies beside it. Raises as `KeyRing.open`."""
        from tongbao.security.keyring import KeyRing  # the ring is made of these

        return KeyRing.open(path).keys


def mac(key: bytes, *parts: bytes) -> bytes:
    """HMAC-SHA-256 over length-prefixed parts, so that no two lists of parts look alike. Source: RFC 2104."""
    message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
    return hmac.digest(key, message, sha256)

"""An authenticator in software: makes passkeys and answers challenges as a phone or a security key would, and wrongly where told.

Our own, from the standard, so that what checks passkeys is not tested with itself.
Source: W3C Web Authentication Level 3, 6.1 and 6.5.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
from typing import Any

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256

USER_PRESENT, USER_VERIFIED, ATTESTED = 0x01, 0x04, 0x40
HERE = "http://localhost:8080"


def written(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def read(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authenticator:
    """One passkey. `counter` is what it says next; 0 for ever if it keeps none."""

    def __init__(self, *, rp_id: str = "localhost", counts: bool = True) -> None:
        self.rp_id = rp_id
        self.credential_id = os.urandom(32)
        self.counter = 0
        self._counts = counts
        self._key = ec.generate_private_key(ec.SECP256R1())

    def made(self, challenge: bytes, *, origin: str = HERE, verified: bool = True) -> dict[str, bytes]:
        """What `navigator.credentials.create` answers, attested by nobody."""
        client_data = self._client_data("webauthn.create", challenge, origin)
        numbers = self._key.public_key().public_numbers()
        cose = cbor2.dumps({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        credential = bytes(16) + len(self.credential_id).to_bytes(2, "big") + self.credential_id + cose
        data = self._authenticator_data(ATTESTED, verified) + credential
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return {"credential_id": self.credential_id, "client_data": client_data, "attestation_object": attestation}

    def answers(
        self, challenge: bytes, *, origin: str = HERE, verified: bool = True, kind: str = "webauthn.get", forged: bool = False
    ) -> dict[str, bytes]:
        """What `navigator.credentials.get` answers. `forged`: signed by another key."""
        client_data = self._client_data(kind, challenge, origin)
        data = self._authenticator_data(0, verified)
        key = ec.generate_private_key(ec.SECP256R1()) if forged else self._key
        signature = key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(SHA256()))
        return {
            "credential_id": self.credential_id, "client_data": client_data, "authenticator_data": data, "signature": signature,
        }  # fmt: skip

    def _client_data(self, kind: str, challenge: bytes, origin: str) -> bytes:
        return json.dumps({"type": kind, "challenge": written(challenge), "origin": origin, "crossOrigin": False}).encode()

    def _authenticator_data(self, flags: int, verified: bool) -> bytes:
        if self._counts:
            self.counter += 1
        flags |= USER_PRESENT | (USER_VERIFIED if verified else 0)
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.counter.to_bytes(4, "big")


def on_the_wire(answer: dict[str, bytes]) -> dict[str, Any]:
    """As a request carries it."""
    return {name: written(raw) for name, raw in answer.items()}

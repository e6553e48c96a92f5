"""How a message between us and the bank is signed: HMAC-SHA256 over its parts, one a line.

    request   method, target (path and query as sent), timestamp, nonce, SHA-256 of the body
    answer    "answer", status, timestamp, nonce *of the request*, SHA-256 of the body

The answer carries the request's nonce, so an old answer cannot be played back to a new question. Timestamps are whole
seconds since 1970, UTC, and may be `MAX_SKEW_S` away from the reader's clock.

Source: RFC 2104 (HMAC), FIPS 180-4 (SHA-256).
"""

from __future__ import annotations

import hmac
from hashlib import sha256

MAX_SKEW_S = 300
#: A shorter key is refused at start.
MIN_KEY_BYTES = 16

TIMESTAMP_HEADER = "x-bank-timestamp"
NONCE_HEADER = "x-bank-nonce"
SIGNATURE_HEADER = "x-bank-signature"


def key_bytes(key: str) -> bytes:
    """The shared secret as bytes. Raises ValueError when it is too short to be one."""
    raw = key.encode()
    if len(raw) < MIN_KEY_BYTES:
        raise ValueError(f"the bank's key must have at least {MIN_KEY_BYTES} bytes")
    return raw


def sign_request(key: bytes, *, method: str, target: str, timestamp: str, nonce: str, body: bytes) -> str:
    """Hexadecimal signature of a request."""
    return _sign(key, method, target, timestamp, nonce, sha256(body).hexdigest())


def sign_answer(key: bytes, *, status: int, timestamp: str, nonce: str, body: bytes) -> str:
    """Hexadecimal signature of the answer to the request that carried `nonce`."""
    return _sign(key, "answer", str(status), timestamp, nonce, sha256(body).hexdigest())


def same(left: str, right: str) -> bool:
    """Compare signatures in constant time; anything not ASCII is simply different."""
    return hmac.compare_digest(left.encode(), right.encode())


def fresh(timestamp: str, now_s: float) -> bool:
    """Whether a timestamp header is well formed and close enough to `now_s`."""
    return timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12 and abs(int(timestamp) - now_s) <= MAX_SKEW_S


def _sign(key: bytes, *parts: str) -> str:
    return hmac.new(key, "\n".join(parts).encode(), sha256).hexdigest()

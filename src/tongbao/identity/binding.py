"""What binds a session to the device it was opened on: a secret that never travels again after log-in.

At log-in the device is given, besides the token, a secret. A browser keeps it where not even its own scripts can read it (a
WebCrypto key that cannot be exported), an application in the system's key store. Every request that changes something carries a
proof made with it, so a token or a cookie that leaked from a log, a proxy or a backup can change nothing.

    X-Tongbao-Proof: <unix seconds>.<hex of HMAC-SHA-256(secret, METHOD \\n target \\n seconds \\n Idempotency-Key \\n body)>

The target is the request's, as sent: the path, and where there is one `?` and the query. The key is empty where there is none. Of
the body it is the hex of its SHA-256, of no bytes where there is none: so a proof that was seen is good for no other wish. The
seconds may be off by five minutes. Who replays a whole request within that time has its idempotency key too, and is answered what
happened then.

Nothing is stored for it: the secret is derived from the session's id with a key of the installation.

Source: RFC 9449 (DPoP) for the idea; NIST SP 800-63B-4, 5.1 (session binding).
"""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Generator
from hashlib import sha256
from uuid import UUID

import httpx

from tongbao.security.keys import mac

HEADER = "x-tongbao-proof"
#: How far the clock of a device may be from ours.
MOST_SKEW_S = 300

_SAFE = {"GET", "HEAD", "OPTIONS"}
_LONGEST_SECONDS = 12


def binding_of(key: bytes, session_id: UUID) -> bytes:
    """The secret of a session: 32 bytes. `key`: the installation's for sessions."""
    return mac(key, b"binding", session_id.bytes)


def proof(binding: bytes, method: str, target: str, seconds: int, idempotency_key: str = "", body: bytes = b"") -> str:
    """The header's value for one request."""
    return f"{seconds}.{_mac(binding, method, target, str(seconds), idempotency_key, body)}"


def proves(given: str, binding: bytes, method: str, target: str, now_s: float, idempotency_key: str, body: bytes) -> bool:
    """Whether the header's value was made with this secret, for this request, now."""
    seconds, _, code = given.partition(".")
    if not (seconds.isascii() and seconds.isdigit() and len(seconds) <= _LONGEST_SECONDS):
        return False
    if abs(now_s - int(seconds)) > MOST_SKEW_S or not code.isascii():
        return False
    return hmac.compare_digest(code, _mac(binding, method, target, seconds, idempotency_key, body))


def _mac(binding: bytes, method: str, target: str, seconds: str, idempotency_key: str, body: bytes) -> str:
    message = f"{method}\n{target}\n{seconds}\n{idempotency_key}\n{sha256(body).hexdigest()}"
    return hmac.digest(binding, message.encode(), "sha256").hex()


def written(binding: bytes) -> str:
    """The secret as log-in answers it: base64url without padding."""
    return base64.urlsafe_b64encode(binding).decode().rstrip("=")


def read(text: str) -> bytes:
    """The secret, of what log-in answered."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class BoundSession(httpx.Auth):
    """How a client in Python shows its session: `httpx.AsyncClient(auth=BoundSession(answer["token"], answer["binding"]))`.

    Without a token the session is in the client's cookies.
    """

    #: httpx: have the body read before `auth_flow`.
    requires_request_body = True

    def __init__(self, token: str | None, binding: str) -> None:
        self.token = token
        self._binding = read(binding)

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if self.token is not None:
            request.headers["authorization"] = f"Bearer {self.token}"
        if request.method not in _SAFE:
            target, key = request.url.raw_path.decode(), request.headers.get("idempotency-key", "")
            request.headers[HEADER] = self.proof(request.method, target, key, request.content)
        yield request

    def proof(self, method: str, target: str, idempotency_key: str = "", body: bytes = b"") -> str:
        """The header's value for one request that is made now."""
        return proof(self._binding, method, target, int(time.time()), idempotency_key, body)

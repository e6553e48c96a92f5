"""Codes of authenticator apps, and the codes on paper that stand in for one that is lost. Plain functions over bytes.

Six digits every thirty seconds from HMAC-SHA-1: what every authenticator app can do, and many can do nothing else. SHA-1 is
broken for signatures, not for a keyed code that lives a minute and a half.

Source: RFC 4226, 5.3 (HOTP); RFC 6238, 4 and 5.2 (TOTP, time steps either side); RFC 4648, 6 (base32); the Key Uri Format
("otpauth") of the apps themselves.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Sequence
from datetime import datetime
from hashlib import sha1
from urllib.parse import quote, urlencode

from tongbao.security.keys import mac

#: As long as the hash's own output (RFC 4226, 4, R6).
SECRET_BYTES = 20
STEP_S = 30
DIGITS = 6
#: How many steps a clock may be early or late, and how long a code may take to be typed.
AROUND = 1
#: So many recovery codes are in a set, of 60 bits each.
RECOVERY_CODES = 10
RECOVERY_MAC_BYTES = 16
ISSUER = "Tongbao"

# No letter or digit that is taken for another when it is written down: Crockford's base32.
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_GROUP, _GROUPS = 4, 3


def step_at(now: datetime) -> int:
    """The time step of a moment."""
    return int(now.timestamp()) // STEP_S


def code_of(secret: bytes, step: int, digits: int = DIGITS) -> str:
    """The code of a time step."""
    digest = hmac.digest(secret, step.to_bytes(8, "big"), sha1)
    offset = digest[-1] & 0x0F
    number = int.from_bytes(digest[offset : offset + 4], "big") & 0x7FFF_FFFF
    return f"{number % 10**digits:0{digits}d}"


def step_of(secret: bytes, code: str, now: datetime) -> int:
    """The step whose code this is, one step either side of now; 0 if it is none's."""
    found = 0
    for step in range(step_at(now) - AROUND, step_at(now) + AROUND + 1):
        if hmac.compare_digest(code_of(secret, step), code):
            found = step
    return found


def typed_code(text: str) -> str | None:
    """The six digits as typed, however they are spaced; None if they are not that."""
    digits = re.sub(r"[\s-]", "", text)
    return digits if re.fullmatch(r"[0-9]{6}", digits, re.ASCII) else None


def typed_secret(secret: bytes) -> str:
    """A secret as it is typed into an app that cannot see the picture."""
    return base64.b32encode(secret).decode().rstrip("=")


def address_of(secret: bytes, account: str) -> str:
    """What the picture says: an `otpauth:` address. `account`: how the app calls it, a log-in."""
    settings = {"secret": typed_secret(secret), "issuer": ISSUER, "algorithm": "SHA1", "digits": DIGITS, "period": STEP_S}
    return f"otpauth://totp/{quote(f'{ISSUER}:{account}')}?{urlencode(settings)}"


def recovery_codes(key: bytes, seed: bytes) -> tuple[str, ...]:
    """A set of recovery codes: `XXXX-XXXX-XXXX`. The same seed gives the same set: a lost answer can be asked for again."""
    return tuple(_recovery_code(mac(key, b"recovery code", seed, bytes([number]))) for number in range(RECOVERY_CODES))


def _recovery_code(random: bytes) -> str:
    letters = "".join(_LETTERS[byte % len(_LETTERS)] for byte in random[: _GROUP * _GROUPS])
    return "-".join(letters[at : at + _GROUP] for at in range(0, len(letters), _GROUP))


def typed_recovery_code(text: str) -> str | None:
    """A recovery code as typed, in its one spelling; None if it cannot be one."""
    letters = re.sub(r"[\s-]", "", text).upper().replace("O", "0").replace("I", "1").replace("L", "1")
    return letters if len(letters) == _GROUP * _GROUPS and set(letters) <= set(_LETTERS) else None


def recovery_mac(key: bytes, owner: bytes, code: str) -> bytes:
    """How a recovery code is kept. `code` in its one spelling (`typed_recovery_code`)."""
    return mac(key, b"recovery code", owner, code.encode())[:RECOVERY_MAC_BYTES]


def recovery_macs(key: bytes, owner: bytes, codes: Sequence[str]) -> bytes:
    """How a set is kept: one MAC after the other."""
    return b"".join(recovery_mac(key, owner, code.replace("-", "")) for code in codes)


def without(macs: bytes, spent: bytes) -> bytes | None:
    """The set with one fewer; None if it is not in it."""
    parts = [macs[at : at + RECOVERY_MAC_BYTES] for at in range(0, len(macs), RECOVERY_MAC_BYTES)]
    left = [part for part in parts if not hmac.compare_digest(part, spent)]
    return b"".join(left) if len(left) < len(parts) else None

"""The digits of a payer's code: made on the phone, read at the till. Pure; `web/wallet/src/code/digits.ts` is the same in the
wallet, and both are held to `tests/methods/payer_codes.json`.

    87  004512369  50417723  6
    │   │          │         └ check digit (Damm), keyless: a mistyped or transposed digit is caught at the till
    │   │          └ proof: HMAC-SHA-256 of the instrument's secret over the nonce, cut to eight digits as HOTP does
    │   └ the instrument's number
    └ ours: 10–15, 25–30 and 62 are other schemes'

The nonce is the half minute times four, plus how often the payer asked for another within it. A till takes the half minute
before its own and the one after as well, so a code lives between 30 and 90 seconds and a phone's clock may be half a minute out.
(A phone that was online sets itself by our clock.) A nonce is taken once and only if it is above the last, so the twelve that
are acceptable at a moment are fewer after each payment.

What guessing comes to is computed in `docs/methods.md`. Source: RFC 4226 5.3 and 5.4, RFC 6238 4 and 5.2; Damm, H. M., “Total
anti-symmetrische Quasigruppen” (2004).
"""

from __future__ import annotations

import hmac
from datetime import datetime
from hashlib import sha256

from stdnum import damm

PREFIX = "87"
NUMBER_DIGITS = 9
PROOF_DIGITS = 8
LENGTH = len(PREFIX) + NUMBER_DIGITS + PROOF_DIGITS + 1

STEP_S = 30
#: Codes that one half minute has.
USES = 4
#: Half minutes before and after the till's own that are taken.
DRIFT = 1


def step_at(moment: datetime) -> int:
    """The half minute of a moment."""
    return int(moment.timestamp()) // STEP_S


def nonce_of(step: int, uses: int) -> int:
    """The nonce of a half minute, after so many uses within it; beyond the last it stays the last."""
    return step * USES + min(uses, USES - 1)


def proof(secret: bytes, nonce: int) -> str:
    """What shows that the secret is there."""
    digest = hmac.digest(secret, nonce.to_bytes(8, "big"), sha256)
    offset = digest[-1] & 0x0F
    return f"{(int.from_bytes(digest[offset : offset + 8], 'big') & (2**63 - 1)) % 10**PROOF_DIGITS:0{PROOF_DIGITS}d}"


def payer_code(number: int, secret: bytes, nonce: int) -> str:
    """The code, all of it."""
    body = f"{PREFIX}{number:0{NUMBER_DIGITS}d}{proof(secret, nonce)}"
    return body + damm.calc_check_digit(body)


def check_digit_holds(code: str) -> bool:
    """Was it read or typed as it was shown?"""
    return bool(damm.is_valid(code))


def nonce_shown(secret: bytes, shown: str, step: int) -> int | None:
    """Which of the nonces that are acceptable in this half minute the proof is of. The newest first: two that are equal by chance
    must not let the older be taken."""
    found = None
    for nonce in range(nonce_of(step + DRIFT, USES), (step - DRIFT) * USES - 1, -1):
        if hmac.compare_digest(proof(secret, nonce), shown) and found is None:
            found = nonce  # all are tried whatever is found: how long it takes says nothing
    return found

"""The passwords that are tried first: whoever knows a login tries these before anything else.

Source: OWASP ASVS 5.0, 6.2.4 (at least the 3,000 most common that the policy would allow); NIST SP 800-63B, 5.1.1.2.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files


def is_common(password: str) -> bool:
    """Whether a password stands among the most common ones, in capitals or not."""
    return password.casefold() in _common()


@cache
def _common() -> frozenset[str]:
    text = (files("tongbao.identity") / "common_passwords.txt").read_text()
    return frozenset(line for line in text.splitlines() if not line.startswith("#"))

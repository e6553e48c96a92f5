"""Looks for secrets in what is under version control: private keys, tokens of known shapes, long random strings beside a name
that says what they are. Run by `make check`; prints each finding without the secret itself, and exits 1 if there is one.

What is random and no secret (digests, test vectors, lock files) is passed over by file, or by a comment `not a secret`.
"""

from __future__ import annotations

import math
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

#: (what it is, its shape). Written so that this file does not match itself.
SHAPES = (
    ("a private key", re.compile(r"-----BEGIN (?:[A-Z]+ )*PRIVATE" + r" KEY-----")),
    ("a cloud access key", re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")),
    (
        "a token of a code host",
        re.compile(r"\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{60,}|glpat-[\w-]{20,})"),
    ),
    ("a token of a package registry", re.compile(r"\b(?:npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,})")),
    ("a payment platform's live key", re.compile(r"\b[sr]k_live_[A-Za-z0-9]{20,}")),
    ("a chat service's token", re.compile(r"\bxox[abprs]-[A-Za-z0-9-]{20,}")),
    ("a signed web token", re.compile(r"\beyJ[A-Za-z0-9_-]{10,}\.eyJ[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]{20,}")),
    # Of an account at a server: `user:password@host`, neither being a placeholder.
    ("a password in an address", re.compile(r"\b[a-z][a-z0-9+]*://[^\s:/@\"'{}$]+:(?!password@)[^\s:/@\"'{}$]{6,}@[^\s\"']+")),
)
#: A name that promises a secret, and a string that looks like one.
NAMED = re.compile(
    r"(?i)\b[\w.-]*(?:secret|token|passw(?:or)?d|api_?key|private_?key|master_?key)[\w-]*['\"]?\s*[:=]\s*"
    r"[fbr]?['\"]([A-Za-z0-9+/=_.~-]{20,})['\"]"
)
#: Bits for each character above which a string was hardly written by a person.
RANDOM = 3.7
PASSED_OVER = ("requirements.lock", "web/package-lock.json", "web/openapi.json", "src/tongbao/app/catalogue.json")
_MOST_BYTES = 2_000_000


def entropy(text: str) -> float:
    """Bits for each character, by how often each occurs in it."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def findings(name: str, text: str) -> Iterator[str]:
    """What a file gives away: `file:line: what it is`."""
    for number, line in enumerate(text.splitlines(), 1):
        if "not a secret" in line:
            continue
        for what, shape in SHAPES:
            if shape.search(line):
                yield f"{name}:{number}: {what}"
        for found in NAMED.finditer(line):
            if entropy(found[1]) > RANDOM and not found[1].isalpha():
                yield f"{name}:{number}: a long random string called a secret"


def scan(root: Path) -> list[str]:
    """Every finding in the files of a checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True, text=True).stdout
    found = []
    for name in filter(None, listed.split("\0")):
        path = root / name
        if name in PASSED_OVER or not path.is_file() or path.stat().st_size > _MOST_BYTES:
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        found += findings(name, text)
    return found


if __name__ == "__main__":
    told = scan(ROOT)
    print("\n".join(told)) if told else None
    sys.exit(1 if told else 0)

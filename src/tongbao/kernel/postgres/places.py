"""Files and directories that two accounts meet at: who may reach them, and how they are written safely."""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from pathlib import Path

import msgspec

from tongbao.kernel.postgres.account import Account
from tongbao.kernel.postgres.binaries import PostgresError

#: Names the socket's file when no TCP port is asked for; the directory is private, so it meets no other server's.
_SOCKET_PORT = 5432
#: Source: unix(7), sun_path is 108 bytes with its ending zero.
_SOCKET_PATH_LIMIT = 107


class Access(msgspec.Struct):
    """How clients reach a server, kept beside its data directory from its first start on. `port` is None while TCP is closed."""

    password: str
    socket_directory: str = ""
    port: int | None = None

    @property
    def socket_port(self) -> int:
        """The number in the name of the socket's file."""
        return self.port or _SOCKET_PORT

    @property
    def socket_path(self) -> str:
        return f"{self.socket_directory}/.s.PGSQL.{self.socket_port}"


def address(directory: Path, account: Account) -> str:
    """How `account` calls `directory`, which is its working directory when it starts.

    Root may keep its data where the server's account cannot walk to, as under a home of mode 0700. The server then enters
    through its working directory, which it is given before it gives up root, and which needs no walk.
    """
    if account.is_self or account.run(["/bin/sh", "-c", 'cd "$1"', "sh", str(directory)]).returncode == 0:
        return str(directory)
    if not Path("/proc/self/cwd").exists():
        raise PostgresError(f"the server's account cannot reach {directory}; choose a directory outside a private home")
    return "/proc/self/cwd"


def socket_directory(known: str, account: Account) -> str:
    """A private directory with a short path, the `known` one if it is still ours; created, and owned by `account`."""
    if known:
        # Nobody else can have come between: creation is exclusive, and an existing one must be the account's and private.
        with contextlib.suppress(OSError):
            os.mkdir(known, 0o700)
            account.own(Path(known))
        with contextlib.suppress(OSError):
            status = os.lstat(known)
            if status.st_uid == account.uid and status.st_mode & 0o170077 == 0o040000:
                return known
    for base in ("/tmp", tempfile.gettempdir(), "/var/tmp"):
        reachable = account.run(["/bin/sh", "-c", 'cd "$1"', "sh", base]).returncode == 0
        if (
            reachable
            and os.access(base, os.W_OK)
            and len(os.fsencode(base)) + len("/tongbao-12345678/.s.PGSQL.65535") <= _SOCKET_PATH_LIMIT
        ):
            made = Path(tempfile.mkdtemp(prefix="tongbao-", dir=base))
            account.own(made)
            return str(made)
    raise PostgresError("no temporary directory is fit for the server's socket")


def write(path: Path, content: bytes, account: Account | None = None) -> None:
    """Replace `path` at once, mode 0600; never through a link that somebody planted."""
    fresh = path.with_name(path.name + f".{secrets.token_hex(4)}")
    handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    if account is not None:
        account.own(fresh)
    fresh.replace(path)

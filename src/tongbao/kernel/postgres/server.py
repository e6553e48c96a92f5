"""The embedded server: one PostgreSQL for one data directory, whoever of several processes asks for it first.

Beside the data directory `D` lie `D.lock` (held while somebody starts or stops the server), `D.access` (mode 0600: the
password, the socket's directory, the TCP port) and `D.startup.log` (what the server said before its own log began).

    absent ──start──▶ listening ──▶ ready          `start`, `ensure_running`: to ready, from anywhere
       ▲                  │           │
       └──── stop ────────┴───────────┤
    dead (killed; stale lock files, orphaned backends) ◀─┘
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import quote

import msgspec

from tongbao.kernel.postgres.account import Account
from tongbao.kernel.postgres.binaries import PostgresError, reachable_install
from tongbao.kernel.postgres.databases import create_database, query, wait_until_ready, with_database
from tongbao.kernel.postgres.places import Access, address, socket_directory, write
from tongbao.kernel.postgres.settings import HBA, postgresql_conf

MAJOR_VERSION = "18"
ROLE = "tongbao"
DATABASE = "tongbao"

#: Recovery after a crash replays up to `max_wal_size`.
_START_SECONDS = 300.0
_STOP_SECONDS = 60.0
#: One that dies before its first answer, as when it is killed while we look, is started again so many times in all.
_STARTS = 3
_ORPHAN_SECONDS = 2.0
_POLL_SECONDS = 0.02

#: Servers that this process started: kept so that their exit is reaped, whichever object started them.
_children: list[subprocess.Popen[bytes]] = []


class EmbeddedPostgres:
    """The server of `data_dir`, which is created when it is missing.

    port: also listen on this TCP port of 127.0.0.1. None leaves TCP closed, or as a server already running has it.
    durable: False gives up the safety of commits against loss of power, for speed; for tests only.

    Works as root (the server then runs as another account, see `account`; `data_dir` may even lie under a private home)
    and as an ordinary user. A `with` block stops the server at its end only if that block had to start it.
    """

    def __init__(self, data_dir: Path, *, port: int | None = None, durable: bool = True) -> None:
        self.data_dir = data_dir.absolute()
        self._port = port
        self._durable = durable
        self._started_here = False
        # Marks the server's processes in the list of processes, which is how the dead are told from the living: the
        # links in /proc would be surer, but in a container root may not read those of another account.
        self._mark = "tongbao-" + hashlib.sha256(os.fsencode(self.data_dir.resolve())).hexdigest()[:12]

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._started_here:
            self.stop()

    @property
    def dsn(self) -> str:
        """The URL of the database `tongbao`, over the socket; the same before and after a restart. Holds the password."""
        access = self._access()
        place = f"host={quote(access.socket_directory)}&port={access.socket_port}"
        return f"postgresql://{ROLE}:{access.password}@/{DATABASE}?{place}"

    @property
    def tcp_dsn(self) -> str:
        """The same by TCP. Raises PostgresError when no port was asked for."""
        access = self._access()
        if access.port is None:
            raise PostgresError("this server has no TCP port; start it with one")
        return f"postgresql://{ROLE}:{access.password}@127.0.0.1:{access.port}/{DATABASE}"

    def start(self) -> str:
        """Start the server, or find it up, and return its `dsn` once it answers. Safe in several processes at once.

        Clears away what a killed server left: its lock files, its socket, backends that outlived it. Raises PostgresError.
        """
        with self._locked():
            for _ in range(_STARTS):
                if not self.is_running():
                    self._clear_remains()
                    self._prepare()
                    self._launch()
                    self._started_here = True
                if self._port not in (None, port := self._access().port):
                    raise PostgresError(f"the server of {self.data_dir} runs already, on TCP port {port}, not {self._port}")
                if self._answers():
                    return self.dsn
            raise PostgresError(f"PostgreSQL starts and dies again:\n{self._log_tail()}")

    def ensure_running(self) -> str:
        """Return `dsn`, after starting the server again if it is gone: for supervisors, and after every lost connection."""
        return self.start()

    def attach(self) -> str:
        """The `dsn` of a server that another process runs, which may still be recovering. Raises PostgresError if none runs."""
        if not self.is_running():
            raise PostgresError(f"no server runs for {self.data_dir}")
        return self.dsn

    def is_running(self) -> bool:
        """Whether the server listens; during recovery it listens without answering yet."""
        if not self._access_file.exists():
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(5)
            try:
                probe.connect(self._access().socket_path)
            except (TimeoutError, BlockingIOError):
                return True  # its queue of connections is full: busy, not gone
            except OSError:
                return False
        return True

    def pid(self) -> int | None:
        """The process id of the running server's first process, or None."""
        try:
            number = int((self.data_dir / "postmaster.pid").read_text().split("\n", 1)[0])
        except (OSError, ValueError):
            return None
        return number if self._is_ours(number) else None

    def stop(self) -> None:
        """Stop the server, whoever started it: sessions are ended, everything is written. No effect when it is down."""
        with self._locked():
            self._end_server()
            self._started_here = False
            if self._access_file.exists():
                access = self._access()
                with contextlib.suppress(OSError):
                    os.rmdir(access.socket_directory)
                access.port = None
                self._keep(access)

    # What lies beside the data directory.

    @property
    def _access_file(self) -> Path:
        return self.data_dir.with_name(self.data_dir.name + ".access")

    def _access(self) -> Access:
        try:
            return msgspec.json.decode(self._access_file.read_bytes(), type=Access)
        except FileNotFoundError:
            raise PostgresError(
                f"{self._access_file}, which holds the password, is missing; the server was never started here"
            ) from None

    def _keep(self, access: Access) -> None:
        write(self._access_file, msgspec.json.encode(access))

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        self.data_dir.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self.data_dir.with_name(self.data_dir.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    # Starting. The lock is held.

    def _prepare(self) -> None:
        account = self._account()
        exists = (self.data_dir / "PG_VERSION").exists()
        if exists and (version := (self.data_dir / "PG_VERSION").read_text().strip()) != MAJOR_VERSION:
            raise PostgresError(
                f"{self.data_dir} is of PostgreSQL {version}; take it to {MAJOR_VERSION} with pg_upgrade or a dump"
            )
        if exists:
            access = self._access()
        elif self.data_dir.exists() and any(self.data_dir.iterdir()):
            raise PostgresError(f"{self.data_dir} is not empty and holds no PostgreSQL data")
        else:
            access = Access(secrets.token_urlsafe(32))
        if self._port is not None:
            access.port = self._port
        access.socket_directory = socket_directory(access.socket_directory, account)
        self._keep(access)
        if not exists:
            self._initialise(account, access)
        conf = postgresql_conf(
            socket_directory=Path(access.socket_directory),
            socket_port=access.socket_port,
            tcp=access.port is not None,
            durable=self._durable,
        )
        write(self.data_dir / "postgresql.conf", conf.encode(), account)
        write(self.data_dir / "pg_hba.conf", HBA.encode(), account)

    def _initialise(self, account: Account, access: Access) -> None:
        # Made beside and renamed: a data directory is whole or it is not there, even if we are killed here.
        staging = self.data_dir.with_name(self.data_dir.name + ".new")
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(mode=0o700)
        account.own(staging)
        password_file = Path(access.socket_directory, "password")
        write(password_file, access.password.encode(), account)
        command = [str(reachable_install(account) / "bin" / "initdb"), "-D", address(staging, account), "-U", ROLE]
        command += ["--pwfile", str(password_file), "--auth-local=scram-sha-256", "--auth-host=scram-sha-256", "--encoding=UTF8"]
        command += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--data-checksums"]
        try:
            done = account.run(command + ([] if self._durable else ["--no-sync"]), cwd=staging)
        finally:
            password_file.unlink()
        if done.returncode != 0:
            raise PostgresError(f"initdb failed: {done.stderr.strip()}")
        staging.rename(self.data_dir)

    def _launch(self) -> None:
        account = self._account()
        postgres = reachable_install(account) / "bin" / "postgres"
        command = [str(postgres), "-D", address(self.data_dir, account), "-c", f"cluster_name={self._mark}"]
        said = self.data_dir.with_name(self.data_dir.name + ".startup.log")
        with said.open("wb") as output:
            child = account.spawn(command, cwd=self.data_dir, output=output)
        _children.append(child)
        deadline = time.monotonic() + _START_SECONDS
        while not self.is_running():
            if child.poll() is not None or time.monotonic() > deadline:
                raise PostgresError(f"PostgreSQL did not start: {said.read_text(errors='replace').strip()}\n{self._log_tail()}")
            time.sleep(_POLL_SECONDS)

    def _answers(self) -> bool:
        """Wait until the server answers and has our database; False if it died meanwhile."""
        maintenance = with_database(self.dsn, "postgres")
        try:
            wait_until_ready(maintenance, _START_SECONDS, still=self.is_running)
            if not query(maintenance, f"select 1 from pg_database where datname = '{DATABASE}'"):  # noqa: S608 (a constant)
                create_database(maintenance, DATABASE)
        except PostgresError:
            if self.is_running():
                raise
            return False
        return True

    def _log_tail(self) -> str:
        logs = sorted((self.data_dir / "log").glob("*.log"), key=lambda path: path.stat().st_mtime)
        return "\n".join(logs[-1].read_text(errors="replace").splitlines()[-10:]) if logs else ""

    def _account(self) -> Account:
        try:
            return Account.of(self.data_dir)
        except LookupError as error:
            raise PostgresError(str(error)) from None

    # Stopping, and clearing up after a death. The lock is held.

    def _end_server(self) -> None:
        # Fast shutdown, then an immediate one, which the next start recovers from.
        for number, seconds in ((signal.SIGINT, _STOP_SECONDS), (signal.SIGQUIT, 10.0)):
            pid = self.pid()
            if pid is None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            deadline = time.monotonic() + seconds
            while self._is_ours(pid) and time.monotonic() < deadline:
                time.sleep(_POLL_SECONDS)
        if self.pid() is not None:
            raise PostgresError(f"the server of {self.data_dir} does not stop")

    def _clear_remains(self) -> None:
        """Nobody listens. End a server that lost its socket, wait for or kill the backends of a dead one, drop its lock file."""
        self._end_server()
        # Backends notice the death of their parent when they next wait; one deep in a query may not for long, and a new
        # server refuses to start beside it. Whatever it does is not committed, so nothing is lost by ending it.
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while orphans := self._processes():
            if time.monotonic() > deadline + _ORPHAN_SECONDS:
                raise PostgresError(f"processes {orphans} of a dead server of {self.data_dir} do not end")
            if time.monotonic() > deadline:
                for pid in orphans:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL_SECONDS)
        # PostgreSQL would believe a lock file whose number now belongs to another process, or to a zombie.
        if Path("/proc/self/cmdline").exists():
            (self.data_dir / "postmaster.pid").unlink(missing_ok=True)
            if self._access_file.exists() and (access := self._access()).socket_directory:
                Path(f"{access.socket_path}.lock").unlink(missing_ok=True)

    def _processes(self) -> list[int]:
        return [int(entry.name) for entry in Path("/proc").glob("[0-9]*") if self._is_ours(int(entry.name))]

    def _is_ours(self, pid: int) -> bool:
        for child in _children:
            child.poll()
        if not Path("/proc/self/cmdline").exists():  # not Linux: the number in the lock file is all there is
            try:
                os.kill(pid, 0)
            except OSError:
                return False
            return True
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()  # empty for a zombie
            owner = os.stat(f"/proc/{pid}").st_uid
        except OSError:
            return False
        program = command.split(b"\0", 1)[0]
        named = program.startswith(b"postgres: ") or program.endswith(b"/postgres")
        return named and self._mark.encode() in command and owner == self._account().uid

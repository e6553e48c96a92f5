"""Forward-only migrations: plain SQL in `<package>/migrations/NNNN_name.sql`, each applied once, for ever as it was.

    -- no transaction      as a first line: the file holds one statement that cannot run inside a transaction, such as
                           `create index concurrently if not exists …`, and is harmless if a crash makes it run twice

Every other file runs in a transaction of its own together with the record of it. A live system goes on while they run:
a migration that does not get its lock soon gives way and tries again, rather than queue everybody behind it.
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import resources

import asyncpg
import msgspec

NO_TRANSACTION = "-- no transaction"

#: One lock for all of a database's migrations; the number spells "tongbao".
_LOCK_KEY = int.from_bytes(b"tongbao", "big")
_LOCK_WAIT_SECONDS = 300.0
_POLL_SECONDS = 0.1

#: How long a migration may make others wait behind it for a table, and how often it tries.
_LOCK_TIMEOUT_MS = 2_000
_ATTEMPTS = 8

_FILE = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql")

_CREATE_TABLE = """
create table if not exists public.schema_migration (
    package    text        not null,
    number     integer     not null,
    name       text        not null,
    sha256     text        not null,
    applied_at timestamptz not null default now(),
    constraint schema_migration_pkey primary key (package, number)
)
"""
_RECORD = "insert into public.schema_migration (package, number, name, sha256) values ($1, $2, $3, $4)"


class MigrationError(Exception):
    """The schema and the migration files do not agree, or a migration cannot be applied; nothing of that file is recorded."""


class Migration(msgspec.Struct, frozen=True):
    """One file. `sha256` is of its text with LF line ends, so that a checkout's line ends do not matter."""

    package: str
    number: int
    name: str
    sql: str
    sha256: str

    @property
    def label(self) -> str:
        """How it is named to people: `tongbao.ledger:0001_accounts`."""
        return f"{self.package}:{self.number:04d}_{self.name}"

    @property
    def in_transaction(self) -> bool:
        return self.sql.split("\n", 1)[0].strip() != NO_TRANSACTION


async def migrate(target: str | asyncpg.Connection, packages: Sequence[str]) -> list[str]:
    """Apply to `target` (a URL, or an asyncpg connection) what is not applied yet; returns the labels of what was applied.

    The order is that of `packages`, then of numbers.

    Safe when several processes start at once: one works, the others wait for it and find nothing left to do.
    Raises MigrationError if an applied file was changed or is missing, or if one fails; what was applied before it stays.
    """
    migrations = load(packages)
    async with _connection(target) as connection, _exclusively(connection):
        await connection.execute(_CREATE_TABLE)
        waiting = await _unapplied(connection, migrations, packages)
        for migration in waiting:
            await _apply(connection, migration)
        return [migration.label for migration in waiting]


async def pending(target: str | asyncpg.Connection, packages: Sequence[str]) -> list[str]:
    """The labels of what `migrate` would apply. Writes nothing. Raises MigrationError as `migrate` does for changed files."""
    migrations = load(packages)
    async with _connection(target) as connection:
        if await connection.fetchval("select to_regclass('public.schema_migration')") is None:
            return [migration.label for migration in migrations]
        return [migration.label for migration in await _unapplied(connection, migrations, packages)]


def load(packages: Sequence[str]) -> list[Migration]:
    """The migrations of `packages` in the order they apply. Raises MigrationError for a misnamed file or a number used twice."""
    found: list[Migration] = []
    for package in packages:
        folder = resources.files(package).joinpath("migrations")
        if not folder.is_dir():
            raise MigrationError(f"{package} has no folder migrations")
        numbers: dict[int, str] = {}
        for entry in sorted(folder.iterdir(), key=lambda item: item.name):
            if not entry.name.endswith(".sql"):
                continue
            match = _FILE.fullmatch(entry.name)
            if match is None:
                raise MigrationError(f"{package}: {entry.name} is not named NNNN_name.sql")
            number = int(match[1])
            if number in numbers:
                raise MigrationError(f"{package}: {numbers[number]} and {entry.name} have the same number")
            numbers[number] = entry.name
            text = entry.read_text(encoding="utf-8").replace("\r\n", "\n")
            found.append(Migration(package, number, match[2], text, hashlib.sha256(text.encode()).hexdigest()))
    return found


async def _unapplied(connection: asyncpg.Connection, migrations: Sequence[Migration], packages: Sequence[str]) -> list[Migration]:
    rows = await connection.fetch(
        "select package, number, name, sha256 from public.schema_migration where package = any($1) order by package, number",
        list(packages),
    )
    files = {(migration.package, migration.number): migration for migration in migrations}
    for row in rows:
        label = f"{row['package']}:{row['number']:04d}_{row['name']}"
        file = files.pop((row["package"], row["number"]), None)
        if file is None or file.name != row["name"]:
            raise MigrationError(
                f"{label} was applied to this database, and its file is missing; restore it or install a newer release"
            )
        if file.sha256 != row["sha256"]:
            raise MigrationError(f"{label} was changed after it was applied; restore it and write a new migration instead")
    return list(files.values())


async def _apply(connection: asyncpg.Connection, migration: Migration) -> None:
    record = (migration.package, migration.number, migration.name, migration.sha256)
    if not migration.in_transaction:
        # No lock timeout: such statements wait gently, and one broken off leaves an invalid index behind.
        try:
            await connection.execute(migration.sql)
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{migration.label} failed: {error}") from error
        await connection.execute(_RECORD, *record)
        return
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            async with connection.transaction():
                await connection.execute(f"set local lock_timeout = {_LOCK_TIMEOUT_MS}")
                await connection.execute(migration.sql)
                if not connection.is_in_transaction():
                    raise MigrationError(f"{migration.label} ends its own transaction; it is applied and not recorded")
                await connection.execute(_RECORD, *record)
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError) as error:
            if attempt == _ATTEMPTS:
                raise MigrationError(
                    f"{migration.label} did not get its locks in {_ATTEMPTS} attempts; nothing of it was applied"
                ) from error
        except asyncpg.PostgresError as error:
            raise MigrationError(f"{migration.label} failed, nothing of it was applied: {error}") from error
        await asyncio.sleep(min(0.1 * 2**attempt, 5.0) * random.uniform(0.5, 1.0))


@asynccontextmanager
async def _connection(target: str | asyncpg.Connection) -> AsyncIterator[asyncpg.Connection]:
    if not isinstance(target, str):
        if target.is_in_transaction():
            raise MigrationError("migrations need a connection that is not inside a transaction")
        yield target
        return
    connection = await asyncpg.connect(target)
    try:
        yield connection
    finally:
        await connection.close()


@asynccontextmanager
async def _exclusively(connection: asyncpg.Connection) -> AsyncIterator[None]:
    # Asked again and again, not waited for: a session waiting inside pg_advisory_lock holds a snapshot, and the holder's
    # `create index concurrently` would wait for that snapshot, for ever.
    deadline = time.monotonic() + _LOCK_WAIT_SECONDS
    while not await connection.fetchval("select pg_try_advisory_lock($1)", _LOCK_KEY):
        if time.monotonic() > deadline:
            raise MigrationError("another process has been migrating this database for too long")
        await asyncio.sleep(_POLL_SECONDS)
    try:
        yield
    finally:
        if not connection.is_closed():
            await connection.execute("select pg_advisory_unlock($1)", _LOCK_KEY)

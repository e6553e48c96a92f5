"""Migrations against a real database, from packages written into a temporary directory."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from tongbao.kernel import migrations
from tongbao.kernel.migrations import MigrationError, migrate, pending

pytestmark = pytest.mark.asyncio

Package = Callable[[dict[str, str]], tuple[str, Path]]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """Makes an importable package whose folder `migrations` holds the given files; returns its name and that folder."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(files: dict[str, str]) -> tuple[str, Path]:
        name = f"migrated_{secrets.token_hex(4)}"
        folder = tmp_path / name / "migrations"
        folder.mkdir(parents=True)
        (tmp_path / name / "__init__.py").touch()
        for file, sql in files.items():
            (folder / file).write_text(sql)
        return name, folder

    return make


async def test_each_migration_is_applied_once_in_order(empty_database: str, package: Package) -> None:
    below, folder = package(
        {
            "0002_rows.sql": "insert into ground values (1); insert into ground values (2);",
            "0001_ground.sql": "create table ground (n int);",
        }
    )
    above, _ = package({"0001_view.sql": "create view seen as select n from ground;"})
    expected = [f"{below}:0001_ground", f"{below}:0002_rows", f"{above}:0001_view"]
    assert await pending(empty_database, [below, above]) == expected
    assert await migrate(empty_database, [below, above]) == expected
    assert await migrate(empty_database, [below, above]) == []
    (folder / "0003_more.sql").write_text("insert into ground values (3);")
    assert await pending(empty_database, [below, above]) == [f"{below}:0003_more"]
    connection = await asyncpg.connect(empty_database)
    try:
        assert await migrate(connection, [below, above]) == [f"{below}:0003_more"]
        assert await connection.fetchval("select sum(n) from seen") == 6
        rows = await connection.fetch(
            "select number, name, length(sha256) from schema_migration where package = $1 order by number", below
        )
        assert [tuple(row) for row in rows] == [(1, "ground", 64), (2, "rows", 64), (3, "more", 64)]
    finally:
        await connection.close()


async def test_processes_that_start_at_once_apply_each_file_once(empty_database: str, package: Package) -> None:
    name, _ = package(
        {
            "0001_slow.sql": "create table ground (n int); select pg_sleep(0.3);",
            "0002_index.sql": "-- no transaction\ncreate index concurrently ground_n on ground (n);",
            "0003_row.sql": "insert into ground values (1);",
        }
    )
    applied = await asyncio.wait_for(asyncio.gather(*(migrate(empty_database, [name]) for _ in range(4))), 30)
    assert sorted(map(len, applied)) == [0, 0, 0, 3]
    assert await _value(empty_database, "select count(*) from ground") == 1
    assert await _value(empty_database, "select indisvalid from pg_index where indexrelid = 'ground_n'::regclass") is True


async def test_a_changed_file_is_an_error(empty_database: str, package: Package) -> None:
    name, folder = package({"0001_ground.sql": "create table ground (n int);"})
    await migrate(empty_database, [name])
    (folder / "0001_ground.sql").write_text("create table ground (n bigint);")
    (folder / "0002_next.sql").write_text("create table next_one (n int);")
    for check in (migrate, pending):
        with pytest.raises(MigrationError, match=f"{name}:0001_ground was changed"):
            await check(empty_database, [name])
    assert await _value(empty_database, "select to_regclass('next_one')") is None


async def test_other_line_ends_are_no_change(empty_database: str, package: Package) -> None:
    name, folder = package({"0001_ground.sql": "create table\nground (n int);\n"})
    await migrate(empty_database, [name])
    (folder / "0001_ground.sql").write_bytes(b"create table\r\nground (n int);\r\n")
    assert await migrate(empty_database, [name]) == []


@pytest.mark.parametrize("renamed", [None, "0001_other.sql"])
async def test_a_missing_or_renamed_file_is_an_error(empty_database: str, package: Package, renamed: str | None) -> None:
    name, folder = package({"0001_ground.sql": "create table ground (n int);"})
    await migrate(empty_database, [name])
    if renamed is None:
        (folder / "0001_ground.sql").unlink()
    else:
        (folder / "0001_ground.sql").rename(folder / renamed)
    with pytest.raises(MigrationError, match="file is missing"):
        await migrate(empty_database, [name])


async def test_a_failing_migration_leaves_nothing_and_keeps_those_before(empty_database: str, package: Package) -> None:
    name, folder = package(
        {"0001_ground.sql": "create table ground (n int);", "0002_bad.sql": "create table half (n int); select 1 / 0;"}
    )
    with pytest.raises(MigrationError, match=r"0002_bad failed.*division by zero"):
        await migrate(empty_database, [name])
    assert await _value(empty_database, "select to_regclass('half')") is None
    assert await pending(empty_database, [name]) == [f"{name}:0002_bad"]
    (folder / "0002_bad.sql").write_text("create table half (n int);")
    assert await migrate(empty_database, [name]) == [f"{name}:0002_bad"]


async def test_a_migration_gives_way_to_a_held_lock_and_tries_again(
    empty_database: str, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT_MS", 100)
    name, folder = package({"0001_ground.sql": "create table ground (n int);"})
    await migrate(empty_database, [name])
    (folder / "0002_column.sql").write_text("alter table ground add column m int;")
    holder = await asyncpg.connect(empty_database)
    try:
        held = holder.transaction()
        await held.start()
        await holder.execute("lock table ground in access share mode")
        migrating = asyncio.create_task(migrate(empty_database, [name]))
        await asyncio.sleep(0.5)
        assert not migrating.done()
        # Between two attempts it stands in nobody's way.
        assert await asyncio.wait_for(_value(empty_database, "select count(*) from ground"), 2) == 0
        await held.rollback()
        assert await asyncio.wait_for(migrating, 10) == [f"{name}:0002_column"]
    finally:
        await holder.close()


async def test_a_lock_that_is_never_given_ends_in_an_error(
    empty_database: str, package: Package, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(migrations, "_LOCK_TIMEOUT_MS", 20)
    monkeypatch.setattr(migrations, "_ATTEMPTS", 2)
    name, folder = package({"0001_ground.sql": "create table ground (n int);"})
    await migrate(empty_database, [name])
    (folder / "0002_column.sql").write_text("alter table ground add column m int;")
    holder = await asyncpg.connect(empty_database)
    try:
        async with holder.transaction():
            await holder.execute("lock table ground in access share mode")
            with pytest.raises(MigrationError, match="did not get its locks in 2 attempts"):
                await migrate(empty_database, [name])
    finally:
        await holder.close()


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"1_short.sql": ""}, "not named NNNN_name.sql"),
        ({"0001_Upper.sql": ""}, "not named NNNN_name.sql"),
        ({"0001_a.sql": "", "0001_b.sql": ""}, "same number"),
    ],
)
async def test_misnamed_files_are_refused(empty_database: str, package: Package, files: dict[str, str], reason: str) -> None:
    name, _ = package(files)
    with pytest.raises(MigrationError, match=reason):
        await migrate(empty_database, [name])


async def test_a_package_without_the_folder_is_refused(empty_database: str) -> None:
    with pytest.raises(MigrationError, match="no folder migrations"):
        await migrate(empty_database, ["json"])


async def test_a_connection_inside_a_transaction_is_refused(empty_database: str, package: Package) -> None:
    name, _ = package({"0001_ground.sql": "create table ground (n int);"})
    connection = await asyncpg.connect(empty_database)
    try:
        async with connection.transaction():
            with pytest.raises(MigrationError, match="not inside a transaction"):
                await migrate(connection, [name])
    finally:
        await connection.close()


async def test_each_test_has_a_database_of_its_own(database: str, module_database: str, empty_database: str) -> None:
    names = [await _value(dsn, "select current_database()") for dsn in (database, module_database, empty_database)]
    assert len(set(names)) == 3
    # Copied from a migrated template, where even no package at all leaves the table of migrations.
    assert await _value(database, "select to_regclass('public.schema_migration')") is not None
    assert await _value(empty_database, "select to_regclass('public.schema_migration')") is None


async def _value(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()

# ruff: noqa: E501 (a row of a table stays on its line)
"""The chain's end is signed and kept outside: whatever the database's owner cuts off or rewrites is found."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
import pytest

from tests.support.town import NOON, Town, town
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.engine import anchors, points
from tongbao.engine.anchors import Anchor, AnchorCheck, AnchorKey, is_signed, read_file
from tongbao.engine.api import PostgresStore, Sealer
from tongbao.engine.chain import merkle_root
from tongbao.engine.findings import Finding, Verification
from tongbao.engine.verify import verify, verify_for_point
from tongbao.kernel.errors import InvariantBroken

KEY = AnchorKey(b"k" * 32)
SEALER = Sealer(b"seal")


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database)
    yield opened
    await opened.close()


@pytest.fixture
async def place(database: str) -> AsyncIterator[Town]:
    async with town(PostgresStore(database, sealer=SEALER)) as opened:
        yield opened


async def _anchor(connection: asyncpg.Connection, path: Path) -> Anchor | None:
    made = await anchors.make(connection, KEY, SEALER, RELATIONS, NOON)
    await anchors.append_to_file(connection, path)
    return made


async def _verify(connection: asyncpg.Connection, *files: Path) -> Verification:
    return await verify(connection, RELATIONS, SEALER, CHECKS, anchors=AnchorCheck(KEY.public_key, files))


async def _snapshot(connection: asyncpg.Connection) -> None:
    """Keep what is stored now, to put it back later: what somebody does who restores an old backup."""
    await connection.execute("drop schema if exists kept cascade; create schema kept")
    for table in _TABLES:
        await connection.execute(f"create table kept.{table} as table public.{table}")


async def _restore(connection: asyncpg.Connection) -> None:
    await connection.execute("set session_replication_role = replica")
    for table in _TABLES:
        await connection.execute(f"truncate public.{table}; insert into public.{table} select * from kept.{table}")
    await connection.execute("set session_replication_role = origin; update engine_turn set writer = 0")


_TABLES = (*(relation.name for relation in RELATIONS), "command", "outbox", "chain_link", "anchor")


async def test_an_anchor_says_where_every_chain_ends_and_is_signed(
    place: Town, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    await place.customer(1000)
    first = await _anchor(connection, tmp_path / "anchors")
    await place.customer(1000)
    second = await _anchor(connection, tmp_path / "anchors")
    assert first is not None and second is not None
    assert is_signed(first, KEY.public_key) and is_signed(second, KEY.public_key)
    ends = [anchor.read().writers[0] for anchor in (first, second)]
    assert ends[0].first == 1 and ends[1].first == ends[0].last + 1
    for end in ends:
        links = await connection.fetch(
            "select hash from chain_link where sequence between $1 and $2 order by sequence", end.first, end.last
        )
        assert end.root == merkle_root([row["hash"] for row in links]).hex()
        assert end.head == links[-1]["hash"].hex()
    assert second.read().previous == first.digest
    assert list(read_file(tmp_path / "anchors")) == [first, second]
    found = await _verify(connection, tmp_path / "anchors")
    assert found.ok and found.anchors == 2 and found.anchored_at == NOON


async def test_without_news_nothing_is_signed(place: Town, connection: asyncpg.Connection, tmp_path: Path) -> None:
    assert await _anchor(connection, tmp_path / "anchors") is None
    await place.customer()
    assert await _anchor(connection, tmp_path / "anchors") is not None
    assert await _anchor(connection, tmp_path / "anchors") is None


async def test_a_whole_database_put_back_to_an_older_state_is_found_by_the_file(
    place: Town, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    await place.customer(1000)
    await _anchor(connection, tmp_path / "anchors")
    await _snapshot(connection)
    await place.customer(2000)
    await _anchor(connection, tmp_path / "anchors")
    await _restore(connection)
    assert (await _verify(connection)).ok, "the older state agrees with itself in everything"
    found = await _verify(connection, tmp_path / "anchors")
    assert not found.ok
    assert any("is missing in the database" in each.text for each in found.findings)
    assert any("the end was cut off" in each.text for each in found.findings)


async def test_a_history_written_anew_is_found_by_the_file(database: str, connection: asyncpg.Connection, tmp_path: Path) -> None:
    async with town(PostgresStore(database, sealer=SEALER)) as place:
        await place.customer(1000)
        await _snapshot(connection)
        await place.customer(2000)
        await _anchor(connection, tmp_path / "anchors")
    await _restore(connection)
    async with town(PostgresStore(database, sealer=SEALER), seed=2) as place:
        await place.customer(3000)
        await place.customer(4000)
    assert (await _verify(connection)).ok
    found = await _verify(connection, tmp_path / "anchors")
    assert not found.ok and any("are not those of anchor 1" in each.text for each in found.findings)


async def test_a_file_that_ends_early_or_in_the_middle_of_a_line_is_completed(
    place: Town, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    path = tmp_path / "anchors"
    for _ in range(3):
        await place.customer()
        await _anchor(connection, path)
    whole = list(read_file(path))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:40])
    assert (await _verify(connection, path)).ok
    assert await anchors.append_to_file(connection, path) == 2
    assert list(read_file(path)) == whole


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("update anchor set statement = replace(statement, '\"at\":\"2026', '\"at\":\"2025') where number = 2", "its signature does not fit"),
        ("update anchor set signature = set_byte(signature, 0, get_byte(signature, 0) # 1) where number = 1", "its signature does not fit"),
        ("delete from anchor where number = 1", "anchor 1 is missing"),
        ("update anchor set number = 9 where number = 3", "anchor 3 is missing"),
        ("update anchor a set statement = b.statement, signature = b.signature from anchor b where a.number = 3 and b.number = 2",
         "anchor 3 is missing"),
    ],
)  # fmt: skip
async def test_an_altered_anchor_is_found_in_the_database_alone(
    place: Town, connection: asyncpg.Connection, tmp_path: Path, sql: str, says: str
) -> None:
    for _ in range(3):
        await place.customer()
        await _anchor(connection, tmp_path / "anchors")
    await connection.execute("set session_replication_role = replica")
    await connection.execute(sql)
    found = await _verify(connection)
    assert says in " | ".join(each.text for each in found.findings)


async def test_an_anchor_altered_in_the_file_is_found(place: Town, connection: asyncpg.Connection, tmp_path: Path) -> None:
    path = tmp_path / "anchors"
    await place.customer()
    made = await _anchor(connection, path)
    assert made is not None
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(made, statement=made.statement.replace("2026", "2025"))) + b"\n")
    found = await _verify(connection, path)
    assert not found.ok and "its signature does not fit" in found.findings[0].text


async def test_what_the_engine_did_not_make_is_never_anchored(
    place: Town, connection: asyncpg.Connection, tmp_path: Path
) -> None:
    await place.customer()
    await connection.execute(
        "set session_replication_role = replica; update chain_link set commands = commands + 1 where sequence = 1"
    )
    with pytest.raises(InvariantBroken, match="nothing is anchored"):
        await _anchor(connection, tmp_path / "anchors")


# ── verified points ─────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_a_run_since_the_last_one_compares_only_what_is_new(place: Town, connection: asyncpg.Connection) -> None:
    await place.customer(1000)
    whole, point = await verify_for_point(connection, RELATIONS, SEALER, CHECKS)
    await points.keep(connection, point, SEALER)
    await place.customer(2000)
    kept = await points.newest(connection, SEALER)
    assert kept == point
    rest, after = await verify_for_point(connection, RELATIONS, SEALER, CHECKS, since=kept)
    again, there = await verify_for_point(connection, RELATIONS, SEALER, CHECKS)
    assert rest.ok and again.ok
    assert 0 < rest.commands == again.commands - whole.commands
    assert (after.heads, after.sums, after.counts) == (there.heads, there.sums, there.counts)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("delete from bill where bill_id = (select min(bill_id::text)::uuid from bill)", "bill: 1 rows that were verified before are missing"),
        ("insert into journal select gen_random_uuid(), command_id, kind, memo, posted_at, value_date, null from journal limit 1", "was written by no command"),
        ("delete from hold", "hold: rows were deleted or put back"),
        ("update chain_link set hash = sha256('x') where sequence = (select max(sequence) from chain_link)", "link was altered"),
        ("delete from chain_link where sequence > 3", "is missing"),
    ],
)  # fmt: skip
async def test_a_run_since_the_last_one_finds(place: Town, connection: asyncpg.Connection, sql: str, says: str) -> None:
    payer = await place.customer(1000)
    await place.happens(place.holding(payer, place.id(), 100))
    _, point = await verify_for_point(connection, RELATIONS, SEALER, CHECKS)
    await place.customer(2000)
    await connection.execute("set session_replication_role = replica")
    await connection.execute(sql)
    found = await verify(connection, RELATIONS, SEALER, since=point)
    assert says in " | ".join(each.text for each in found.findings)


async def test_every_sealed_row_is_compared_within_so_many_runs(place: Town, connection: asyncpg.Connection) -> None:
    await place.customer(1000)
    _, point = await verify_for_point(connection, RELATIONS, SEALER, CHECKS)
    await connection.execute("update pin set wrong = wrong + 1")
    found: list[Finding] = []
    for _ in range(points.SLICES):
        result, point = await verify_for_point(connection, RELATIONS, SEALER, since=point)
        found += result.findings
    assert [(each.table, each.column) for each in found] == [("pin", "wrong")]


async def test_a_point_that_was_written_without_the_key_is_not_used(place: Town, connection: asyncpg.Connection) -> None:
    await place.customer()
    _, point = await verify_for_point(connection, RELATIONS, SEALER)
    await points.keep(connection, point, SEALER)
    await connection.execute("update verified_point set at = at - interval '1 second'")
    assert await points.newest(connection, SEALER) is None

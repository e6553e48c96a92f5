"""Verifying, anchoring and proving as the commands and the worker do it."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from tests.support.town import NOON, town
from tongbao.app.audit import Audit, anchor_file
from tongbao.app.settings import Settings
from tongbao.engine.anchors import read_file
from tongbao.engine.api import PostgresStore, Sealer
from tongbao.kernel.clock import VirtualClock
from tongbao.security.keys import Keys


@pytest.fixture
async def installed(database: str, tmp_path: Path) -> tuple[Settings, Keys]:
    """An installation in which money moved."""
    keys = Keys.open(tmp_path / "keys.json")
    async with town(PostgresStore(database, sealer=Sealer(keys.seal))) as place:
        await place.customer(1000)
    return Settings(data_dir=tmp_path, database_url=database), keys


def _tongbao(settings: Settings, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAO_")}
    environment |= {"TONGBAO_DATA_DIR": str(settings.data_dir), "TONGBAO_DATABASE_URL": settings.database_url}
    return subprocess.run(
        [sys.executable, "-m", "tongbao", *arguments], env=environment, capture_output=True, text=True, timeout=60, check=False
    )


async def _alter(settings: Settings, sql: str) -> None:
    connection = await asyncpg.connect(settings.database_url)
    try:
        await connection.execute("set session_replication_role = replica")
        await connection.execute(sql)
    finally:
        await connection.close()


async def test_verify_says_in_its_exit_code_and_in_one_sentence_what_it_found(installed: tuple[Settings, Keys]) -> None:
    settings, _ = installed
    assert "anchor 1 in" in _tongbao(settings, "anchor").stdout
    assert "nothing new" in _tongbao(settings, "anchor").stdout
    right = _tongbao(settings, "verify")
    assert right.returncode == 0 and "everything agrees" in right.stdout and "anchors" in right.stdout
    told = _tongbao(settings, "verify", "--since-last", "--json")
    since: dict[str, Any] = msgspec.json.decode(told.stdout)
    assert told.returncode == 0 and since["ok"] and since["commands"] == 0 and since["since"] is not None
    await _alter(settings, "update bill set amount_minor = amount_minor + 1")
    wrong = _tongbao(settings, "verify", "--json")
    found = msgspec.json.decode(wrong.stdout)
    assert wrong.returncode == 1 and not found["ok"]
    assert (found["findings"][0]["table"], found["findings"][0]["column"]) == ("bill", "amount_minor")
    assert (found["findings"][0]["before"], found["findings"][0]["now"]) == (1000, 1001)
    copy = settings.data_dir / "copy.jsonl"
    copy.write_bytes(anchor_file(settings).read_bytes())
    assert _tongbao(settings, "verify", "--anchors", str(copy)).returncode == 1


def test_verify_without_a_database_or_without_keys_could_not_compare(tmp_path: Path) -> None:
    nothing = _tongbao(Settings(data_dir=tmp_path), "verify")
    assert nothing.returncode == 2 and "there is no database" in nothing.stderr
    keyless = _tongbao(Settings(data_dir=tmp_path, database_url="postgresql://127.0.0.1:1/x"), "verify")
    assert keyless.returncode == 2 and "there are no keys" in keyless.stderr
    assert not (tmp_path / "keys.json").exists()


@pytest.mark.parametrize("words", [("anchor",), ("prove", "--journal", "00000000-0000-0000-0000-000000000000")])
def test_who_only_looks_makes_neither_database_nor_keys(tmp_path: Path, words: tuple[str, ...]) -> None:
    nothing = _tongbao(Settings(data_dir=tmp_path), *words)
    assert nothing.returncode == 1 and "there is no database" in nothing.stderr
    keyless = _tongbao(Settings(data_dir=tmp_path, database_url="postgresql://127.0.0.1:1/x"), *words)
    assert keyless.returncode == 1 and "there are no keys" in keyless.stderr
    assert not list(tmp_path.iterdir())


async def test_the_worker_anchors_when_it_is_time_and_there_is_news(installed: tuple[Settings, Keys]) -> None:
    settings, keys = installed
    clock = VirtualClock(NOON)
    audit = Audit(settings.database_url, keys, settings, clock)
    assert [await audit.anchor_when_due() for _ in range(2)] == [1, 0]
    clock.advance(timedelta(seconds=61))
    assert await audit.anchor_when_due() == 0, "there is no news"
    assert len(list(read_file(anchor_file(settings)))) == 1
    await _alter(settings, "update chain_link set commands = commands + 1 where sequence = 1; delete from anchor")
    clock.advance(timedelta(seconds=61))
    assert await audit.anchor_when_due() == 0, "what was altered is not signed"


async def test_the_worker_verifies_what_is_new_often_and_everything_at_night(installed: tuple[Settings, Keys]) -> None:
    settings, keys = installed
    settings = msgspec.structs.replace(settings, verify_every_s=600, verify_hour=3)
    clock = VirtualClock(NOON)  # 20:00 in Shanghai
    audit = Audit(settings.database_url, keys, settings, clock)
    begun: list[int] = []
    for _ in range(3):
        begun.append(await audit.verify_when_due())
        await audit.idle()
        clock.advance(timedelta(seconds=301))
    assert begun == [1, 0, 1]
    clock.advance(timedelta(hours=6, minutes=45))  # past three in the morning
    begun = [await audit.verify_when_due()]
    await audit.idle()
    assert begun == [1] and audit.last is not None and audit.last.since is None
    clock.advance(timedelta(seconds=601))
    await audit.verify_when_due()
    await audit.idle()
    assert audit.last is not None and audit.last.since is not None
    await audit.close()

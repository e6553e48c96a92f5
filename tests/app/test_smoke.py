"""`tongbao smoke`: it passes over the product as it is, it notices a single fen, and it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tongbao
from tongbao.app.smoking.tally import Tally, fee_given_back, fee_of, yuan
from tongbao.kernel.postgres.databases import query

pytestmark = pytest.mark.timeout(120)

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Starts the command with a folder of its own for everything temporary."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAO_")}
    environment |= {
        "TMPDIR": str(tmp_path),
        "PYTHONPATH": os.pathsep.join((str(Path(tongbao.__file__).parents[1]), os.environ.get("PYTHONPATH", ""))),
        "TONGBAO_ARGON2_MEMORY_KIB": "8192",
    }

    def start(*arguments: str, **more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tongbao", "smoke", *arguments]
        return subprocess.Popen(command, env=environment | more, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    return start


def left_over(tmp_path: Path) -> list[str]:
    return sorted(path.suffix or path.name for path in tmp_path.iterdir() if path.name.startswith("tongbao-smoke-"))


def test_the_story_is_told_to_its_end_and_nothing_is_left(start: Start, tmp_path: Path) -> None:
    process = start()
    said = process.communicate(timeout=100)[0]
    assert process.returncode == 0, said
    assert said.count("✓") == 17
    assert "everything is as it should be" in said
    assert left_over(tmp_path) == []


def test_on_the_operators_own_database_server_it_makes_one_and_removes_it(start: Start, tmp_path: Path, database: str) -> None:
    def databases() -> set[str]:
        return {name for name in query(database, "select datname from pg_database").split() if name.startswith("smoke_")}

    process = start(TONGBAO_DATABASE_URL=database)
    said = process.communicate(timeout=100)[0]
    assert process.returncode == 0, said
    assert databases() == set()
    assert left_over(tmp_path) == []


def test_a_fen_of_difference_is_noticed_named_and_its_log_kept(start: Start, tmp_path: Path) -> None:
    process = start("--fee-error", "1")
    said = process.communicate(timeout=100)[0]
    assert process.returncode == 1
    assert "✗ order: expected ('CREATED', '36.75', '0.23'), found ('CREATED', '36.75', '0.22')" in said
    assert "everything is as it should be" not in said
    assert left_over(tmp_path) == [".log"]


def test_stopped_in_the_middle_it_takes_everything_down(start: Start, tmp_path: Path) -> None:
    process = start()
    assert process.stdout is not None
    assert "are up" in process.stdout.readline()
    children = descendants(process.pid)
    assert len(children) >= 4  # a database, a bank, a server, a worker
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=40) != 0
    deadline = time.monotonic() + 10
    while alive := {pid for pid in children if Path(f"/proc/{pid}").exists()}:
        assert time.monotonic() < deadline, alive
        time.sleep(0.05)
    assert left_over(tmp_path) == []


@pytest.mark.parametrize(
    ("fen", "ppm", "fee"),
    [(36_75, 6_000, 22), (12_50, 6_000, 8), (8_33, 6_000, 5), (1, 6_000, 0), (1_00, 5_000, 1), (99, 5_000, 0), (5, 100_000, 1)],
)
def test_fees_of_the_tally_are_rounded_half_up(fen: int, ppm: int, fee: int) -> None:
    assert fee_of(fen, ppm) == fee


def test_the_tally_balances_and_counts() -> None:
    tally = Tally(6_000)
    tally.topped_up("a", 100_00, "1")
    tally.paid("a", "shop", 36_75)
    assert tally.refunded("a", "shop", 10_00, of=36_75) == fee_given_back(22, 36_75, 10_00) == 5
    assert sum(tally.balances.values()) == 0
    assert (tally.journals, tally.entries) == (3, 8)
    assert (tally.entered["a"], tally.left["a"], tally.wallet("a")) == (110_00, 36_75, 73_25)
    assert [yuan(fen) for fen in (0, 5, -5, 123_45)] == ["0.00", "0.05", "-0.05", "123.45"]


def descendants(pid: int) -> set[int]:
    """Every process below this one."""
    found: set[int] = set()
    waiting = [pid]
    while waiting:
        parent = waiting.pop()
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            children = {int(child) for child in task.read_text().split()} - found
            found |= children
            waiting += children
    return found

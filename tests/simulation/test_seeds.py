"""Many virtual days of people, merchants and thieves, in all weathers: every rule holds, and each seed is always the same run.

TONGBAO_TEST_SEEDS   how many seeds over memory (48); over PostgreSQL it is a twentieth of that
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import tongbao
from tongbao.kernel.postgres import EmbeddedPostgres
from tongbao.simulation.databases import fresh_tables
from tongbao.simulation.run import Report, run

SEEDS = int(os.environ.get("TONGBAO_TEST_SEEDS", "48"))

_HASHES = """
import logging, structlog
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
from tongbao.simulation.run import run
for seed in (3, 11, 24):
    print(seed, run(seed).hash)
"""


def _holds(report: Report) -> None:
    again = f"python -m tongbao.simulation --seed {report.seed} --store {report.store} --trace"
    assert report.violation is None, "\n".join([*report.tail, report.violation or "", again])


@pytest.mark.timeout(120 + SEEDS)
def test_every_rule_holds_in_memory() -> None:
    kinds: Counter[str] = Counter()
    deaths = repeats = 0
    for seed in range(1, SEEDS + 1):
        report = run(seed)
        _holds(report)
        kinds.update(report.kinds)
        deaths, repeats = deaths + report.deaths, repeats + report.repeats
    # A run in which nothing happens proves nothing.
    assert deaths > SEEDS
    assert repeats > SEEDS
    for kind in ("wallet.transfer", "payments.pay_order", "payments.refund", "ledger.capture", "wallet.settle_bank_transfer"):
        assert kinds[kind] > SEEDS / 20, kind


@pytest.mark.timeout(120 + SEEDS)
def test_every_rule_holds_over_postgresql(postgres_server: EmbeddedPostgres, database_template: str) -> None:
    for seed in range(1, max(1, SEEDS // 20) + 1):
        with fresh_tables(postgres_server.dsn, database_template) as tables:
            _holds(run(seed, tables=tables, store="postgres", actors=4, days=1))


def test_a_seed_is_the_same_run_over_postgresql_too(postgres_server: EmbeddedPostgres, database_template: str) -> None:
    hashes = []
    for _ in range(2):
        with fresh_tables(postgres_server.dsn, database_template) as tables:
            hashes.append(run(4, tables=tables, store="postgres", actors=2, days=1, processes=3).hash)
    assert hashes[0] == hashes[1]


def test_a_seed_is_the_same_run_in_every_process() -> None:
    told = []
    for hash_seed in ("0", "1"):
        environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(tongbao.__file__).parents[1])}
        done = subprocess.run(
            [sys.executable, "-c", _HASHES], env=environment, check=True, capture_output=True, text=True, timeout=120
        )
        told.append(done.stdout)
    assert told[0].count("\n") == 3
    assert told[0] == told[1]


def test_another_seed_is_another_run() -> None:
    assert len({run(seed, actors=3, days=1).hash for seed in range(1, 6)}) == 5


def broken(*options: str) -> subprocess.CompletedProcess[str]:
    """The command over six seeds, every one of which fails at the first answer."""
    program = (
        "import sys; from tongbao.simulation import auditor, __main__ as command\n"
        "auditor.Auditor._told = lambda self, wish, outcome, record: self.must(False, 'nobody is ever told anything')\n"
        f"sys.argv = ['simulation', '--seeds', '1..6', '--workers', '1', '--json', *{options!r}]; command.main()"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(tongbao.__file__).parents[1])}
    return subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def test_the_command_tells_the_first_failing_seed_and_how_to_see_it_again() -> None:
    done = broken()
    assert done.returncode == 1
    assert "BROKEN: nobody is ever told anything" in done.stdout
    assert "again: python -m tongbao.simulation --seed 1 --store memory" in done.stdout
    assert '"first_failing_seed": 1' in done.stdout


def test_the_command_goes_on_after_a_failing_seed_if_it_is_to_write_them_down(tmp_path: Path) -> None:
    failures = tmp_path / "failures"
    done = broken("--failures", str(failures))
    assert done.returncode == 1
    lines = failures.read_text().splitlines()
    again = [f"python -m tongbao.simulation --seed {seed} --store memory --trace  # " for seed in range(1, 7)]
    assert len(lines) == 6
    assert all(line.startswith(f"{how}nobody is ever told anything") for line, how in zip(lines, again, strict=True))

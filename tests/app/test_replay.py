"""`tongbao replay` as a command: what it refuses, what it reports, that it continues, that it keeps time."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest
from click import ClickException

import tongbao
from tongbao.app.replaying.source import Source, is_short
from tongbao.app.settings import Settings
from tongbao.app.watch import database_watched, patiently
from tongbao.kernel.postgres import EmbeddedPostgres

HEADER = "transaction_id,at,customer_id,terminal_id,amount_minor,is_fraud,fraud_scenario"
REAL = Path(__file__).parents[3] / "shared" / "data" / "card-fraud" / "payments.parquet"

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run(database: str, tmp_path: Path) -> Run:
    """Runs the command over a fresh database of the test run's server."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAO_")}
    environment |= {
        "TONGBAO_DATA_DIR": str(tmp_path / "data"),
        "TONGBAO_DATABASE_URL": database,
        "PYTHONPATH": str(Path(tongbao.__file__).parents[1]),
        "COLUMNS": "140",
    }

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from tongbao.app.cli import main; main()", "replay", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100, check=False)

    return run


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join((header, *rows)) + "\n")
    return path


def payments(count: int) -> list[str]:
    """Customers 1 to 5, none of whom is left short, in turn at two terminals; 3.00 each, a second apart."""
    return [f"{n},2018-04-01 00:{n // 60:02}:{n % 60:02},{1 + n % 5},{n % 2},300,{int(n % 10 == 0)},0" for n in range(count)]


def figures(text: str) -> dict[str, str]:
    """The report's table: first column to second."""
    rows = [line.split("│") for line in text.splitlines() if line.count("│") == 3]
    return {row[1].strip(): row[2].strip() for row in rows}


async def test_everything_is_paid_reported_and_found(run: Run, tmp_path: Path, database: str) -> None:
    file, log = write(tmp_path / "payments.csv", *payments(100)), tmp_path / "log"
    done = await asyncio.to_thread(run, file, "--acknowledged", log)
    assert done.returncode == 0, done.stdout + done.stderr
    shown = figures(done.stdout)
    assert shown["payments"] == "100"
    assert shown["acknowledged"] == "100, of which 10 labelled fraud"
    assert shown["found in the database"] == "100"
    assert shown["1001 Customer reserve at bank"] == "-300.00 CNY (1)"
    assert shown["2001 Customer wallets"] == "0.00 CNY (5)"
    assert shown["4001 Fee income"] == "2.00 CNY (1)"  # 0.6 % of 3.00 is 1.8 fen: rounded up, a hundred times
    assert shown["trial balance"] == "0.00 CNY"
    assert shown["audit chain"].startswith("verified")
    assert log.read_text().splitlines() == [str(number) for number in range(100)]
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("select count(*) from payment where state = 'PAID' and method = 'replay'") == 100
    await connection.close()


def test_again_and_further_pays_only_what_is_new(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "payments.csv", *payments(60))
    assert run(file, "--limit", "20").returncode == 0
    further = figures(run(file).stdout)
    assert (further["payments"], further["done before, answered again"]) == ("60", "20")
    again = run(file)
    assert again.returncode == 0
    assert figures(again.stdout)["done before, answered again"] == "60"
    assert figures(again.stdout)["2001 Customer wallets"] == "0.00 CNY (5)"


def test_a_customer_left_short_is_declined(run: Run, tmp_path: Path) -> None:
    short = next(str(number) for number in range(1_000) if is_short(str(number)))
    rows = [f"{n},2018-04-01 00:00:{n:02},{short},7,{amount},0,0" for n, amount in enumerate((400, 500, 100, 1))]
    shown = figures(run(write(tmp_path / "payments.csv", *rows)).stdout)
    assert shown["acknowledged"].startswith("2,")  # 400 of 500, then 100
    assert shown["declined: insufficient_funds"] == "2"
    assert shown["2001 Customer wallets"] == "0.00 CNY (1)"


async def test_what_the_database_says_otherwise_is_found(run: Run, tmp_path: Path, database: str) -> None:
    file = write(tmp_path / "payments.csv", *payments(20))
    assert (await asyncio.to_thread(run, file)).returncode == 0
    connection = await asyncpg.connect(database)
    await connection.execute("update payment set amount_minor = amount_minor + 1 where out_trade_no = '7'")
    await connection.execute("delete from payment where out_trade_no = '8'")
    await connection.close()
    done = await asyncio.to_thread(run, file)
    assert done.returncode == 1
    assert "1 are missing and 1 differ" in done.stdout.replace("\n", " ")


def test_a_speed_keeps_to_the_recorded_times(run: Run, tmp_path: Path) -> None:
    file = write(tmp_path / "payments.csv", *payments(21))  # twenty seconds
    seconds = float(figures(run(file, "--speed", "10").stdout)["took"].split()[0])
    assert 2.0 <= seconds < 6.0


@pytest.mark.parametrize(
    ("rows", "header", "says"),
    [
        (["1,2018-04-01 00:00:00,1,1,-5,0,0"], HEADER, "1 amounts are below zero (transaction 1 for one)"),
        (["1,2018-04-01 00:00:00,1,1,2000000000000000,0,0"], HEADER, "larger than can be handled"),
        (["1,2018-04-01 00:00:00,1,1,1.5,0,0"], HEADER, "column amount_minor holds DOUBLE"),
        (["1,yesterday,1,1,5,0,0"], HEADER, "column at holds VARCHAR"),
        (["1,2018-04-01 00:00:00,1,1,5,0,"], HEADER, "fraud_scenario"),
        (["1,2018-04-01 00:00:00,,1,5,0,0", "2,2018-04-01 00:00:00,1,1,5,0,0"], HEADER, "empty fields"),
        (["1,2018-04-01 00:00:00,1,1,5,0,0"] * 2, HEADER, "more than once"),
        (["1,2018-04-01 00:00:00,1,1,5,0,0,x"], HEADER + ",note", "a column that is not known: note"),
        (["1,2018-04-01 00:00:00,1,1,5,0"], HEADER.removesuffix(",fraud_scenario"), "no column fraud_scenario"),
    ],
)
def test_a_file_that_is_not_right_is_refused(rows: list[str], header: str, says: str, tmp_path: Path) -> None:
    with pytest.raises(ClickException) as refused:
        Source(write(tmp_path / "payments.csv", *rows, header=header))
    assert says in refused.value.message


def test_a_file_that_is_not_parquet_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ClickException, match="cannot be read"):
        Source(write(tmp_path / "payments.parquet", *payments(2)))


def test_nothing_is_done_before_the_file_is_checked(run: Run, tmp_path: Path) -> None:
    done = run(write(tmp_path / "payments.csv", *payments(5), "5,2018-04-01 00:00:00,1,1,-5,0,0"))
    assert done.returncode == 1
    assert "1 amounts are below zero" in done.stderr
    assert not (tmp_path / "data").exists()


def test_payments_of_nothing_are_left_out_and_counted(tmp_path: Path) -> None:
    rows = ["1,2018-04-01 00:00:00,1,1,0,0,0", "2,2018-04-01 00:00:00,1,1,5,0,0"]
    source = Source(write(tmp_path / "payments.csv", *rows))
    assert (source.payments, source.left_out) == (1, 1)
    assert [row.transaction for chunk in source.chunks(10) for row in chunk] == ["2"]


def test_chunks_are_bounded_complete_and_in_order(tmp_path: Path) -> None:
    source = Source(write(tmp_path / "payments.csv", *payments(25)), limit=23)
    chunks = list(source.chunks(10))
    assert [len(chunk) for chunk in chunks] == [10, 10, 3]
    assert [row.transaction for chunk in chunks for row in chunk] == [str(number) for number in range(23)]


def test_the_real_payments(run: Run) -> None:
    if not REAL.exists():
        pytest.skip("the real payments are not on this machine")
    done = run(REAL, "--limit", "2000")
    assert done.returncode == 0, done.stdout + done.stderr
    shown = figures(done.stdout)
    declined = int(shown["declined: insufficient_funds"])
    assert 0 < declined < 200
    assert shown["found in the database"] == f"{2_000 - declined:,}"


async def test_a_dead_database_is_started_again(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    server = EmbeddedPostgres(tmp_path / "postgres", durable=False)
    dsn = await asyncio.to_thread(server.start)
    try:
        async with database_watched(settings):
            pid = server.pid()
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            started = time.monotonic()
            while server.pid() in (pid, None):
                assert time.monotonic() - started < 20
                await asyncio.sleep(0.05)
            assert await patiently(lambda: one(dsn)) == 1
    finally:
        await asyncio.to_thread(server.stop)
        shutil.rmtree(tmp_path / "postgres", ignore_errors=True)


async def one(dsn: str) -> int:
    connection = await asyncpg.connect(dsn)
    try:
        value: int = await connection.fetchval("select 1")
        return value
    finally:
        await connection.close()

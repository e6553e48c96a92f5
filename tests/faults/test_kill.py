"""PostgreSQL and the replay itself are killed in the middle of a replay, over and over; no acknowledged payment is lost,
doubled or changed.

    TONGBAO_TEST_KILLS   how many kills (4; 20 for acceptance, 200 for a soak)
"""

from __future__ import annotations

import asyncio
import csv
import itertools
import os
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

import tongbao
from tests.support.servers import kill_database
from tongbao.app.watch import patiently
from tongbao.identity.enrolment import name_index
from tongbao.kernel.postgres import EmbeddedPostgres
from tongbao.security.keyring import KeyRing
from tongbao.security.personal import Vault

KILLS = int(os.environ.get("TONGBAO_TEST_KILLS", "4"))
ROWS = 2_000 + 200 * KILLS
#: Among these customers are three who are left short.
CUSTOMERS, TERMINALS = range(160, 220), range(30)
#: Few on their way at once, so that batches are small and there are many moments to be killed at.
CONCURRENCY = 25

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds the server's processes in /proc"),
    pytest.mark.timeout(120 + 15 * KILLS),
]


class Paid:
    """What must come of the file, worked out from its text alone: who pays what, and what each customer has left."""

    def __init__(self, file: Path) -> None:
        with file.open(newline="") as text:
            rows = list(csv.DictReader(text))
        wished: dict[str, list[int]] = {}
        for row in rows:
            wished.setdefault(row["customer_id"], []).append(int(row["amount_minor"]))
        # One in thirty-two is left short, with enough for the largest payment alone.
        short = {customer for customer in wished if sha256(customer.encode()).digest()[0] % 32 == 0}
        self.left = {customer: max(amounts) if customer in short else sum(amounts) for customer, amounts in wished.items()}
        self.funds = sum(self.left.values())
        self.amounts: dict[str, int] = {}
        self.by_customer: Counter[str] = Counter()
        for row in rows:
            customer, amount = row["customer_id"], int(row["amount_minor"])
            if amount <= self.left[customer]:
                self.left[customer] -= amount
                self.by_customer[customer] += amount
                self.amounts[row["transaction_id"]] = amount
        self.declined = len(rows) - len(self.amounts)


class Replay:
    """The command, as an operator runs it, in a process of its own."""

    def __init__(self, file: Path, place: Path) -> None:
        self.server = EmbeddedPostgres(place / "data" / "postgres")
        self.acknowledged = place / "acknowledged"
        self._said = place / "said"
        self._file = file
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAO_")}
        self._environment |= {"TONGBAO_DATA_DIR": str(place / "data"), "PYTHONPATH": str(Path(tongbao.__file__).parents[1])}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        arguments = [str(self._file), "--concurrency", str(CONCURRENCY), "--acknowledged", str(self.acknowledged)]
        with self._said.open("ab") as output:
            self._process = subprocess.Popen(
                self._command("replay", *arguments), env=self._environment, stdout=output, stderr=output
            )

    def kill(self) -> None:
        assert self._process is not None
        assert self._process.poll() is None, f"the replay ended before it was killed:\n{self.said()}"
        self._process.kill()
        self._process.wait()

    def finish(self) -> int:
        assert self._process is not None
        return self._process.wait(timeout=100)

    def end(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self.server.stop()

    def wait_for(self, acknowledged: int) -> None:
        """Return when so many different payments are acknowledged."""
        deadline = time.monotonic() + 60
        while len(self.numbers()) < acknowledged:
            assert self._process is not None and self._process.poll() is None, f"the replay ended too soon:\n{self.said()}"
            assert time.monotonic() < deadline, f"the replay does not go on:\n{self.said()}"
            time.sleep(0.005)

    def wait_for_database(self) -> None:
        """Return when the database runs, which a replay that has just begun starts again."""
        deadline = time.monotonic() + 60
        while self.server.pid() is None:
            assert time.monotonic() < deadline, f"the database is not started again:\n{self.said()}"
            time.sleep(0.005)

    def numbers(self) -> set[str]:
        return set(self.acknowledged.read_text().splitlines()) if self.acknowledged.exists() else set()

    def verify(self) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(self._command("verify"), env=self._environment, capture_output=True, timeout=100, check=False)

    def vault(self) -> Vault:
        """To find people by their names, which stand nowhere."""

        async def nobody(_: list[UUID]) -> dict[UUID, bytes]:
            return {}

        return Vault(KeyRing.open(Path(self._environment["TONGBAO_DATA_DIR"]) / "keys.json"), nobody)

    def said(self) -> str:
        return self._said.read_text(errors="replace")[-8_000:]

    def count(self, event: str) -> int:
        return self._said.read_text(errors="replace").count(event)

    @staticmethod
    def _command(*arguments: str) -> list[str]:
        return [sys.executable, "-c", "from tongbao.app.cli import main; main()", *arguments]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Random payments of a few customers; the same in every run."""
    chance = random.Random(20180401)
    at = datetime(2018, 4, 1, tzinfo=UTC)
    path = tmp_path / "payments.csv"
    with path.open("w", newline="") as text:
        writer = csv.writer(text)
        writer.writerow(["transaction_id", "at", "customer_id", "terminal_id", "amount_minor", "is_fraud", "fraud_scenario"])
        for number in range(ROWS):
            at += timedelta(seconds=chance.randrange(1, 90))
            who, where = chance.choice(CUSTOMERS), chance.choice(TERMINALS)
            writer.writerow([number, at.strftime("%Y-%m-%d %H:%M:%S"), who, where, chance.randrange(1, 50_000), 0, 0])
    return path


@pytest.fixture
def replay(file: Path, tmp_path: Path) -> Iterator[Replay]:
    replay = Replay(file, tmp_path)
    yield replay
    replay.end()
    shutil.rmtree(tmp_path / "data", ignore_errors=True)


async def test_no_acknowledged_payment_is_lost_or_doubled_whoever_is_killed(file: Path, replay: Replay) -> None:
    chance = random.Random(KILLS)
    replay.start()
    for number, victim in zip(range(KILLS), itertools.cycle(("database", "replay", "both")), strict=False):
        # Somewhere in its own share of the rows, so that there is work before and after every kill.
        replay.wait_for(int((number + chance.uniform(0.2, 0.8)) * (ROWS * 0.9 / KILLS)))
        acknowledged = replay.numbers()
        if victim in ("database", "both"):
            replay.wait_for_database()
        if victim in ("replay", "both"):
            replay.kill()
            acknowledged = replay.numbers()
        if victim in ("database", "both"):
            kill_database(replay.server)
        # Looked at before a new replay could make them again. Half of the times that both die it is the replay's turn to
        # find the database dead.
        if victim != "both" or number % 2:
            assert acknowledged - await paid_numbers(replay.server) == set()
        if victim in ("replay", "both"):
            replay.start()
        print(f"kill {number + 1} of {KILLS}: {victim}", flush=True)
    assert replay.finish() == 0, replay.said()
    assert replay.count("batch_retried") >= 1, "no kill met a batch on its way"

    paid = Paid(file)
    assert 0 < paid.declined < ROWS / 5
    assert replay.numbers() == set(paid.amounts)
    await check_books(replay.server.start(), paid, replay.vault())
    verified = replay.verify()
    assert verified.returncode == 0, verified.stdout.decode() + verified.stderr.decode()


async def paid_numbers(server: EmbeddedPostgres) -> set[str]:
    """The numbers of the payments in the database, which is started again if need be."""

    async def read() -> set[str]:
        connection = await asyncpg.connect(await asyncio.to_thread(server.start))
        try:
            return {row["out_trade_no"] for row in await connection.fetch("select out_trade_no from payment")}
        finally:
            await connection.close()

    return await patiently(read)


async def check_books(dsn: str, paid: Paid, vault: Vault) -> None:
    """Payments, journals, entries and balances against the file. The name of a customer of a replay is `Customer <number>`."""
    connection = await asyncpg.connect(dsn)
    try:
        payments = await connection.fetch("select out_trade_no, state, amount_minor from payment")
        assert Counter(row["out_trade_no"] for row in payments) == Counter(paid.amounts.keys())
        assert {row["out_trade_no"]: row["amount_minor"] for row in payments} == paid.amounts
        assert {row["state"] for row in payments} == {"PAID"}

        journals = await connection.fetch("select memo from journal where kind = 'payment'")
        assert Counter(row["memo"] for row in journals) == Counter(paid.amounts.keys())

        spent = await connection.fetch(
            "select p.name_index, -sum(e.amount_minor)::bigint as minor from entry e join journal j using (journal_id)"
            " join account a using (account_id) join principal p on p.principal_id = a.owner_id"
            " where a.code = '2001' and j.kind = 'payment' group by p.name_index"
        )
        assert by_number(spent, vault) == dict(paid.by_customer)
        billed = await connection.fetch(
            "select p.name_index, sum(b.amount_minor)::bigint as minor from bill b"
            " join principal p on p.principal_id = b.customer_id where b.kind = 'payment' group by p.name_index"
        )
        assert by_number(billed, vault) == dict(paid.by_customer)
        left = await connection.fetch(
            "select p.name_index, a.posted_minor as minor from account a join principal p on p.principal_id = a.owner_id"
            " where a.code = '2001'"
        )
        assert by_number(left, vault) == paid.left

        assert await connection.fetchval("select sum(posted_minor)::bigint from account") == 0
        assert await connection.fetchval("select posted_minor from account where code = '1001'") == -paid.funds
    finally:
        await connection.close()


def by_number(rows: list[Any], vault: Vault) -> dict[str, int]:
    numbers = {name_index(vault, f"Customer {number}"): str(number) for number in CUSTOMERS}
    named = {numbers[row["name_index"]]: row["minor"] for row in rows}
    assert len(named) == len(rows), "a customer was registered twice"
    return named

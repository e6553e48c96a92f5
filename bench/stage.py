"""What every bench stands on: a durable PostgreSQL of its own, `pgbench` beside us, and the check at the end.

Each bench measures in turns (pgbench, ours, pgbench, ours, …) and reports medians, because a shared machine is never the
same for a minute. A bench whose database does not verify, or that counts another number of payments than it was told had
happened, fails.
"""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median

import asyncpg
import msgspec

from tongbao.app import runtime
from tongbao.app.registry import CHECKS, MIGRATIONS, RELATIONS
from tongbao.engine.api import Sealer
from tongbao.engine.verify import verify
from tongbao.kernel.migrations import migrate
from tongbao.kernel.postgres import EmbeddedPostgres, binary, create_database

_TPS = re.compile(r"^tps = ([0-9.]+) ", re.MULTILINE)


class Result(msgspec.Struct):
    """What a bench prints. Figures are a second (…_per_s) or milliseconds (…_ms); ratios have no unit."""

    bench: str
    figures: dict[str, float]
    ratios: dict[str, float]


class Stage:
    """The server, our migrated database on it, and what pgbench did so far (transactions a second)."""

    def __init__(self, directory: Path, server: EmbeddedPostgres, dsn: str, pgbench_dsn: str) -> None:
        self.directory = directory
        self.server = server
        self.dsn = dsn
        self._pgbench_dsn = pgbench_dsn
        self.baselines: list[float] = []
        #: With what the bench's engine seals.
        self.sealer = Sealer()

    @property
    def pgbench(self) -> float:
        """The baseline: median of the runs so far."""
        return median(self.baselines)

    async def baseline(self, seconds: int = 3) -> float:
        """Run TPC-B, prepared, 16 clients."""
        said = await _program(self._pgbench_dsn, "-n", "-M", "prepared", "-c", "16", "-j", "2", "-T", str(seconds))
        match = _TPS.search(said)
        assert match is not None, said
        self.baselines.append(float(match[1]))
        say(f"pgbench                    {self.baselines[-1]:>9,.0f} transactions/s")
        return self.baselines[-1]

    async def settle(self) -> None:
        """Take what an earlier step left to do out of the next one's time: statistics and dirty pages."""
        connection = await asyncpg.connect(self.dsn)
        try:
            await connection.execute("vacuum analyze")
            await connection.execute("checkpoint")
        finally:
            await connection.close()

    async def check(self, query: str, expected: int, dsn: str | None = None) -> None:
        """Fail unless the audit chain and every balance agree and `query` counts `expected`, in our database or in `dsn`."""
        connection = await asyncpg.connect(dsn or self.dsn)
        try:
            found = await connection.fetchval(query)
            assert found == expected, f"{expected} were acknowledged, the database has {found}: {query}"
            verified = await verify(connection, RELATIONS, self.sealer, CHECKS)
            assert verified.ok, verified.problem
        finally:
            await connection.close()
        say(f"verified                   {verified.commands:>9,} commands in {verified.duration_ms / 1000:.1f} s; count right")


@asynccontextmanager
async def stage(packages: Sequence[str] = MIGRATIONS) -> AsyncIterator[Stage]:
    """A durable server in a temporary directory, gone at the end. The data directory is where `tongbao serve` looks for it."""
    directory = Path(tempfile.mkdtemp(prefix="tongbao-bench-"))
    server = EmbeddedPostgres(directory / "postgres", durable=True)
    try:
        dsn = await asyncio.to_thread(server.start)
        await migrate(dsn, packages)
        pgbench_dsn = await asyncio.to_thread(create_database, dsn, "pgbench")
        await _program(pgbench_dsn, "-i", "-q", "-s", "10")
        runtime.calm_collector()  # as the server and the replay do
        yield Stage(directory, server, dsn, pgbench_dsn)
    finally:
        await asyncio.to_thread(server.stop)
        shutil.rmtree(directory, ignore_errors=True)


async def _program(dsn: str, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        str(binary("pgbench")), *arguments, dsn, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    said, complaint = await process.communicate()
    assert process.returncode == 0, complaint.decode()
    return said.decode()


def say(line: str) -> None:
    """A line of progress, for people."""
    print(line, file=sys.stderr, flush=True)

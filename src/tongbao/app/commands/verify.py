"""`tongbao verify`: replay the audit chain from nothing and compare every balance."""

from __future__ import annotations

import asyncio
import sys

import asyncpg
import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tongbao.app import logs, runtime
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.app.settings import Settings
from tongbao.engine.api import Sealer
from tongbao.engine.verify import Verification, verify


@click.command("verify", help="Replay the audit chain from nothing and compare every balance. Exits 1 at the first difference.")
def command() -> None:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json)
    if not settings.database_url and not (settings.data_dir / "postgres").exists():
        elsewhere = settings.data_dir / "demo"
        hint = f"; the demonstration's is in {elsewhere}: set TONGBAO_DATA_DIR to that" if elsewhere.exists() else ""
        raise click.ClickException(f"there is no database in {settings.data_dir}{hint}")
    result = asyncio.run(_run(settings))
    Console().print(report(result))
    sys.exit(0 if result.ok else 1)


async def _run(settings: Settings) -> Verification:
    async with runtime.left_as_found(settings):
        return await verify_with_progress(await runtime.open_database(settings), Sealer(runtime.keys(settings).seal))


async def verify_with_progress(dsn: str, sealer: Sealer) -> Verification:
    """Verify a whole database, with a bar on standard error."""
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verifying", total=None)
        connection = await asyncpg.connect(dsn)
        try:
            return await verify(
                connection, RELATIONS, sealer, CHECKS,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )  # fmt: skip
        finally:
            await connection.close()


def report(result: Verification) -> Table:
    """The result as a table."""
    table = Table(title="verify", show_header=False)
    table.add_row("result", "[green]everything agrees[/]" if result.ok else f"[red]{result.problem}[/]")
    table.add_row("batches", f"{result.batches:,}")
    table.add_row("commands", f"{result.commands:,}")
    for name, rows in result.rows.items():
        table.add_row({"entry": "entries", "journal": "journals"}.get(name, name), f"{rows:,}")
    table.add_row("took", f"{result.duration_ms / 1000:.1f} s")
    return table

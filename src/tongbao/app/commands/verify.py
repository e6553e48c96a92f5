"""`tongbao verify`: compare all that is stored with the audit chain, the seals and the anchors."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from tongbao.app import logs, runtime
from tongbao.app.audit import Audit
from tongbao.app.settings import Settings
from tongbao.engine.findings import Verification

_FILES = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(
    "verify",
    help="Compare every stored row with the audit chain, its seal and the anchors, and every balance with its entries. "
    "Exits 0 if everything agrees, 1 if something was altered, 2 if it could not be compared.",
)
@click.option("--from-start/--since-last", default=True, help="Everything (default), or what is new since the last verification.")
@click.option(
    "--anchors", "files", type=_FILES, multiple=True, help="Compare with this copy of the anchors too; may be repeated."
)
@click.option("--json", "as_json", is_flag=True, help="The result as JSON on standard output.")
def command(from_start: bool, files: tuple[Path, ...], as_json: bool) -> None:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json)
    if why := runtime.nothing_to_audit(settings):
        _give_up(why)
    try:
        result = asyncio.run(_run(settings, since_last=not from_start, files=files))
    except Exception as failure:
        _give_up(f"{type(failure).__name__}: {failure}")
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(result)).decode())
    else:
        Console().print(report(result))
    sys.exit(0 if result.ok else 1)


def _give_up(why: str) -> None:
    click.echo(f"Error: {why}", err=True)
    sys.exit(2)


async def _run(settings: Settings, *, since_last: bool, files: tuple[Path, ...]) -> Verification:
    async with runtime.left_as_found(settings):
        dsn = await runtime.open_database(settings)
        return await verify_with_progress(Audit(dsn, runtime.keys(settings), settings), since_last=since_last, files=files)


async def verify_with_progress(audit: Audit, *, since_last: bool = False, files: tuple[Path, ...] = ()) -> Verification:
    """Verify with a bar on standard error."""
    columns = (TextColumn("verifying"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("verifying", total=None)
        return await audit.verify(
            since_last=since_last, files=files, progress=lambda done, total: bar.update(task, completed=done, total=total)
        )


def report(result: Verification) -> Table:
    """The result as a table."""
    table = Table(title="verify", show_header=False)
    table.add_row("result", "[green]everything agrees[/]" if result.ok else f"[red]{_escaped(result.problem)}[/]")
    for finding in result.findings[1:]:
        table.add_row("", f"[red]{_escaped(finding.text)}[/]")
    if result.since is not None:
        part = f"; seals of part {result.slice[0]} of {result.slice[1]}" if result.slice else ""
        table.add_row("since", f"{result.since:%Y-%m-%d %H:%M:%S} UTC: what is new, the sums of all seals{part}")
    table.add_row("batches", f"{result.batches:,}")
    for name, rows in result.rows.items():
        if rows:
            table.add_row(name.replace("_", " "), f"{rows:,}")
    signed = f", the last of {result.anchored_at:%Y-%m-%d %H:%M:%S} UTC" if result.anchored_at else ""
    table.add_row("anchors", f"{result.anchors:,}{signed}")
    table.add_row("took", f"{result.duration_ms / 1000:.1f} s")
    return table


def _escaped(text: str | None) -> str:
    return (text or "").replace("[", r"\[")

"""`tongbao replay`: labelled real payments through the same engine as everything else, and then every figure checked.

    file ─▶ check ─▶ terminals, customers, money ─▶ payments ─▶ compare with the database ─▶ trial balance ─▶ verify

Run again after a crash, it continues: what was done is answered again, nothing is paid twice.
"""

from __future__ import annotations

import asyncio
import sys
import time
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path

import click
import msgspec
import uvloop
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from tongbao.app import logs, runtime
from tongbao.app.audit import Audit
from tongbao.app.commands.verify import verify_with_progress
from tongbao.app.registry import CLASSES
from tongbao.app.replaying.comparison import Comparison, Line, compare_payments, trial_balance
from tongbao.app.replaying.flow import Flow
from tongbao.app.replaying.parties import Parties
from tongbao.app.replaying.source import Row, Source
from tongbao.app.replaying.tally import Acknowledged, Tally
from tongbao.app.settings import Settings
from tongbao.app.watch import database_watched, patiently
from tongbao.engine.api import Engine, Limits
from tongbao.engine.verify import Verification
from tongbao.kernel.database import open_pool
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor
from tongbao.ledger.chart import CHART
from tongbao.security.classes import sealed
from tongbao.security.personal import Vault

_STRETCH = 2_000
_OPENING_S = 10.0


class Speed(click.ParamType[float | None]):
    """`max`, or how many times faster than the recorded times."""

    name = "max|FACTOR"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        if value is None or value == "max":
            return None
        try:
            factor = float(str(value))
        except ValueError:
            factor = 0.0
        if not 0 < factor < float("inf"):
            self.fail(f"{value!r} is neither max nor a number above zero", param, ctx)
        return factor


class Report(msgspec.Struct, frozen=True):
    """All that a replay came to."""

    source: Source
    tally: Tally
    seconds: float
    comparison: Comparison
    balance: list[Line]
    verification: Verification

    def problems(self) -> list[str]:
        """What does not agree; empty if all does."""
        found = self.comparison
        problems = []
        if not found.agrees:
            problems.append(
                f"of the acknowledged payments {found.missing:,} are missing and {found.different:,} differ; {found.unexpected:,}"
                f" are paid that were declined (transaction {found.example} for one)"
            )
        sums: dict[str, int] = {}
        for line in self.balance:
            sums[line.currency] = sums.get(line.currency, 0) + line.posted_minor
        problems += [f"the trial balance in {currency} is off by {total}" for currency, total in sums.items() if total]
        if self.verification.problem is not None:
            problems.append(self.verification.problem)
        return problems


@click.command("replay", help="Replay labelled real payments (Parquet or CSV) through the engine, then check every figure.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--limit", type=click.IntRange(min=1), help="Only the first so many payments.")
@click.option("--speed", type=Speed(), default="max", show_default=True, help="So many times faster than recorded, or max.")
@click.option(
    "--concurrency", type=click.IntRange(1, Limits().queue), default=1_000, show_default=True, help="Most on their way."
)
@click.option("--acknowledged", type=click.Path(dir_okay=False, path_type=Path), help="Append the number of each payment made.")
def command(file: Path, limit: int | None, speed: float | None, concurrency: int, acknowledged: Path | None) -> None:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json)
    source = Source(file, limit=limit)
    try:
        report = uvloop.run(_run_and_tidy(settings, source, speed, concurrency, acknowledged))
    except Refusal as refusal:
        raise click.ClickException(f"{refusal.code.name}: {refusal.code.message('en', refusal.detail)}") from refusal
    problems = report.problems()
    console = Console()
    console.print(table(report, concurrency))
    for problem in problems:
        console.print(f"[red]{problem}[/]")
    sys.exit(1 if problems else 0)


async def _run_and_tidy(
    settings: Settings, source: Source, speed: float | None, concurrency: int, acknowledged: Path | None
) -> Report:
    async with runtime.left_as_found(settings):
        return await _run(settings, source, speed, concurrency, acknowledged)


async def _run(settings: Settings, source: Source, speed: float | None, concurrency: int, acknowledged: Path | None) -> Report:
    # A server killed a moment ago may need a second try: until its process is reaped it looks alive to the next one.
    dsn = await patiently(lambda: runtime.open_database(settings), _OPENING_S)
    runtime.calm_collector()
    keys = runtime.keys(settings)
    figures = (MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("{task.fields[note]}"))
    bar = Progress(TextColumn("{task.description}"), BarColumn(), *figures, console=Console(stderr=True), transient=True)
    async with database_watched(settings):
        with ExitStack() as files:
            log = files.enter_context(Acknowledged(acknowledged)) if acknowledged is not None else None
            tally = Tally(source.payments, log)
            files.enter_context(bar)
            async with AsyncExitStack() as stack:
                engine = await patiently(lambda: stack.enter_async_context(runtime.open_engine(dsn, keys)))
                parties = await _prepare(settings, dsn, source, engine, concurrency, bar)
                started = time.monotonic()
                await _pay(source, parties, Flow(engine, concurrency, tally.count), tally, speed, bar)
                seconds = time.monotonic() - started
            comparing = bar.add_task("comparing", total=source.payments, note="")
            comparison = await patiently(lambda: _compare_afresh(dsn, source, parties, tally, bar, comparing))
        balance = await patiently(lambda: trial_balance(dsn))
        verification = await patiently(lambda: verify_with_progress(Audit(dsn, keys, settings)))
    return Report(source, tally, seconds, comparison, balance, verification)


async def _prepare(settings: Settings, dsn: str, source: Source, engine: Engine, concurrency: int, bar: Progress) -> Parties:
    funds, terminals = await asyncio.to_thread(source.funds), await asyncio.to_thread(source.terminals)
    ring = runtime.ring(settings)
    pool = await open_pool(dsn)
    try:
        vault = Vault.over(pool, ring, sealed(CLASSES, "C3"))
        parties = Parties(
            engine, concurrency, source.name, keys=ring.keys, vault=vault, country=settings.country, currency=settings.currency
        )
        task = bar.add_task("preparing", total=5 * len(funds) + len(terminals), note="")
        await parties.open_terminals(terminals, lambda: bar.advance(task))
        await parties.open_customers(funds, lambda: bar.advance(task))
    finally:
        await pool.close()
    return parties


async def _pay(
    source: Source, parties: Parties, flow: Flow[tuple[int, Row]], tally: Tally, speed: float | None, bar: Progress
) -> None:
    """Send every payment in the order of the file; with a speed, none before its time."""
    task = bar.add_task("paying", total=source.payments, note="")
    loop = asyncio.get_running_loop()
    started, first_us, place = loop.time(), None, 0
    chunks = source.chunks(_STRETCH)
    while rows := await asyncio.to_thread(next, chunks, None):
        for row in rows:
            if speed is not None:
                first_us = row.at_us if first_us is None else first_us
                early = started + (row.at_us - first_us) / 1e6 / speed - loop.time()
                if early > 0:
                    _show(bar, task, tally, loop.time() - started)
                    await asyncio.sleep(early)
            await flow.send((place, row), parties.payment(row))
            place += 1
        _show(bar, task, tally, loop.time() - started)
    await flow.finish()
    _show(bar, task, tally, loop.time() - started)


def _show(bar: Progress, task: TaskID, tally: Tally, seconds: float) -> None:
    note = f"{tally.answered / max(seconds, 1e-3):,.0f}/s, {tally.declines.total():,} declined"
    bar.update(task, completed=tally.answered, note=note)


async def _compare_afresh(dsn: str, source: Source, parties: Parties, tally: Tally, bar: Progress, task: TaskID) -> Comparison:
    bar.update(task, completed=0)
    return await compare_payments(dsn, source, parties, tally.accepted, lambda rows: bar.advance(task, rows))


def table(report: Report, concurrency: int) -> Table:
    """The report as a table."""
    tally, found = report.tally, report.comparison
    result = Table(title="replay", show_header=False)
    result.add_row("payments", f"{report.source.payments:,}")
    if report.source.left_out:
        result.add_row("left out: amount_not_positive", f"{report.source.left_out:,} in the whole file")
    if tally.repeated:
        result.add_row("done before, answered again", f"{tally.repeated:,}")
    result.add_row("acknowledged", f"{tally.paid:,}, of which {tally.fraud:,} labelled fraud")
    for code, count in tally.declines.most_common():
        result.add_row(f"declined: {code}", f"{count:,}")
    result.add_row("found in the database", f"{found.found:,}" + ("" if found.agrees else " [red](differs)[/]"))
    result.add_row("took", f"{report.seconds:.1f} s, {tally.answered / max(report.seconds, 1e-9):,.0f}/s")
    if times := tally.milliseconds(50, 95, 99):
        shown = " / ".join(f"{each:.1f}" for each in times)
        result.add_row("submit to outcome, p50 / p95 / p99", f"{shown} ms with {concurrency:,} on their way")
    result.add_section()
    for line in report.balance:
        amount = format_minor(line.posted_minor, line.currency)
        result.add_row(f"{line.code} {CHART[line.code].en}", f"{amount} {line.currency} ({line.accounts:,})")
    for currency in sorted({line.currency for line in report.balance}):
        total = sum(line.posted_minor for line in report.balance if line.currency == currency)
        result.add_row("trial balance", f"{format_minor(total, currency)} {currency}")
    result.add_section()
    checked = report.verification
    counted = f"{checked.commands:,} commands in {checked.batches:,} batches, {checked.duration_ms / 1000:.1f} s"
    result.add_row("audit chain", f"[green]verified[/]: {counted}" if checked.ok else f"[red]broken[/]: {counted}")
    return result

"""`python -m tongbao.simulation`: one seed, or many on every core."""

from __future__ import annotations

import json
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import click
import msgspec
import structlog

from tongbao.simulation.databases import Databases
from tongbao.simulation.run import Report, run
from tongbao.simulation.tables import Tables

_AT_ONCE = 8
#: Between two lines of progress where nobody sits before a terminal.
_PROGRESS_S = 30.0


class Wished(NamedTuple):
    """What the command line says of every run."""

    store: str
    actors: int | None
    days: int | None

    def run(self, seed: int, tables: Tables | None, tell: Callable[[str], None] | None = None) -> Report:
        """One run."""
        return run(seed, tables=tables, store=self.store, actors=self.actors, days=self.days, tell=tell)

    def __str__(self) -> str:
        """The same as options."""
        return " ".join(f"--{name} {value}" for name, value in self._asdict().items() if value is not None)


@click.command(help="Live through seeds: virtual days, seeded trouble, an auditor. Ends with 1 if one fails, at the first.")
@click.option("--seed", type=int, help="One seed.")
@click.option("--seeds", help="Many: A..B, both included.")
@click.option("--store", type=click.Choice(["memory", "postgres"]), default="memory", show_default=True)
@click.option("--days", type=click.IntRange(1, 3650), help="Virtual days; drawn from the seed if not given.")
@click.option("--actors", type=click.IntRange(1, 100_000), help="People; drawn from the seed if not given.")
@click.option("--minutes", type=float, help="Begin no more seeds after so long.")
@click.option(
    "--failures", type=click.Path(dir_okay=False, path_type=Path), help="Go on after a seed that fails; list them there."
)
@click.option("--workers", type=int, default=os.cpu_count(), help="Processes; as many as there are cores if not given.")
@click.option("--trace", is_flag=True, help="Tell everything that happens.")
@click.option("--json", "as_json", is_flag=True, help="A summary in JSON.")
def main(
    seed: int | None, seeds: str | None, store: str, days: int | None, actors: int | None, minutes: float | None, workers: int,
    failures: Path | None, trace: bool, as_json: bool,
) -> None:  # fmt: skip
    if (seed is None) == (seeds is None):
        raise click.UsageError("give --seed N or --seeds A..B")
    wished = Wished(store, actors, days)
    if seed is not None:
        report = _one(seed, wished, trace)
        _tell(report, as_json)
        sys.exit(report.violation is not None)
    first, _, last = (seeds or "").partition("..")
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise click.UsageError("--seeds is A..B")
    sys.exit(_many(range(int(first), int(last) + 1), wished, workers, minutes, failures, as_json))


def _one(seed: int, wished: Wished, trace: bool) -> Report:
    _hush(trace)
    with ExitStack() as cleanup:
        tables = None
        if wished.store == "postgres":
            tables = cleanup.enter_context(cleanup.enter_context(_databases()).tables())
        return wished.run(seed, tables, click.echo if trace else None)


def _tell(report: Report, as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(report))
        return
    click.echo(f"seed {report.seed}: {report.commands} commands, {report.answers} answers, {report.deaths} deaths of processes,")
    click.echo(f"{report.virtual_s / 86_400:.1f} virtual days in {report.cpu_s:.2f} s; trace {report.hash}")
    if report.violation is not None:
        click.echo("\n".join(report.tail))
        click.echo(f"BROKEN: {report.violation}")


# ── many ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def _databases() -> Iterator[Databases]:
    with tempfile.TemporaryDirectory(prefix="tongbao-simulation-") as directory, Databases(Path(directory)) as databases:
        yield databases


def _hush(trace: bool = False) -> None:
    """Trouble is what this is about: the product's log of it is no news."""
    if not trace:
        structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def _several(seeds: list[int], databases: Databases | None, wished: Wished, all_of_them: bool) -> list[Report]:
    """In a worker: reports of some seeds, up to the first that fails unless all are wanted."""
    _hush()
    reports = []
    for seed in seeds:
        with ExitStack() as cleanup:
            tables = cleanup.enter_context(databases.tables()) if databases is not None else None
            reports.append(wished.run(seed, tables))
        if reports[-1].violation is not None and not all_of_them:
            break
    return reports


def _again(report: Report, wished: Wished) -> str:
    """How to live through a seed again."""
    return f"python -m tongbao.simulation --seed {report.seed} {wished} --trace"


def _write_down(failures: Path, report: Report, wished: Wished) -> None:
    """At once, so that it is there whatever becomes of the rest."""
    with failures.open("a") as into:
        into.write(f"{_again(report, wished)}  # {(report.violation or '').splitlines()[0][:300]}\n")


def _many(
    seeds: range, wished: Wished, workers: int, minutes: float | None, failures: Path | None, as_json: bool
) -> int:  # fmt: skip
    started = told = time.monotonic()
    until = started + minutes * 60 if minutes else float("inf")
    waiting = iter(seeds)
    failed: Report | None = None
    failing: list[int] = []
    done, commands, deaths, cpu_s, virtual_s = 0, 0, 0, 0.0, 0.0
    kinds: Counter[str] = Counter()
    with ExitStack() as cleanup:
        databases = cleanup.enter_context(_databases()) if wished.store == "postgres" else None
        pool = cleanup.enter_context(ProcessPoolExecutor(workers))
        running: set[Future[list[Report]]] = set()
        while True:
            while (failed is None or failures) and len(running) < workers * 2 and time.monotonic() < until:
                some = list(islice(waiting, _AT_ONCE))
                if not some:
                    break
                running.add(pool.submit(_several, some, databases, wished, failures is not None))
            if not running:
                break
            ended, running = wait(running, return_when=FIRST_COMPLETED)
            for each in ended:
                for report in each.result():
                    done += 1
                    commands, deaths = commands + report.commands, deaths + report.deaths
                    cpu_s, virtual_s = cpu_s + report.cpu_s, virtual_s + report.virtual_s
                    kinds.update(report.kinds)
                    if report.violation is None:
                        continue
                    failing.append(report.seed)
                    if failures is not None:
                        _write_down(failures, report, wished)
                    if failed is None or report.seed < failed.seed:
                        failed = report
            now = time.monotonic()
            progress = f"{done} of {len(seeds)} seeds, {len(failing)} failed, {commands} commands, {now - started:.0f} s"
            if sys.stderr.isatty():
                click.echo(f"\r{progress}", nl=False, err=True)
            elif now - told > _PROGRESS_S:
                told = now
                click.echo(progress, err=True)
    if sys.stderr.isatty():
        click.echo(err=True)
    summary = {
        "ok": failed is None,
        "store": wished.store,
        "seeds": done,
        "first_failing_seed": failed.seed if failed else None,
        "failing_seeds": sorted(failing),
        "violation": failed.violation if failed else None,
        "commands": commands,
        "deaths": deaths,
        "virtual_days": round(virtual_s / 86_400, 1),
        "cpu_s": round(cpu_s, 1),
        "seeds_per_cpu_s": round(done / cpu_s, 1) if cpu_s else None,
        "wall_s": round(time.monotonic() - started, 1),
        "outcomes": dict(sorted(kinds.items())),
    }
    if failed is not None:
        _tell(failed, as_json=False)
        click.echo(f"again: {_again(failed, wished)}")
    if as_json:
        click.echo(json.dumps(summary, ensure_ascii=False, indent=2))
    else:
        verdict = "all hold" if failed is None else "BROKEN"
        click.echo(f"{done} seeds, {commands} commands, {summary['virtual_days']} virtual days: {verdict}")
    return failed is not None


if __name__ == "__main__":
    main()

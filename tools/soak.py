"""The long runs: ten thousand simulated seeds over memory, a fiftieth of them over PostgreSQL, every planted bug, two hundred
kills of the real thing, and whatever the OpenAPI document lets anybody send. `make soak` runs this.

A stage that fails does not keep the next from its turn. What is under way tells how far it is; at the end stands one summary,
and the exit code is 1 if anything failed. Seeds that failed are listed in `soak-failures.txt`, each as the command that lives
through it again.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import click

ROOT = Path(__file__).resolve().parents[1]
FAILURES = ROOT / "soak-failures.txt"
TESTS = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider")
#: How long requests are made up where nothing else was said.
REQUEST_MINUTES = 20.0
SIMULATION = (sys.executable, "-m", "tongbao.simulation")


def stages(seeds: int, kills: int, minutes: float | None) -> dict[str, tuple[str, ...]]:
    """What is run, by name."""
    within = ("--minutes", str(minutes)) if minutes else ()
    live = (*SIMULATION, "--failures", str(FAILURES), *within)
    fewer = (seeds + 49) // 50
    return {
        f"{seeds} seeds over memory": (*live, "--seeds", f"1..{seeds}"),
        f"{fewer} seeds over PostgreSQL": (*live, "--seeds", f"1..{fewer}", "--store", "postgres"),
        "planted bugs": (sys.executable, "-m", "tongbao.simulation.planted"),
        f"{kills} kills": (*TESTS, "-s", "tests/faults"),
        "requests of the document": (*TESTS, "tests/http/test_openapi.py"),
    }


@click.command(help="Run the long tests, one after another.")
@click.option("--seeds", type=click.IntRange(1), default=10_000, show_default=True, help="Seeds over memory.")
@click.option("--kills", type=click.IntRange(4), default=200, show_default=True, help="Kills of the real thing.")
@click.option("--minutes", type=float, help="Of each run of seeds, at most (all of them if not given), and of requests.")
def main(seeds: int, kills: int, minutes: float | None) -> None:
    FAILURES.unlink(missing_ok=True)
    environment = os.environ | {
        "TONGBAO_TEST_KILLS": str(kills), "TONGBAO_TEST_REQUEST_MINUTES": str(minutes or REQUEST_MINUTES)
    }  # fmt: skip
    lines = []
    failed = False
    for name, command in stages(seeds, kills, minutes).items():
        click.echo(f"\n── {name}")
        started = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
        failed = failed or code != 0
        verdict = "ok" if code == 0 else f"FAILED ({code})"
        lines.append(f"{name:<28} {time.monotonic() - started:>8.0f} s   {verdict}")
    click.echo("\n── summary\n" + "\n".join(lines))
    if FAILURES.exists():
        click.echo(f"failing seeds, {FAILURES.name}:\n{FAILURES.read_text()}", nl=False)
    click.echo("BROKEN" if failed else "all hold")
    sys.exit(failed)


if __name__ == "__main__":
    main()

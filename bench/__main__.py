"""`python -m bench NAME`: progress on standard error, the result as the last line of output."""

from __future__ import annotations

import asyncio
import importlib
import sys

import click
import msgspec
import structlog
import uvloop

BENCHES = ("ledger", "payments", "http", "statement", "verify", "accounts")


@click.command(help="Run one bench. A payment lost or a chain that does not verify ends it with an error.")
@click.argument("bench", type=click.Choice(BENCHES))
@click.option("--accounts", type=click.IntRange(1_000), help="Of the largest book of `accounts`; ten million if not given.")
@click.option("--rules", metavar="PACKS", help="In force while `payments` are measured: cn,house if not given; none.")
def main(bench: str, accounts: int | None, rules: str | None) -> None:
    if accounts is not None and bench != "accounts":
        raise click.UsageError("--accounts is for the bench `accounts`")
    if rules is not None and bench != "payments":
        raise click.UsageError("--rules is for the bench `payments`")
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    module = importlib.import_module(f"bench.{bench}_bench")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(module.run(*(each for each in (accounts, rules) if each is not None)))
    print(msgspec.json.encode(result).decode())


if __name__ == "__main__":
    main()

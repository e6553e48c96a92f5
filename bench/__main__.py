"""`python -m bench ledger|payments|http|statement|verify`: progress on standard error, the result as the last line of output."""

from __future__ import annotations

import asyncio
import importlib
import sys

import msgspec
import structlog
import uvloop

BENCHES = ("ledger", "payments", "http", "statement", "verify")


def main(arguments: list[str]) -> int:
    """Run one bench. Exits 2 for a wrong call; a payment lost or a chain that does not verify raises."""
    if len(arguments) != 1 or arguments[0] not in BENCHES:
        print(f"usage: python -m bench {'|'.join(BENCHES)}", file=sys.stderr)
        return 2
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(file=sys.stderr))
    module = importlib.import_module(f"bench.{arguments[0]}_bench")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        result = runner.run(module.run())
    print(msgspec.json.encode(result).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

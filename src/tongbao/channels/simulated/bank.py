"""A bank as a program: its own process, its own books, and every way of failing that a bank has.

    python -m tongbao.channels.simulated.bank --data DIR --port N --key SECRET [--seed N] [--magic-amounts]

It prints `bank ready on http://127.0.0.1:PORT` when it takes requests (`--port 0` lets the system choose), and stops
cleanly on SIGTERM. The key may come from `TONGBAO_BANK_KEY` instead. Its routes are listed in `http`, its demonstration
accounts in `demo`, faults on order in `faults`.

With `--magic-amounts` (the sandbox) the last two digits of an amount, in minor units, choose what happens. Each bears on
the first submission of a reference (a repeated one goes through), so that every recovery can be seen to its end:

    .01   done, answered after 10 s                     .09   silence; the request arrives 5 s later
    .02   done, but the answer is lost                  .11   done, but the answer does not parse
    .03   refused                                       .12   500, nothing done
    .04   the network delivers the request twice        .13   done, answer lost, and the first inquiry's answer too
    .05   time-out, nothing done                        .51   no: insufficient funds
    .06   done, then 500                                .61   no: above the bank's limit
    .07   processing for 5 s, then success              .62   no: account closed
    .08   processing for 5 s, then failure                 .63   no: suspected fraud

The same program is the network of bank cards (`card_http`), with books, faults and a key of its own; magic amounts bear on debits
and refunds of cards as they do on transfers.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
from pathlib import Path
from typing import TextIO

from tongbao.channels.signing import key_bytes
from tongbao.channels.simulated.books import Books
from tongbao.channels.simulated.card_books import CardBooks
from tongbao.channels.simulated.card_http import Network
from tongbao.channels.simulated.faults import FaultPlan
from tongbao.channels.simulated.http import Bank, create_app
from tongbao.channels.simulated.rules import DEFAULT_LIMIT_MINOR
from tongbao.channels.simulated.server import listening, serve

KEY_VARIABLE = "TONGBAO_BANK_KEY"
#: The card network's key; the bank's where it has none of its own.
CARDS_KEY_VARIABLE = "TONGBAO_CARDS_KEY"


def main(arguments: list[str] | None = None) -> int:
    """Run the bank until SIGTERM or SIGINT. Returns the exit status."""
    options = _parser().parse_args(arguments)
    key = options.key or os.environ.get(KEY_VARIABLE, "")
    try:
        key_bytes(key)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    options.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _only_one(options.data)
    if lock is None:
        print(f"another bank is at work in {options.data}", file=sys.stderr)
        return 2
    with lock, listening(options.port) as listener:
        if listener is None:
            return 2
        books = Books(options.data, seed=options.seed, limit_minor=options.limit_minor)
        plan = FaultPlan(seed=options.seed, magic_amounts=options.magic_amounts)
        bank = Bank(books, plan, key=key)
        cards_plan = FaultPlan(seed=options.seed, magic_amounts=options.magic_amounts)
        network = Network(CardBooks(options.data), cards_plan, key=os.environ.get(CARDS_KEY_VARIABLE) or key)
        serve(create_app(bank, network), [bank, network], listener, "bank")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bank", description="A simulated bank.")
    parser.add_argument("--data", type=Path, required=True, help="folder of the bank's books")
    parser.add_argument("--port", type=int, required=True, help="port on 127.0.0.1; 0 lets the system choose")
    parser.add_argument("--key", help=f"secret shared with the platform, 16 bytes or more (or {KEY_VARIABLE})")
    parser.add_argument("--seed", type=int, default=0, help="for the demonstration names and for faults with a probability")
    parser.add_argument("--limit-minor", type=int, default=DEFAULT_LIMIT_MINOR, help="limit of one transfer, in minor units")
    parser.add_argument("--magic-amounts", action="store_true", help="let amounts choose faults (the sandbox)")
    return parser


def _only_one(directory: Path) -> TextIO | None:
    """A lock that lives as long as the process; None when another process has it."""
    lock = (directory / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.close()
        return None
    return lock


if __name__ == "__main__":
    sys.exit(main())

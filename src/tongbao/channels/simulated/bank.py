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
    .08   processing for 5 s, then failure
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import os
import signal
import socket
import sys
from pathlib import Path
from types import FrameType
from typing import TextIO

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tongbao.channels.signing import key_bytes
from tongbao.channels.simulated.books import Books
from tongbao.channels.simulated.faults import FaultPlan
from tongbao.channels.simulated.http import CUT, Bank, create_app
from tongbao.channels.simulated.rules import DEFAULT_LIMIT_MINOR

KEY_VARIABLE = "TONGBAO_BANK_KEY"


class ClosingProtocol(HttpToolsProtocol):
    """Lets the application cut a connection without a reply, which ASGI has no word for."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["state"][CUT] = self.transport.abort


class _Server(uvicorn.Server):
    """Says when it is ready, in one line that a parent process can wait for; lets go of held answers when it stops."""

    def __init__(self, config: uvicorn.Config, bank: Bank) -> None:
        super().__init__(config)
        self._bank = bank

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started and sockets:
            print(f"bank ready on http://127.0.0.1:{sockets[0].getsockname()[1]}", flush=True)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._bank.stopping.set()
        await super().shutdown(sockets=sockets)


def main(arguments: list[str] | None = None) -> int:
    """Run the bank until SIGTERM or SIGINT. Returns the exit status."""
    options = _parser().parse_args(arguments)
    key = options.key or os.environ.get(KEY_VARIABLE, "")
    try:
        key_bytes(key)
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    options.data.mkdir(parents=True, exist_ok=True)
    lock = _only_one(options.data)
    if lock is None:
        print(f"another bank is at work in {options.data}", file=sys.stderr)
        return 2
    # Named TCP, because asyncio turns off Nagle's delay (40 ms an answer) only for sockets that say so.
    with lock, socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", options.port))
        except OSError as error:
            print(f"port {options.port}: {error.strerror}", file=sys.stderr)
            return 2
        books = Books(options.data, seed=options.seed, limit_minor=options.limit_minor)
        plan = FaultPlan(seed=options.seed, magic_amounts=options.magic_amounts)
        bank = Bank(books, plan, key=key)
        config = uvicorn.Config(
            create_app(bank),
            http=ClosingProtocol,
            ws="none",
            log_level="warning",
            access_log=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=2,
        )
        # The server shuts down in order, then hands the signal on to whoever had it before: us, who call that a good end.
        signal.signal(signal.SIGTERM, _stopped)
        signal.signal(signal.SIGINT, _stopped)
        asyncio.run(_Server(config, bank).serve(sockets=[listener]))
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


def _stopped(number: int, frame: FrameType | None) -> None:
    sys.exit(0)


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

"""A server process of its own: an engine over the same database, driven through its standard input and output.

    parent ──commands, one JSON line──▶ process ──"ready"──▶ parent ──"go"──▶ process ──answers, one JSON line──▶ parent

Run as `python -m tests.support.second_process DSN`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from tests.support.quiet import quiet
from tongbao.app.registry import DECIDERS
from tongbao.engine.api import Accepted, Command, Engine, Limits, PostgresStore
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.errors import Refusal

_TYPES = {decider.command.kind: decider.command for decider in DECIDERS}
_encode = msgspec.json.Encoder(order="deterministic").encode
#: Small batches, so that the processes take many turns.
_LIMITS = Limits(batch=25, patience_s=60)


class Answer(msgspec.Struct, frozen=True):
    """What a caller was told: "ok", a decline's code or a refusal's, and all else of it as JSON."""

    code: str
    body: str = ""
    decided_at: str = ""
    repeated: bool = False


async def race(dsn: str, *shares: Sequence[Command]) -> list[list[Answer]]:
    """Each share is sent by a process of its own, all commands of it at once and all processes at the same moment."""
    source = Path(__file__).parents[2]
    environment = os.environ | {"PYTHONPATH": f"{source / 'src'}{os.pathsep}{source}"}
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.support.second_process", dsn,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=environment, limit=2**26,
        )
        for _ in shares
    ]  # fmt: skip
    try:
        for process, share in zip(processes, shares, strict=True):
            assert process.stdin is not None
            process.stdin.write(_encode([(command.kind, command) for command in share]) + b"\n")
            await process.stdin.drain()
        for process in processes:
            assert process.stdout is not None and await process.stdout.readline() == b"ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
        answers = []
        for process in processes:
            assert process.stdout is not None
            answers.append(msgspec.json.decode(await process.stdout.readline(), type=list[Answer]))
        assert [await process.wait() for process in processes] == [0] * len(processes)
        return answers
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _main(dsn: str) -> None:
    raw = msgspec.json.decode(sys.stdin.buffer.readline(), type=list[tuple[str, msgspec.Raw]])
    commands = [msgspec.json.decode(body, type=_TYPES[kind]) for kind, body in raw]
    async with Engine(PostgresStore(dsn), DECIDERS, SystemClock(), _LIMITS) as engine:
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.buffer.readline)
        answers = await asyncio.gather(*[_answer(engine, command) for command in commands])
    print(_encode(answers).decode(), flush=True)


async def _answer(engine: Engine, command: Any) -> Answer:
    try:
        outcome = await engine.submit(command, timeout_s=90)
    except Refusal as refusal:
        return Answer(refusal.code.name)
    decision = outcome.decision
    at = outcome.decided_at.isoformat()
    if isinstance(decision, Accepted):
        return Answer("ok", _encode(decision.result).decode(), at, outcome.repeated)
    return Answer(decision.code.name, _encode(decision.detail).decode(), at, outcome.repeated)


if __name__ == "__main__":
    quiet()  # the standard output belongs to the answers
    asyncio.run(_main(sys.argv[1]))

"""`tongbao smoke`: start everything, tell one whole story over HTTP, check every figure, stop everything.

Always over a fresh folder and a fresh database (on the server of TONGBAO_DATABASE_URL if that is set), removed afterwards.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import click
import httpx
import msgspec
from rich.console import Console
from rich.markup import escape

from tongbao.app import logs
from tongbao.app.settings import Settings
from tongbao.app.smoking.cast import FEE_PPM
from tongbao.app.smoking.clients import Difference
from tongbao.app.smoking.story import Story
from tongbao.app.smoking.tally import Tally
from tongbao.app.stack import free_port, running
from tongbao.kernel.postgres import create_database, drop_database

_MOST_S = 120
_TAIL_LINES = 30


@click.command("smoke", help="Tell one whole story over HTTP and check every figure. Exits 1 at the first difference.")
@click.option("--fee-error", default=0, hidden=True, help="Fen by which the story's own tally gets every fee wrong.")
def command(fee_error: int) -> None:
    # The story's people are known to nobody, and by the rules of the setting such people may not pay.
    settings = msgspec.structs.replace(Settings.read(), rules="none")
    logs.configure(as_json=settings.log_json, level=40)
    console = Console(highlight=False)
    handle, name = tempfile.mkstemp(prefix="tongbao-smoke-", suffix=".log")
    os.close(handle)
    log = Path(name)
    started = time.monotonic()
    try:
        asyncio.run(_main(settings, console, log, Tally(FEE_PPM, fee_error)))
    except Exception as failure:
        console.print(f"[red]✗[/] {escape(_reason(failure))}", soft_wrap=True)
        console.print(f"[dim]{escape(_tail(log))}\nlog: {log}[/]", soft_wrap=True)
        sys.exit(1)
    except BaseException:  # interrupted
        log.unlink(missing_ok=True)
        raise
    log.unlink()
    console.print(f"[green]everything is as it should be[/] ({time.monotonic() - started:.1f} s)")


async def _main(settings: Settings, console: Console, log: Path, tally: Tally) -> None:
    task = asyncio.current_task()
    assert task is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    last = time.monotonic()

    def say(what: str) -> None:
        nonlocal last
        now = time.monotonic()
        console.print(f"[green]✓[/] [dim]{now - last:5.1f} s[/]  {escape(what)}", soft_wrap=True)
        last = now

    async with asyncio.timeout(_MOST_S), _fresh(settings) as fresh:
        async with running(fresh, magic_amounts=False, log=log) as stack:
            say(f"database, bank, server and worker are up at {stack.url}")
            await Story(stack, tally, say).tell()
        say("everything stopped")


@asynccontextmanager
async def _fresh(settings: Settings) -> AsyncIterator[Settings]:
    """Settings with a folder, a database and a port of their own. A smoke test moves yuan on a laptop, whatever else is set."""
    folder = Path(tempfile.mkdtemp(prefix="tongbao-smoke-"))
    server, name = settings.database_url, f"smoke_{secrets.token_hex(6)}"
    url = await asyncio.to_thread(create_database, server, name) if server else ""
    try:
        yield msgspec.structs.replace(
            settings, data_dir=folder, database_url=url, host="127.0.0.1", port=free_port(), currency="CNY", country="CN",
            secure_cookies=False, bank_url="", public_url="",
        )  # fmt: skip
    finally:
        if server:
            await asyncio.to_thread(drop_database, server, name)
        await asyncio.to_thread(shutil.rmtree, folder, True)


def _reason(failure: Exception) -> str:
    match failure:
        case Difference():
            return str(failure)
        case TimeoutError():
            return f"not done within {_MOST_S} s"
        case httpx.HTTPError():
            return f"the server did not answer: {type(failure).__name__} {failure}"
        case _:
            return f"{type(failure).__name__}: {failure}"


def _tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])

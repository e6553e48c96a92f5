"""`tongbao doctor`: what is in force, and what is unsafe or missing."""

from __future__ import annotations

import asyncio
import platform
import sys

import asyncpg
import click
import msgspec
from rich.console import Console
from rich.table import Column, Table

from tongbao import __version__
from tongbao.app import frontends, logs, runtime
from tongbao.app.commands import demo
from tongbao.app.registry import MIGRATIONS, open_bank
from tongbao.app.settings import Secret, Settings
from tongbao.engine.anchors import AnchorKey
from tongbao.kernel.errors import Refusal
from tongbao.kernel.migrations import pending

Finding = tuple[str, str, str]


@click.command("doctor", help="Say what is in force and what is unsafe or missing. Exits 1 if something is broken.")
def command() -> None:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json, level=40)  # what is wrong stands in the table
    console = Console()
    in_force = Table(title=f"tongbao {__version__} · Python {platform.python_version()}", show_header=False)
    for name, value in msgspec.structs.asdict(settings).items():
        in_force.add_row(
            name, "…" if name == "database_url" and value else repr(value) if isinstance(value, Secret) else str(value)
        )
    console.print(in_force)
    findings = asyncio.run(examine(settings))
    table = Table("", "", Column(overflow="fold"), show_header=False)  # a key is to be read whole
    marks = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "broken": "[red]broken[/]"}
    for mark, subject, text in findings:
        table.add_row(marks[mark], subject, text)
    console.print(table)
    sys.exit(1 if any(mark == "broken" for mark, _, _ in findings) else 0)


async def examine(settings: Settings) -> list[Finding]:
    """(ok | note | broken, subject, what was found)."""
    key_file = settings.data_dir / "keys.json"
    findings = [await _database(settings)]
    if key_file.exists():
        findings.append(await _bank(settings))
    if not key_file.exists():
        findings.append(("note", "keys", "none yet: made at the first start"))
    elif key_file.stat().st_mode & 0o077:
        findings.append(("broken", "keys", f"{key_file} can be read by others: chmod 600"))
    else:
        findings.append(("ok", "anchor key", AnchorKey(runtime.keys(settings).anchor).public_key.hex()))
        findings.append(("ok", "keys", "wrapped by the master key, in one file readable by its owner only"))
        if not (settings.master_key or settings.master_key_file or settings.pkcs11_module):
            findings.append(("note", "master key", "lies beside the keys: name a file elsewhere, or a token (decision 0019)"))
    built = frontends.built() is not None
    findings.append(("ok", "front ends", "built") if built else ("note", "front ends", "not built: run `make web`"))
    if not settings.secure_cookies:
        findings.append(("note", "cookies", "sent over plain HTTP: set TONGBAO_SECURE_COOKIES=true behind TLS"))
    if settings.host not in ("127.0.0.1", "::1", "localhost") and not settings.secure_cookies:
        findings.append(("broken", "network", "reachable by others without TLS"))
    return findings


async def _database(settings: Settings) -> Finding:
    server = runtime.embedded(settings)
    if server is not None and not server.is_running():
        return ("note", "database", "the embedded server is not running: `tongbao serve` starts it")
    dsn = server.attach() if server is not None else settings.database_url
    try:
        connection = await asyncpg.connect(dsn, timeout=5)
    except (OSError, asyncpg.PostgresError, TimeoutError) as error:
        return ("broken", "database", f"does not answer: {type(error).__name__}")
    try:
        version = connection.get_server_version()
        release = await connection.fetchval("show server_version")
        missing = await pending(connection, MIGRATIONS)
        durable = await connection.fetchval("select current_setting('fsync') || current_setting('synchronous_commit')")
    finally:
        await connection.close()
    if version.major < 16:
        return ("broken", "database", f"PostgreSQL {version.major}: 16 or later is needed")
    if durable != "onon":
        return ("broken", "database", "commits are not durable: fsync and synchronous_commit must be on")
    if missing:
        return ("note", "database", f"{len(missing)} migrations wait for the next start")
    return ("ok", "database", f"PostgreSQL {release}, durable, up to date")


async def _bank(settings: Settings) -> Finding:
    if not settings.bank_url and (settings.data_dir / "bank").exists():
        # The demonstration's own bank listens where the demonstration says, which nobody else knows.
        if demo.is_running(settings.data_dir):
            return ("ok", "bank", "simulated: runs with the demonstration")
        return ("note", "bank", "simulated: it runs with `tongbao demo`, which is not running")
    bank = open_bank(settings, runtime.keys(settings))
    try:
        await bank.reserve_minor(settings.currency)
    except Refusal as refusal:
        where = "" if settings.bank_url else ", and TONGBAO_BANK_URL names none"
        return ("note", "bank", f"does not answer ({refusal.code.name}){where}: top-ups and withdrawals wait")
    finally:
        await bank.close()
    return ("ok", "bank", "answers")

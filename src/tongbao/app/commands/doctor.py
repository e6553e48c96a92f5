"""`tongbao doctor`: what is in force, and what is unsafe or missing."""

from __future__ import annotations

import asyncio
import json
import platform
import sys
from datetime import UTC, datetime
from typing import Final
from uuid import UUID

import click
import msgspec
from rich.console import Console
from rich.table import Column, Table

from tongbao import __version__
from tongbao.app import logs, runtime
from tongbao.app.audit import anchor_file
from tongbao.app.commands import demo
from tongbao.app.diagnosis import (
    Finding,
    backup_findings,
    database_findings,
    file_findings,
    key_findings,
    settings_findings,
    worst,
)
from tongbao.app.privacy_findings import privacy_settings
from tongbao.app.registry import open_bank, open_cards
from tongbao.app.settings import Secret, Settings
from tongbao.engine.anchors import AnchorKey
from tongbao.kernel.errors import Refusal

#: A reference that nobody uses: asking about it changes nothing.
_NEVER_USED: Final = UUID(int=0)

_MARKS = {"ok": "[green]ok[/]", "note": "[yellow]note[/]", "broken": "[red]broken[/]"}


@click.command("doctor", help="Say what is in force and what is unsafe or missing. Exits 1 if something is broken.")
@click.option("--json", "as_json", is_flag=True, help="For programs: settings and findings as JSON.")
def command(as_json: bool) -> None:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json, level=40)  # what is wrong stands in the table
    findings = asyncio.run(examine(settings))
    if as_json:
        told = {"version": __version__, "settings": effective(settings), "findings": [each._asdict() for each in findings]}
        click.echo(json.dumps(told, ensure_ascii=False, indent=1))
    else:
        _show(settings, findings)
    sys.exit(1 if worst(findings) == "broken" else 0)


def effective(settings: Settings) -> dict[str, str]:
    """What is in force for whatever is started from this shell: where a setting is empty, what that comes to."""
    blank = {
        "database_url": f"embedded, in {settings.data_dir / 'postgres'}",
        "public_url": f"http://{settings.host}:{settings.port}",
        "bank_url": f"http://127.0.0.1:{settings.port + 1}",
        "cards_url": f"http://127.0.0.1:{settings.port + 1}",
        "anchor_file": str(anchor_file(settings)),
        "master_key": "not in the environment",
        "master_key_file": str(settings.data_dir / "master.key"),
        "trusted_proxies": "nobody",
    }
    told = {}
    for name, value in msgspec.structs.asdict(settings).items():
        hidden = isinstance(value, Secret) or name == "database_url"
        told[name] = ("…" if hidden else str(value)) if str(value) else blank.get(name, "–")
    return told


async def examine(settings: Settings) -> list[Finding]:
    """Everything that was found, the worst first."""
    findings = [*file_findings(settings), *settings_findings(settings)]
    findings += [Finding(*each) for each in privacy_settings(settings)]
    if (settings.data_dir / "keys.json").exists():  # before the first start there is nothing to lose
        findings += backup_findings(settings, datetime.now(UTC))
    ring = None
    if (settings.data_dir / "keys.json").exists():
        try:
            ring = runtime.ring(settings)
        except SystemExit as missing:
            findings.append(Finding("broken", "master key", str(missing)))
    if ring is not None:
        findings.append(Finding("ok", "anchor key", AnchorKey(ring.keys.anchor).public_key.hex()))
        if not any(finding.subject == "keys" and finding.level == "broken" for finding in findings):
            findings.append(Finding("ok", "keys", "wrapped by the master key, in one file readable by its owner only"))
        findings += key_findings(ring, datetime.now(UTC))
        findings += [await _bank(settings), await _cards(settings)]
    findings += await database_findings(settings, ring)
    return sorted(findings, key=lambda finding: (("broken", "note", "ok").index(finding.level), finding.subject))


def _show(settings: Settings, findings: list[Finding]) -> None:
    console = Console()
    title = f"tongbao {__version__} · Python {platform.python_version()} · for whatever is started from this shell"
    in_force = Table(title=title, show_header=False)
    for name, value in effective(settings).items():
        in_force.add_row(name, value)
    console.print(in_force)
    table = Table("", "", Column(overflow="fold"), show_header=False)  # a key is to be read whole
    for level, subject, text in findings:
        table.add_row(_MARKS[level], subject, text)
    console.print(table)


def _simulated(settings: Settings, subject: str, url: str) -> Finding | None:
    """What is to be said of the demonstration's own bank and card network, one program, which listens where the demonstration
    says and nobody else knows; None where the settings name another, or there was no demonstration."""
    if url or not (settings.data_dir / "bank").exists():
        return None
    if demo.is_running(settings.data_dir):
        return Finding("ok", subject, "simulated: runs with the demonstration")
    return Finding("note", subject, "simulated: it runs with `tongbao demo`, which is not running")


async def _cards(settings: Settings) -> Finding:
    if simulated := _simulated(settings, "card network", settings.cards_url):
        return simulated
    network = open_cards(settings, runtime.keys(settings))
    try:
        answer = await network.inquire(_NEVER_USED)
    finally:
        await network.close()
    if answer.state == "UNKNOWN":
        where = "" if settings.cards_url else ", and TONGBAO_CARDS_URL names none"
        return Finding("note", "card network", f"does not answer{where}: no card can be bound, nor pay")
    return Finding("ok", "card network", "answers")


async def _bank(settings: Settings) -> Finding:
    if simulated := _simulated(settings, "bank", settings.bank_url):
        return simulated
    bank = open_bank(settings, runtime.keys(settings))
    try:
        await bank.reserve_minor(settings.currency)
    except Refusal as refusal:
        where = "" if settings.bank_url else ", and TONGBAO_BANK_URL names none"
        return Finding("note", "bank", f"does not answer ({refusal.code.name}){where}: top-ups and withdrawals wait")
    finally:
        await bank.close()
    return Finding("ok", "bank", "answers")

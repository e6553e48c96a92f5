"""`tongbao backup`, `restore`, `rehearse`: a copy that only its recipient opens, brought back, and tried out elsewhere."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path

import click
import msgspec
from rich.console import Console

from tongbao.app import backup as backups
from tongbao.app import logs, runtime
from tongbao.app.audit import Audit, anchor_file
from tongbao.app.commands.verify import report, verify_with_progress
from tongbao.app.settings import Settings
from tongbao.engine.verify import Verification
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.errors import InvariantBroken
from tongbao.kernel.postgres import EmbeddedPostgres, PostgresError
from tongbao.security.envelopes import EnvelopeError, Identity, Recipient
from tongbao.security.keyring import KeyRing
from tongbao.security.master import MasterKeyError

_FILE = click.Path(dir_okay=False, path_type=Path)
_THERE = click.Path(exists=True, dir_okay=False, path_type=Path)
_TROUBLE = (backups.BackupError, EnvelopeError, PostgresError, MasterKeyError, InvariantBroken, OSError)


@click.command("backup", help="Write everything but the master key into a file that only its recipient opens.")
@click.option("--to", "target", type=_FILE, required=True, help="The file to write.")
@click.option("--recipient", type=_THERE, required=True, help="The recipient's public key: `tongbao keys identity` makes one.")
def command(target: Path, recipient: Path) -> None:
    settings = _settings()
    if why := runtime.nothing_to_audit(settings):
        raise click.ClickException(why)
    try:
        to = Recipient.parse(recipient.read_text("ascii", "replace"))
        manifest = asyncio.run(_back_up(settings, target, to))
        backups.remember(settings.data_dir, made_at=manifest.made_at)
    except _TROUBLE as error:
        raise click.ClickException(str(error)) from None
    _say(manifest)


async def _back_up(settings: Settings, target: Path, recipient: Recipient) -> backups.Manifest:
    async with runtime.left_as_found(settings):
        dsn = await runtime.open_database(settings)
        return await asyncio.to_thread(
            backups.back_up, dsn, runtime.ring_file(settings), anchor_file(settings), target, recipient
        )


@click.command("restore", help="Bring a backup back as a new data directory. The master key is not in it: put it there too.")
@click.argument("file", type=_THERE)
@click.option("--identity", type=_THERE, required=True, help="The recipient's private key.")
@click.option("--into", type=click.Path(file_okay=False, path_type=Path), required=True, help="A folder that is new or empty.")
def restore(file: Path, identity: Path, into: Path) -> None:
    _settings()
    try:
        manifest = backups.restore(file, _identity(identity), into)
    except _TROUBLE as error:
        raise click.ClickException(str(error)) from None
    _say(manifest)
    click.echo(f"brought back into {into}; set TONGBAO_DATA_DIR to it, and give it the master key")


@click.command(
    "rehearse",
    help="Bring a backup back elsewhere, compare all of it with its chain, seals and anchors, and throw it away. Exits 0 if "
    "everything agrees, 1 if something was altered, 2 if it could not be brought back. Uses the master key of the settings.",
)
@click.argument("file", type=_THERE)
@click.option("--identity", type=_THERE, required=True, help="The recipient's private key.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON on standard output.")
def rehearse(file: Path, identity: Path, as_json: bool) -> None:
    settings = _settings()
    try:
        manifest, found = rehearsed(file, _identity(identity), settings)
    except _TROUBLE as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(2)
    if found.ok and settings.data_dir.exists():
        backups.remember(settings.data_dir, rehearsed_at=SystemClock().now())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        _say(manifest)
        Console().print(report(found))
    sys.exit(0 if found.ok else 1)


def rehearsed(file: Path, identity: Identity, settings: Settings) -> tuple[backups.Manifest, Verification]:
    """Bring a backup back on a server of its own, which listens to nobody else, and verify it from the start. Raises as
    `backups.restore`, and MasterKeyError if the settings' master key did not wrap the ring that is in it."""
    with tempfile.TemporaryDirectory(prefix="tongbao-rehearsal-") as folder:
        place = Path(folder) / "data"
        manifest = backups.restore(file, identity, place)
        there = msgspec.structs.replace(settings, data_dir=place, database_url="", anchor_file="")
        ring = KeyRing.open(runtime.ring_file(there), runtime.master(settings), settings.cipher)
        with EmbeddedPostgres(place / "postgres") as server:
            found = asyncio.run(verify_with_progress(Audit(server.dsn, ring.keys, there)))
    return manifest, found


def _settings() -> Settings:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json)
    return settings


def _identity(path: Path) -> Identity:
    if path.stat().st_mode & 0o077:
        raise EnvelopeError(f"{path} holds a private key and can be read by others: chmod 600")
    return Identity.parse(path.read_text("ascii", "replace"))


def _say(manifest: backups.Manifest) -> None:
    click.echo(f"backup of {manifest.made_at:%Y-%m-%d %H:%M:%S}Z, tongbao {manifest.version}, {manifest.postgres}")
    for part in manifest.parts:
        click.echo(f"  {part.name}  {part.bytes:,} bytes  sha256 {part.sha256}")

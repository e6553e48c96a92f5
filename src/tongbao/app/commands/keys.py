"""`tongbao keys`: what keys there are, and their exchange while everything runs. No key is ever shown."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click
from rich.table import Table

from tongbao.app import logs, runtime
from tongbao.app.commands.printing import console
from tongbao.app.registry import CLASSES as COLUMNS
from tongbao.app.settings import Settings
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.database import open_pool
from tongbao.security.classes import sealed
from tongbao.security.envelopes import Identity
from tongbao.security.keyring import CLASSES, KeyRing
from tongbao.security.master import MasterKeyError, write_first
from tongbao.security.personal import Vault
from tongbao.security.rotation import retire as retire_class
from tongbao.security.rotation import rewrap_round

Purpose = click.Choice(["master", *CLASSES])


@click.group("keys", help="List the keys of the installation, exchange them, forget old ones.")
def command() -> None:
    pass


@command.command("list")
def listed() -> None:
    """Every key: what it is for, its version, since when, and by which master key it is wrapped."""
    ring, _ = _opened()
    table = Table("purpose", "version", "since", "master key")
    for each in ring.listed():
        table.add_row(each.purpose, str(each.version), f"{each.made_at:%Y-%m-%d %H:%M:%S}Z", each.master)
    console().print(table)


@command.command("identity")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def identity(file: Path) -> None:
    """Make a recipient of backups: FILE holds the private key, FILE.pub the public one. Keep FILE away from here."""
    made = Identity.fresh()
    if file.exists():
        raise click.ClickException(f"{file} exists")
    write_first(file, made.secret_text().encode() + b"\n")
    public = file.with_name(f"{file.name}.pub")
    public.write_text(f"{made.recipient}\n")
    click.echo(f"{public} is for everybody who makes backups, {file} for who brings them back")


@command.command("rotate")
@click.argument("purpose", type=Purpose)
def rotate(purpose: str) -> None:
    """Make a new key, and wrap what the former wrapped by it. Everything else may go on meanwhile.

    master: every key of the ring is wrapped anew. Where the master key comes from the environment, put the new one before the
    old, separated by a comma, and call this. C2, C3: the keys of people are wrapped anew. The former is kept until
    `tongbao keys retire`.
    """
    ring, settings = _opened()
    if purpose == "master":
        try:
            name = ring.rewrap() if settings.master_key else ring.rotate_master()
        except MasterKeyError as error:
            raise click.ClickException(str(error)) from None
        click.echo(f"every key is wrapped by master key {name}")
        return
    number = ring.rotate(purpose)
    click.echo(f"{purpose}: version {number} seals from now on")
    done = asyncio.run(_with_database(settings, lambda dsn: _rewrap(settings, ring, dsn)))
    click.echo(f"the keys of {done} people are wrapped anew")


@command.command("retire")
@click.argument("purpose", type=Purpose)
@click.argument("version", type=int, required=False)
def retire(purpose: str, version: int | None) -> None:
    """Forget a former key for ever: what it wrapped opens no more, in no backup either.

    PURPOSE is master, or a class and its VERSION.
    """
    ring, settings = _opened()
    try:
        if purpose == "master":
            ring.retire_master()
        elif version is None:
            raise click.UsageError("which version?")
        else:
            asyncio.run(_with_database(settings, lambda dsn: _retire(ring, dsn, purpose, version)))
    except (ValueError, MasterKeyError) as error:
        raise click.ClickException(str(error)) from None
    click.echo("forgotten")


def _opened() -> tuple[KeyRing, Settings]:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json)
    if not runtime.ring_file(settings).exists():
        raise click.ClickException(f"there are no keys in {settings.data_dir}: the first start makes them")
    return runtime.ring(settings), settings


async def _with_database(settings: Settings, work: Callable[[str], Awaitable[Any]]) -> Any:
    if why := runtime.no_database(settings):
        raise click.ClickException(why)
    async with runtime.left_as_found(settings):
        return await work(await runtime.open_database(settings))


async def _rewrap(settings: Settings, ring: KeyRing, dsn: str) -> int:
    """Round after round until nothing is wrapped by an older version. Registrations of the first second may still come under the
    former; the worker finds them."""
    clock = SystemClock()
    pool = await open_pool(dsn)
    try:
        vault = Vault.over(pool, ring, sealed(COLUMNS, "C3"))
        async with runtime.open_engine(dsn, ring.keys, clock) as engine:
            done = 0
            while kept := await rewrap_round(engine, pool, vault, ring, clock):
                done += kept
            return done
    finally:
        await pool.close()


async def _retire(ring: KeyRing, dsn: str, purpose: str, version: int) -> None:
    pool = await open_pool(dsn)
    try:
        await retire_class(pool, ring, purpose, version)
    finally:
        await pool.close()

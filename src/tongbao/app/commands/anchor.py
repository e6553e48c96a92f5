"""`tongbao anchor`: sign the ends of the audit chain now."""

from __future__ import annotations

import asyncio

import click

from tongbao.app import logs, runtime
from tongbao.app.audit import Audit, anchor_file
from tongbao.app.settings import Settings


@click.command("anchor", help="Sign the ends of the audit chain now, and append them to the file of anchors.")
def command() -> None:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json)
    if why := runtime.nothing_to_audit(settings):
        raise click.ClickException(why)
    click.echo(asyncio.run(_run(settings)))


async def _run(settings: Settings) -> str:
    async with runtime.left_as_found(settings):
        audit = Audit(await runtime.open_database(settings), runtime.keys(settings), settings)
        made = await audit.anchor()
    return f"anchor {made.number} in {anchor_file(settings)}" if made else "nothing new since the last anchor"

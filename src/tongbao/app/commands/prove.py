"""`tongbao prove`: write a file that proves a row to anybody, offline."""

from __future__ import annotations

import asyncio
import sys
from uuid import UUID

import click
import msgspec

from tongbao.app import logs, runtime
from tongbao.app.audit import Audit
from tongbao.app.settings import Settings
from tongbao.engine.proofs import Proof
from tongbao.kernel.errors import Refusal


@click.command(
    "prove",
    help="Print the proof of an entry, a journal, a receipt or a command as JSON. `tools/verify_proof.py` checks it offline.",
)
@click.option("--entry", metavar="ACCOUNT:VERSION", help="One entry of an account.")
@click.option("--journal", type=click.UUID, help="A journal with its entries.")
@click.option("--receipt", type=click.UUID, metavar="BILL", help="A bill of a wallet.")
@click.option("--command", "command_id", type=click.UUID, help="The record of a command.")
def command(entry: str | None, journal: UUID | None, receipt: UUID | None, command_id: UUID | None) -> None:
    if sum(each is not None for each in (entry, journal, receipt, command_id)) != 1:
        raise click.UsageError("say one of --entry, --journal, --receipt, --command")
    settings = Settings.read()
    logs.configure(as_json=settings.log_json)
    if why := runtime.nothing_to_audit(settings):
        raise click.ClickException(why)
    try:
        proof = asyncio.run(_run(settings, entry, journal, receipt, command_id))
    except Refusal as refusal:
        click.echo(f"Error: {refusal.code.en}", err=True)
        sys.exit(1)
    click.echo(msgspec.json.format(msgspec.json.encode(proof)).decode())


async def _run(
    settings: Settings, entry: str | None, journal: UUID | None, receipt: UUID | None, command_id: UUID | None
) -> Proof:
    async with runtime.left_as_found(settings):
        audit = Audit(await runtime.open_database(settings), runtime.keys(settings), settings)
        if journal is not None:
            return await audit.prove_journal(journal)
        if receipt is not None:
            return await audit.prove_receipt(receipt)
        if command_id is not None:
            return await audit.prove_command(command_id)
        account, _, version = (entry or "").partition(":")
        try:
            place = UUID(account), int(version)
        except ValueError:
            raise click.UsageError("--entry is ACCOUNT:VERSION, a uuid and a number") from None
        return await audit.prove_entry(*place)

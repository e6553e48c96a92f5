"""`tongbao operators`: who works at the console, and taking the first ones on.

Whoever holds the machine holds the keys, so this asks nobody; what it does stands in the record of acts as the machine's own.
From the second operator on, others are taken on at the console, by two.
"""

from __future__ import annotations

import asyncio

import click
from rich.table import Table

from tongbao.app import logs, runtime
from tongbao.app.asgi import open_services
from tongbao.app.commands.printing import console
from tongbao.app.settings import Settings
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import new_id
from tongbao.operators.api import MACHINE, Subject
from tongbao.operators.permissions import ROLE_NAMES
from tongbao.operators.service import role_text


@click.group("operators", help="List operators, and take the first ones on.")
def command() -> None:
    pass


@command.command("list", help="Who works at the console, and in which roles.")
def listing() -> None:
    _run(_list())


@command.command("add", help="Take an operator on. Asks for the first password.")
@click.option("--login", required=True, help="A phone or an email.")
@click.option("--name", required=True, help="As colleagues know them.")
@click.option("--role", "roles", multiple=True, required=True, type=click.Choice(ROLE_NAMES), help="Once for each role.")
@click.password_option(help="Asked for if not given.")
def add(login: str, name: str, roles: tuple[str, ...], password: str) -> None:
    _run(_add(login, name, roles, password))


def _run(work: object) -> None:
    logs.configure(as_json=False, level=40)
    try:
        asyncio.run(work)  # type: ignore[arg-type]
    except Refusal as refusal:
        raise click.ClickException(f"{refusal.code.message('en', refusal.detail)} [{refusal.code.name}]") from None


async def _add(login: str, name: str, roles: tuple[str, ...], password: str) -> None:
    settings = Settings.read()
    async with runtime.left_as_found(settings):
        dsn = await runtime.open_database(settings)
        async with open_services(settings, dsn) as services:
            command_id = new_id(services.clock.now())
            text = role_text(roles)
            made, _ = await services.identity.register(command_id, "console", login, password, name, "zh", roles=text)
            subjects = [Subject("operator", str(made))]
            await services.operators.record(MACHINE, None, "operators_add", subjects, changing=True, reason=text)
            click.echo(f"{made}  {text}")


async def _list() -> None:
    settings = Settings.read()
    if missing := runtime.no_database(settings):
        raise click.ClickException(missing)
    table = Table("operator", "name", "login", "roles")
    async with runtime.left_as_found(settings):
        dsn = await runtime.open_database(settings)
        async with open_services(settings, dsn) as services:
            for person in await services.identity.search("console", "", None, 100):
                row = await services.identity.need(person.principal_id)
                table.add_row(str(person.principal_id), person.name, person.login, row.roles or "–")
    console().print(table)

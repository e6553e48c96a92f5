"""`tongbao privacy`: the register of processing, and what is kept of somebody who was erased."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

import click
import msgspec

from tongbao.app import logs, runtime
from tongbao.app.asgi import open_services
from tongbao.app.registry import CLASSES
from tongbao.app.settings import Settings
from tongbao.kernel.clock import SystemClock
from tongbao.privacy.register import Register, register
from tongbao.privacy.retention import brought_back
from tongbao.security.envelopes import EnvelopeError, Identity

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group("privacy", help="Personal data: the register of processing, and what the law has us keep.")
def command() -> None:
    pass


@command.command("register", help="Print the register of processing.")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
@click.option("--lang", type=click.Choice(["zh", "en"]), default="zh", help="Language of the text.")
def register_command(as_json: bool, lang: str) -> None:
    found = register(CLASSES, Settings.read().privacy_contact, SystemClock().now())
    click.echo(msgspec.json.format(msgspec.json.encode(found)).decode() if as_json else text(found, lang))


@command.command(
    "retained",
    help="Print what is kept of somebody who was erased, for whoever the law lets ask. Needs the private retention key.",
)
@click.argument("customer", type=click.UUID)
@click.option(
    "--identity", type=click.Path(exists=True, dir_okay=False, path_type=Path), required=True, help="The private retention key."
)
def retained_command(customer: UUID, identity: Path) -> None:
    settings = _settings()
    try:
        key = Identity.parse(identity.read_text())
        asyncio.run(_retained(settings, customer, key))
    except EnvelopeError as error:
        raise click.ClickException(str(error)) from None


def _settings() -> Settings:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json)
    if why := runtime.nothing_to_audit(settings):
        raise click.ClickException(why)
    return settings


async def _retained(settings: Settings, customer: UUID, key: Identity) -> None:
    async with runtime.left_as_found(settings):
        dsn = await runtime.open_database(settings)
        async with open_services(settings, dsn) as services:
            found = (await services.erasures.state(customer)).erasure
            if found is None or not found.sealed:
                raise click.ClickException("nothing is kept of this customer: never erased, or the law no longer has it kept")
            services.vault.adopt(customer, brought_back(key, customer, found.sealed))
            async for piece in services.privacy_data.file(customer):
                click.echo(piece.decode(), nl=False)


def text(found: Register, lang: str) -> str:
    """The register as people read it."""
    zh = lang == "zh"

    def said(words: object) -> str:
        return str(getattr(words, lang))

    lines = [
        f"# {'个人信息处理活动记录' if zh else 'Register of processing'}",
        "",
        f"{'处理者' if zh else 'Controller'}: {found.controller or '–'}",
        f"{'个人' if zh else 'People'}: {said(found.people)}",
        f"{'出境' if zh else 'Abroad'}: {said(found.abroad)}",
        f"{'安全措施' if zh else 'Measures'}: {said(found.measures)}",
    ]
    names = {each.category: said(each.name) for each in found.categories}
    for each in found.purposes:
        kept = each.retention
        lines += [
            "",
            f"## {said(each.name)} ({each.purpose})",
            f"- {'依据' if zh else 'Ground'}: {each.ground} · {said(each.basis)}",
            f"- {'数据' if zh else 'Data'}: {', '.join(names[category] for category in each.categories)}",
            f"- {'接收方' if zh else 'Recipients'}: {said(each.recipients)}",
            f"- {'保存' if zh else 'Kept'}: {kept.months} {'个月' if zh else 'months'} ({kept.since}) · {said(kept.law)}",
        ]
    lines += ["", f"## {'数据项' if zh else 'Data'}"]
    for category in found.categories:
        columns = ", ".join(f"{column.column} ({column.class_})" for column in category.columns)
        lines.append(f"- {said(category.name)}: {columns or '–'}")
    return "\n".join(lines)

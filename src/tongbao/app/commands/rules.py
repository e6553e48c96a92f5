"""`tongbao rules`: check packs, see which rules are in force, put others in force, and explain what they say."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from tongbao.app import logs, runtime
from tongbao.app.asgi import Services, open_services
from tongbao.app.commands.printing import console
from tongbao.app.settings import Settings
from tongbao.engine.api import Declined
from tongbao.identity.factors import KNOWLEDGE, POSSESSION, SIGNATURE, Factors
from tongbao.kernel.errors import Refusal
from tongbao.kernel.money import format_minor, parse
from tongbao.methods.api import MethodName
from tongbao.rules.book import Book, book_of, slots_of
from tongbao.rules.explain import LimitLine, idle_rules, limits_of
from tongbao.rules.greatest import Greatest, Most, greatest
from tongbao.rules.pack import Kind, Merged, PackError, merged, merged_text, named_packs
from tongbao.rules.persons import Known
from tongbao.rules.rules import rulebook_row
from tongbao.rules.types import ACTS_DONE, Act, Rulebook
from tongbao.rules.whatif import ANYBODY, somebody, tried

T = TypeVar("T")

METHODS = ("qr_static", "qr_dynamic", *get_args(MethodName))
_FACTORS: dict[str, Factors] = {
    "weak": KNOWLEDGE, "medium": KNOWLEDGE | POSSESSION, "strong": KNOWLEDGE | POSSESSION | SIGNATURE
}  # fmt: skip


@click.group("rules", help="The law as data: check packs, see what is in force, put other rules in force, explain them.")
def command() -> None:
    logs.configure(as_json=False, level=40)


@command.command("check", help="Read packs (files, or names that ship) and say what is wrong with them.")
@click.argument("packs", nargs=-1, required=True)
def check(packs: tuple[str, ...]) -> None:
    settings = Settings.read()
    try:
        found = named_packs(",".join(packs))
        whole = merged(found, settings.currency, settings.time_zone)
    except PackError as error:
        raise click.ClickException(str(error)) from None
    for pack in found:
        seen = sum(rule.verified for rule in pack.rules)
        click.echo(f"{pack.header.pack}: {len(pack.rules)} rules, {seen} of them verified")
    click.echo(f"{len(slots_of(whole))} counters in {settings.currency}")
    _say_idle(_row_of(whole))


@command.command("list", help="The rules in force, or those of packs that are not.")
@click.option("--pack", "packs", multiple=True, metavar="PACK", help="A file, or a name that ships, instead of what is in force.")
def listed(packs: tuple[str, ...]) -> None:
    book = book_of(_rulebook(packs))
    table = Table("rule", "citation", "action", "window", "limit", "in English", box=None, pad_edge=False)
    for rule in book.rules:
        limit = rule.agreed or ("" if rule.most is None else str(rule.most))
        limit = limit or ", ".join(f"{currency} {amount}" for currency, amount in (rule.limit or {}).items())
        window = rule.window.kind if rule.window else ""
        cited = rule.citation + ("" if rule.verified else " (unverified)")
        table.add_row(rule.id, cited, rule.action, window, limit, rule.name.en)
    console().print(table)


@command.command("adopt", help="Put packs in force by hand, from now on and for all servers: files, or names that ship.")
@click.argument("packs", nargs=-1, required=True)
@click.option("--reason", required=True, help="Why; kept for ever.")
def adopt(packs: tuple[str, ...], reason: str) -> None:
    try:
        found = named_packs(",".join(packs))
        done = _with_services(lambda services: services.law.adopt(found, getpass.getuser(), reason))
    except PackError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"version {done.version} is in force" + ("" if done.changed else "; it was before"))
    settings = Settings.read()
    _say_idle(_row_of(merged(found, settings.currency, settings.time_zone)))


@command.command("explain", help="What limits somebody, or what would be said to an act.")
@click.option("--customer", type=click.UUID, help="A customer, as of now; otherwise somebody who has done nothing.")
@click.option("--pack", "packs", multiple=True, metavar="PACK", help="A file, or a name that ships, instead of what is in force.")
@click.option("--amount", help="Of an act that is to be judged, such as 1200.00.")
@click.option("--kind", type=click.Choice(get_args(Kind)), default="payment", show_default=True)
@click.option("--method", type=click.Choice(METHODS), help="How it is paid.")
@click.option("--strength", type=click.Choice(tuple(_FACTORS)), default="medium", show_default=True)
@click.option("--level", type=click.IntRange(0, 3), default=3, show_default=True, help="Of somebody who has done nothing.")
def explain(
    customer: UUID | None, packs: tuple[str, ...], amount: str | None, kind: str, method: str | None, strength: str, level: int
) -> None:
    if customer is not None and packs:
        raise click.UsageError("say --customer or --pack, not both")
    now = datetime.now(UTC)
    if customer is not None:
        row, known = _with_services(lambda services: services.law.subject(customer))
    else:
        row, known = _rulebook(packs), Known(None, None)
    book = book_of(row)
    if amount is None:
        _print(limits_of(book, "customer", known, now, for_staff=True))
        judged = known if customer is not None else Known(somebody(level, now), None)
        _print_greatest(
            book, [(name, greatest(row, judged, customer or ANYBODY, _FACTORS[name], method or "", now)) for name in _FACTORS]
        )
        return
    try:
        act = Act(kind, parse(amount, book.currency).minor, book.currency, _FACTORS[strength], None, method or "")
    except Refusal as refusal:
        raise click.ClickException(refusal.code.message("en", refusal.detail)) from None
    if customer is None:
        known = Known(somebody(level, now), None)
    found = tried(row, known, customer or ANYBODY, act, now)
    said = found.delay or found.said
    if not isinstance(said, Declined):
        click.echo("it may happen" if kind in ACTS_DONE else "this product does not do that, and no rule is asked")
        return
    click.echo(f"{said.code.name}: {said.code.message('en', said.detail)}")
    for name, value in said.detail.items():
        click.echo(f"  {name}: {value}")


def _say_idle(row: Rulebook) -> None:
    book = book_of(row)
    for rule in idle_rules(book, book.today(datetime.now(UTC)).day):
        click.echo(f"note: {rule.id} is about acts that this product does not do, and says nothing to anybody")


def _row_of(whole: Merged) -> Rulebook:
    return rulebook_row(merged_text(whole), None, by_hand=True, by="", reason="", now=datetime.now(UTC))


def _print(lines: list[LimitLine]) -> None:
    table = Table("rule", "whose", "limit", "used", "left", "begins anew", "citation", box=None, pad_edge=False)
    for line in lines:
        anew = f"{line.renews_at:%Y-%m-%d %H:%M} UTC" if line.renews_at else ""
        table.add_row(line.rule_id, line.whose, line.limit, line.used or "", line.left or "", anew, line.citation)
    console().print(table)


def _print_greatest(book: Book, found: list[tuple[str, Greatest]]) -> None:
    click.echo("\nthe greatest payment, by how it is confirmed:")
    table = Table("confirmed", "now", "under", "rest of the day", "under", box=None, pad_edge=False)
    for name, most in found:
        table.add_row(name, *(text for one in most for text in _told(book, one)))
    console().print(table)


def _told(book: Book, most: Most) -> tuple[str, str]:
    said = "any" if most.minor is None else format_minor(most.minor, book.currency)
    return said, f"{most.by.rule_id} ({most.by.citation})" if most.by else ""


def _rulebook(packs: tuple[str, ...]) -> Rulebook:
    """The rulebook of some packs, or the one in force."""
    if not packs:
        found = _with_services(lambda services: services.law.row())
        if found is None:
            raise click.ClickException("no rules are in force; --pack shows those of a pack")
        return found
    settings = Settings.read()
    try:
        return _row_of(merged(named_packs(",".join(packs)), settings.currency, str(ZoneInfo(settings.time_zone))))
    except PackError as error:
        raise click.ClickException(str(error)) from None


def _with_services(use: Callable[[Services], Awaitable[T]]) -> T:
    settings = Settings.read()
    if why := runtime.no_database(settings):
        raise click.ClickException(why)

    async def run() -> T:
        async with runtime.left_as_found(settings):
            dsn = await runtime.open_database(settings)
            async with open_services(settings, dsn) as services:
                return await use(services)

    try:
        return asyncio.run(run())
    except Refusal as refusal:
        raise click.ClickException(refusal.code.message("en", refusal.detail)) from None

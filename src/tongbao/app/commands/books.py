"""`tongbao books`: the books on a terminal. How they are shown stands in `books_tables.py`."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from tongbao.app import logs, runtime
from tongbao.app.audit import Audit
from tongbao.app.books import Books
from tongbao.app.commands.books_tables import (
    Said,
    answer,
    general_ledger,
    line_by_day,
    say_json,
    show,
    show_period,
    trial_json,
    trial_table,
    words,
)
from tongbao.app.commands.books_usage import Failure, NothingToRead, Spoken
from tongbao.app.commands.books_words import KINDS, LEVELS
from tongbao.app.registry import CLASSES
from tongbao.app.settings import Settings
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.database import open_pool
from tongbao.kernel.errors import Refusal
from tongbao.kernel.ids import named_id, new_id
from tongbao.kernel.money import CURRENCIES, format_minor
from tongbao.ledger.api import CHART
from tongbao.ledger.exchange import opening
from tongbao.ledger.exchange.export import WHATS, Export, What, export
from tongbao.ledger.reports import DayRow, LedgerRow, StatementRow
from tongbao.operators.types import LEAST_REASON
from tongbao.security.classes import Disclosure

#: Who acts when it is done on a terminal.
TERMINAL = named_id("operator", "command line")


class _Day(click.DateTime):
    """A day, shown in the help as people write it."""

    def __init__(self) -> None:
        super().__init__(["%Y-%m-%d"])

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        return "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        day = super().convert(value, param, ctx)
        if not 1900 <= day.year <= 2999:
            self.fail(f"{value!r} is not in the years 1900 to 2999", param, ctx)
        return day


_DAY = _Day()


def _say(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    said = context.obj or Said("en", False)
    context.obj = said if not value else said._replace(**{str(parameter.name): value})


def _how_to_say() -> list[click.Parameter]:
    """The options that stand before the report or behind it."""
    return [
        click.Option(
            ["--lang", "language"], type=click.Choice(["zh", "en"]), expose_value=False, callback=_say,
            help="Language of what is said.  [default: en]",
        ),
        click.Option(
            ["--json", "as_json"], is_flag=True, expose_value=False, callback=_say,
            help="Answer one line of JSON: amounts are decimal strings, counts are numbers.",
        ),
    ]  # fmt: skip


@click.group("books", cls=Spoken, help="Read the books, write them out, bring balances in, close periods.")
def command() -> None:
    pass


@command.command("trial-balance", help="Every line of the chart as debit or credit, now or when a day ended (value date).")
@click.option("--date", "day", type=_DAY)
@click.pass_obj
def trial_balance(said: Said, day: datetime | None) -> None:
    trials = _run(lambda books: books.trial(_date(day)))
    if said.as_json:
        say_json([trial_json(trial) for trial in trials])
        return
    for trial in trials:
        show(trial_table(trial, said.language))
    if not trials:
        click.echo(words("截至该日没有任何分录。", "Nothing had been posted by then.", said.language), err=True)


@command.command("ledger", help="The general ledger over a period of value dates; with --code, one line by day.")
@click.option("--from", "first", type=_DAY, help="[default: the first of this month]")
@click.option("--to", "last", type=_DAY, help="[default: today]")
@click.option("--code", help="One line of the chart.")
@click.option("--currency", default="CNY", show_default=True, help="With --code: its currency, and colour.")
@click.pass_obj
def ledger(said: Said, first: datetime | None, last: datetime | None, code: str | None, currency: str) -> None:
    _in_order(first, last)
    if code is not None and code not in CHART:
        raise _failure(f"会计科目表没有 {code}", f"the chart has no line {code}")
    if currency.partition(":")[0] not in CURRENCIES:
        raise _failure(f"没有币种 {currency}", f"there is no currency {currency}")

    async def period(books: Books) -> tuple[date, date]:
        today = SystemClock().now().astimezone((await books.reports.book()).zone).date()
        end = last.date() if last else today
        return first.date() if first else end.replace(day=1), end

    if code is None:

        async def whole(books: Books) -> Sequence[LedgerRow]:
            return await books.reports.general_ledger(*await period(books))

        general_ledger(said, _run(whole))
        return

    async def by_day(books: Books) -> Sequence[DayRow]:
        return await books.reports.line_days(code, currency, *await period(books), 10_000)

    line_by_day(said, _run(by_day), currency)


@command.command("statement", help="Entries of an account, by its id (`books export accounts`), with the running balance.")
@click.argument("account", type=click.UUID)
@click.option("--from", "first", type=_DAY)
@click.option("--to", "last", type=_DAY)
@click.option("--order", type=click.Choice(["newest", "oldest"]), default="newest", show_default=True)
@click.option("--beyond", type=click.IntRange(1), help="Go on beyond this version, the last of the page before.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True)
@click.pass_obj
def statement(
    said: Said, account: UUID, first: datetime | None, last: datetime | None, order: Any, beyond: int | None, limit: int
) -> None:
    _in_order(first, last)

    async def read(books: Books) -> tuple[str, Sequence[Any]]:
        found = await books.account(account)
        book = await books.reports.book()
        start = book.begin(first.date()) if first else None
        end = book.end(last.date()) if last else None
        rows = await books.reports.statement(account, order=order, beyond=beyond, start=start, end=end, limit=limit)
        return found.currency, [(row, row.posted_at.astimezone(book.zone)) for row in rows]

    currency, rows = _run(read)
    table = [
        (
            row.version, *_told(said, row, at), format_minor(row.amount_minor, currency),
            format_minor(row.balance_minor, currency), str(row.journal_id), row.memo,
        )
        for row, at in rows
    ]  # fmt: skip
    answer(said, ("version", "posted", "date", "kind", "amount", "balance", "journal", "memo"), table)


def _told(said: Said, row: StatementRow, at: datetime) -> tuple[str, str, str]:
    """When it was posted, the day it counts to, and the kind of its journal: for a program, with the zone and as a code."""
    if said.as_json:
        return at.isoformat(timespec="seconds"), str(row.value_date), row.kind
    zh, en = KINDS.get(row.kind, (row.kind, row.kind))
    return f"{at:%Y-%m-%d %H:%M:%S}", str(row.value_date), words(zh, en, said.language)


@command.command("export", help="Write the books to a file: Beancount, or CSV.")
@click.argument("what", type=click.Choice(WHATS))
@click.option("--output", "-o", type=click.Path(dir_okay=False, path_type=Path), help="The file; - for standard output.")
@click.option("--from", "first", type=_DAY)
@click.option("--to", "last", type=_DAY)
@click.option("--bom", is_flag=True, help="Begin a CSV with a byte order mark, for Excel.")
@click.option("--whole", metavar="REASON", help="With people's ids and texts, and why: it is written into the record of acts.")
@click.pass_obj
def write_out(
    said: Said, what: What, output: Path | None, first: datetime | None, last: datetime | None, bom: bool, whole: str | None
) -> None:
    _in_order(first, last)
    if whole is not None and len(whole.strip()) < LEAST_REASON:
        raise click.UsageError(
            _said(f"--whole 须写明原因，至少 {LEAST_REASON} 个字符", f"--whole needs a reason of {LEAST_REASON} characters")
        )
    wish = Export(what, _date(first), _date(last), bom)
    target = output or Path(wish.file_name)
    # What was exported before stays until all of the new is there.
    draft = None if str(target) == "-" else target.with_name(f".{target.name}.{os.getpid()}")
    columns = (TextColumn("exporting"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())

    async def write(books: Books) -> int:
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("exporting", total=None)
            if whole is not None:
                await books.note_whole_export(what, whole.strip())
            told = Disclosure(CLASSES, whole=whole is not None).shown
            pieces = export(books.pool, wish, lambda done, total: bar.update(task, completed=done, total=total), told)
            written = 0
            with sys.stdout.buffer if draft is None else draft.open("wb") as file:
                async with aclosing(pieces) as open_pieces:
                    async for piece in open_pieces:
                        written += file.write(piece)
        return written

    try:
        written = _run(write)
        if draft is not None:
            draft.replace(target)
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
    if str(target) != "-":
        if said.as_json:
            say_json({"file": str(target), "bytes": written})
        else:
            click.echo(f"{target}: {written:,} B", err=True)


@command.command(
    "import", help="Bring in opening balances, from a CSV or a Beancount file. Says what it would come to; --post does it."
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--date", "day", type=_DAY, required=True, help="The value date of the balances.")
@click.option("--format", "format_", type=click.Choice(["csv", "beancount"]))
@click.option("--post", is_flag=True, help="Post them, if there is nothing wrong with the file.")
@click.pass_obj
def bring_in(said: Said, file: Path, day: datetime, format_: opening.Format | None, post: bool) -> None:
    kind: opening.Format = format_ or ("beancount" if file.suffix in (".beancount", ".bean") else "csv")
    try:
        content = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise _failure(f"{file} 不是 UTF-8 文本", f"{file} is not a text in UTF-8") from None
    read = opening.read(content, kind)
    trial = _run(lambda books: books.opening_dry_run(read, day.date()))
    findings, journal_id, repeated = trial.findings, None, False
    if post and not read.findings:
        # Whether it can be posted is the posting's to say: this very file may have been posted already.
        journal_id, repeated = _run(lambda books: books.post_opening(read, day.date()))
        findings = []
    if said.as_json:
        say_json(
            {
                "lines": len(read.lines), "moved": trial.moved, "journal_id": journal_id, "repeated": repeated,
                "findings": [{"line": each.number, "zh": each.zh, "en": each.en} for each in findings],
                "trial_balance": [trial_json(each) for each in trial.trials],
            }
        )  # fmt: skip
    else:
        for finding in findings:
            line = f":{finding.number}" if finding.number else ""
            click.echo(f"{file.name}{line}: {words(finding.zh, finding.en, said.language)}", err=True)
        if trial.moved and not repeated:
            zh = f"其中 {trial.moved} 个账户已有分录，请确认不是重复导入。"
            en = f"{trial.moved} of its accounts have entries already: make sure that this is no second import."
            click.echo(words(zh, en, said.language), err=True)
        if not repeated:
            for each in trial.trials:
                show(trial_table(each, said.language))
        if journal_id:
            again = words("（此前已入账）", " (posted before)", said.language) if repeated else ""
            click.echo(f"{words('凭证', 'journal', said.language)} {journal_id}{again}")
        elif not findings:
            click.echo(
                words("以上为试算，加 --post 入账。", "This is what it would come to; --post posts it.", said.language), err=True
            )
    sys.exit(1 if findings else 0)


@command.command("close", help="Close the books through a day and carry the result into retained earnings.")
@click.argument("through", type=_DAY)
@click.option("--check", is_flag=True, help="Only say what speaks against it.")
@click.option("--yes", is_flag=True, help="Do not ask first.")
@click.pass_obj
def close(said: Said, through: datetime, check: bool, yes: bool) -> None:
    day = through.date()
    findings = _run(lambda books: books.closing.look(day))
    errors = [each for each in findings if each.level == "error"]
    if not said.as_json:
        for each in findings:
            click.echo(f"{words(*LEVELS[each.level], said.language)}: {words(each.zh, each.en, said.language)}", err=True)
    if check or errors:
        if said.as_json:
            say_json({"through": day, "findings": findings})
        elif not findings:
            click.echo(words("没有发现问题，可以关账。", "Nothing speaks against it.", said.language), err=True)
        sys.exit(1 if errors else 0)
    zh = f"关账至 {day}？此后不能再记入该日及之前的日期。"
    en = f"Close the books through {day}? Nothing more can be posted for that day or before."
    if not yes:
        click.confirm(words(zh, en, said.language), abort=True, err=True)
    show_period(said, _run(lambda books: books.closing.close(_command_id(), day, TERMINAL)))


@command.command("reopen", help="Open the period closed last again.")
@click.argument("through", type=_DAY)
@click.option("--reason", required=True)
@click.pass_obj
def reopen(said: Said, through: datetime, reason: str) -> None:
    if not reason.strip():
        raise _failure("请写明原因", "a reason is needed")
    show_period(said, _run(lambda books: books.closing.reopen(_command_id(), through.date(), reason.strip(), TERMINAL)))


# ── how it runs and how it is said ──────────────────────────────────────────────────────────────────────────────────────


def _run(act: Callable[[Books], Awaitable[Any]]) -> Any:
    settings = Settings.read()
    logs.configure(as_json=settings.log_json)
    if why := runtime.nothing_to_audit(settings):
        raise NothingToRead(why)

    async def main() -> Any:
        async with runtime.left_as_found(settings), _books(settings) as books:
            return await act(books)

    try:
        return asyncio.run(main())
    except OSError as error:
        raise _failure(str(error), str(error)) from None
    except Refusal as refusal:
        zh, en = (f"{refusal.code.message(language, refusal.detail)} [{refusal.code.name}]" for language in ("zh", "en"))
        raise _failure(zh, en) from None


@asynccontextmanager
async def _books(settings: Settings) -> AsyncIterator[Books]:
    dsn = await runtime.open_database(settings)
    clock, keys = SystemClock(), runtime.keys(settings)
    pool = await open_pool(dsn, size=2)
    try:
        async with runtime.open_engine(dsn, keys, clock) as engine:
            yield Books(engine, pool, Audit(dsn, keys, settings, clock), clock)
    finally:
        await pool.close()


def _said(zh: str, en: str) -> str:
    said = click.get_current_context().obj or Said("en", False)
    return words(zh, en, said.language)


def _failure(zh: str, en: str) -> Failure:
    text = _said(zh, en)
    return Failure(text, chinese=text == zh and zh != en)


def _command_id() -> UUID:
    return new_id(SystemClock().now())


def _in_order(first: datetime | None, last: datetime | None) -> None:
    if first and last and last < first:
        raise click.UsageError(_said("--to 早于 --from", "--to lies before --from"))


def _date(day: datetime | None) -> date | None:
    return day.date() if day else None


for _each in (command, *command.commands.values()):
    _each.params += _how_to_say()

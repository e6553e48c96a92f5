"""What is wrong with how `tongbao books` was called, said in the language that was asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import IO, Any

import click
from click import exceptions

_CHINESE = "tongbao.books.chinese"


class Failure(click.ClickException):
    """Something cannot be done."""

    def __init__(self, text: str, *, chinese: bool = False) -> None:
        super().__init__(text)
        self._chinese = chinese

    def show(self, file: IO[Any] | None = None) -> None:
        click.echo(f"{'错误：' if self._chinese else 'Error: '}{self.format_message()}", file=file, err=file is None)


class NothingToRead(Failure):
    """There is no database, or no keys: it ends as `tongbao verify` does that could not compare."""

    exit_code = 2


class _Usage(click.UsageError):
    """A mistake in the words of the command, in Chinese."""

    def show(self, file: IO[Any] | None = None) -> None:
        if self.ctx is not None:
            click.echo(self.ctx.get_usage().replace("Usage: ", "用法：", 1), file=file, err=file is None)
            click.echo(f"用 {self.ctx.command_path} --help 查看说明。\n", file=file, err=file is None)
        click.echo(f"错误：{self.message}", file=file, err=file is None)


class Spoken(click.Group):
    """A group of commands whose mistakes are told in Chinese to who wrote `--lang zh`, wherever that stands."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.meta[_CHINESE] = chinese_asked(args)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as wrong:
            raise _told(wrong, ctx) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.UsageError as wrong:
            raise _told(wrong, ctx) from None


def chinese_asked(args: Sequence[str]) -> bool:
    """Whether these words ask for Chinese."""
    return "--lang=zh" in args or ("--lang", "zh") in list(zip(args, args[1:], strict=False))


def _told(wrong: click.UsageError, ctx: click.Context) -> click.UsageError:
    return _Usage(_in_chinese(wrong), wrong.ctx or ctx) if ctx.meta.get(_CHINESE) else wrong


def _in_chinese(wrong: click.UsageError) -> str:
    if isinstance(wrong, exceptions.NoSuchOption):
        return f"没有选项 {wrong.option_name}。" + (
            f"相近的有：{'、'.join(wrong.possibilities)}。" if wrong.possibilities else ""
        )
    if isinstance(wrong, exceptions.BadOptionUsage):
        return f"选项 {wrong.option_name} 的用法不正确：须给出一个值。"
    named = (
        f" {wrong.param.get_error_hint(wrong.ctx)}" if isinstance(wrong, click.BadParameter) and wrong.param and wrong.ctx else ""
    )
    if isinstance(wrong, exceptions.MissingParameter):
        return f"缺少参数{named}。"
    if isinstance(wrong, click.BadParameter):
        return f"参数{named} 的值不正确{_wanted(wrong.param)}。"
    if found := re.match(r"No such command '(.*)'", wrong.message):
        return f"没有命令 {found[1]}。"
    if found := re.match(r"Got unexpected extra arguments? \((.*)\)", wrong.message):
        return f"多余的参数：{found[1]}。"
    return "缺少命令。" if wrong.message.startswith("Missing command") else wrong.message


def _wanted(param: click.Parameter | None) -> str:
    kind = param.type if param is not None else None
    if isinstance(kind, click.Choice):
        return f"，可选：{'、'.join(map(str, kind.choices))}"
    if isinstance(kind, click.DateTime):
        return "，日期须写作 YYYY-MM-DD，在 1900 至 2999 年之间"
    if isinstance(kind, click.IntRange):
        return f"，须为 {kind.min} 至 {kind.max} 的整数"
    return "，没有这个文件或不能读" if isinstance(kind, click.Path | click.File) else ""

"""Decider ladders as tables: a row is a situation and the answer it must have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from types import ModuleType
from typing import NamedTuple

from tests.support.town import Town, town
from tongbao.engine.api import Command
from tongbao.kernel.errors import Code

Situation = Callable[[Town], Awaitable[Command]]


class Row(NamedTuple):
    """`situation` builds the town and returns the command; `says` is "ok" or the code of the decline."""

    says: str
    situation: Situation

    def __repr__(self) -> str:
        return f"{self.situation.__name__}: {self.says}"


def ladder() -> tuple[list[Row], Callable[[str], Callable[[Situation], Situation]]]:
    """An empty table, and the decorator that adds a situation to it."""
    rows: list[Row] = []

    def says(code: str) -> Callable[[Situation], Situation]:
        def add(situation: Situation) -> Situation:
            rows.append(Row(code, situation))
            return situation

        return add

    return rows, says


async def answer(row: Row) -> str:
    """What the situation's command is answered, in a town of its own; a repeat of it must be answered the same."""
    async with town() as place:
        command = await row.situation(place)
        first = await place.says(command)
        assert await place.says(command) == first
        return first


def declines_of(errors: ModuleType) -> set[str]:
    """Names of the declines that a module declares."""
    return {value.name for value in vars(errors).values() if isinstance(value, Code) and value.family == "decline"}


def said_in(rows: Sequence[Row]) -> set[str]:
    """Every code that a table expects."""
    return {row.says for row in rows} - {"ok"}

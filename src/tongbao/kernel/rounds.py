"""What the worker's rounds have in common: the same thing done to everything that is due, one failure stopping nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import structlog

_log = structlog.get_logger("tongbao.rounds")

T = TypeVar("T")


async def do_each(task: str, due: Sequence[T], do: Callable[[T], Awaitable[object]], named: Callable[[T], object]) -> int:
    """Do it to each at the same time and answer how many there were. What fails is logged under the task with the name of what it
    failed for; it stays due, so the next round tries it again."""
    await _failures(task, due, do, named)
    return len(due)


async def do_every(task: str, due: Sequence[T], do: Callable[[T], Awaitable[object]], named: Callable[[T], object]) -> int:
    """As `do_each`, for what nothing outside of the product makes fail: when all were tried, the first failure is raised, so that
    somebody is told of it."""
    for failure in await _failures(task, due, do, named):
        raise failure
    return len(due)


async def _failures(
    task: str, due: Sequence[T], do: Callable[[T], Awaitable[object]], named: Callable[[T], object]
) -> list[BaseException]:
    results = await asyncio.gather(*map(do, due), return_exceptions=True)
    failures = []
    for each, result in zip(due, results, strict=True):
        if isinstance(result, BaseException):
            _log.error("not_done", task=task, id=str(named(each)), exc_info=result)
            failures.append(result)
    return failures

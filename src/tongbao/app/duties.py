"""One of the worker's tasks, and what becomes of it when it fails: counted, logged, told, and tried again later, while all others
go on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg
import structlog

from tongbao.kernel.errors import Refusal

_log = structlog.get_logger("tongbao.worker")

#: How long a task that failed is left alone, in seconds: at first, doubled with every failure in a row, and at most.
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0

#: What the world outside does to us, and what ends by itself. Everything else is a bug of ours.
_OUTSIDE: Final = (
    OSError, TimeoutError, Refusal, asyncpg.InterfaceError, asyncpg.PostgresConnectionError, asyncpg.OperatorInterventionError,
)  # fmt: skip


class Duty:
    """A task of every round. `failures`: how often in a row it failed."""

    def __init__(self, name: str, task: Callable[[], Awaitable[int]]) -> None:
        self.name = name
        self.failures = 0
        self._task = task
        self._not_before = 0.0

    async def turn(self, now: float) -> Exception | None:
        """Do it unless it waits after a failure; `now` in seconds of a clock that never goes back. Returns the failure of this
        turn, which is logged."""
        if now < self._not_before:
            return None
        try:
            done = await self._task()
        except Exception as failure:
            self.failures += 1
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** min(self.failures - 1, 16))
            self._not_before = now + pause
            if is_ours(failure):
                _log.error("task_broken", task=self.name, failures=self.failures, again_in_s=pause, exc_info=failure)
            else:
                reason = failure.code.name if isinstance(failure, Refusal) else f"{type(failure).__name__}: {failure}"
                _log.warning("task_failed", task=self.name, failures=self.failures, again_in_s=pause, reason=reason)
            return failure
        self.failures = 0
        if done:
            _log.info("round", task=self.name, done=done)
        return None


def is_ours(failure: Exception) -> bool:
    """Whether a failure is a bug, which somebody must look at: nothing outside ends it."""
    return not isinstance(failure, _OUTSIDE)

"""An event loop in virtual time: nothing waits, nothing is left to chance but what the seed says.

It runs one callback after another. Which of those that are ready comes next is drawn from the seed, so that a seed is one
interleaving of everything that happens at once. When nothing is ready, time jumps to the next timer. There is no wall
clock, no thread and no socket.

A callback belongs to the process (`PROCESS`) in whose context it was scheduled. Once that process is dead its callbacks do
not run any more: whatever it was doing stops at the await where it stood, without any clean-up, as `kill -9` would have it.
"""

from __future__ import annotations

import asyncio
import contextvars
import heapq
import random
from collections.abc import Callable, Coroutine
from typing import Any, Protocol, TypeVar

T = TypeVar("T")

_MICROS = 1_000_000
_MOST_ROUNDS = 100


class Mortal(Protocol):
    """What can die with everything in it."""

    alive: bool


#: The simulated process that the running code belongs to; None: the world outside of all processes.
PROCESS: contextvars.ContextVar[Mortal | None] = contextvars.ContextVar("PROCESS", default=None)


class Deadlock(Exception):
    """Somebody waits, and nothing that could wake him will ever happen."""


def simulated_loop(chance: random.Random, *, shuffle: bool = True) -> SimulatedLoop:
    """A loop that draws from `chance`. What it lacks of a loop is sockets, threads and signals, which nobody may ask of it."""
    return SimulatedLoop(chance, shuffle=shuffle)  # type: ignore[abstract]


class NumberedFuture(asyncio.Future[T]):
    """A future whose hash is its number: sets of futures are walked in the same order in every run."""

    def __init__(self, loop: SimulatedLoop, number: int) -> None:
        super().__init__(loop=loop)
        self._number = number

    def __hash__(self) -> int:
        return self._number


class SimulatedLoop(asyncio.AbstractEventLoop):
    """See the top of this file. `shuffle` false: callbacks run in the order of their coming, as in asyncio's own loop."""

    def __init__(self, chance: random.Random, *, shuffle: bool = True) -> None:
        self._random = chance.random
        self._shuffle = shuffle
        self._micros = 0
        self._ready: list[tuple[asyncio.Handle, contextvars.Context]] = []
        self._timers: list[tuple[int, int, asyncio.TimerHandle, contextvars.Context]] = []
        self._parked: list[tuple[asyncio.Handle, contextvars.Context]] = []
        self._number = 0
        self._running = False
        self._closed = False
        self._burying = False
        self._stopping = False
        self._tasks: list[asyncio.Task[Any]] = []
        self.steps = 0
        self.troubles: list[dict[str, Any]] = []

    # ── what asyncio asks of a loop ─────────────────────────────────────────────────────────────────────────────────────

    def time(self) -> float:
        return self._micros / _MICROS

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        where = contextvars.copy_context() if context is None else context
        handle = asyncio.Handle(callback, args, self, where)
        self._ready.append((handle, where))
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        where = contextvars.copy_context() if context is None else context
        handle = asyncio.TimerHandle(when, callback, args, self, where)
        self._number += 1
        heapq.heappush(self._timers, (round(when * _MICROS), self._number, handle, where))
        return handle

    def create_future(self) -> asyncio.Future[Any]:
        self._number += 1
        return NumberedFuture(self, self._number)

    def create_task(  # type: ignore[override]
        self, coro: Coroutine[Any, Any, T], *, name: str | None = None, context: contextvars.Context | None = None
    ) -> asyncio.Task[T]:
        task = asyncio.Task(coro, loop=self, name=name, context=context)
        if len(self._tasks) > 4096:
            self._tasks = [each for each in self._tasks if not each.done()]
        self._tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return self._running

    def is_closed(self) -> bool:
        return self._closed

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self._burying:
            self.troubles.append(context)
            self.stop()

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """Cancelled timers are passed over when their time comes."""

    # ── running ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def stop(self) -> None:
        """Run no further callback."""
        self._stopping = True

    def run_until_complete(self, future: Any) -> Any:
        """Run until `future` is done or the loop is stopped, which answers None. Raises what `future` raised, and Deadlock if
        it never can be done."""
        task = asyncio.ensure_future(future, loop=self)
        task.add_done_callback(lambda _: self.stop())
        self._run()
        return task.result() if task.done() else None

    def _run(self, *, only_ready: bool = False) -> None:
        """Callback after callback. With `only_ready`, timers are left alone, and it ends when nothing is ready."""
        before = asyncio._get_running_loop()
        asyncio._set_running_loop(self)
        self._running, self._stopping = True, False
        ready, timers, chance, shuffle = self._ready, self._timers, self._random, self._shuffle
        try:
            while not self._stopping:
                while timers and not only_ready and (not ready or timers[0][0] <= self._micros):
                    at, _, timer, where = heapq.heappop(timers)
                    if not timer.cancelled():
                        self._micros = max(self._micros, at)
                        ready.append((timer, where))
                if not ready:
                    if only_ready:
                        return
                    raise Deadlock("nothing can happen any more")
                if len(ready) == 1:
                    handle, where = ready.pop()
                elif shuffle:
                    chosen = int(chance() * len(ready))
                    ready[chosen], ready[-1] = ready[-1], ready[chosen]
                    handle, where = ready.pop()
                else:
                    handle, where = ready.pop(0)
                process = where.get(PROCESS)
                if process is not None and not process.alive and not self._burying:
                    self._parked.append((handle, where))
                elif not handle.cancelled():
                    # Every step takes a microsecond, so that nothing can go round for ever in no time.
                    self._micros += 1
                    self.steps += 1
                    handle._run()
        finally:
            self._running = False
            asyncio._set_running_loop(before)

    def bury(self) -> None:
        """End everything that is left, the dead included, so that nothing is left to the collector. Then close."""
        self._burying = True
        self._ready.extend(self._parked)
        self._parked.clear()
        # Whoever cleans up after himself may wait in doing so: he is told again.
        for _ in range(_MOST_ROUNDS):
            self._tasks = [task for task in self._tasks if not task.done()]
            if not self._tasks:
                break
            for task in self._tasks:
                task.cancel()
            self._run(only_ready=True)
        self._timers.clear()
        self._closed = True

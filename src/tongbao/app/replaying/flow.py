"""Commands to the engine in order, a bounded number on their way at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Generic, TypeVar

from tongbao.engine.api import Command, Engine, Outcome
from tongbao.kernel.errors import Refusal

#: How long before what was refused for the moment is sent again, and for how long nothing at all may be answered.
_PAUSE_S = 0.5
_GIVE_UP_S = 300.0

Tag = TypeVar("Tag")


class Flow(Generic[Tag]):
    """Back-pressure: `send` waits while `most` commands are on their way.

    `answer(tag, outcome, seconds)` is called once for each command, `seconds` after it was sent. A command that the engine
    refuses for the moment (database away, queue full) is sent again with the same id; any other error ends the flow.
    """

    def __init__(self, engine: Engine, most: int, answer: Callable[[Tag, Outcome, float], None]) -> None:
        self._engine = engine
        self._most = most
        self._answer = answer
        self._loop = asyncio.get_running_loop()
        self._changed = asyncio.Event()
        self._on_their_way = 0
        self._refused: list[tuple[Tag, Command]] = []
        self._failure: BaseException | None = None
        self._last_answer = self._loop.time()

    async def send(self, tag: Tag, command: Command) -> None:
        """Send a command as soon as there is room. Raises what an earlier one failed with."""
        await self._until_fewer_than(self._most)
        if self._on_their_way == 0:
            self._last_answer = self._loop.time()
        self._on_their_way += 1
        self._submit(tag, command)

    async def finish(self) -> None:
        """Wait for every answer. Raises what a command failed with."""
        await self._until_fewer_than(1)

    async def _until_fewer_than(self, most: int) -> None:
        while True:
            if self._failure is not None:
                raise self._failure
            if self._refused:
                await asyncio.sleep(_PAUSE_S)
                again, self._refused = self._refused, []
                for tag, command in again:
                    self._submit(tag, command)
            elif self._on_their_way < most:
                return
            else:
                self._changed.clear()
                await self._changed.wait()

    def _submit(self, tag: Tag, command: Command) -> None:
        try:
            future = self._engine.enqueue(command)
        except Refusal as refusal:
            self._not_now(tag, command, refusal)
        else:
            future.add_done_callback(partial(self._done, tag, command, self._loop.time()))

    def _done(self, tag: Tag, command: Command, sent: float, future: asyncio.Future[Outcome]) -> None:
        now = self._loop.time()
        error = future.exception()
        if isinstance(error, Refusal):
            self._not_now(tag, command, error)
        elif error is not None:
            self._failure = error
        else:
            self._last_answer = now
            self._on_their_way -= 1
            self._answer(tag, future.result(), now - sent)
        self._changed.set()

    def _not_now(self, tag: Tag, command: Command, refusal: Refusal) -> None:
        if refusal.code.retryable and self._loop.time() - self._last_answer < _GIVE_UP_S:
            self._refused.append((tag, command))
        else:
            self._failure = refusal

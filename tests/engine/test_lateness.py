"""A command that waits too long is refused, and what was refused never happens."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import pytest

from tests.support.jars import DECIDERS, pouring
from tongbao.engine.api import Accepted, Engine, MemoryStore
from tongbao.kernel.clock import SystemClock
from tongbao.kernel.errors import OVERLOADED, TIMED_OUT, Refusal


class SlowStore(MemoryStore):
    """A store whose transactions begin when `gate` is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = asyncio.Event()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Any]:
        await self.gate.wait()
        async with super().session() as session:
            yield session


async def test_a_command_still_waiting_at_its_deadline_is_overloaded_and_not_decided_afterwards() -> None:
    store = SlowStore()
    begun, waiting = pouring(uuid4(), 1), pouring(uuid4(), 1)
    async with Engine(store, DECIDERS, SystemClock()) as engine:
        first = asyncio.create_task(engine.submit(begun, timeout_s=0.2))
        await asyncio.sleep(0.05)  # it is in its batch by now
        second = asyncio.create_task(engine.submit(waiting, timeout_s=0.1))
        with pytest.raises(Refusal) as not_begun:
            await second
        with pytest.raises(Refusal) as not_known:
            await first
        assert (not_begun.value.code, not_known.value.code) == (OVERLOADED, TIMED_OUT)
        assert engine.backlog == 1
        store.gate.set()
        learned, fresh = await engine.submit(begun), await engine.submit(waiting)
    assert isinstance(learned.decision, Accepted) and learned.repeated
    assert isinstance(fresh.decision, Accepted) and not fresh.repeated

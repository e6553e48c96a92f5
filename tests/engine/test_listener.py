"""The listener ends when it is told to."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from tongbao.engine.listener import OutboxListener


@pytest.mark.parametrize("turns", range(5))
async def test_a_cancellation_that_comes_with_an_event_ends_it(database: str, turns: int) -> None:
    """Python 3.11's `asyncio.wait_for` loses a cancellation that comes when what it waits for has just ended."""
    listener = OutboxListener(database)
    running = asyncio.create_task(listener.run())
    async with asyncio.timeout(10):
        while not listener._wake._waiters:
            await asyncio.sleep(0.01)
        listener._wake.set()
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        await asyncio.wait([running], timeout=3)
    ended = running.done()
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    assert ended

"""The loop in virtual time."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from tongbao.simulation.loop import PROCESS, Deadlock, simulated_loop


class _Process:
    def __init__(self) -> None:
        self.alive = True


def _order(seed: int, *, shuffle: bool = True) -> list[int]:
    loop = simulated_loop(random.Random(seed), shuffle=shuffle)
    done: list[int] = []

    async def one(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    async def all_at_once() -> None:
        await asyncio.gather(*map(one, range(10)))

    loop.run_until_complete(all_at_once())
    loop.bury()
    return done


def test_a_virtual_day_takes_no_time() -> None:
    loop = simulated_loop(random.Random(1))
    started = time.process_time()
    loop.run_until_complete(asyncio.sleep(86_400))
    assert 86_400 <= loop.time() < 86_401
    assert time.process_time() - started < 1


def test_what_is_ready_at_once_runs_in_the_order_of_the_seed() -> None:
    assert _order(1) == _order(1)
    assert len({tuple(_order(seed)) for seed in range(20)}) > 10
    assert sorted(_order(1)) == list(range(10))


def test_without_shuffling_callbacks_run_in_the_order_of_their_coming() -> None:
    assert _order(1, shuffle=False) == list(range(10))


def test_timers_fire_in_the_order_of_their_times() -> None:
    loop = simulated_loop(random.Random(3))
    fired: list[float] = []

    async def after(seconds: float) -> None:
        await asyncio.sleep(seconds)
        fired.append(seconds)

    async def several() -> None:
        await asyncio.gather(*map(after, (3.0, 1.0, 2.0, 0.5)))

    loop.run_until_complete(several())
    assert fired == [0.5, 1.0, 2.0, 3.0]


def test_waiting_for_what_cannot_happen_is_a_deadlock() -> None:
    async def for_ever() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(Deadlock):
        simulated_loop(random.Random(1)).run_until_complete(for_ever())


def test_a_dead_process_stops_at_the_await_where_it_stood() -> None:
    loop = simulated_loop(random.Random(1))
    process = _Process()
    seen: list[str] = []

    async def inside() -> None:
        PROCESS.set(process)
        try:
            await asyncio.create_task(asyncio.sleep(1))
            seen.append("went on")
        finally:
            if loop.time() < 10:
                seen.append("cleaned up")

    async def outside() -> None:
        task = asyncio.ensure_future(inside())
        await asyncio.sleep(0.5)
        process.alive = False
        await asyncio.sleep(10)
        assert not task.done()

    loop.run_until_complete(outside())
    assert seen == []
    loop.bury()
    assert seen == []

"""Closed-loop load inside the engine's process: so many users, each sending its next wish when the last is answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec

from bench.stage import say
from tongbao.app.runtime import calm_collector
from tongbao.engine.api import Accepted, Command, Engine, Outcome


class Measured(msgspec.Struct):
    """`count` whole acts in `seconds`; latencies in seconds, sorted."""

    count: int
    seconds: float
    latencies: list[float]

    @property
    def rate(self) -> float:
        """Acts a second."""
        return self.count / self.seconds

    def percentile_ms(self, share: float) -> float:
        """The latency below which `share` of the acts stayed."""
        return self.latencies[min(len(self.latencies) - 1, int(len(self.latencies) * share))] * 1000

    def summary(self) -> str:
        """Rate and latencies, for people."""
        return f"{self.rate:>9,.0f} /s   p50 {self.percentile_ms(0.5):6.1f} ms   p99 {self.percentile_ms(0.99):6.1f} ms"


async def drive_commands(title: str, engine: Engine, take: Callable[[], Command], *, users: int, seconds: float) -> Measured:
    """As `drive`, where an act is one command that must be accepted: each user's next one follows upon the last one's outcome
    without a task in between, so that what is timed is the engine and not the pretended users (pgbench's are written in C)."""
    latencies: list[float] = []
    loop = asyncio.get_running_loop()
    over: asyncio.Future[None] = loop.create_future()
    calm_collector()
    busy = users
    started = time.perf_counter()
    deadline = started + seconds

    def send() -> None:
        began = time.perf_counter()
        engine.enqueue(take()).add_done_callback(lambda future: done(future, began))

    def done(future: asyncio.Future[Outcome], began: float) -> None:
        nonlocal busy
        error = future.exception()
        if error is None and not isinstance(future.result().decision, Accepted):
            error = AssertionError(future.result())
        now = time.perf_counter()
        latencies.append(now - began)
        if error is None and now < deadline:
            send()
            return
        busy -= 1
        if error is not None and not over.done():
            over.set_exception(error)
        elif busy == 0 and not over.done():
            over.set_result(None)

    for _ in range(users):
        send()
    await over
    measured = Measured(len(latencies), time.perf_counter() - started, sorted(latencies))
    say(f"{title:<26} {measured.summary()}")
    return measured


async def drive(title: str, act: Callable[[], Awaitable[None]], *, users: int, seconds: float) -> Measured:
    """Let `users` repeat `act` for `seconds`; every act that began is awaited and counted."""
    latencies: list[float] = []
    calm_collector()
    started = time.perf_counter()
    deadline = started + seconds

    async def user() -> None:
        now = time.perf_counter()
        while now < deadline:
            await act()
            before, now = now, time.perf_counter()
            latencies.append(now - before)

    async with asyncio.TaskGroup() as group:
        for _ in range(users):
            group.create_task(user())
    measured = Measured(len(latencies), time.perf_counter() - started, sorted(latencies))
    say(f"{title:<26} {measured.summary()}")
    return measured

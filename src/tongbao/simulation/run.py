"""One seed, one run."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from types import SimpleNamespace
from unittest.mock import patch

import msgspec

from tongbao.kernel import ids
from tongbao.simulation.auditor import Violation
from tongbao.simulation.loop import Deadlock, simulated_loop
from tongbao.simulation.people import People
from tongbao.simulation.tables import InMemory, Tables
from tongbao.simulation.trace import Trace
from tongbao.simulation.weather import Weather, draw
from tongbao.simulation.world import World

#: Under a clear sky everything must be known by then, in virtual seconds: two hours that a clock was wrong, one for which money
#: waits that a wallet could not take, and one more.
_SETTLED_WITHIN_S = 14_400.0
#: Nor may anybody ask for so long in vain, in any weather.
_ANSWERED_WITHIN_S = 7_200.0


class Report(msgspec.Struct, frozen=True):
    """What became of a run. `violation`: the first rule that did not hold, with the end of the trace in `tail`."""

    seed: int
    store: str
    hash: str
    weather: Weather
    commands: int
    answers: int
    repeats: int
    kinds: dict[str, int]
    deaths: int
    steps: int
    virtual_s: float
    cpu_s: float
    violation: str | None
    tail: list[str]


def run(
    seed: int,
    *,
    tables: Tables | None = None,
    store: str = "memory",
    actors: int | None = None,
    days: int | None = None,
    processes: int | None = None,
    tell: Callable[[str], None] | None = None,
) -> Report:
    """Live through one seed. Touches nothing but `tables` (and the global `random`, which the engine's pauses come from)."""
    started = time.process_time()
    chance = random.Random(seed)
    # The engine's pauses and the janitors' ids are drawn from the seed as well.
    random.seed(seed)
    weather = draw(chance, actors=actors, days=days, processes=processes)
    loop = simulated_loop(chance, shuffle=weather.shuffle)
    trace = Trace(loop.time, tell)
    world = World(weather, loop, tables or InMemory(), chance, trace)
    violation: str | None = None
    try:
        with patch.object(ids, "os", SimpleNamespace(urandom=chance.randbytes)):
            loop.run_until_complete(_whole_run(world))
    except (Violation, Deadlock, TimeoutError, AssertionError) as broken:
        violation = world.auditor.violation or repr(broken)
    violation = violation or world.auditor.violation
    if violation is None and loop.troubles:
        violation = f"an exception that nobody caught: {loop.troubles[0]!r}"
    virtual = loop.time()
    loop.bury()
    auditor = world.auditor
    return Report(
        seed, store, trace.hash, weather, auditor.decided, auditor.answers, auditor.repeats,
        dict(sorted((auditor.accepted + auditor.declined).items())), world.deaths, loop.steps, virtual,
        time.process_time() - started, violation, [] if violation is None else list(trace.tail),
    )  # fmt: skip


async def _whole_run(world: World) -> None:
    for slot in range(len(world.slots)):
        world.start(slot)
    people = People(world)
    watchman = asyncio.ensure_future(_watch(world, people))
    seasons = asyncio.ensure_future(world.seasons())
    await people.live()
    seasons.cancel()
    await world.clear_up()
    world.trace.note("world", "clears up")
    await people.settle()
    async with asyncio.timeout(_SETTLED_WITHIN_S):
        await _until_known(world)
    world.auditor.audit(world.tables)
    await world.auditor.audit_bank(world.bank)
    watchman.cancel()


async def _until_known(world: World) -> None:
    """Until the janitors have heard from the bank about every transfer."""
    while any(move.state not in ("SUCCEEDED", "FAILED") for move in world.auditor.books.transfers.values()):  # noqa: ASYNC110
        await asyncio.sleep(60)


async def _watch(world: World, people: People) -> None:
    """Whoever asks and asks again is answered at some time."""
    while True:
        before, asking = world.auditor.told, people.asking
        await asyncio.sleep(_ANSWERED_WITHIN_S)
        if asking and people.asking:
            world.auditor.must(world.auditor.told > before, "whoever asks again and again is answered at some time")

"""Many clients at two servers at once: what they all saw must be explained by one order of what they did.

TONGBAO_TEST_HISTORIES   how many histories of each kind (1)
"""

from __future__ import annotations

import asyncio
import os
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import pytest

from tests.http.conftest import client
from tests.linearizability.checker import check, explain
from tests.linearizability.clients import Client, Record
from tests.linearizability.conftest import Rig
from tests.linearizability.model import State

pytestmark = pytest.mark.asyncio(loop_scope="session")

HISTORIES = int(os.environ.get("TONGBAO_TEST_HISTORIES", "1"))
CLIENTS = 8
STEPS = 45

Trouble = Callable[[Rig, random.Random], Awaitable[None]]


async def live(rig: Rig, seed: int, steps: int, pause_s: float, trouble: Trouble | None = None) -> tuple[Record, State]:
    """A history of `CLIENTS` clients in two quarters, while there is `trouble`; and the state it began with."""
    quarters = [await rig.quarter(3, "25.00"), await rig.quarter(2, "12.00")]
    balances = [(await rig.state(quarter)).balances for quarter in quarters]
    record, chance = Record(), random.Random(seed)
    async with AsyncExitStack() as cleanup:
        clients = []
        for number in range(CLIENTS):
            servers = [await cleanup.enter_async_context(client(server.url)) for server in rig.servers]
            name, quarter = f"client {number + 1}", quarters[number % 3 // 2]
            clients.append(Client(name, quarter, servers, record, f"{seed} {name}"))
        running = [asyncio.create_task(each.run(steps, pause_s)) for each in clients]
        try:
            if trouble is not None:
                await trouble(rig, chance)
            await asyncio.gather(*running)
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)
        await asyncio.gather(*(each.settle() for each in clients))
    return record, State({name: minor for each in balances for name, minor in each.items()})


def assert_explained(record: Record, start: State) -> None:
    verdict = check(record.operations, start)
    assert verdict.word == "linearizable", explain(record.operations, start)


def kinds(record: Record) -> Counter[str]:
    return Counter(f"{type(each.call).__name__} {each.answer.code}" for each in record.operations if each.answer is not None)


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_two_servers_are_as_one(rig: Rig, seed: int) -> None:
    record, start = await live(rig, seed, STEPS, 0.02)
    assert_explained(record, start)
    seen = kinds(record)
    assert len(record.operations) > 200 and record.repeats > 10
    for kind in (
        "Transfer ok",
        "Transfer insufficient_funds",
        "Pay ok",
        "Pay order_paid",
        "Refund ok",
        "Balance ok",
        "Look PAID",
    ):
        assert seen[kind] >= 3, f"too quiet to mean anything: {seen}"


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_two_servers_are_as_one_though_one_is_killed_and_started_again(rig: Rig, seed: int) -> None:
    async def killing(rig: Rig, chance: random.Random) -> None:
        for _ in range(2):
            victim = chance.choice(rig.servers)
            await asyncio.sleep(chance.uniform(0.3, 0.6))
            await victim.kill()
            await asyncio.sleep(chance.uniform(0.1, 0.3))
            await victim.start()

    record, start = await live(rig, seed, STEPS, 0.15, killing)
    assert_explained(record, start)
    assert record.silences > 5 and kinds(record)["Transfer ok"] > 10


@pytest.mark.parametrize("seed", range(HISTORIES))
async def test_two_servers_are_as_one_though_the_database_hangs_up(rig: Rig, seed: int) -> None:
    cuts = 0

    async def cutting(rig: Rig, chance: random.Random) -> None:
        nonlocal cuts
        for _ in range(6):
            await asyncio.sleep(chance.uniform(0.1, 0.4))
            cuts += await rig.cut_connections()

    record, start = await live(rig, seed, STEPS, 0.05, cutting)
    assert_explained(record, start)
    assert cuts > 12 and kinds(record)["Transfer ok"] > 10


async def test_a_history_of_these_servers_with_one_answer_changed_is_refused(rig: Rig) -> None:
    """The real thing, so that a checker that lets everything pass would show."""
    record, start = await live(rig, 77, 12, 0.02)
    assert_explained(record, start)
    refused = 0
    for number, each in enumerate(record.operations):
        if each.answer is not None and each.answer.minor is not None and each.answer.code == "ok":
            changed = list(record.operations)
            changed[number] = each._replace(answer=each.answer._replace(minor=each.answer.minor + 1_000_000))
            assert check(changed, start).word == "not linearizable"
            refused += 1
    assert refused > 20

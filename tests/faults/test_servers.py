"""Servers, the worker and the database are killed, paused and stopped under load, over and over; what was acknowledged stays,
and nothing happens twice.

    TONGBAO_TEST_KILLS   half as many rounds of faults, three at least (4; 200 for a soak)
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import msgspec
import pytest

from tests.faults.load import Load
from tests.http.conftest import client
from tests.http.town import PIN, Person, Town, key, ok, until
from tests.linearizability.clients import minor
from tests.support.servers import Process, kill_database, more_servers
from tongbao.app import runtime
from tongbao.app.registry import CHECKS, RELATIONS
from tongbao.app.settings import Settings
from tongbao.app.stack import ended, free_port, running
from tongbao.app.watch import patiently
from tongbao.engine.sealing import Sealer
from tongbao.engine.verify import verify
from tongbao.kernel.postgres import EmbeddedPostgres

ROUNDS = max(3, int(os.environ.get("TONGBAO_TEST_KILLS", "4")) // 2)
CLIENTS = 12
#: Within so many seconds a server that was started again, or its neighbour, must be answering.
BACK_S = 30.0
#: So long may an engine that stands still in the middle of its turn keep the others waiting.
HELD_UP_S = 15.0

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="finds the server's processes in /proc"),
    pytest.mark.timeout(240 + 30 * ROUNDS),
]


class Rig(NamedTuple):
    """`desk`: the product's own server, where everybody registered, and which no fault meets."""

    town: Town
    people: list[Person]
    servers: list[Process]
    worker: Process
    database: EmbeddedPostgres
    load: Load
    chance: random.Random

    async def restart(self, server: int) -> None:
        await self.servers[server].start()


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    """Everything in a folder of its own, with a database that loses nothing, two servers and a worker to be killed."""
    settings = Settings(data_dir=tmp_path, port=free_port(), rules="none", log_json=True, argon2_time=1, argon2_memory_kib=1024)
    async with AsyncExitStack() as cleanup:
        stack = await cleanup.enter_async_context(running(settings, log=tmp_path / "log"))
        await ended(stack.worker)
        worker = Process("work", stack.settings, tmp_path / "worker log")
        cleanup.push_async_callback(worker.end)
        await worker.start()
        servers = await cleanup.enter_async_context(more_servers(stack.settings, 2, tmp_path))
        desk = await cleanup.enter_async_context(client(stack.url))
        town = Town(stack, desk, desk, await asyncpg.connect(stack.dsn))
        await town.settle()
        people = [town.ann, *[await town.customer(f"Neighbour {number}") for number in range(3)]]
        for person in people[1:]:
            await town.gift(person, "200.00")
        clients = [await cleanup.enter_async_context(client(server.url)) for server in servers]
        load = Load(people, clients, ROUNDS)
        cleanup.push_async_callback(load.abandon)
        yield Rig(town, people, servers, worker, EmbeddedPostgres(tmp_path / "postgres"), load, random.Random(ROUNDS))


# ── what befalls them ───────────────────────────────────────────────────────────────────────────────────────────────────


async def a_server_is_killed(rig: Rig) -> None:
    victim = rig.chance.randrange(2)
    await rig.servers[victim].kill()
    await rig.load.goes_on(1 - victim, 5, BACK_S)
    await rig.restart(victim)


async def both_servers_are_killed(rig: Rig) -> None:
    await asyncio.gather(*(server.kill() for server in rig.servers))
    await asyncio.gather(*(rig.restart(number) for number in range(2)))


async def the_worker_is_killed(rig: Rig) -> None:
    await rig.worker.kill()
    await rig.load.goes_on(rig.chance.randrange(2), 5, BACK_S)
    await rig.worker.start()


async def a_server_stands_still(rig: Rig) -> None:
    victim = rig.chance.randrange(2)
    rig.servers[victim].signal(signal.SIGSTOP)
    try:
        await rig.load.goes_on(1 - victim, 5, HELD_UP_S)
        await asyncio.sleep(rig.chance.uniform(0.1, 2.0))
    finally:
        rig.servers[victim].signal(signal.SIGCONT)


async def a_server_is_asked_to_stop(rig: Rig) -> None:
    victim = rig.chance.randrange(2)
    rig.servers[victim].signal(signal.SIGTERM)
    # The server raises the signal again for itself once it has finished, so that whoever started it sees why it ended.
    assert await rig.servers[victim].gone(20) in (0, -signal.SIGTERM), rig.servers[victim].said()
    await rig.load.goes_on(1 - victim, 5, BACK_S)
    await rig.restart(victim)


async def the_database_is_killed(rig: Rig) -> None:
    kill_database(rig.database)


async def database_and_a_server_are_killed(rig: Rig) -> None:
    victim = rig.chance.randrange(2)
    kill_database(rig.database)
    await rig.servers[victim].kill()
    await rig.restart(victim)


FAULTS: tuple[Callable[[Rig], Awaitable[None]], ...] = (
    a_server_is_killed,
    a_server_stands_still,
    a_server_is_asked_to_stop,
    the_database_is_killed,
    the_worker_is_killed,
    both_servers_are_killed,
    database_and_a_server_are_killed,
)


async def test_nothing_acknowledged_is_lost_or_doubled_whatever_befalls_the_servers(rig: Rig) -> None:
    start = await balances(rig)
    rig.load.start(CLIENTS)
    looked_at = 0
    for number, fault in enumerate(itertools.islice(itertools.cycle(FAULTS), ROUNDS), 1):
        await asyncio.sleep(rig.chance.uniform(0.2, 0.8))
        await fault(rig)
        acknowledged = [told.answer for told in rig.load.told[looked_at:] if told.accepted and told.path.endswith("transfers")]
        looked_at = len(rig.load.told)
        assert set(acknowledged) <= await bills(rig, acknowledged), f"lost after {fault.__name__}"
        for server in range(2):
            await rig.load.goes_on(server, 5, BACK_S)
        print(f"round {number} of {ROUNDS}: {fault.__name__}", flush=True)
    await rig.load.stop()
    await check_everything(rig, start)


async def test_an_engine_that_stands_still_in_its_turn_holds_nobody_up_for_long_and_writes_nothing_afterwards(rig: Rig) -> None:
    start = await balances(rig)
    rig.load.start(CLIENTS)
    books = rig.town.books
    for _ in range(300):
        await rig.load.goes_on(0, 1, BACK_S)
        rig.servers[0].signal(signal.SIGSTOP)
        # Whoever is in a transaction and does nothing for a while, is the one that was stopped.
        before = await in_turn(books)
        await asyncio.sleep(0.15)
        if before & await in_turn(books):
            break
        rig.servers[0].signal(signal.SIGCONT)
    else:
        pytest.fail("the server was never met in its turn")
    await rig.load.goes_on(1, 20, HELD_UP_S)
    rig.servers[0].signal(signal.SIGCONT)
    await rig.load.goes_on(0, 20, BACK_S)
    await rig.load.stop()
    await check_everything(rig, start)


async def test_a_server_that_is_asked_to_stop_finishes_what_it_began_and_tears_no_answer(rig: Rig) -> None:
    ann, ben = rig.people[:2]
    wishes = [
        ("/v1/wallet/transfers", {"payee_id": ben.customer_id, "amount": "0.01", "currency": "CNY", "pin": PIN}, key())
        for _ in range(60)
    ]
    start = (await balances(rig))[ann.customer_id]
    here, there = (ann.elsewhere(http) for http in rig.load.servers)
    lines = [await asyncio.open_connection(here.client.base_url.host, here.client.base_url.port) for _ in wishes]
    for (path, body, again), (_, writer) in zip(wishes, lines, strict=True):
        writer.write(request(here, path, body, again))
    first = await lines[0][0].read(1)
    rig.servers[0].signal(signal.SIGTERM)
    heard = [first + await reader.read(-1) if number == 0 else await reader.read(-1) for number, (reader, _) in enumerate(lines)]
    for _, writer in lines:
        writer.close()
    assert await rig.servers[0].gone(20) in (0, -signal.SIGTERM)

    answered = [whole(text) for text in heard if text]
    repeated = [ok(await there.post(path, body, key=again), status=201) for path, body, again in wishes]
    assert answered and all(answer in repeated for answer in answered)
    assert len({each["bill_id"] for each in repeated}) == len(wishes)
    assert (await balances(rig))[ann.customer_id] == start - len(wishes)


def request(who: Person, path: str, body: dict[str, str], again: str) -> bytes:
    """As it goes over the line."""
    content = msgspec.json.encode(body)
    return (
        f"POST {path} HTTP/1.1\r\nhost: town\r\nauthorization: Bearer {who.token}\r\nidempotency-key: {again}\r\n"
        f"x-tongbao-proof: {who.session.proof('POST', path, again, content)}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(content)}\r\nconnection: close\r\n\r\n"
    ).encode() + content


def whole(text: bytes) -> Any:
    """The body of an answer of which nothing is missing."""
    head, _, content = text.partition(b"\r\n\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert head.startswith(b"HTTP/1.1 201") and len(content) == int(fields[b"content-length"]), text
    return msgspec.json.decode(content)


# ── what must be true ───────────────────────────────────────────────────────────────────────────────────────────────────


async def in_turn(books: asyncpg.Connection) -> set[tuple[int, str]]:
    """Engines' transactions in which the server waits for the engine, with the moment since when."""
    found = await books.fetch(
        "select pid, state_change::text as since from pg_stat_activity"
        " where application_name = 'tongbao engine' and state = 'idle in transaction'"
    )
    return {(row["pid"], row["since"]) for row in found}


async def bills(rig: Rig, ids: list[str]) -> set[str]:
    """Which of these bills there are, as their payers have them."""

    async def read() -> set[str]:
        connection = await asyncpg.connect(rig.town.stack.dsn)
        try:
            sql = "select bill_id::text from bill where bill_id = any($1::text[]::uuid[]) and direction = 'out'"
            return {row["bill_id"] for row in await connection.fetch(sql, ids)}
        finally:
            await connection.close()

    return await patiently(read)


async def balances(rig: Rig) -> dict[str, int]:
    return {person.customer_id: minor(ok(await person.get("/v1/wallet/balance"))["balance"]) for person in rig.people}


async def check_everything(rig: Rig, expected: dict[str, int]) -> None:
    """Balances and bills as the answers alone say they must be; the bank's books like ours; the chain whole."""
    load = rig.load
    connection = await asyncpg.connect(rig.town.stack.dsn)
    try:
        await until(lambda: settled(connection), 60)
        sent = [told for told in load.told if told.accepted and told.path.endswith("transfers")]
        for told in sent:
            amount = minor(told.body["amount"])
            expected[told.who] -= amount
            expected[told.body["payee_id"]] += amount
        topped_up = [told for told in load.told if told.accepted and told.path.endswith("topups")]
        rows = await connection.fetch(
            "select bank_transfer_id::text as id, customer_id::text as who, state, amount_minor from bank_transfer"
            " where bank_transfer_id = any($1::text[]::uuid[])",
            [told.answer for told in topped_up],
        )
        assert Counter(row["id"] for row in rows) == Counter(told.answer for told in topped_up)
        for row in rows:
            expected[row["who"]] += row["amount_minor"] if row["state"] == "SUCCEEDED" else 0
        assert await balances(rig) == expected

        assert len(sent) > 20 and {told.answer for told in load.told if not told.accepted} <= {"insufficient_funds"}
        stored = await connection.fetch(
            "select bill_id::text from bill where kind = 'transfer' and direction = 'out' and at >="
            " (select min(at) from bill where bill_id = any($1::text[]::uuid[]))",
            [told.answer for told in sent],
        )
        assert Counter(row["bill_id"] for row in stored) == Counter(told.answer for told in sent)
        for told in rig.chance.sample(load.told, min(30, len(load.told))):
            assert await load.repeat(told) == told.answer, "a repeat was answered otherwise"

        sealer = Sealer(runtime.keys(rig.town.stack.settings).seal)
        verification = await verify(connection, RELATIONS, sealer, CHECKS)
        assert verification.problem is None
    finally:
        await connection.close()
    currencies = ok(await rig.town.finance.get("/v1/console/trial-balance"))["currencies"]
    assert all(each["balanced"] and each["reserve"]["equal"] for each in currencies)
    assert all(each["reserve"]["at_bank"] == each["reserve"]["held"] for each in currencies)


async def settled(connection: asyncpg.Connection) -> bool:
    left = await connection.fetchval("select count(*) from bank_transfer where state in ('PENDING', 'UNKNOWN')")
    return bool(left == 0)

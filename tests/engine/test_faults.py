"""Trouble with the database: nothing acknowledged is lost, nothing happens twice, and the engine goes on when it is over."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import asyncpg
import pytest

from tests.support.jars import COUNTED, DECIDERS, JAR, POURED, REFUSED, PostgresWorld, Pour, pouring
from tests.support.proxy import Fate, Judge, Proxy, is_commit, proxied
from tests.support.town import Town
from tongbao.app.registry import DECIDERS as TOWN_DECIDERS
from tongbao.engine.api import Accepted, Declined, Engine, Limits, Outcome, PostgresStore, Sealer
from tongbao.engine.verify import verify
from tongbao.kernel.clock import SystemClock, VirtualClock
from tongbao.kernel.errors import TIMED_OUT, UNAVAILABLE, InvariantBroken, Refusal
from tongbao.kernel.postgres import with_database

_KILL = """select count(pg_terminate_backend(pid)) from pg_stat_activity
           where application_name = 'tongbao engine' and datname = current_database()"""


@asynccontextmanager
async def engine_at(dsn: str, patience_s: float = 10, timeout_s: float = 30) -> AsyncIterator[Engine]:
    store = PostgresStore(dsn, statement_timeout_s=timeout_s)
    async with Engine(store, DECIDERS, SystemClock(), Limits(patience_s=patience_s)) as engine:
        yield engine


@pytest.fixture
def short_directory() -> Iterator[Path]:
    """A place for a socket: the path of pytest's own temporary directory may be too long for one."""
    with tempfile.TemporaryDirectory() as directory:
        yield Path(directory)


async def assert_exactly_once(world: PostgresWorld, jar: UUID, commands: list[Pour], outcomes: list[Outcome]) -> None:
    """What was acknowledged is there once, repeats answer it, and the chain holds."""
    assert len({command.command_id for command in commands}) == len(commands) == len(outcomes)
    happened = [command for command, outcome in zip(commands, outcomes, strict=True) if isinstance(outcome.decision, Accepted)]
    assert await world.marbles(jar) == sum(command.marbles for command in happened)
    stored = {record.command_id: record.accepted for record in await world.records()}
    accepted = {command.command_id for command in happened}
    assert {command.command_id: stored.get(command.command_id) for command in commands} == {
        command.command_id: command.command_id in accepted for command in commands
    }
    async with engine_at(world.dsn) as engine:
        again = await asyncio.gather(*[engine.enqueue(command) for command in commands])
    assert [outcome.decision for outcome in again] == [outcome.decision for outcome in outcomes]
    assert [outcome.decided_at for outcome in again] == [outcome.decided_at for outcome in outcomes]
    assert all(outcome.repeated for outcome in again)
    await assert_verified(world)


async def assert_verified(world: PostgresWorld) -> None:
    connection = await asyncpg.connect(world.dsn)
    try:
        assert (await verify(connection, [POURED, JAR, REFUSED, COUNTED], Sealer())).problem is None
    finally:
        await connection.close()


# ── a connection lost at every moment ───────────────────────────────────────────────────────────────────────────────────


async def _messages_of_a_batch(proxy: Proxy, dsn: str) -> int:
    """How many messages an engine sends from its start to the end of the batch that `_batch` makes."""
    sent = 0

    def count(connection: int, number: int, kind: bytes, payload: bytes) -> Fate:
        nonlocal sent
        sent = max(sent, number)
        return Fate.PASS

    proxy.judge = count
    async with engine_at(dsn) as engine:
        await asyncio.gather(*[engine.enqueue(command) for command in _batch(uuid4())])
        return sent


def _batch(jar: UUID) -> list[Pour]:
    return [pouring(jar, 5), pouring(jar, -99), pouring(jar, 2)]


def _at(message: int, fate: Fate, connection: int) -> Judge:
    return lambda at, number, kind, payload: fate if (at, number) == (connection, message) else Fate.PASS


@pytest.mark.parametrize("fate", [Fate.LOSE, Fate.SWALLOW_ANSWER, Fate.ARRIVE_LATE], ids=lambda fate: fate.value)
async def test_a_connection_lost_at_any_message_of_a_batch_changes_nothing_for_the_caller(
    postgres: PostgresWorld, short_directory: Path, fate: Fate
) -> None:
    async with proxied(postgres.dsn, short_directory) as (proxy, dsn):
        messages = await _messages_of_a_batch(proxy, dsn)
        assert messages > 20
        # A message that comes late only matters near the commit; elsewhere it is like one that is lost, and slow.
        moments = range(2, messages + 1) if fate is not Fate.ARRIVE_LATE else range(messages - 3, messages + 1)
        for moment in moments:
            jar = uuid4()
            commands = _batch(jar)
            async with contextlib.AsyncExitStack() as stack:
                proxy.judge = _at(moment, fate, proxy.connections + 1)
                try:
                    engine = await stack.enter_async_context(engine_at(dsn))
                except Exception:
                    assert moment < messages / 2, "only what is before the first batch may fail the start"
                    continue
                outcomes = await asyncio.gather(*[engine.enqueue(command) for command in commands])
            said = [type(outcome.decision) for outcome in outcomes]
            assert said == [Accepted, Declined, Accepted], f"message {moment}"
            assert await postgres.marbles(jar) == 7, f"message {moment}"
        assert proxy.cuts == len(moments)
    await assert_verified(postgres)


@pytest.mark.parametrize("fate", [Fate.LOSE, Fate.SWALLOW_ANSWER, Fate.ARRIVE_LATE, Fate.SILENCE], ids=lambda fate: fate.value)
async def test_a_lost_answer_to_commit_is_found_out(postgres: PostgresWorld, short_directory: Path, fate: Fate) -> None:
    jar = uuid4()
    commands = _batch(jar)
    async with proxied(postgres.dsn, short_directory) as (proxy, dsn):
        # A silent connection is given up after the statement's time.
        async with engine_at(dsn, timeout_s=1) as engine:
            doomed = proxy.connections
            proxy.judge = lambda at, number, kind, payload: fate if at == doomed and is_commit(kind, payload) else Fate.PASS
            outcomes = list(await asyncio.gather(*[engine.enqueue(command) for command in commands]))
            # Only what was durable already is a repeat.
            assert {outcome.repeated for outcome in outcomes} == {fate in (Fate.SWALLOW_ANSWER, Fate.ARRIVE_LATE, Fate.SILENCE)}
            later = pouring(jar, 1)
            outcomes.append(await engine.submit(later))
        assert proxy.cuts == 1
    await assert_exactly_once(postgres, jar, [*commands, later], outcomes)


async def test_a_batch_whose_commit_is_never_answered_ends_as_timed_out_and_repeating_it_tells(
    postgres: PostgresWorld, short_directory: Path
) -> None:
    jar, command = uuid4(), pouring(uuid4(), 4)
    async with proxied(postgres.dsn, short_directory) as (proxy, dsn), engine_at(dsn, patience_s=0.3) as engine:
        # The commit arrives, its answer does not, and nothing passes after that.
        broken = False

        def judge(at: int, number: int, kind: bytes, payload: bytes) -> Fate:
            nonlocal broken
            if broken:
                return Fate.LOSE
            broken = is_commit(kind, payload)
            return Fate.SWALLOW_ANSWER if broken else Fate.PASS

        proxy.judge = judge
        with pytest.raises(Refusal) as refused:
            await engine.submit(command)
        assert refused.value.code == TIMED_OUT
        proxy.judge = lambda at, number, kind, payload: Fate.PASS
        again = await engine.submit(command)
        assert again.repeated
    assert isinstance(again.decision, Accepted)
    assert await postgres.marbles(command.jar_id) == 4 and await postgres.marbles(jar) is None


# ── the server's side kills ─────────────────────────────────────────────────────────────────────────────────────────────


async def test_backends_killed_again_and_again_under_load_lose_and_repeat_nothing(postgres: PostgresWorld) -> None:
    jar = uuid4()
    sent: list[tuple[Pour, Outcome]] = []
    # A time, not a number of commands: a fast machine would be done with those before the first kill.
    over = asyncio.get_running_loop().time() + 2

    async def send(engine: Engine) -> None:
        while asyncio.get_running_loop().time() < over:
            command = pouring(jar, -1 if len(sent) % 3 == 0 else 1)
            sent.append((command, await engine.submit(command)))

    async def kill() -> int:
        killed = 0
        connection = await asyncpg.connect(postgres.dsn)
        try:
            while asyncio.get_running_loop().time() < over:
                killed += await connection.fetchval(_KILL)
                await asyncio.sleep(0.15)
        finally:
            await connection.close()
        return killed

    async with engine_at(postgres.dsn, patience_s=30) as one, engine_at(postgres.dsn, patience_s=30) as other:
        killer = asyncio.create_task(kill())
        await asyncio.gather(*[send((one, other)[lane % 2]) for lane in range(20)])
        assert await killer >= 5
    assert len(sent) > 20
    await assert_exactly_once(postgres, jar, [command for command, _ in sent], [outcome for _, outcome in sent])


async def test_an_idle_connection_that_was_told_its_end_is_replaced(postgres: PostgresWorld, short_directory: Path) -> None:
    command = pouring(uuid4(), 2)
    async with proxied(postgres.dsn, short_directory) as (proxy, dsn), engine_at(dsn) as engine:
        proxy.bid_farewell(proxy.connections)
        await asyncio.sleep(0.05)
        assert isinstance((await engine.submit(command)).decision, Accepted)
    assert await postgres.marbles(command.jar_id) == 2


async def test_a_new_connection_that_is_told_its_end_at_once_is_replaced(postgres: PostgresWorld, short_directory: Path) -> None:
    command = pouring(uuid4(), 2)
    async with proxied(postgres.dsn, short_directory) as (proxy, dsn), contextlib.AsyncExitStack() as stack:
        engine = await stack.enter_async_context(engine_at(dsn))
        stack.push(lambda *_: True)  # an engine that died raises once more at its end; the answer tells already
        proxy.farewells = {proxy.connections + 1}
        await postgres.fetch(_KILL)
        answer = (await asyncio.gather(engine.submit(command, timeout_s=3), return_exceptions=True))[0]
    assert isinstance(answer, Outcome) and isinstance(answer.decision, Accepted)
    assert await postgres.marbles(command.jar_id) == 2


async def test_a_backend_killed_while_it_waits_for_a_lock_is_replaced(postgres: PostgresWorld) -> None:
    jar, command = uuid4(), pouring(uuid4(), 2)
    blocker = await asyncpg.connect(postgres.dsn)
    try:
        async with engine_at(postgres.dsn) as engine:
            await engine.submit(pouring(command.jar_id, 1))
            async with blocker.transaction():
                await blocker.execute("select 1 from jar where jar_id = $1 for update", command.jar_id)
                future = engine.enqueue(command)
                await _until_waiting_for_a_lock(postgres)
                assert await blocker.fetchval(_KILL) == 1
                assert not future.done()
            assert isinstance((await future).decision, Accepted)
    finally:
        await blocker.close()
    assert await postgres.marbles(command.jar_id) == 3 and await postgres.marbles(jar) is None
    await assert_verified(postgres)


async def _until_waiting_for_a_lock(world: PostgresWorld) -> None:
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    while not (await world.fetch(waiting))[0][0]:
        await asyncio.sleep(0.01)


async def test_a_database_away_for_longer_than_patience_is_unavailable_and_nothing_happened(
    postgres: PostgresWorld, short_directory: Path
) -> None:
    command = pouring(uuid4(), 2)
    async with proxied(postgres.dsn, short_directory) as (proxy, dsn), engine_at(dsn, patience_s=0.3) as engine:
        proxy.judge = lambda at, number, kind, payload: Fate.LOSE
        with pytest.raises(Refusal) as refused:
            await engine.submit(command)
        assert refused.value.code == UNAVAILABLE and refused.value.code.retryable
        assert await postgres.marbles(command.jar_id) is None
        proxy.judge = lambda at, number, kind, payload: Fate.PASS
        assert not (await engine.submit(command)).repeated
    assert await postgres.marbles(command.jar_id) == 2


async def _closed_to_connections(world: PostgresWorld, closed: bool) -> None:
    """As a server that is being promoted, upgraded or moved does: it is up, and says no."""
    name = urlsplit(world.dsn).path.strip("/")
    connection = await asyncpg.connect(with_database(world.dsn, "postgres"))
    try:
        await connection.execute(f"alter database {name} allow_connections {'false' if closed else 'true'}")
        await connection.execute("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", name)
    finally:
        await connection.close()


async def test_a_database_that_says_no_to_connections_is_unavailable_and_the_engine_lives_on(postgres: PostgresWorld) -> None:
    command = pouring(uuid4(), 2)
    engine = Engine(PostgresStore(postgres.dsn), DECIDERS, SystemClock(), Limits(patience_s=0.3))
    async with contextlib.AsyncExitStack() as stack:
        await stack.enter_async_context(engine)
        stack.push(lambda *_: True)  # what is asserted comes before; an engine that died raises once more at its end
        await _closed_to_connections(postgres, True)
        try:
            first = (await asyncio.gather(engine.submit(command, timeout_s=3), return_exceptions=True))[0]
        finally:
            await _closed_to_connections(postgres, False)
        again = (await asyncio.gather(engine.submit(command, timeout_s=3), return_exceptions=True))[0]
    assert isinstance(first, Refusal) and first.code == UNAVAILABLE
    assert isinstance(again, Outcome) and isinstance(again.decision, Accepted)


async def test_a_database_that_became_read_only_is_unavailable_not_broken(postgres: PostgresWorld) -> None:
    name = (await postgres.fetch("select current_database()"))[0][0]
    async with engine_at(postgres.dsn, patience_s=0.3) as engine:
        await postgres.execute(f"alter database {name} set default_transaction_read_only = on")
        await postgres.fetch(_KILL)
        with pytest.raises(Refusal) as refused:
            await engine.submit(pouring(uuid4(), 2))
    assert refused.value.code == UNAVAILABLE


async def test_a_column_that_a_migration_widens_meanwhile_goes_unnoticed(postgres: PostgresWorld) -> None:
    jar = uuid4()
    async with engine_at(postgres.dsn) as engine:
        await engine.submit(pouring(jar, 1))
        await postgres.execute("alter table refused alter column times type numeric")
        await postgres.execute("alter table refused alter column times type bigint")
        await postgres.execute("alter table jar alter column marbles type integer")
        await engine.submit(pouring(jar, 1))
    assert await postgres.marbles(jar) == 2


# ── two engines over one database ───────────────────────────────────────────────────────────────────────────────────────


async def test_two_engines_over_one_database_write_chains_of_their_own(postgres: PostgresWorld) -> None:
    jar, shared = uuid4(), [pouring(uuid4(), 1) for _ in range(40)]
    async with engine_at(postgres.dsn) as one, engine_at(postgres.dsn) as other:
        mine, theirs = [[pouring(jar, 1) for _ in range(100)] for _ in range(2)]
        answers = await asyncio.gather(
            *[one.submit(command) for command in mine], *[other.submit(command) for command in theirs],
            *[engine.submit(command) for command in shared for engine in (one, other)],
        )  # fmt: skip
        assert one.head is not None and other.head is not None
        assert (one.head.writer, other.head.writer) == (1, 2)
    pairs = answers[200:]
    for left, right in zip(pairs[::2], pairs[1::2], strict=True):
        assert (left.decision, left.decided_at) == (right.decision, right.decided_at) and left.repeated != right.repeated
    await assert_exactly_once(postgres, jar, mine + theirs, list(answers[:200]))
    assert {link.writer for link in await postgres.links()} == {1, 2}


async def test_a_writer_that_is_given_back_is_taken_up_again(postgres: PostgresWorld) -> None:
    for expected in (0, 1, 2):
        async with engine_at(postgres.dsn) as engine:
            assert engine.head is not None
            assert (engine.head.writer, engine.head.sequence) == (1, expected)
            await engine.submit(pouring(uuid4(), 1))


# ── poisoned commands ───────────────────────────────────────────────────────────────────────────────────────────────────

_OVERFULL = 2_000_000
_BEYOND_64_BITS = 2**63


@pytest.mark.parametrize("marbles", [_OVERFULL, _BEYOND_64_BITS], ids=["against a check", "beyond 64 bits"])
@pytest.mark.parametrize("place", [0, 3, 8])
async def test_a_command_that_the_database_refuses_does_not_take_its_neighbours_down(
    postgres: PostgresWorld, marbles: int, place: int
) -> None:
    jar = uuid4()
    commands = [pouring(jar, 1) for _ in range(8)]
    commands.insert(place, pouring(uuid4(), marbles))
    async with engine_at(postgres.dsn) as engine:
        answers = list(await asyncio.gather(*[engine.enqueue(command) for command in commands], return_exceptions=True))
    assert isinstance(answers.pop(place), Exception)
    outcomes = [answer for answer in answers if isinstance(answer, Outcome)]
    await assert_exactly_once(postgres, jar, [command for command in commands if command.jar_id == jar], outcomes)


async def test_what_the_database_cannot_store_in_a_text_does_not_take_its_neighbours_down(postgres: PostgresWorld) -> None:
    jar = uuid4()
    commands = [pouring(jar, 1), pouring(uuid4(), 1, label="nul \x00"), pouring(jar, 1)]
    async with engine_at(postgres.dsn) as engine:
        answers = list(await asyncio.gather(*[engine.enqueue(command) for command in commands], return_exceptions=True))
    assert isinstance(answers.pop(1), Exception)
    assert all(isinstance(answer, Outcome) for answer in answers) and await postgres.marbles(jar) == 2


async def test_a_command_that_the_database_refuses_is_an_invariant_broken(postgres: PostgresWorld) -> None:
    async with engine_at(postgres.dsn) as engine:
        with pytest.raises(InvariantBroken):
            await engine.submit(pouring(uuid4(), _OVERFULL))


async def test_a_command_against_a_unique_index_does_not_take_its_neighbours_down(postgres: PostgresWorld) -> None:
    jar = uuid4()
    async with engine_at(postgres.dsn, patience_s=0.5) as engine:
        await engine.submit(pouring(uuid4(), 1, label="dragon"))
        commands = [pouring(jar, 1), pouring(uuid4(), 1, label="dragon"), pouring(jar, 1)]
        answers = list(await asyncio.gather(*[engine.enqueue(command) for command in commands], return_exceptions=True))
    assert isinstance(answers.pop(1), Exception)
    assert all(isinstance(answer, Outcome) for answer in answers) and await postgres.marbles(jar) == 2


# ── a commit that is answered too late ──────────────────────────────────────────────────────────────────────────────────


async def test_after_a_commit_that_timed_out_and_happened_the_engine_goes_on(
    database: str,
) -> None:
    """The connection lives on, and the chain has a link that the engine was not told of."""
    outside = await asyncpg.connect(database)
    role = await outside.fetchval("select quote_ident(current_user)")
    await outside.execute(f"alter role {role} set synchronous_commit = on")
    try:
        store = PostgresStore(database, statement_timeout_s=1)
        async with Engine(store, TOWN_DECIDERS, SystemClock(), Limits(patience_s=5)) as engine:
            place = Town(engine, VirtualClock(datetime.now(UTC)))
            payer, merchant = await place.customer(10_000), await place.merchant()
            await outside.execute("alter system set synchronous_standby_names = 'nobody'")
            await outside.execute("select pg_reload_conf()")
            await asyncio.sleep(0.3)
            waiting = asyncio.create_task(engine.submit(place.paying_at_once(merchant, "late", payer, 100)))
            await asyncio.sleep(1.5)
            await outside.execute("alter system reset synchronous_standby_names")
            await outside.execute("select pg_reload_conf()")
            assert isinstance((await waiting).decision, Accepted)
            for number in range(3):
                assert await place.says(place.paying_at_once(merchant, f"next-{number}", payer, 100)) == "ok"
            assert engine.head is not None
            assert engine.head.sequence == await outside.fetchval("select max(sequence) from chain_link")
    finally:
        await outside.execute("alter system reset synchronous_standby_names")
        await outside.execute("select pg_reload_conf()")
        await outside.execute(f"alter role {role} reset synchronous_commit")
        await outside.close()

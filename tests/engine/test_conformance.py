"""What the engine promises, whichever store it runs over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from tests.support.jars import (
    COUNTED,
    DECIDERS,
    JAR,
    POURED,
    REFUSED,
    Drop,
    Forward,
    Level,
    Look,
    Meddle,
    Refused,
    Shake,
    Smash,
    Sprinkle,
    Stray,
    TickingClock,
    Unnameable,
    World,
    pouring,
)
from tongbao.engine import chain
from tongbao.engine.api import Accepted, Command, Declined, Engine, Key, Limits, Outcome, Sealer, View
from tongbao.engine.types import OUTBOX, RECORDS
from tongbao.kernel.errors import IDEMPOTENCY_CONFLICT, OVERLOADED, TIMED_OUT, UNAVAILABLE, InvariantBroken, Refusal
from tongbao.kernel.ids import RowIds, origin


@pytest.fixture
async def world(either: World) -> World:
    await either.prepare()
    return either


@asynccontextmanager
async def engine_over(world: World, limits: Limits = Limits(patience_s=5)) -> AsyncIterator[Engine]:
    async with Engine(world.store(), DECIDERS, TickingClock(), limits) as engine:
        yield engine


async def in_one_batch(engine: Engine, *commands: Command) -> list[Outcome | BaseException]:
    """All are queued before the engine's loop runs again, so they share a batch."""
    before = engine.batches
    answers = await asyncio.gather(*[engine.enqueue(command) for command in commands], return_exceptions=True)
    assert engine.batches <= before + 1
    return answers


def said(answers: Sequence[Outcome | BaseException]) -> list[str]:
    """Answers in a word each: "ok", a decline's code, a refusal's code in brackets, a bug as "bug"."""
    return [_word(answer) for answer in answers]


def _word(answer: Outcome | BaseException) -> str:
    match answer:
        case Outcome(decision=Accepted()):
            return "ok"
        case Outcome(decision=Declined(code=code)):
            return code.name
        case Refusal():
            return f"[{answer.code.name}]"
        case InvariantBroken():
            return "bug"
        case _:
            raise AssertionError(f"{answer!r} is no answer")


# ── rows that only other rows name ──────────────────────────────────────────────────────────────────────────────────────


async def test_a_row_that_another_row_names_is_fetched_and_the_decision_begun_anew(world: World) -> None:
    jars = [uuid4() for _ in range(4)]
    async with engine_over(world) as engine:
        for number, jar in enumerate(jars):
            await engine.submit(pouring(jar, 10 + number, label=str(jars[(number + 1) % 4])))
    for _ in range(2):  # once in a turn and with cold memory, once ahead
        async with engine_over(world) as engine:
            await engine.submit(pouring(uuid4(), 1))
            wishes = [Forward(command_id=uuid4(), jar_id=jar) for jar in (jars[0], jars[1], uuid4())]
            answers = await in_one_batch(engine, *wishes)
            assert said(answers) == ["ok", "ok", "bug"]
            assert [answer.decision.result for answer in answers[:2]] == [21, 33]  # type: ignore[union-attr]
            again = await in_one_batch(engine, *(Forward(command_id=uuid4(), jar_id=jar) for jar in (jars[0], jars[2])))
            assert said(again) == ["insufficient_funds", "ok"]
            assert [await world.marbles(jar) for jar in jars] == [0, 0, 0, 46]
            await engine.submit(pouring(jars[3], -46, label=str(jars[0])))
            for number, jar in enumerate(jars):
                await engine.submit(pouring(jar, 10 + number, label=str(jars[(number + 1) % 4])))
    poured = [row.marbles for row in await world.rows(POURED) if row.marbles < 0]
    assert sorted(poured) == sorted([-10, -21, -33, -46] * 2)


# ── outcomes are stored and repeated ────────────────────────────────────────────────────────────────────────────────────


async def test_an_accepted_outcome_is_stored_and_answers_every_repeat(world: World) -> None:
    jar, command_id = uuid4(), uuid4()
    async with engine_over(world) as engine:
        first = await engine.submit(pouring(jar, 10, command_id=command_id))
        again = await engine.submit(pouring(jar, 10, command_id=command_id))
    async with engine_over(world) as engine:
        restarted = await engine.submit(pouring(jar, 10, command_id=command_id))
    assert first.decision == Accepted(Level(10, first.decided_at)) and not first.repeated
    assert again == restarted == msgspec.structs.replace(first, repeated=True)
    assert await world.marbles(jar) == 10 and len(await world.records()) == 1


async def test_a_decline_is_stored_and_stays_the_answer_when_it_would_succeed_now(world: World) -> None:
    jar, command_id = uuid4(), uuid4()
    async with engine_over(world) as engine:
        first = await engine.submit(pouring(jar, -1, command_id=command_id))
        assert _word(await engine.submit(pouring(jar, 100))) == "ok"
        again = await engine.submit(pouring(jar, -1, command_id=command_id))
    async with engine_over(world) as engine:
        restarted = await engine.submit(pouring(jar, -1, command_id=command_id))
    assert _word(first) == "insufficient_funds"
    assert again == restarted == msgspec.structs.replace(first, repeated=True)
    assert await world.marbles(jar) == 100


async def test_repeats_within_one_batch_are_decided_once(world: World) -> None:
    jar, command_id = uuid4(), uuid4()
    async with engine_over(world) as engine:
        answers = await in_one_batch(engine, *[pouring(jar, 7, command_id=command_id)] * 50)
    outcomes = [answer for answer in answers if isinstance(answer, Outcome)]
    assert len(outcomes) == 50 and [outcome.repeated for outcome in outcomes] == [False] + [True] * 49
    assert len({(str(outcome.decision), outcome.decided_at) for outcome in outcomes}) == 1
    assert await world.marbles(jar) == 7 and len(await world.rows(POURED)) == 1


# ── one id, one wish ────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_same_id_for_another_wish_conflicts_in_the_same_batch(world: World) -> None:
    jar, command_id = uuid4(), uuid4()
    async with engine_over(world) as engine:
        answers = await in_one_batch(
            engine,
            pouring(jar, 5, command_id=command_id),
            pouring(jar, 6, command_id=command_id),
            pouring(jar, 5, command_id=command_id),
        )
    assert said(answers) == ["ok", "[idempotency_conflict]", "ok"]
    assert await world.marbles(jar) == 5


async def test_the_same_id_for_another_wish_conflicts_in_a_later_batch_and_after_a_restart(world: World) -> None:
    jar, command_id = uuid4(), uuid4()
    async with engine_over(world) as engine:
        await engine.submit(pouring(jar, 5, command_id=command_id))
        with pytest.raises(Refusal) as later:
            await engine.submit(pouring(jar, 6, command_id=command_id))
    async with engine_over(world) as engine:
        with pytest.raises(Refusal) as restarted:
            await engine.submit(pouring(uuid4(), 5, command_id=command_id))
    assert later.value.code == restarted.value.code == IDEMPOTENCY_CONFLICT
    assert await world.marbles(jar) == 5 and len(await world.records()) == 1


async def test_a_conflict_with_a_declined_command_is_still_a_conflict(world: World) -> None:
    jar, command_id = uuid4(), uuid4()
    async with engine_over(world) as engine:
        assert said(
            await in_one_batch(engine, pouring(jar, -5, command_id=command_id), pouring(jar, 5, command_id=command_id))
        ) == [
            "insufficient_funds",
            "[idempotency_conflict]",
        ]
    assert await world.marbles(jar) is None


@pytest.mark.parametrize("together", [True, False], ids=["same batch", "later batch"])
async def test_another_kind_of_command_with_the_same_fields_conflicts(world: World, together: bool) -> None:
    jar, command_id = uuid4(), uuid4()
    look, shake = Look(command_id=command_id, jar_id=jar), Shake(command_id=command_id, jar_id=jar)
    async with engine_over(world) as engine:
        if together:
            answers = await in_one_batch(engine, look, shake)
        else:
            answers = [*await in_one_batch(engine, look), *await in_one_batch(engine, shake)]
    assert said(answers) == ["ok", "[idempotency_conflict]"]


async def test_an_id_of_another_kind_of_command_conflicts_after_a_restart_whatever_came_of_that_one(world: World) -> None:
    """A look's outcome is no level: it must not be read as one, and who repeats the look is still told what they saw."""
    jar, command_id = uuid4(), uuid4()
    look = Look(command_id=command_id, jar_id=jar)
    async with engine_over(world) as engine:
        first = await engine.submit(look)
    async with engine_over(world) as engine:
        assert said(await in_one_batch(engine, pouring(jar, 1, command_id=command_id), look)) == ["[idempotency_conflict]", "ok"]
    async with engine_over(world) as engine:
        answers = await in_one_batch(engine, look, pouring(jar, 1, command_id=command_id))
    assert (answers[0], said(answers)[1]) == (msgspec.structs.replace(first, repeated=True), "[idempotency_conflict]")


# ── one batch, many commands ────────────────────────────────────────────────────────────────────────────────────────────


async def test_commands_of_a_batch_see_each_others_effects_in_order(world: World) -> None:
    jar = uuid4()
    async with engine_over(world) as engine:
        answers = await in_one_batch(engine, *(pouring(jar, marbles) for marbles in (-1, 3, -2, -2, 1, -2)))
    assert said(answers) == ["insufficient_funds", "ok", "ok", "insufficient_funds", "ok", "ok"]
    assert [answer.decision.result.marbles for answer in answers if _word(answer) == "ok"] == [3, 1, 2, 0]  # type: ignore[union-attr]
    assert await world.marbles(jar) == 0
    assert [record.position for record in await world.records()] == [0, 1, 2, 3, 4, 5]


async def test_a_declined_command_leaves_its_marks_and_nothing_else(world: World) -> None:
    jar, other = uuid4(), uuid4()
    async with engine_over(world) as engine:
        assert said(await in_one_batch(engine, pouring(jar, -1), pouring(other, 4), pouring(jar, -1))) == [
            "insufficient_funds",
            "ok",
            "insufficient_funds",
        ]
        assert _word(await engine.submit(pouring(jar, -9))) == "insufficient_funds"
    assert await world.rows(REFUSED) == [Refused(jar, 3)]
    assert await world.marbles(jar) is None and await world.marbles(other) == 4
    assert [row.jar_id for row in await world.rows(POURED)] == [other]
    assert len(await world.events()) == 1


async def test_a_decider_that_raises_leaves_its_neighbours_alone_and_nothing_of_itself(world: World) -> None:
    jar, broken = uuid4(), Drop(command_id=uuid4(), jar_id=uuid4())
    async with engine_over(world) as engine:
        assert said(await in_one_batch(engine, pouring(jar, 1), broken, broken, pouring(jar, 2))) == ["ok", "bug", "bug", "ok"]
        assert said(await in_one_batch(engine, broken)) == ["bug"], "a bug is not stored: mended, the command can be sent again"
    assert await world.marbles(jar) == 3 and await world.marbles(broken.jar_id) is None
    assert await world.rows(REFUSED) == []
    assert len(await world.rows(POURED)) == len(await world.records()) == len(await world.events()) == 2


@pytest.mark.parametrize("bug", [Stray, Unnameable, Meddle], ids=lambda bug: bug.kind)
async def test_a_bug_of_any_kind_leaves_its_neighbours_alone(world: World, bug: type[Any]) -> None:
    jar, guilty = uuid4(), bug(command_id=uuid4(), jar_id=uuid4())
    async with engine_over(world) as engine:
        answers = await asyncio.gather(
            *[engine.enqueue(command) for command in (pouring(jar, 1), guilty, pouring(jar, 2), pouring(jar, 3))],
            return_exceptions=True,
        )
    assert isinstance(answers.pop(1), Exception)
    assert said(answers) == ["ok", "ok", "ok"] and await world.marbles(jar) == 6
    assert await world.marbles(guilty.jar_id) is None


@pytest.mark.parametrize("bug", [Stray, Drop, Meddle], ids=lambda bug: bug.kind)
async def test_a_bug_is_an_invariant_broken(world: World, bug: type[Any]) -> None:
    async with engine_over(world) as engine:
        with pytest.raises(InvariantBroken):
            await engine.submit(bug(command_id=uuid4(), jar_id=uuid4()))


async def test_a_command_that_cannot_name_its_rows_is_an_invariant_broken(world: World) -> None:
    async with engine_over(world) as engine:
        with pytest.raises(InvariantBroken):
            await engine.submit(Unnameable(command_id=uuid4(), jar_id=uuid4()))


async def test_a_command_nobody_decides_is_an_invariant_broken(world: World) -> None:
    class Unknown(Command, frozen=True, kw_only=True):
        kind = "test.unknown"

    async with engine_over(world) as engine:
        with pytest.raises(InvariantBroken):
            await engine.submit(Unknown(command_id=uuid4()))


async def test_events_are_written_with_the_commands_that_told_them(world: World) -> None:
    async with engine_over(world) as engine:
        await in_one_batch(engine, pouring(uuid4(), 1), pouring(uuid4(), -1), pouring(uuid4(), 1))
        await in_one_batch(engine, pouring(uuid4(), 1))
    events = await world.events()
    assert [(event.sequence, event.position, event.kind) for event in events] == [
        (1, 0, "poured"),
        (1, 2 << 12, "poured"),
        (2, 0, "poured"),
    ]


# ── the chain ───────────────────────────────────────────────────────────────────────────────────────────────────────────


async def test_the_chain_goes_on_over_restarts_and_every_hash_follows_from_the_rows(world: World) -> None:
    jar = uuid4()
    for _ in range(3):
        async with engine_over(world) as engine:
            for _ in range(2):
                await in_one_batch(engine, pouring(jar, 2), pouring(jar, -50), pouring(uuid4(), 1))
            assert engine.head is not None
            head = engine.head
    links = await world.links()
    assert [(link.writer, link.sequence, link.commands) for link in links] == [(1, sequence, 3) for sequence in range(1, 7)]
    assert (head.sequence, head.hash) == (6, links[-1].hash)
    await assert_chain_follows_from_rows(world)


async def assert_chain_follows_from_rows(world: World) -> None:
    """Recompute every hash, root and link, and the sums of all seals, from what is stored."""
    records, links = await world.records(), await world.links()
    sealer = Sealer()
    ids = {(link.writer, link.sequence): RowIds(link.decided_at, link.writer, link.sequence) for link in links}
    appended: dict[tuple[int, int, int], list[bytes]] = {
        (record.writer, record.sequence, record.position): [RECORDS.row_tag + RECORDS.encode(record)] for record in records
    }
    for row in await world.rows(POURED):
        appended[origin(row.pour_id)].append(POURED.row_tag + POURED.encode(row))
    accepted_jars = [record for record in records if record.accepted and record.kind == "test.pour"]
    for record, event in zip(accepted_jars, await world.events(), strict=True):
        appended[record.writer, record.sequence, record.position].append(OUTBOX.row_tag + OUTBOX.encode(event))
    ends: dict[int, bytes] = {}
    sums: dict[str, int] = {}
    for link in links:
        leaves = [
            chain.command_hash(
                [
                    sha256(row + sealer.blinds(ids[place[:2]].prefix(place[2]), at + 1)[16 * at :]).digest()
                    for at, row in enumerate(appended[place])
                ]
            )
            for place in sorted(appended)
            if place[:2] == (link.writer, link.sequence)
        ]
        previous, root = ends.get(link.writer, chain.GENESIS), chain.merkle_root(leaves)
        assert link == chain.link(sealer, link.writer, link.sequence, previous, root, link.seals, len(leaves), link.decided_at)
        ends[link.writer] = link.hash
        for name, grew in msgspec.json.decode(link.seals, type=dict[str, str]).items():
            sums[name] = (sums.get(name, 0) + int(grew, 16)) % 2**128
    for relation in (JAR, REFUSED, COUNTED):
        stored = [sealer.seal(relation, relation.encode(row)) for row in await world.rows(relation)]
        assert sums.get(relation.name, 0) == sum(int.from_bytes(seal, "big") for seal in stored) % 2**128


# ── load and the end of the day ─────────────────────────────────────────────────────────────────────────────────────────


async def test_the_queue_is_bounded_and_what_is_beyond_it_is_refused_at_once(world: World) -> None:
    jar = uuid4()
    async with engine_over(world, Limits(queue=10)) as engine:
        futures = [engine.enqueue(pouring(jar, 1)) for _ in range(10)]
        with pytest.raises(Refusal) as refused:
            engine.enqueue(pouring(jar, 1))
        assert refused.value.code == OVERLOADED
        assert said(await asyncio.gather(*futures)) == ["ok"] * 10
        assert _word(await engine.submit(pouring(jar, 1))) == "ok", "there is room again"
    assert await world.marbles(jar) == 11


async def test_a_batch_is_no_larger_than_its_limit(world: World) -> None:
    jar = uuid4()
    async with engine_over(world, Limits(batch=4)) as engine:
        await asyncio.gather(*[engine.enqueue(pouring(jar, 1)) for _ in range(10)])
        assert (engine.batches, engine.decided) == (3, 10)
    assert [link.commands for link in await world.links()] == [4, 4, 2]


async def test_a_large_command_counts_for_many_in_a_batch(world: World) -> None:
    jars = tuple(uuid4() for _ in range(320))
    async with engine_over(world, Limits(batch=50)) as engine:
        large = [Sprinkle(command_id=uuid4(), jar_ids=jars) for _ in range(4)]
        small = [pouring(jars[0], 1) for _ in range(10)]
        answers = await asyncio.gather(*map(engine.enqueue, [*large, *small]), return_exceptions=True)
        assert said(answers) == ["ok"] * 14
    # They weigh 21 each: two fit into a batch, and eight small ones besides.
    assert [link.commands for link in await world.links()] == [2, 2 + 8, 2]
    await assert_chain_follows_from_rows(world)


async def test_a_command_larger_than_a_batch_is_a_batch_of_its_own(world: World) -> None:
    async with engine_over(world, Limits(batch=4)) as engine:
        large = Sprinkle(command_id=uuid4(), jar_ids=tuple(uuid4() for _ in range(320)))
        answers = await asyncio.gather(*map(engine.enqueue, [pouring(uuid4(), 1), large, pouring(uuid4(), 1)]))
        assert said(answers) == ["ok"] * 3
    assert [link.commands for link in await world.links()] == [1, 1, 1]


async def test_while_a_large_command_is_decided_others_have_their_turns(world: World) -> None:
    async with engine_over(world) as engine:
        deciding = engine.enqueue(Sprinkle(command_id=uuid4(), jar_ids=tuple(uuid4() for _ in range(500))))
        turns = 0
        while not deciding.done():
            turns += 1
            await asyncio.sleep(0)
        assert turns > 500


async def test_a_bug_in_the_middle_of_a_large_command_leaves_nothing_of_it(world: World) -> None:
    jars = tuple(uuid4() for _ in range(600))
    async with engine_over(world) as engine:
        spilt = Sprinkle(command_id=uuid4(), jar_ids=jars, spilt_at=590)
        answers = await in_one_batch(engine, pouring(jars[0], 2), spilt, pouring(jars[0], 3))
        assert said(answers) == ["ok", "bug", "ok"]
    assert await world.marbles(jars[0]) == 5 and await world.marbles(jars[1]) is None
    assert len(await world.rows(POURED)) == 2
    await assert_chain_follows_from_rows(world)


async def test_the_end_drains_the_queue_and_then_nothing_is_taken(world: World) -> None:
    jar = uuid4()
    async with engine_over(world, Limits(batch=3)) as engine:
        futures = [engine.enqueue(pouring(jar, 1)) for _ in range(10)]
    assert said([future.result() for future in futures]) == ["ok"] * 10
    assert await world.marbles(jar) == 10
    with pytest.raises(Refusal) as refused:
        await engine.submit(pouring(jar, 1))
    assert refused.value.code == UNAVAILABLE


async def test_a_caller_who_will_not_wait_is_told_that_the_outcome_is_unknown_and_learns_it_by_repeating(world: World) -> None:
    jar, command = uuid4(), pouring(uuid4(), 3)
    async with engine_over(world) as engine:
        with pytest.raises(Refusal) as refused:
            await engine.submit(command, timeout_s=0)
        assert refused.value.code == TIMED_OUT and refused.value.code.retryable
        again = await engine.submit(command)
        assert _word(again) == "ok" and again.repeated
    assert await world.marbles(command.jar_id) == 3 and await world.marbles(jar) is None


async def test_a_caller_who_goes_away_does_not_take_the_command_along(world: World) -> None:
    command = pouring(uuid4(), 3)
    async with engine_over(world) as engine:
        task = asyncio.create_task(engine.submit(command))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    assert await world.marbles(command.jar_id) == 3


async def test_a_row_made_and_changed_in_one_batch_is_written_once(world: World) -> None:
    jar = uuid4()
    async with engine_over(world) as engine:
        await in_one_batch(engine, *(pouring(jar, 1) for _ in range(20)))
        await in_one_batch(engine, *(pouring(jar, 1) for _ in range(20)))
    assert [row.marbles for row in await world.rows(JAR)] == [40]


# ── rows that are removed ───────────────────────────────────────────────────────────────────────────────────────────────


def smashing(jar: UUID, *, refuse: bool = False) -> Smash:
    return Smash(command_id=uuid4(), jar_id=jar, refuse=refuse)


REMOVALS: dict[str, tuple[Callable[[UUID], list[list[Command]]], int | None]] = {
    "one that was there": (lambda jar: [[pouring(jar, 3)], [smashing(jar)]], None),
    "one that never was": (lambda jar: [[smashing(jar)]], None),
    "made and removed in one batch": (lambda jar: [[pouring(jar, 3), smashing(jar)]], None),
    "changed and removed in one batch": (lambda jar: [[pouring(jar, 3)], [pouring(jar, 4), smashing(jar)]], None),
    "removed and made anew in one batch": (lambda jar: [[pouring(jar, 3)], [smashing(jar), pouring(jar, 5)]], 5),
    "removed, and made anew by a later batch": (lambda jar: [[pouring(jar, 3)], [smashing(jar)], [pouring(jar, 5)]], 5),
    "removed twice": (lambda jar: [[pouring(jar, 3)], [smashing(jar), smashing(jar)], [smashing(jar)]], None),
    "not by a command that is declined": (lambda jar: [[pouring(jar, 3)], [smashing(jar, refuse=True)]], 3),
}  # fmt: skip


@pytest.mark.parametrize("restarts", [False, True])
@pytest.mark.parametrize("story", REMOVALS)
async def test_a_removed_row_is_there_no_more_and_the_seals_of_the_others_add_up(
    world: World, story: str, restarts: bool
) -> None:
    jar, bystander = uuid4(), uuid4()
    batches, left = REMOVALS[story]
    async with AsyncExitStack() as stack:
        engine = await stack.enter_async_context(engine_over(world))
        await engine.submit(pouring(bystander, 7))
        for commands in batches(jar):
            if restarts:
                await stack.aclose()
                engine = await stack.enter_async_context(engine_over(world))
            assert "bug" not in said(await in_one_batch(engine, *commands))
    assert (await world.marbles(jar), await world.marbles(bystander)) == (left, 7)
    grew = sum(int(msgspec.json.decode(link.seals).get("jar", "0"), 16) for link in await world.links())
    seals = sum(int.from_bytes(Sealer().seal(JAR, JAR.encode(row)), "big") for row in await world.rows(JAR))
    assert (grew - seals) % (1 << 128) == 0


def test_rows_that_may_not_be_removed_stay() -> None:
    view = View({Key(REFUSED, jar := uuid4()): Refused(jar, 1)}, RowIds(TickingClock().now(), 1, 1))
    with pytest.raises(InvariantBroken, match="no command removes rows of refused"):
        view.remove(REFUSED, jar)

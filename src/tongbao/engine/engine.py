"""The engine: commands in, outcomes out, a batch at a time.

    submit ─▶ queue ─▶ gather ─▶ load ─▶ decide each ─▶ save ─▶ commit ─▶ answer each
                 ▲                                                 │
                 └──────── while this batch is at the database the next one gathers

A lone command waits for nobody; under load many share one commit. Commands of a batch are independent: one declined, or
even broken, leaves its neighbours alone.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Coroutine, Iterable, Sequence
from typing import Any, TypeVar

import msgspec
import structlog

from tongbao.engine.store import Conflict, Head, RetryableFailure, Store, WriterLost
from tongbao.engine.types import Accepted, Command, Decider, Decision, Declined, Outcome, Record
from tongbao.engine.work import Waiting, Work, report_bug
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import IDEMPOTENCY_CONFLICT, OVERLOADED, TIMED_OUT, UNAVAILABLE, InvariantBroken, Refusal, lookup

_log = structlog.get_logger("tongbao.engine")

#: So often a batch is tried again because somebody else took a key of its, before one of its commands is suspected.
_MOST_CONFLICTS = 4


class Limits(msgspec.Struct, frozen=True):
    """How the engine behaves under load and trouble.

    batch          most commands in one commit
    queue          most commands waiting; beyond it `overloaded` is refused at once
    patience_s     how long a batch is tried again while the database is away or busy
    """

    batch: int = 1000
    queue: int = 20_000
    patience_s: float = 30.0


class Engine:
    """Runs commands over a store. One for each process; several processes may share one database.

    Usage: `async with Engine(store, deciders, clock) as engine: outcome = await engine.submit(command)`.
    """

    def __init__(self, store: Store, deciders: Iterable[Decider[Any]], clock: Clock, limits: Limits = Limits()) -> None:
        self._store = store
        self._deciders: dict[type[Command], Decider[Any]] = {decider.command: decider for decider in deciders}
        self._clock = clock
        self._limits = limits
        self._queue: deque[Waiting] = deque()
        self._wake = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None
        self._head: Head | None = None
        self._stopping = False
        self._deadlines: dict[float, set[asyncio.Future[Outcome]]] = {}
        self.batches = 0
        self.decided = 0

    async def __aenter__(self) -> Engine:
        self._head = await self._store.claim_writer()
        self._runner = asyncio.create_task(self._run(), name="engine")
        return self

    async def __aexit__(self, *_: object) -> None:
        """Finish what is queued, then stop."""
        self._stopping = True
        self._wake.set()
        if self._runner is not None:
            await self._runner
        await self._store.close()

    @property
    def head(self) -> Head | None:
        """Where this process's audit chain ends."""
        return self._head

    async def submit(self, command: Command, timeout_s: float = 15.0) -> Outcome:
        """Decide and commit `command`, or answer what was decided when it was first sent.

        Refuses `idempotency_conflict` (its id was used for another command), `overloaded`, `unavailable` (it did not
        happen), `timed_out` (it may happen yet: repeat it to learn). Raises InvariantBroken for a bug.
        """
        future = self.enqueue(command)
        # The future is this caller's alone: ending it early, by time or by cancellation, leaves the command in its batch.
        watched = self._watched(timeout_s)
        watched.add(future)
        try:
            return await future
        finally:
            watched.discard(future)

    def _watched(self, timeout_s: float) -> set[asyncio.Future[Outcome]]:
        """The futures that are timed out together, at the first whole second after `timeout_s`: one timer for thousands. Less
        than a second is kept exactly."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s if timeout_s < 1 else math.ceil(loop.time() + timeout_s)
        watched = self._deadlines.get(deadline)
        if watched is None:
            watched = self._deadlines[deadline] = set()
            loop.call_at(deadline, self._time_out, deadline)
        return watched

    def _time_out(self, deadline: float) -> None:
        for future in self._deadlines.pop(deadline):
            if not future.done():
                future.set_exception(Refusal(TIMED_OUT))

    def enqueue(self, command: Command) -> asyncio.Future[Outcome]:
        """As `submit`, without waiting: the future ends with the outcome or the refusal."""
        decider = self._deciders.get(type(command))
        if decider is None:
            raise InvariantBroken(f"nobody decides {type(command).__name__}")
        if self._stopping:
            raise Refusal(UNAVAILABLE)
        if len(self._queue) >= self._limits.queue:
            raise Refusal(OVERLOADED)
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        try:
            self._queue.append(Waiting(command, decider, future))
        except Exception as broken:
            future.set_exception(report_bug(command, broken))
        self._wake.set()
        return future

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _run(self) -> None:
        while True:
            if not self._queue:
                if self._stopping:
                    return
                self._wake.clear()
                await self._wake.wait()
                continue
            await self._settle([self._queue.popleft() for _ in range(self._size())])

    def _size(self) -> int:
        """How many to take: all, but of many only half, so that there is something to prepare while these are at the database."""
        waiting = len(self._queue)
        return min(self._limits.batch, waiting if waiting <= _FEW else max(_FEW, waiting // 2))

    async def _settle(self, batch: list[Waiting]) -> None:
        """Try a batch until it is durable, patience ends, or its guilty member is found."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.patience_s
        attempts, may_be_durable = 0, False
        while True:
            try:
                await self._attempt(batch)
                return
            except RetryableFailure as failure:
                attempts += 1
                may_be_durable = may_be_durable or failure.committing
                _log.warning("batch_retried", attempt=attempts, commands=len(batch), reason=str(failure))
                if isinstance(failure, Conflict) and attempts >= _MOST_CONFLICTS:
                    await self._find_guilty(batch, failure)
                    return
                if loop.time() > deadline:
                    for waiting in batch:
                        _refuse(waiting, Refusal(TIMED_OUT if may_be_durable else UNAVAILABLE))
                    return
                await asyncio.sleep(min(1.0, 0.005 * 2 ** min(attempts, 8)) * (0.5 + random.random()))
                if isinstance(failure, WriterLost):
                    await self._reclaim()
            except Exception as broken:
                await self._find_guilty(batch, broken)
                return

    async def _find_guilty(self, batch: list[Waiting], broken: Exception) -> None:
        """One of them is guilty: halve until it stands alone, so that the others are served."""
        if len(batch) == 1:
            _refuse(batch[0], report_bug(batch[0].command, broken))
            return
        middle = len(batch) // 2
        await self._settle(batch[:middle])
        await self._settle(batch[middle:])

    async def _reclaim(self) -> None:
        try:
            self._head = await self._store.claim_writer()
        except Exception as failure:  # whatever it is, the loop must live to try again until patience ends
            _log.warning("writer_not_claimed", reason=repr(failure))

    async def _attempt(self, batch: Sequence[Waiting]) -> None:
        first: dict[Any, Waiting] = {}
        for waiting in batch:
            first.setdefault(waiting.command.command_id, waiting)
        wanted = {key for waiting in first.values() for key in waiting.keys}
        async with self._store.session() as session:
            rows = await session.load(list(wanted))
            recorded = await session.recorded(list(first))
            head = self._head
            if head is None:
                raise WriterLost("no writer")
            fresh = [waiting for command_id, waiting in first.items() if command_id not in recorded]
            work = Work(rows, head, self._clock.now())
            middle = len(fresh) // 2 if len(fresh) >= _WORTH_HALVING else len(fresh)
            for waiting in fresh[:middle]:
                work.decide(waiting)
            if middle < len(fresh):
                # The server writes what the first half appended while we decide the second …
                await _meanwhile(session.save(work.take_appended()), work.decide_all(fresh[middle:]))
            if work.decided:
                # … and the rest while we hash what was decided.
                seal = await _meanwhile(session.save(work.changes()), work.seal())
                await session.seal(seal)
        if work.decided:
            self._head = Head(head.writer, seal.link.sequence, seal.link.hash)
            self.batches += 1
            self.decided += len(seal.records)
        for waiting in batch:
            original = first[waiting.command.command_id]
            record = recorded.get(waiting.command.command_id)
            if record is not None:
                _answer_again(waiting, record)
            elif waiting is original:
                _answer(waiting, work.outcomes[waiting.command.command_id])
            elif waiting.fingerprint != original.fingerprint:
                _refuse(waiting, Refusal(IDEMPOTENCY_CONFLICT))
            else:
                outcome = work.outcomes[waiting.command.command_id]
                _answer(waiting, outcome if isinstance(outcome, Exception) else msgspec.structs.replace(outcome, repeated=True))


#: So many commands are one batch without further thought.
_FEW = 500
#: From so many commands on, a batch is decided in two halves.
_WORTH_HALVING = 64

T = TypeVar("T")


async def _meanwhile(writing: Coroutine[Any, Any, None], doing: Coroutine[Any, Any, T]) -> T:
    """Do one thing while the database does another; both have ended when this does, whatever becomes of either."""
    task = asyncio.create_task(writing)
    try:
        result = await doing
    finally:
        await asyncio.wait([task])
    task.result()
    return result


def accepted(outcome: Outcome) -> Any:
    """The result of an accepted command; a decline is raised as a `Refusal` that carries its code, for the edge to answer."""
    if isinstance(outcome.decision, Declined):
        raise Refusal(outcome.decision.code, **outcome.decision.detail)
    return outcome.decision.result


def _answer_again(waiting: Waiting, record: Record) -> None:
    if record.fingerprint != waiting.fingerprint:
        _refuse(waiting, Refusal(IDEMPOTENCY_CONFLICT))
        return
    stored = msgspec.json.decode(record.outcome)
    decision: Decision
    if record.accepted:
        result = stored["result"]
        wanted = waiting.decider.result
        decision = Accepted(msgspec.convert(result, wanted) if wanted is not None else result)
    else:
        decision = Declined(lookup(stored["code"]), stored["detail"])
    _answer(waiting, Outcome(decision, record.decided_at, repeated=True))


def _answer(waiting: Waiting, outcome: Outcome | Exception) -> None:
    if isinstance(outcome, Exception):
        _refuse(waiting, outcome)
    elif not waiting.future.done():
        waiting.future.set_result(outcome)


def _refuse(waiting: Waiting, error: BaseException) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)

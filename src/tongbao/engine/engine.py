"""The engine: commands in, outcomes out, a batch at a time.

    submit ─▶ queue ─▶ decide each, upon rows remembered or read ─▶ turn ─▶ save ─▶ commit ─▶ answer each
                 ▲                                                                      │
                 └──── while this batch is at the database, the next one is decided upon it

A lone command waits for nobody; under load many share one commit. Commands of a batch are independent: one declined, or
even broken, leaves its neighbours alone.

Deciding ahead is a bet: that the batch before commits, and that no other engine has had a turn since this engine's last. The
turn shows whether it was won. If not, what was remembered is forgotten and the batch is decided anew from what is stored,
inside the turn (`_attempt`); nobody was answered yet. Where several engines write by turns, the bet is not made.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import structlog

from tongbao.engine.remembered import Remembered
from tongbao.engine.store import Changes, Conflict, Head, RetryableFailure, Session, Store, TurnOfAnother, WriterLost
from tongbao.engine.types import Accepted, Command, Decider, Decision, Declined, Key, Link, Outcome, Record
from tongbao.engine.work import MOST_COMMANDS, Waiting, Work, report_bug
from tongbao.kernel.clock import Clock
from tongbao.kernel.errors import IDEMPOTENCY_CONFLICT, OVERLOADED, TIMED_OUT, UNAVAILABLE, InvariantBroken, Refusal, lookup

_log = structlog.get_logger("tongbao.engine")

#: Outcomes kept in memory, about, for callers who ask again soon.
_MOST_RECENT = 20_000
#: So often a batch is tried again because somebody else took a key of its, before one of its commands is suspected.
_MOST_CONFLICTS = 4


class Limits(msgspec.Struct, frozen=True):
    """How the engine behaves under load and trouble.

    batch          most work in one commit, at most 4,096: ordinary commands count one, larger ones more (`Waiting.weight`)
    queue          most commands waiting; beyond it `overloaded` is refused at once
    patience_s     how long a batch is tried again while the database is away or busy
    remembered     rows kept in memory to decide upon, about: twice as many at most, half a kilobyte each
    """

    batch: int = 1000
    queue: int = 20_000
    patience_s: float = 30.0
    remembered: int = 150_000

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= MOST_COMMANDS:
            raise ValueError(f"a batch has 1 to {MOST_COMMANDS} commands")


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
        self._rows: Remembered[Any] = Remembered(limits.remembered)
        self._seals: Remembered[bytes] = Remembered(limits.remembered)
        self._recent: Remembered[_Known] = Remembered(_MOST_RECENT)
        #: Upon what the next batch is decided; None: not ahead, but in its turn.
        self._ahead: Head | None = None
        #: Counts how often what was decided ahead became void.
        self._epoch = 0
        self._turns_of_others = 0
        self._committing: asyncio.Task[None] | None = None
        #: The batch that is being decided, and the one at the database.
        self._open: Sequence[Waiting] = ()
        self._under_way: Sequence[Waiting] = ()
        #: The weights of these three.
        self._queued = self._opened = self._writing = 0
        self._wake_at = 1
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

    @property
    def backlog(self) -> int:
        """Commands that were taken and have no outcome yet."""
        return len(self._queue) + len(self._open) + len(self._under_way)

    async def submit(self, command: Command, timeout_s: float = 15.0) -> Outcome:
        """Decide and commit `command`, or answer what was decided when it was first sent.

        Refuses `idempotency_conflict` (its id was used for another command), `overloaded`, `unavailable` (it did not
        happen), `timed_out` (it may happen yet: repeat it to learn). Raises InvariantBroken for a bug.

        A command that `timeout_s` finds still waiting is `overloaded`, and is not decided behind its sender's back.
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
        late = {future for future in self._deadlines.pop(deadline) if not future.done()}
        if not late:
            return
        for waiting in self._queue:
            if waiting.future in late:
                waiting.future.set_exception(Refusal(OVERLOADED))
        self._queue = deque(waiting for waiting in self._queue if waiting.future not in late)
        self._queued = sum(waiting.weight for waiting in self._queue)
        for future in late:
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
            waiting = Waiting(command, decider, future)
        except Exception as broken:
            future.set_exception(report_bug(command, broken))
            return future
        self._queue.append(waiting)
        self._queued += waiting.weight
        if self._queued >= self._wake_at:
            self._wake.set()
        return future

    # ── the loop ────────────────────────────────────────────────────────────────────────────────────────────────────────

    async def _run(self) -> None:
        while self._queue or not self._stopping:
            if not self._queue:
                await self._until(1)
            elif self._ahead is None:
                await self._finished()
                if self._ahead is None:
                    self._under_way = several = self._take(self._limits.batch)
                    await self._settle(several)
                    self._under_way = ()
            else:
                batch = await self._decide_ahead(self._ahead)
                await self._finished()
                written, self._open, self._opened = self._opened, (), 0
                if batch.epoch == self._epoch:
                    self._under_way, self._writing = batch.waiting, written
                    self._committing = asyncio.create_task(self._commit(batch), name="commit")
                else:
                    await self._settle(batch.waiting)
        await self._finished()

    async def _until(self, waiting: int) -> None:
        """Sleep until so many commands wait, the batch at the database ends, or the engine stops."""
        self._wake_at = waiting
        self._wake.clear()
        await self._wake.wait()

    async def _finished(self) -> None:
        """The batch at the database, if any, has ended one way or the other."""
        if self._committing is not None:
            await self._committing
            self._committing = None

    def _room(self) -> int:
        """How much more a batch takes: half of all that is about, so that one half is decided while the other is written."""
        about = self._queued + self._opened + self._writing
        return min(self._limits.batch, max(_FEW, (about + 1) // 2)) - self._opened

    def _take(self, most: int) -> list[Waiting]:
        """So much from the queue, or its first command, if there is one, whatever it weighs."""
        taken: list[Waiting] = []
        while self._queue and (not taken or self._queue[0].weight <= most):
            waiting = self._queue.popleft()
            most -= waiting.weight
            self._queued -= waiting.weight
            taken.append(waiting)
        return taken

    async def _decide_ahead(self, head: Head) -> _Batch:
        """Decide what waits, upon what is remembered, and go on with what comes for as long as the batch before is under way."""
        self._age()
        batch = _Batch(self._begin(head), self._epoch)
        self._open = batch.waiting
        try:
            while batch.epoch == self._epoch:
                room = self._room()
                if self._queue and room > 0:
                    chunk = self._take(min(room, _CHUNK))
                    batch.waiting += chunk
                    self._opened += sum(waiting.weight for waiting in chunk)
                    await self._decide_some(batch, chunk)
                elif self._committing is None or self._committing.done():
                    break
                else:
                    await self._until(_WORTH_WAKING if room > 0 else self._limits.queue)
            if len(batch.work):
                await self._know(batch.work.tallied(), batch)
                if batch.epoch == self._epoch:
                    self._close_ahead(batch)
        except Exception as failure:
            # Nothing was written: whatever it was shows again, or does not, when the batch is tried in its turn.
            _log.warning("not_decided_ahead", commands=len(batch.waiting), reason=repr(failure))
            self._forget()
        return batch

    async def _decide_some(self, batch: _Batch, chunk: Sequence[Waiting]) -> None:
        fresh = []
        for waiting in chunk:
            command_id = waiting.command.command_id
            if command_id in batch.first:
                batch.followers.append(waiting)
            elif (known := self._recent.get(command_id)) is not None:
                batch.repeats.append((waiting, known))
            else:
                batch.first[command_id] = waiting
                fresh.append(waiting)
        await self._know(chain.from_iterable(waiting.keys for waiting in fresh), batch)
        if batch.epoch == self._epoch:

            async def fetch(key: Key) -> bool:
                await self._know((key,), batch)
                return batch.epoch == self._epoch

            await batch.work.decide_all(fresh, fetch)

    async def _know(self, keys: Iterable[Key], batch: _Batch) -> None:
        """Put rows into a batch: remembered ones, and the others as they are committed now."""
        missing = self._rows.find(keys, batch.work.rows)
        if missing:
            stored = await self._store.peek(list(dict.fromkeys(missing)))
            if batch.epoch == self._epoch:
                batch.work.rows.update(stored.rows)
                self._remember(stored.rows, stored.seals)

    def _close_ahead(self, batch: _Batch) -> None:
        """From here on the next batch is decided upon this one, although it is not committed yet."""
        work = batch.work
        batch.changes = work.close(self._seals.get)
        link = batch.changes.link
        self._remember(work.written, work.seals)
        self._rows.update(work.derived)
        self._recent.update(
            {
                command_id: _Known(batch.first[command_id].fingerprint, outcome)
                for command_id, outcome in work.outcomes.items()
                if isinstance(outcome, Outcome)
            }
        )
        self._ahead = Head.after(link)

    def _begin(self, head: Head) -> Work:
        """The next batch upon `head`. Moments never go back: an account's entries, in their order, are in the order of time too,
        whichever engine wrote them and whatever its clock said."""
        now = self._clock.now()
        if now < head.moment:
            if (behind := (head.moment - now).total_seconds()) > _CLOCKS_DIFFER_S:
                _log.warning("clock_behind", seconds=round(behind, 3))
            now = head.moment
        return Work(head, now, self._store.sealer)

    def _age(self) -> None:
        self._rows.age()
        self._seals.age()
        self._recent.age()

    def _remember(self, rows: Mapping[Key, Any], seals: Mapping[Key, bytes]) -> None:
        self._rows.update(rows)
        self._seals.update(seals)

    def _forget(self) -> None:
        """What was decided ahead is void, and what was remembered may be wrong."""
        self._epoch += 1
        self._ahead = None
        self._rows.forget()
        self._seals.forget()
        self._recent.forget()

    async def _commit(self, batch: _Batch) -> None:
        """Write a batch that was decided ahead; if that cannot be, decide it anew in its turn."""
        try:
            if batch.changes is not None:
                async with self._store.session() as session:
                    await session.enter(keep=True)
                    await session.save(batch.changes)
                self._committed(batch.changes.link)
            elif batch.first:
                # Nothing but bugs came of it, perhaps because of rows that are not what is stored: no turn has proved them.
                raise TurnOfAnother
            batch.answer()
        except Exception as failure:
            if not isinstance(failure, TurnOfAnother):
                _log.warning("decided_again", commands=len(batch.waiting), reason=str(failure))
            self._forget()
            await self._settle(batch.waiting, failure)
        finally:
            self._under_way, self._writing = (), 0
            self._wake.set()

    def _committed(self, link: Link) -> None:
        self._head = Head.after(link)
        self.batches += 1
        self.decided += link.commands

    # ── a batch in its turn ─────────────────────────────────────────────────────────────────────────────────────────────

    async def _settle(self, batch: list[Waiting], failed: Exception | None = None) -> None:
        """Try a batch until it is durable, patience ends, or its guilty member is found. `failed`: how it was tried before."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self._limits.patience_s
        attempts, conflicts, may_be_durable = 0, 0, False
        failure = failed if isinstance(failed, RetryableFailure) else None
        while True:
            if failure is not None:
                attempts += 1
                may_be_durable = may_be_durable or failure.committing
                conflicts += isinstance(failure, Conflict)
                if conflicts >= _MOST_CONFLICTS:
                    await self._find_guilty(batch, failure)
                    return
                if loop.time() > deadline:
                    for waiting in batch:
                        _refuse(waiting, Refusal(TIMED_OUT if may_be_durable else UNAVAILABLE))
                    return
                if attempts > 1 or not isinstance(failure, Conflict):
                    await asyncio.sleep(min(1.0, 0.005 * 2 ** min(attempts, 8)) * (0.5 + random.random()))
                if isinstance(failure, WriterLost):
                    await self._reclaim()
            try:
                await self._attempt(batch)
                return
            except RetryableFailure as again:
                failure = again
                self._forget()
                _log.warning("batch_retried", attempt=attempts + 1, commands=len(batch), reason=str(again))
            except Exception as broken:
                self._forget()
                await self._find_guilty(batch, broken)
                return

    async def _find_guilty(self, batch: list[Waiting], broken: Exception) -> None:
        """One of them is guilty: halve until it stands alone, so that the others are served."""
        if len(batch) == 1:
            # What adds up too far at the end of the batch refuses the command that did it; anything else is a bug.
            _refuse(batch[0], broken if isinstance(broken, Refusal) else report_bug(batch[0].command, broken))
            return
        middle = len(batch) // 2
        await self._settle(batch[:middle])
        await self._settle(batch[middle:])

    async def _reclaim(self) -> None:
        try:
            self._head = await self._store.claim_writer()
        except Exception as failure:  # whatever it is, the loop must live to try again until patience ends
            _log.warning("writer_not_claimed", reason=repr(failure))

    async def _attempt(self, waiting: list[Waiting]) -> None:
        """One try in the engine's turn: nothing is assumed that the turn does not prove."""
        head = self._head
        if head is None:
            raise WriterLost("no writer")
        self._age()
        async with self._store.session() as session:
            moment = await session.enter()
            if moment is None:
                self._turns_of_others = max(0, self._turns_of_others - 1)
            else:
                self._rows.forget()
                self._seals.forget()
                self._turns_of_others = _SHARED_FOR
                # Kept whatever becomes of this batch: the next turn may be the second in a row, and tell no moment.
                self._head = head = msgspec.structs.replace(head, moment=max(head.moment, moment))
            batch = _Batch(self._begin(head), self._epoch)
            batch.take(waiting)
            work = batch.work
            recorded = await session.recorded(list(batch.first))
            fresh = [each for command_id, each in batch.first.items() if command_id not in recorded]
            await self._load((key for each in fresh for key in each.keys), session, work)

            async def fetch(key: Key) -> bool:
                await self._load((key,), session, work)
                return True

            await work.decide_all(fresh, fetch)
            if len(work):
                await self._load(work.tallied(), session, work)
                batch.changes = work.close(self._seals.get)
                await session.save(batch.changes)
        if batch.changes is not None:
            self._remember(work.rows, work.seals)
            self._committed(batch.changes.link)
        batch.answer(recorded)
        self._ahead = self._head if self._turns_of_others == 0 else None

    async def _load(self, keys: Iterable[Key], session: Session, work: Work) -> None:
        missing = self._rows.find(keys, work.rows)
        if missing:
            stored = await session.load(list(dict.fromkeys(missing)))
            work.rows.update(stored.rows)
            work.seals.update(stored.seals)


class _Known(NamedTuple):
    """An outcome, and of which wish."""

    fingerprint: bytes
    outcome: Outcome


class _Batch:
    """Commands on their way together: those decided, those that repeat one of them, those that repeat an earlier one."""

    def __init__(self, work: Work, epoch: int) -> None:
        self.work = work
        self.epoch = epoch
        self.waiting: list[Waiting] = []
        self.first: dict[UUID, Waiting] = {}
        self.followers: list[Waiting] = []
        self.repeats: list[tuple[Waiting, _Known]] = []
        self.changes: Changes | None = None

    def take(self, waiting: list[Waiting]) -> None:
        """These are all of the batch."""
        self.waiting = waiting
        for each in waiting:
            if each.command.command_id in self.first:
                self.followers.append(each)
            else:
                self.first[each.command.command_id] = each

    def answer(self, recorded: Mapping[UUID, Record] = {}) -> None:
        """Tell each caller what came of it; only what is durable is told."""
        outcomes = self.work.outcomes
        for command_id, waiting in self.first.items():
            if command_id in recorded:
                _retell(waiting, recorded[command_id])
            else:
                _answer(waiting, outcomes[command_id])
        for waiting, known in self.repeats:
            _repeat(waiting, known.fingerprint, known.outcome)
        for waiting in self.followers:
            command_id = waiting.command.command_id
            if command_id in recorded:
                _retell(waiting, recorded[command_id])
            else:
                _repeat(waiting, self.first[command_id].fingerprint, outcomes[command_id])


#: Clocks that differ by less are nothing to speak of.
_CLOCKS_DIFFER_S = 1.0
#: So much is one batch without further thought.
_FEW = 64
#: So much is decided before what came meanwhile is looked at.
_CHUNK = 256
#: With a batch at the database, so much must wait before the engine is woken to decide it.
_WORTH_WAKING = 16
#: After somebody else's turn, so many turns in a row must be ours before deciding ahead is tried again.
_SHARED_FOR = 2


def accepted(outcome: Outcome) -> Any:
    """The result of an accepted command; a decline is raised as a `Refusal` that carries its code, for the edge to answer."""
    if isinstance(outcome.decision, Declined):
        raise Refusal(outcome.decision.code, **outcome.decision.detail)
    return outcome.decision.result


def _decoded(waiting: Waiting, record: Record) -> Outcome:
    stored = msgspec.json.decode(record.outcome)
    decision: Decision
    if record.accepted:
        result = stored["result"]
        wanted = waiting.decider.result
        decision = Accepted(msgspec.convert(result, wanted) if wanted is not None else result)
    else:
        decision = Declined(lookup(stored["code"]), stored["detail"])
    return Outcome(decision, record.decided_at)


def _retell(waiting: Waiting, record: Record) -> None:
    """Answer from what is stored. Another wish's outcome is not even decoded: it may be of any shape."""
    if waiting.fingerprint != record.fingerprint:
        _refuse(waiting, Refusal(IDEMPOTENCY_CONFLICT))
    else:
        _repeat(waiting, record.fingerprint, _decoded(waiting, record))


def _repeat(waiting: Waiting, fingerprint: bytes, outcome: Outcome | Exception) -> None:
    if waiting.fingerprint != fingerprint:
        _refuse(waiting, Refusal(IDEMPOTENCY_CONFLICT))
    else:
        _answer(waiting, msgspec.structs.replace(outcome, repeated=True) if isinstance(outcome, Outcome) else outcome)


def _answer(waiting: Waiting, outcome: Outcome | Exception) -> None:
    if isinstance(outcome, Exception):
        _refuse(waiting, outcome)
    elif not waiting.future.done():
        waiting.future.set_result(outcome)


def _refuse(waiting: Waiting, error: BaseException) -> None:
    if not waiting.future.done():
        waiting.future.set_exception(error)

"""The processes of a run, and the network between them and those who use them."""

from __future__ import annotations

import asyncio
import contextvars
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any, TypeVar, cast
from uuid import UUID

from tongbao.app.commands.work import expire_holds
from tongbao.app.registry import DECIDERS, BankAdapter
from tongbao.channels.memory import MemoryBank
from tongbao.engine.api import Command, Engine, Limits, Outcome
from tongbao.engine.store import RetryableFailure
from tongbao.kernel.errors import Refusal
from tongbao.ledger.api import CaptureHold, PlaceHold
from tongbao.payments.service import PaymentService
from tongbao.payments.types import CreateOrder
from tongbao.simulation.auditor import Auditor
from tongbao.simulation.bank import StrangeBank
from tongbao.simulation.disturbed import DisturbedStore
from tongbao.simulation.loop import PROCESS, SimulatedLoop
from tongbao.simulation.open_vault import OpenVault
from tongbao.simulation.tables import Tables
from tongbao.simulation.trace import Trace
from tongbao.simulation.weather import DAWN, Weather, calm
from tongbao.wallet.service import WalletService
from tongbao.wallet.types import SettleBankTransfer, StartBankTransfer

T = TypeVar("T")
Answer = Outcome | Refusal

#: How wrong a clock may be.
_SKEWS_S = (-7200.0, -60.0, -1.0, -0.002, 0.0, 0.002, 1.0, 60.0, 7200.0)
_PAUSE_S = 0.5
#: So many decisions from one look at every row to the next.
_AUDIT_EVERY = 128


#: Of these a janitor hears: they leave something that will be due.
_BRING_WORK = frozenset({StartBankTransfer.kind, SettleBankTransfer.kind, PlaceHold.kind, CaptureHold.kind, CreateOrder.kind})


class World:
    """Everything that outlives a process: the tables, the bank, the network, the auditor, the seed's chance."""

    def __init__(self, weather: Weather, loop: SimulatedLoop, tables: Tables, chance: random.Random, trace: Trace) -> None:
        self.weather = weather
        self.loop = loop
        self.tables = tables
        self.random = chance
        self.trace = trace
        self.auditor = Auditor(loop.stop)
        self.bank = MemoryBank(self, accounts=(), limit_minor=10**15)
        self.outside = contextvars.copy_context()
        self.slots: list[Process | None] = [None] * weather.processes
        self.births = 0
        self.deaths = 0
        self.faults = 0
        self._endings: list[asyncio.Task[None]] = []

    def now(self) -> datetime:
        """The true time."""
        return DAWN + timedelta(microseconds=round(self.loop.time() * 1_000_000))

    def id(self) -> UUID:
        """A fresh identifier."""
        return UUID(int=self.random.getrandbits(128), version=4)

    def spawn(self, doing: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Start a task that belongs to no process."""
        return self.loop.create_task(doing, context=self.outside.copy())

    # ── processes ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def start(self, slot: int) -> None:
        """A new process in a slot, if there is none."""
        if self.slots[slot] is None:
            self.births += 1
            process = Process(self, slot, self.births)
            self.slots[slot] = process
            process.start()

    def ended(self, process: Process) -> None:
        """A process is dead: its transactions are rolled back, and after a while another takes its place."""
        self.deaths += 1
        self.slots[process.slot] = None
        self._endings.append(self.spawn(process.store.abandon()))
        pause = self.random.choice((0.01, 1.0, 20.0)) * self.random.random()
        self.loop.call_later(pause, self.start, process.slot, context=self.outside.copy())

    async def seasons(self) -> None:
        """Bad spells and fair ones by turns, so that in the worst of weathers somebody gets something done."""
        storm = self.weather
        while True:
            await asyncio.sleep(10 ** (4 * self.random.random()))
            self.weather = calm(storm)
            await asyncio.sleep(10 ** (3 * self.random.random()))
            self.weather = storm

    async def clear_up(self) -> None:
        """The sky clears: from here on nothing fails, and every process is there."""
        self.weather = calm(self.weather)
        self.bank.clear_faults()
        for process in self.slots:
            if process is not None:
                process.set_clock(timedelta(0))
        for slot in range(len(self.slots)):
            self.start(slot)

    def committed(self) -> None:
        """Tell the auditor what a commit added."""
        look = news = False
        for record in self.tables.new_records():
            place = f"{record.writer}:{record.sequence}.{record.position}"
            self.trace.note("store", "committed", place, record.command_id, record.kind, record.outcome)
            self.auditor.committed(record)
            look = look or self.auditor.decided % _AUDIT_EVERY == 0
            news = news or record.kind in _BRING_WORK
        if look:
            self.auditor.audit(self.tables)
        for process in self.slots:
            if process is not None and news:
                process.news.set()

    # ── the network ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def send(self, command: Command, answered: Callable[[Answer], None]) -> None:
        """A message with a command to one of the processes. `answered` is called for every reply that comes back."""
        self.auditor.sent(command)
        copies = 0 if self.chance(self.weather.p_lost) else 1
        copies += self.chance(self.weather.p_doubled)
        for _ in range(copies):
            self.loop.call_later(self._way(), self._arrive, command, answered, context=self.outside.copy())

    def _arrive(self, command: Command, answered: Callable[[Answer], None]) -> None:
        process = self.slots[int(self.random.random() * len(self.slots))]
        if process is not None and process.engine is not None:
            process.context.run(process.receive, command, answered)

    def reply(self, answer: Answer, answered: Callable[[Answer], None]) -> None:
        """The way back."""
        copies = 0 if self.chance(self.weather.p_lost) else 1
        copies += self.chance(self.weather.p_doubled)
        for _ in range(copies):
            self.loop.call_later(self._way(), answered, answer, context=self.outside.copy())

    def _way(self) -> float:
        return self.random.random() * (20.0 if self.chance(self.weather.p_late) else 0.005)

    def chance(self, probability: float) -> bool:
        """True so often; the seed is not asked where the answer is known."""
        return probability > 0 and self.random.random() < probability


class Process:
    """An engine over the store, the janitors beside it, a clock of its own, and what it is in the middle of."""

    def __init__(self, world: World, slot: int, number: int) -> None:
        self.world = world
        self.slot = slot
        self.name = f"p{number}"
        self.alive = True
        self.skew = timedelta(0)
        self.engine: Engine | None = None
        self.news = asyncio.Event()
        self.context = world.outside.copy()
        self.context.run(PROCESS.set, self)
        self.store = DisturbedStore(world.tables.store(), self)

    def start(self) -> None:
        """Begin to run."""
        self.note("starts")
        self.world.loop.create_task(self._main(), context=self.context.copy())

    def _later(self, seconds: float, callback: Callable[..., None], *arguments: Any) -> None:
        self.world.loop.call_later(seconds, callback, *arguments, context=self.world.outside.copy())

    def now(self) -> datetime:
        """What this process takes the time to be."""
        return self.world.now() + self.skew

    async def _main(self) -> None:
        weather = self.weather
        limits = Limits(batch=weather.batch, queue=weather.queue, patience_s=weather.patience_s)
        try:
            async with Engine(cast(Any, self.store), DECIDERS, self, limits) as engine:
                self.engine = engine
                await self._janitors(engine)
        except RetryableFailure:
            self.die("could not start")
        except Exception as bug:
            self.world.auditor.must(False, "no process ends of itself", repr(bug))

    def set_clock(self, skew: timedelta) -> None:
        """Be so wrong from now on. Real janitors look each second; ours, who sleep until something is due, look anew."""
        self.skew = skew
        self.news.set()

    async def _janitors(self, engine: Engine) -> None:
        """The worker's rounds, whenever something may be due."""
        pool, witnessed = cast(Any, _Pool(self.world.tables)), cast(Any, _Witnessed(self, engine))
        nothing, vault = cast(Any, None), cast(Any, OpenVault())
        bank = StrangeBank(self.world.bank, self.world.random, lambda: self.weather.p_bank, self.note)
        wallet = WalletService(
            witnessed, pool, nothing, nothing, vault, BankAdapter(bank), nothing, self, currency="CNY", zone=nothing, states={},
            counterparties={},
        )  # fmt: skip
        payments = PaymentService(
            witnessed, pool, nothing, nothing, cast(Any, SimpleNamespace(ids=b"")), vault, self, currency="CNY", zone=nothing
        )
        services = cast(Any, SimpleNamespace(engine=witnessed, pool=pool, clock=self))
        rounds: list[Callable[[], Awaitable[int]]] = [wallet.settle_due, payments.expire_due, lambda: expire_holds(services)]
        if self.slot and self.weather.one_janitor:
            await asyncio.get_running_loop().create_future()
        while True:
            for task in rounds:
                with suppress(Refusal):
                    await task()
            await asyncio.sleep(_PAUSE_S)
            await self._until_due()

    async def _until_due(self) -> None:
        """Until there is something to do; real janitors look each second, and find nothing."""
        while True:
            self.news.clear()
            due = self.world.tables.next_due()
            pause = None if due is None else (due - self.now()).total_seconds()
            if pause is not None and pause <= 0:
                return
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self.news.wait()

    # ── what comes over the network ─────────────────────────────────────────────────────────────────────────────────────

    def receive(self, command: Command, answered: Callable[[Answer], None]) -> None:
        """A command arrives."""
        assert self.engine is not None
        if self.chance(self.weather.p_jump):
            self.set_clock(timedelta(seconds=self.world.random.choice(_SKEWS_S)))
            self.note("clock", self.skew)
        if self.chance(self.weather.p_killed):
            self._later(self.span(0.05), self.die, "killed")
        self.world.auditor.delivered(command)
        try:
            future = self.engine.enqueue(command)
        except Refusal as refusal:
            self._answer(command, refusal, answered)
        else:
            future.add_done_callback(lambda done: self._done(command, done, answered), context=self.context)

    def _done(self, command: Command, future: asyncio.Future[Outcome], answered: Callable[[Answer], None]) -> None:
        error = future.exception()
        if error is None:
            self._answer(command, future.result(), answered)
        elif isinstance(error, Refusal):
            self._answer(command, error, answered)
        else:
            self.world.auditor.broken(command, error)

    def _answer(self, command: Command, answer: Answer, answered: Callable[[Answer], None]) -> None:
        self.witness(command, answer)
        self.world.reply(answer, answered)

    def witness(self, command: Command, answer: Answer) -> None:
        """Whatever is promised is promised here: the auditor hears it before anybody else."""
        said = answer.code.name if isinstance(answer, Refusal) else type(answer.decision).__name__
        self.note("answers", command.command_id, said)
        self.world.auditor.answered(command, answer)

    # ── what the store asks of its owner ────────────────────────────────────────────────────────────────────────────────

    @property
    def weather(self) -> Weather:
        return self.world.weather

    def chance(self, probability: float) -> bool:
        return self.world.chance(probability)

    def span(self, most_s: float) -> float:
        return self.world.random.random() * most_s

    def note(self, what: str, *about: object) -> None:
        self.world.trace.note(self.name, what, *about)

    def committed(self) -> None:
        self.world.committed()

    def outside(self, doing: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        return self.world.spawn(doing)

    def die(self, why: str) -> None:
        """As by `kill -9`."""
        if self.alive:
            self.alive = False
            self.note("dies", why)
            self.world.ended(self)


class _Witnessed:
    """The engine as the janitors know it; the auditor hears what they are told."""

    def __init__(self, process: Process, engine: Engine) -> None:
        self._process = process
        self._engine = engine

    async def submit(self, command: Command, timeout_s: float = 15.0) -> Outcome:
        auditor = self._process.world.auditor
        auditor.sent(command)
        auditor.delivered(command)
        try:
            outcome = await self._engine.submit(command, timeout_s)
        except Refusal as refusal:
            self._process.witness(command, refusal)
            raise
        except Exception as error:
            auditor.broken(command, error)
            raise
        self._process.witness(command, outcome)
        return outcome


class _Pool:
    """What the janitors read by."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def fetch(self, query: str, *arguments: Any) -> Any:
        return self._tables.fetch(query, *arguments)

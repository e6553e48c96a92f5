"""Whatever people do, in whatever batches, repeats and stolen ids included: the books of an independent auditor agree."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import hypothesis.strategies as st
import msgspec
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from support.auditor import Auditor
from support.jars import MemoryWorld, PostgresWorld, World
from support.town import RIGHT, WRONG, Town, town

from tongbao.app.registry import CHAINED
from tongbao.engine.api import Accepted, Command, Declined, Outcome
from tongbao.engine.verify import verify
from tongbao.kernel.errors import Refusal
from tongbao.ledger.api import ACCOUNT, ENTRY, HOLD, JOURNAL
from tongbao.ledger.verify import check_ledger
from tongbao.wallet.rules import BankTransferStarted
from tongbao.wallet.types import StartBankTransfer

CUSTOMERS, MERCHANTS, NUMBERS = 3, 2, 4
CURRENCIES = ("CNY", "CNY", "CNY", "JPY")
AMOUNTS = (1, 2, 3, 50, 99, 100, 101, 500, 5000)

#: One wish: its kind and choices that each kind reads as it needs.
Wish = tuple[str, int, int, int, int, bool]

_KINDS = (
    "topup", "topup", "withdrawal", "settle", "settle", "settle", "transfer", "order", "pay", "pay", "pay at once", "close",
    "refund", "refund", "hold", "hold", "capture", "capture", "void", "repeat", "repeat", "steal",
)  # fmt: skip

wishes = st.tuples(
    st.sampled_from(_KINDS),
    st.integers(0, 11),
    st.integers(0, 11),
    st.sampled_from(AMOUNTS),
    st.integers(0, 11),
    st.sampled_from([True] * 7 + [False]),
)


def told(answer: Outcome | BaseException) -> str:
    """An answer in a word."""
    match answer:
        case Outcome(decision=Accepted()):
            return "ok"
        case Outcome(decision=Declined(code=code)):
            return code.name
        case Refusal():
            return answer.code.name
        case _:
            raise AssertionError("a bug") from answer


class Machine(RuleBasedStateMachine):
    """Sends batches of wishes through an engine and asks the auditor of each."""

    world: Callable[[], World]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.stack = AsyncExitStack()
        self.sent: list[Command] = []
        self.answers: dict[UUID, str] = {}
        self.bank_transfers: list[UUID] = []
        self.loop.run(self._open())

    async def _open(self) -> None:
        self.rows = self.world()
        await self.rows.prepare()
        self.town: Town = await self.stack.enter_async_context(town(self.rows.store()))
        self.customers = [await self.town.customer() for _ in range(CUSTOMERS)]
        self.cards = [await self.town.bank_account(customer) for customer in self.customers]
        # One fee that rounds at every turn, and one of nothing.
        fees = (61_803, 0)
        self.merchants = [await self.town.merchant(fee) for fee in fees]
        self.holds = [self.town.id() for _ in range(NUMBERS)]
        self.auditor = Auditor(
            dict.fromkeys(self.customers, RIGHT.mac), dict(zip(self.cards, self.customers, strict=True)),
            dict(zip(self.merchants, fees, strict=True)),
        )  # fmt: skip

    def teardown(self) -> None:
        self.loop.run(self._close())
        self.loop.close()

    async def _close(self) -> None:
        await self.stack.aclose()
        if isinstance(self.rows, PostgresWorld):
            connection = await asyncpg.connect(self.rows.dsn)
            try:
                assert (await verify(connection, CHAINED, [check_ledger])).problem is None
            finally:
                await connection.close()

    @rule(batch=st.lists(wishes, min_size=1, max_size=9))
    def send(self, batch: list[Wish]) -> None:
        self.loop.run(self._send([command for wish in batch for command in self._command(*wish)]))

    @rule(minutes=st.sampled_from([1, 4, 59, 200]))
    def wait(self, minutes: int) -> None:
        self.town.clock.advance(timedelta(minutes=minutes))

    @invariant()
    def the_books_agree(self) -> None:
        self.loop.run(self._audit())

    async def _audit(self) -> None:
        self.auditor.audit(*[await self.rows.rows(relation) for relation in (ACCOUNT, JOURNAL, ENTRY, HOLD)])

    async def _send(self, commands: list[Command]) -> None:
        futures = [self.town.engine.enqueue(command) for command in commands]
        answers = await asyncio.gather(*futures, return_exceptions=True)
        for command, answer in zip(commands, answers, strict=True):
            assert told(answer) == self.auditor.expect(command, self.town.clock.now()), command
            result = answer.decision.result if isinstance(answer, Outcome) and isinstance(answer.decision, Accepted) else None
            if isinstance(command, StartBankTransfer) and isinstance(result, BankTransferStarted):
                self.auditor.learn(command, result.bank_transfer_id)
                self.bank_transfers.append(result.bank_transfer_id)

    def _command(self, kind: str, a: int, b: int, amount: int, c: int, honest: bool) -> list[Command]:
        if kind in ("repeat", "steal"):
            if not self.sent:
                return []
            command: Any = self.sent[-1 - a % len(self.sent)]
            if kind == "steal" and hasattr(command, "amount_minor"):
                command = msgspec.structs.replace(command, amount_minor=amount)
            return [command]
        made = self._make(kind, a, b, amount, c, honest)
        if hasattr(made, "currency"):
            made = msgspec.structs.replace(made, currency=CURRENCIES[c % len(CURRENCIES)])
        self.sent.append(made)
        return [made]

    def _make(self, kind: str, a: int, b: int, amount: int, c: int, honest: bool) -> Any:
        place, pin = self.town, RIGHT if honest else WRONG
        one, other = self.customers[a % CUSTOMERS], self.customers[b % CUSTOMERS]
        merchant, number, hold = self.merchants[b % MERCHANTS], f"order-{(b + c) % NUMBERS}", self.holds[b % NUMBERS]
        match kind:
            case "topup" | "withdrawal":
                return place.starting(one, self.cards[(a if honest else b) % CUSTOMERS], amount * (100 if kind == "topup" else 1), kind, pin)
            case "settle":
                transfer = self.bank_transfers[-1 - b % len(self.bank_transfers)] if self.bank_transfers else place.id()
                return place.settling(one, transfer, ("SUCCEEDED", "SUCCEEDED", "FAILED", "UNKNOWN")[c // 4 if honest else c % 4])
            case "transfer":
                return place.transferring(one, other, amount, pin)
            case "order":
                return place.ordering(merchant, number, amount)
            case "pay":
                return place.paying(merchant, number, one, amount, confirmation=pin)
            case "pay at once":
                return place.paying_at_once(merchant, f"{number}-{a}", one, amount, confirmation=pin)
            case "close":
                return place.closing(merchant, number)
            case "refund":
                return place.refunding(merchant, number if honest else f"{number}-{a}", one, f"refund-{c}", amount)
            case "hold":
                return place.holding(one, hold, amount, timedelta(minutes=(b - 1) * 30))
            case "capture":
                return place.capturing(one, hold, merchant, amount, final=honest and c % 2 == 0)
            case _:
                return place.voiding(one, hold)


_STEADY = settings(
    derandomize=True,
    database=None,
    deadline=None,
    print_blob=False,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)


def test_the_auditor_agrees_with_everything_in_memory() -> None:
    machine = type("InMemory", (Machine,), {"world": staticmethod(MemoryWorld)})
    run_state_machine_as_test(machine, settings=settings(_STEADY, max_examples=60, stateful_step_count=40))


_EMPTY = """set session_replication_role = replica;
do $$ declare name text; begin
    for name in select tablename from pg_tables where schemaname = 'public' and tablename not like '%migration%' loop
        execute format('truncate %I', name);
    end loop;
end $$;"""


class _Emptied(PostgresWorld):
    """One database for all examples, emptied before each."""

    async def prepare(self) -> None:
        await self.execute(_EMPTY)


def test_the_auditor_agrees_with_everything_in_postgresql(database: str) -> None:
    machine = type("InPostgreSQL", (Machine,), {"world": staticmethod(lambda: _Emptied(database))})
    run_state_machine_as_test(machine, settings=settings(_STEADY, max_examples=6, stateful_step_count=25))

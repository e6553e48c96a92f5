"""Whatever people do, in whatever batches, repeats and stolen ids included: the books of an independent auditor agree."""

from __future__ import annotations

import asyncio
import random
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

from tests.support.auditor import Auditor, Shop
from tests.support.jars import MemoryWorld, PostgresWorld, World
from tests.support.town import RIGHT, WRONG, Town, town
from tongbao.app.registry import RELATIONS
from tongbao.engine.api import Accepted, Command, Declined, Outcome, Sealer
from tongbao.engine.verify import verify
from tongbao.kernel.errors import Refusal
from tongbao.ledger.api import ACCOUNT, ENTRY, HOLD, JOURNAL, CaptureHold, PlaceHold, VoidHold
from tongbao.ledger.verify import check_ledger
from tongbao.payments.types import CreateOrder, PayMerchant, PayOrder, RefundPayment
from tongbao.wallet.rules import BankTransferStarted
from tongbao.wallet.types import StartBankTransfer, Transfer

CUSTOMERS, NUMBERS = 3, 6
#: One fee that rounds at every turn, and none; two that are paid in one currency, and one in another.
SHOPS = (Shop("CNY", 61_803), Shop("CNY", 0), Shop("JPY", 61_803))
CURRENCIES = ("CNY", "CNY", "CNY", "CNY", "CNY", "CNY", "CNY", "JPY")
AMOUNTS = (1, 2, 3, 99, 100, 101, 700, 1300, 2500)

KINDS = (
    "topup", "withdrawal", "settle", "settle", "settle", "transfer", "transfer", "order", "order", "pay", "pay", "pay",
    "pay at once", "close", "refund", "refund", "refund", "hold", "hold", "capture", "capture", "capture", "void", "repeat",
    "repeat", "steal",
)  # fmt: skip


def told(answer: Outcome | BaseException) -> str:
    """An answer in a word."""
    match answer:
        case Outcome(decision=Accepted()):
            return "ok"
        case Outcome(decision=Declined(code=code)):
            return code.name
        case Refusal():
            return answer.code.name
        case BaseException():
            raise AssertionError("a bug") from answer
        case _:
            raise AssertionError(f"{answer!r} is no answer")


class Machine(RuleBasedStateMachine):
    """Sends batches of wishes through an engine and asks the auditor of each."""

    world: Callable[[], World]

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self.stack = AsyncExitStack()
        self.sent: list[Command] = []
        self.bank_transfers: list[tuple[UUID, UUID]] = []
        self.orders: list[CreateOrder | PayMerchant] = []
        self._numbers: dict[UUID, str] = {}
        self.paid: list[PayMerchant | PayOrder] = []
        self.holds: list[PlaceHold] = []
        self.loop.run(self._open())

    async def _open(self) -> None:
        self.rows = self.world()
        await self.rows.prepare()
        self.town: Town = await self.stack.enter_async_context(town(self.rows.store()))
        self.customers = [await self.town.customer() for _ in range(CUSTOMERS)]
        self.cards = [await self.town.bank_account(customer) for customer in self.customers]
        self.merchants = [await self.town.merchant(shop.fee_ppm, shop.currency) for shop in SHOPS]
        self.auditor = Auditor(
            dict.fromkeys(self.customers, RIGHT.mac), dict(zip(self.cards, self.customers, strict=True)),
            dict(zip(self.merchants, SHOPS, strict=True)),
        )  # fmt: skip
        for customer, card in zip(self.customers, self.cards, strict=True):
            for currency in ("CNY", "JPY"):
                await self._send([msgspec.structs.replace(self.town.starting(customer, card, 3000), currency=currency)])
                await self._send([self.town.settling(customer, self.bank_transfers[-1][1], currency=currency)])

    def teardown(self) -> None:
        self.loop.run(self._close())
        self.loop.close()

    async def _close(self) -> None:
        await self.stack.aclose()
        if isinstance(self.rows, PostgresWorld):
            connection = await asyncpg.connect(self.rows.dsn)
            try:
                assert (await verify(connection, RELATIONS, Sealer(), [check_ledger])).problem is None
            finally:
                await connection.close()

    @rule(choose=st.randoms(use_true_random=True), size=st.integers(1, 12))
    def send(self, choose: random.Random, size: int) -> None:
        self.loop.run(self._send([self._wish(choose) for _ in range(size)]))

    @rule(choose=st.randoms(use_true_random=True), guesses=st.sampled_from((1, 1, 1, 2, 6)))
    def guess(self, choose: random.Random, guesses: int) -> None:
        """Somebody tries a customer's PIN, and now and then the customer comes between."""
        victim, payee = choose.sample(self.customers, 2)
        macs = [RIGHT if choose.random() < 0.1 else WRONG for _ in range(guesses)]
        self.loop.run(self._send([self.town.transferring(victim, payee, choose.choice(AMOUNTS), mac) for mac in macs]))

    @rule(minutes=st.sampled_from([1, 2, 4, 59, 200]))
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
                self.bank_transfers.append((command.customer_id, result.bank_transfer_id))

    # ── wishes: mostly such as may come true, some of them with one thing wrong ─────────────────────────────────────────

    def _wish(self, choose: random.Random) -> Command:
        kind = choose.choice(KINDS)
        if kind in ("repeat", "steal") and self.sent:
            # Often one of this very batch.
            known = choose.choice(self.sent[-4:] if choose.random() < 0.5 else self.sent)
            if kind == "steal" and isinstance(known, Transfer | PlaceHold | CaptureHold | PayOrder | PayMerchant | RefundPayment):
                return msgspec.structs.replace(known, amount_minor=choose.choice(AMOUNTS))
            return known
        command: Any = self._fresh(kind, choose)
        if choose.random() < 0.1 and hasattr(command, "confirmation"):
            command = msgspec.structs.replace(command, confirmation=WRONG)
        if choose.random() < 0.02 and hasattr(command, "currency"):
            command = msgspec.structs.replace(command, currency="USD")
        wish: Command = command
        self.sent.append(wish)
        return wish

    def _fresh(self, kind: str, choose: random.Random) -> Any:
        place, amount, currency = self.town, choose.choice(AMOUNTS), choose.choice(CURRENCIES)
        customer, merchant, number = choose.choice(self.customers), choose.choice(self.merchants), choose.randrange(NUMBERS)
        card = self.cards[self.customers.index(customer)] if choose.random() < 0.95 else choose.choice(self.cards)
        match kind:
            case "topup" | "withdrawal":
                made: Any = place.starting(customer, card, amount, kind)
            case "settle":
                owner, transfer = choose.choice(self.bank_transfers[-3:] if choose.random() < 0.7 else self.bank_transfers)
                owner = owner if choose.random() < 0.95 else customer
                return place.settling(owner, transfer, choose.choice(("SUCCEEDED", "SUCCEEDED", "FAILED", "UNKNOWN")))
            case "order":
                made = place.ordering(merchant, f"order-{number}", amount, expires_in_s=choose.choice((60, 300, 10_000)))
            case "pay at once":
                made = place.paying_at_once(merchant, f"at-once-{choose.randrange(40)}", customer, amount)
            case "pay" if self.orders:
                return self._about_order(choose, customer)
            case "close" if self.orders:
                order = choose.choice(self.orders)
                return place.closing(order.merchant_id if choose.random() < 0.9 else merchant, order.out_trade_no)
            case "refund" if self.paid:
                return self._refund(choose, customer)
            case "hold":
                made = place.holding(customer, place.id(), amount, timedelta(minutes=choose.choice((-1, 0, 3, 60, 600))))
                if choose.random() < 0.2:
                    # A merchant's balance set aside, as before a payout: refunds must then find it short.
                    made = msgspec.structs.replace(made, code="2101", owner_id=merchant)
                if self.holds and choose.random() < 0.1:
                    made = msgspec.structs.replace(made, hold_id=choose.choice(self.holds).hold_id)
            case "capture" | "void" if self.holds:
                return self._about_hold(kind, choose, customer, merchant)
            case _:
                made = place.transferring(customer, choose.choice(self.customers), amount)
        if isinstance(made, CreateOrder | PayMerchant) and choose.random() < 0.9:
            currency = SHOPS[self.merchants.index(merchant)].currency
        made = msgspec.structs.replace(made, currency=currency)
        if isinstance(made, CreateOrder | PayMerchant):
            self.orders.append(made)
        if isinstance(made, PayMerchant):
            self.paid.append(made)
        if isinstance(made, PlaceHold):
            self.holds.append(made)
        return made

    def _about_order(self, choose: random.Random, customer: UUID) -> PayOrder:
        order = choose.choice(self.orders[-4:])
        amount = order.amount_minor if choose.random() < 0.9 else choose.choice(AMOUNTS)
        paying = self.town.paying(order.merchant_id, order.out_trade_no, customer, amount, currency=order.currency)
        self.paid.append(paying)
        self._numbers[paying.payment_id] = order.out_trade_no
        return paying

    def _refund(self, choose: random.Random, customer: UUID) -> RefundPayment:
        paid = choose.choice(self.paid)
        number = self._numbers[paid.payment_id] if isinstance(paid, PayOrder) else paid.out_trade_no
        payer = paid.payer_id if choose.random() < 0.95 else customer
        amount = choose.choice((1, max(1, paid.amount_minor // 3), paid.amount_minor))
        refund_no = f"refund-{choose.randrange(12)}"
        return self.town.refunding(paid.merchant_id, number, payer, refund_no, amount, currency=paid.currency)

    def _about_hold(self, kind: str, choose: random.Random, customer: UUID, merchant: UUID) -> CaptureHold | VoidHold:
        hold = choose.choice(self.holds[-5:] if choose.random() < 0.7 else self.holds)
        owner = hold.owner_id if choose.random() < 0.95 and hold.owner_id else customer
        if kind == "void":
            return msgspec.structs.replace(self.town.voiding(owner, hold.hold_id), currency=hold.currency, code=hold.code)
        amount = choose.choice((1, max(1, hold.amount_minor // 2), hold.amount_minor, choose.choice(AMOUNTS)))
        final = choose.random() < 0.4
        capturing = self.town.capturing(owner, hold.hold_id, merchant, amount, final=final, currency=hold.currency)
        return msgspec.structs.replace(capturing, code=hold.code)


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
    run_state_machine_as_test(machine, settings=settings(_STEADY, max_examples=70, stateful_step_count=50))


_EMPTY = """set session_replication_role = replica;
do $$ declare name text; begin
    for name in select tablename from pg_tables where schemaname = 'public' and tablename not like '%migration%' loop
        execute format('delete from %I', name);
    end loop;
    insert into engine_turn (writer) values (0);
end $$;"""


class _Emptied(PostgresWorld):
    """One database for all examples, emptied before each."""

    async def prepare(self) -> None:
        await self.execute(_EMPTY)


def test_the_auditor_agrees_with_everything_in_postgresql(database: str) -> None:
    machine = type("InPostgreSQL", (Machine,), {"world": staticmethod(lambda: _Emptied(database))})
    run_state_machine_as_test(machine, settings=settings(_STEADY, max_examples=5, stateful_step_count=25))

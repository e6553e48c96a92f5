"""Whole payments through the engine: order, PIN, three entries, fee, bill, event, audit chain, idempotency record.

one command    `PayMerchant`: order and payment in one, as a static code is paid; the headline
no rules       the headline before any rules are adopted, for what limits cost: in processor time of this process a payment
two commands   `CreateOrder`, then `PayOrder`
one merchant   the headline with a single merchant taking everything: the hottest account there is
"""

from __future__ import annotations

import random
import time
from collections.abc import Awaitable, Callable
from statistics import median
from uuid import UUID

from bench.ceiling import ceiling
from bench.drive import Measured, drive, drive_commands
from bench.population import CURRENCY, FUND, GIVE_PINS, PIN_MAC, adopt, fresh_id, funded, give_pins, open_merchants, order_number
from bench.stage import Result, Stage, say, stage
from tongbao.app.registry import DECIDERS
from tongbao.engine.api import Engine, PostgresStore, accepted
from tongbao.identity.types import PinConfirmation
from tongbao.kernel.clock import SystemClock
from tongbao.payments.types import CreateOrder, PayMerchant, PayOrder, payment_id_of

CUSTOMERS = 2_000
MERCHANTS = 50
FEE_PPM = 6_000
USERS = 1_000
STOCK = 60_000
SECONDS = 3.0

_CONFIRMATION = PinConfirmation(PIN_MAC, on_device=True)
Act = Callable[[], Awaitable[None]]


def _amount() -> int:
    """Small enough that nobody reaches a limit of the day within a bench."""
    return random.randrange(100, 1_000)


class Stock:
    """Commands made ahead, so that what is timed is the engine and not the making of wishes (pgbench's are made in C, aside)."""

    def __init__(self, customers: list[UUID], merchants: list[UUID]) -> None:
        self._customers = customers
        self._merchants = merchants
        self._commands: list[PayMerchant] = []

    def fill(self) -> None:
        """Enough for one stretch; should it run out, the rest are made on the way."""
        self._commands += [self._one() for _ in range(STOCK - len(self._commands))]

    def take(self) -> PayMerchant:
        """The next payment."""
        return self._commands.pop() if self._commands else self._one()

    def _one(self) -> PayMerchant:
        merchant, number = random.choice(self._merchants), order_number()
        return PayMerchant(
            command_id=fresh_id(), payment_id=payment_id_of(merchant, number, b""), merchant_id=merchant, store_id=None,
            out_trade_no=number, subject="Breakfast", payer_id=random.choice(self._customers),
            amount_minor=_amount(), currency=CURRENCY, method="qr_dynamic", confirmation=_CONFIRMATION,
        )  # fmt: skip


def two_commands(engine: Engine, customers: list[UUID], merchants: list[UUID]) -> Act:
    """Make an order, then pay it."""

    async def act() -> None:
        merchant, number, amount = random.choice(merchants), order_number(), _amount()
        order = accepted(
            await engine.submit(
                CreateOrder(
                    command_id=fresh_id(), payment_id=payment_id_of(merchant, number, b""), merchant_id=merchant,
                    store_id=None, out_trade_no=number,
                    subject="Breakfast", amount_minor=amount, currency=CURRENCY, expires_in_s=900,
                )
            )
        )  # fmt: skip
        outcome = await engine.submit(
            PayOrder(
                command_id=fresh_id(), payment_id=order.payment_id, merchant_id=merchant, payer_id=random.choice(customers),
                amount_minor=amount, currency=CURRENCY, method="order", confirmation=_CONFIRMATION,
            )
        )  # fmt: skip
        accepted(outcome)

    return act


async def run(rules: str = "cn,house") -> Result:
    """Measure, check, report. `rules`: the packs in force, or "none"."""
    async with stage() as here, Engine(PostgresStore(here.dsn), [*DECIDERS, FUND, GIVE_PINS], SystemClock()) as engine:
        customers = await funded(engine, CUSTOMERS)
        merchants = await open_merchants(engine, MERCHANTS, FEE_PPM)
        await give_pins(engine, customers)
        return await _measure(here, engine, customers, merchants, rules)


async def _measure(here: Stage, engine: Engine, customers: list[UUID], merchants: list[UUID], rules: str) -> Result:
    say(f"{len(customers):,} customers, {len(merchants)} merchants, {USERS:,} at once")
    stock, hot_stock = Stock(customers, merchants), Stock(customers, merchants[:1])
    paid = (await drive_commands("warm-up", engine, stock.take, users=USERS, seconds=1.0)).count
    assert engine.head is not None
    after = engine.head.sequence
    await here.settle()
    stock.fill()
    busy = time.process_time()
    bare = await drive_commands("no rules", engine, stock.take, users=USERS, seconds=SECONDS)
    bare_cpu_us = (time.process_time() - busy) / bare.count * 1e6
    if rules != "none":
        await adopt(engine, rules)
    ones: list[Measured] = []
    cpu_us: list[float] = []
    for _ in range(2):
        await here.settle()
        await here.baseline()
        await here.settle()
        stock.fill()
        busy = time.process_time()
        ones.append(await drive_commands("one command a payment", engine, stock.take, users=USERS, seconds=SECONDS))
        cpu_us.append((time.process_time() - busy) / ones[-1].count * 1e6)
    await here.settle()
    twos = await drive("two commands a payment", two_commands(engine, customers, merchants), users=USERS, seconds=SECONDS)
    await here.settle()
    hot_stock.fill()
    hot = await drive_commands("one merchant takes all", engine, hot_stock.take, users=USERS, seconds=SECONDS)
    lone = await drive_commands("one user alone", engine, stock.take, users=1, seconds=0.5)
    await here.baseline()
    paid += sum(each.count for each in (bare, *ones, twos, hot, lone))
    top = await ceiling(here, PayMerchant.kind, ("journal", "entry", "payment", "bill", "command", "outbox"), after)
    await here.check("select count(*) from payment where state = 'PAID'", paid)
    rate = median(each.rate for each in ones)
    return Result(
        "payments",
        {
            "pgbench_per_s": round(here.pgbench),
            "ceiling_per_s": round(top),
            "payments_per_s": round(rate),
            "no_rules_per_s": round(bare.rate),
            "cpu_us": round(median(cpu_us), 1),
            "no_rules_cpu_us": round(bare_cpu_us, 1),
            "p50_ms": round(median(each.percentile_ms(0.5) for each in ones), 1),
            "p99_ms": round(median(each.percentile_ms(0.99) for each in ones), 1),
            "two_commands_per_s": round(twos.rate),
            "two_commands_p50_ms": round(twos.percentile_ms(0.5), 1),
            "two_commands_p99_ms": round(twos.percentile_ms(0.99), 1),
            "one_merchant_per_s": round(hot.rate),
            "one_merchant_p99_ms": round(hot.percentile_ms(0.99), 1),
            "alone_p50_ms": round(lone.percentile_ms(0.5), 2),
        },
        {
            "to_pgbench": round(rate / here.pgbench, 2),
            "to_ceiling": round(rate / top, 2),
            "rules_cpu": round(median(cpu_us) / bare_cpu_us - 1, 2),
            "two_commands_to_pgbench": round(twos.rate / here.pgbench, 2),
            "one_merchant_to_pgbench": round(hot.rate / here.pgbench, 2),
        },
    )

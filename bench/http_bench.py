"""Whole payments over HTTP: `tongbao serve` as operators run it, the load from another process.

one request    a static code is paid
payer's code   one request as well: the merchant reads the code of a phone, and it is paid without a PIN
two requests   the merchant orders, the payer confirms; a payment is both
nothing        an endpoint of the same server that does nothing, by way of its framework: what HTTP costs most of its routes
half load      payments of one request come at half the rate just measured, as independent people send them
overload       … at twice that rate: how much is still done, how long those wait who are let in, how soon others hear no
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import re
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from bench.load import Plan, Report
from bench.population import CURRENCY, FUND, Fund, fresh_id, open_merchants
from bench.stage import Result, Stage, say, stage
from tongbao.app.registry import DECIDERS
from tongbao.engine.api import Command, Engine, PostgresStore, Sealer, accepted
from tongbao.identity.binding import binding_of, written
from tongbao.identity.enrolment import DEVICE, sealed
from tongbao.identity.instrument_rules import BindInstrument
from tongbao.identity.instruments import secret_of
from tongbao.identity.types import OpenSession, PinConfirmation, Register, SetPin
from tongbao.kernel.clock import SystemClock
from tongbao.methods.qr.api import Payee, static_code
from tongbao.security.keyring import KeyRing
from tongbao.security.keys import mac
from tongbao.security.personal import Vault
from tongbao.wallet.small_payments import SetSmallPayments

CUSTOMERS = 1_000
MERCHANTS = 50
FEE_PPM = 6_000
#: Payers' codes of each customer: none is shown twice within 7.5 seconds at 4,000 payments a second.
PHONES = 30
CONNECTIONS = 256
#: For load that comes whatever becomes of it: more than can wait for the longest time that anybody is let wait.
MOST_CONNECTIONS = 9_000
SECONDS = 3.0
PIN_TEXT = "246810"


async def run() -> Result:
    """Measure, check, report."""
    async with stage() as here:
        plan = await _populate(here)
        async with _server(here) as port:
            return await _measure(here, msgspec.structs.replace(plan, port=port))


async def _measure(here: Stage, plan: Plan) -> Result:
    say(f"{CUSTOMERS:,} customers, {MERCHANTS} merchants, {CONNECTIONS} connections")
    warm_ups = [await _load("warm-up", plan, "static", 1.0), await _load("warm-up", plan, "order", 0.5)]
    warm_ups.append(await _load("warm-up", plan, "shown", 0.5))
    first = warm_ups[-1].count + CONNECTIONS
    one: list[Report] = []
    shown: list[Report] = []
    two: list[Report] = []
    nothing: list[Report] = []
    for _ in range(2):
        await here.settle()
        await here.baseline(4)
        nothing.append(await _load("do nothing", plan, "ping", 2.0))
        await here.settle()
        one.append(await _load("one request a payment", plan, "static", SECONDS))
        shown.append(await _load("payer's code", msgspec.structs.replace(plan, first=first), "shown", SECONDS))
        first += shown[-1].count + CONNECTIONS
        two.append(await _load("two requests a payment", plan, "order", SECONDS))
    await here.baseline(4)
    rate, order_rate, ping_rate, code_rate = (median(_rate(each) for each in reports) for reports in (one, two, nothing, shown))
    await here.settle()
    half = await _load("half load", plan, "static", 4.0, rate / 2)
    over = await _load("twice too much", plan, "static", 5.0, rate * 2)
    await here.check(
        "select count(*) from payment where state = 'PAID'",
        sum(each.count for each in (*warm_ups, *one, *shown, *two, half, over)),
    )
    return Result(
        "http",
        {
            "pgbench_per_s": round(here.pgbench),
            "payments_per_s": round(rate),
            "p50_ms": round(median(_ms(each.latencies, 0.5) for each in one), 1),
            "p99_ms": round(median(_ms(each.latencies, 0.99) for each in one), 1),
            "payers_code_per_s": round(code_rate),
            "payers_code_p50_ms": round(median(_ms(each.latencies, 0.5) for each in shown), 1),
            "payers_code_p99_ms": round(median(_ms(each.latencies, 0.99) for each in shown), 1),
            "two_requests_per_s": round(order_rate),
            "two_requests_p50_ms": round(median(_ms(each.latencies, 0.5) for each in two), 1),
            "two_requests_p99_ms": round(median(_ms(each.latencies, 0.99) for each in two), 1),
            "nothing_per_s": round(ping_rate),
            "half_load_p50_ms": round(_ms(half.latencies, 0.5), 1),
            "half_load_p99_ms": round(_ms(half.latencies, 0.99), 1),
            "half_load_turned_away": half.turned_away + half.unsent,
            "overload_offered_per_s": round((over.count + over.turned_away + over.unsent) / over.seconds),
            "overload_payments_per_s": round(_rate(over)),
            "overload_p50_ms": round(_ms(over.latencies, 0.5), 1),
            "overload_p99_ms": round(_ms(over.latencies, 0.99), 1),
            "overload_turned_away_per_s": round(over.turned_away / over.seconds),
            "overload_turned_away_p99_ms": round(_ms(over.turned_away_latencies, 0.99), 1),
            "overload_unsent": over.unsent,
            "overload_longest_retry_after_s": over.longest_retry_after_s,
            "load_cores": round(median(_cores(each) for each in (*one, *two)), 2),
            "overload_load_cores": round(_cores(over), 2),
        },
        {
            "to_pgbench": round(rate / here.pgbench, 2),
            "to_ceiling": round(rate / ping_rate, 2),
            "payers_code_to_one_request": round(code_rate / rate, 2),
            "two_requests_to_pgbench": round(order_rate / here.pgbench, 2),
            "overload_to_peak": round(_rate(over) / rate, 2),
        },
    )


def _rate(report: Report) -> float:
    return report.in_time / report.seconds


def _cores(report: Report) -> float:
    return report.cpu_seconds / report.seconds


def _ms(latencies: list[float], share: float) -> float:
    return latencies[min(len(latencies) - 1, int(len(latencies) * share))] * 1000 if latencies else 0.0


async def _load(title: str, plan: Plan, kind: str, seconds: float, rate: float = 0.0) -> Report:
    """Run the load, and report. An answer that is neither a yes nor "too many" fails the bench."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    connections = MOST_CONNECTIONS if rate else plan.connections
    wish = msgspec.structs.replace(plan, kind=kind, seconds=seconds, rate=rate, connections=connections)
    try:
        said, _ = await asyncio.wait_for(process.communicate(msgspec.json.encode(wish)), seconds + 30)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, "the load failed"
    report = msgspec.json.decode(said, type=Report)
    assert not report.refused, report.refused[:3]
    ms = [f"p{round(share * 100)} {_ms(report.latencies, share):6.1f} ms" for share in (0.5, 0.99)]
    away = f"   {report.turned_away:,} turned away" if rate else ""
    say(f"{title:<26} {_rate(report):>9,.0f} /s   {ms[0]}   {ms[1]}   load {_cores(report):.2f} cores{away}")
    return report


@asynccontextmanager
async def _server(here: Stage) -> AsyncIterator[int]:
    """`tongbao serve` over the stage's database; its port."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAO_")}
    environment |= {"TONGBAO_DATA_DIR": str(here.directory), "TONGBAO_PORT": "0", "TONGBAO_RULES": "none"}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from tongbao.app.cli import main; main()", "serve", env=environment, stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    said = b""
    try:
        while (found := re.search(rb"http://127\.0\.0\.1:(\d+)", said)) is None:
            line = await asyncio.wait_for(process.stderr.readline(), 30)
            assert line, f"the server did not start: {said.decode()}"
            said += line
        rest = asyncio.create_task(_echo(process.stderr))
        yield int(found[1])
    finally:
        if process.returncode is None:
            process.terminate()
        await asyncio.wait_for(process.wait(), 30)
    await rest


async def _echo(stream: asyncio.StreamReader) -> None:
    while line := await stream.readline():
        say(f"  server: {line.decode().rstrip()}")


async def _populate(here: Stage) -> Plan:
    """Customers with money, PIN and session; merchants with a cashier's session and a printed code. All by commands."""
    ring = KeyRing.open(here.directory / "keys.json")
    keys, vault = ring.keys, Vault(ring, _nobody_else)
    here.sealer = Sealer(keys.seal)
    store = PostgresStore(here.dsn, sealer=here.sealer)
    async with Engine(store, [*DECIDERS, FUND], SystemClock()) as engine:
        merchants = await open_merchants(engine, MERCHANTS, FEE_PPM)
        wallets = await _log_in(engine, vault, keys.session, "wallet", [None] * CUSTOMERS)
        staff = await _log_in(engine, vault, keys.session, "merchant", merchants)
        customers = [customer for customer, _ in wallets]
        accepted(await engine.submit(Fund(command_id=fresh_id(), owners=tuple(customers))))
        pins = [mac(keys.pin, customer.bytes, PIN_TEXT.encode()) for customer in customers]
        await asyncio.gather(
            *(
                _happens(engine, SetPin(command_id=fresh_id(), customer_id=customer, mac=pin, proven_at=SystemClock().now()))
                for customer, pin in zip(customers, pins, strict=True)
            )
        )
        phones = await _bind(engine, keys.instrument, dict(zip(customers, pins, strict=True)))
    connection = await asyncpg.connect(here.dsn)
    try:
        rows = await connection.fetch("select * from merchant m join store s using (merchant_id)")
    finally:
        await connection.close()
    codes = [static_code(_payee(row), CURRENCY) for row in rows]
    return Plan(
        0, "", CONNECTIONS, 0.0, [token for _, token in wallets], [token for _, token in staff], codes, PIN_TEXT, phones=phones
    )


async def _bind(engine: Engine, key: bytes, pins: Mapping[UUID, bytes]) -> list[tuple[int, str]]:
    """Phones of each customer that pay without a PIN: numbers and secrets, one customer's far apart."""
    commands: list[Command] = []
    for customer, pin in pins.items():
        two_factors = PinConfirmation(pin, on_device=True)
        commands.append(
            SetSmallPayments(
                command_id=fresh_id(), customer_id=customer, currency=CURRENCY, per_payment_minor=100_000, per_day_minor=100_000,
                zone="Asia/Shanghai", confirmation=two_factors,
            )
        )  # fmt: skip
    numbers = [n * 7 + 1 for n in range(PHONES * len(pins))]
    for number, customer in zip(numbers, itertools.cycle(pins), strict=False):
        commands.append(
            BindInstrument(
                command_id=fresh_id(), number=number, customer_id=customer, of="code", device_id=None, name=b"",
                currency=CURRENCY, most_minor=0, day_minor=0, confirmation=PinConfirmation(pins[customer]),
            )
        )  # fmt: skip
    for at in range(0, len(commands), 2_000):
        await asyncio.gather(*(_happens(engine, command) for command in commands[at : at + 2_000]))
    return [(number, secret_of(key, number, "code").hex()) for number in numbers]


def _payee(row: asyncpg.Record) -> Payee:
    return Payee(
        merchant_id=row["merchant_id"], store_id=row["store_id"], name=row["name"], city=row["city"], mcc=row["mcc"],
        country=row["country"],
    )  # fmt: skip


async def _nobody_else(people: list[UUID]) -> dict[UUID, bytes]:
    return {}  # everybody was made here, by this vault


async def _log_in(
    engine: Engine, vault: Vault, key: bytes, audience: str, people: Sequence[UUID | None]
) -> list[tuple[UUID, str]]:
    """Somebody for each, of that merchant if one is named, with a live session: who, and the token with its binding."""

    async def one(number: int, merchant_id: UUID | None) -> tuple[UUID, str]:
        who = await sealed(
            vault, fresh_id(), f"{audience}{number}@bench.example", f"Bench {number}", "en",
            "!", "cashier" if merchant_id else "",  # (nobody logs in with that)
        )  # fmt: skip
        await _happens(engine, Register(command_id=fresh_id(), audience=audience, merchant_id=merchant_id, who=who))
        device = await vault.seal(who.principal_id, DEVICE, "bench")
        token = os.urandom(18).hex()
        hashed = hashlib.sha256(token.encode()).digest()
        opened = await _happens(
            engine,
            OpenSession(
                command_id=fresh_id(), principal_id=who.principal_id, token_hash=hashed, device_name=device, lifetime_s=3600
            ),
        )
        return who.principal_id, f"{token} {written(binding_of(key, opened.session_id))}"

    return await asyncio.gather(*(one(number, merchant_id) for number, merchant_id in enumerate(people)))


async def _happens(engine: Engine, command: Command) -> Any:
    return accepted(await engine.submit(command))

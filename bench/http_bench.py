"""Whole payments over HTTP: `tongbao serve` as operators run it, the load from another process.

one request    a static code is paid
two requests   the merchant orders, the payer confirms; a payment is both
nothing        an endpoint of the same server that does nothing: what HTTP alone costs here
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import re
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from bench.drive import Measured
from bench.load import Plan, Report
from bench.population import CURRENCY, FUND, Fund, fresh_id, open_merchants
from bench.stage import Result, Stage, say, stage
from tongbao.app.registry import DECIDERS
from tongbao.engine.api import Command, Engine, PostgresStore, Sealer, accepted
from tongbao.identity.types import OpenSession, Register, SetPin
from tongbao.kernel.clock import SystemClock
from tongbao.methods.qr.api import Payee, static_code
from tongbao.security.keys import Keys, mac

CUSTOMERS = 1_000
MERCHANTS = 50
FEE_PPM = 6_000
CONNECTIONS = 256
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
    paid = (await _load("warm-up", plan, "static", 1.0))[0].count + (await _load("warm-up", plan, "order", 0.5))[0].count
    one: list[Measured] = []
    two: list[Measured] = []
    nothing: list[Measured] = []
    shares: list[float] = []
    for _ in range(2):
        await here.settle()
        await here.baseline(4)
        nothing.append((await _load("do nothing", plan, "ping", 2.0))[0])
        await here.settle()
        for title, kind, results in (("one request a payment", "static", one), ("two requests a payment", "order", two)):
            measured, share = await _load(title, plan, kind, SECONDS)
            results.append(measured)
            shares.append(share)
    await here.baseline(4)
    paid += sum(each.count for each in (*one, *two))
    await here.check("select count(*) from payment where state = 'PAID'", paid)
    rate, order_rate, ping_rate = (median(each.rate for each in results) for results in (one, two, nothing))
    return Result(
        "http",
        {
            "pgbench_per_s": round(here.pgbench),
            "payments_per_s": round(rate),
            "p50_ms": round(median(each.percentile_ms(0.5) for each in one), 1),
            "p99_ms": round(median(each.percentile_ms(0.99) for each in one), 1),
            "two_requests_per_s": round(order_rate),
            "two_requests_p50_ms": round(median(each.percentile_ms(0.5) for each in two), 1),
            "two_requests_p99_ms": round(median(each.percentile_ms(0.99) for each in two), 1),
            "nothing_per_s": round(ping_rate),
            "load_cores": round(median(shares), 2),
        },
        {
            "to_pgbench": round(rate / here.pgbench, 2),
            "to_ceiling": round(rate / ping_rate, 2),
            "two_requests_to_pgbench": round(order_rate / here.pgbench, 2),
        },
    )


async def _load(title: str, plan: Plan, kind: str, seconds: float) -> tuple[Measured, float]:
    """Run the load; what it measured, and the cores it used itself. Any answer but a yes fails the bench."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "bench.load", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    wish = msgspec.json.encode(msgspec.structs.replace(plan, kind=kind, seconds=seconds))
    try:
        said, _ = await asyncio.wait_for(process.communicate(wish), seconds + 20)
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0, "the load failed"
    report = msgspec.json.decode(said, type=Report)
    assert not report.refused, report.refused[:3]
    measured = Measured(report.count, report.seconds, report.latencies)
    share = report.cpu_seconds / report.seconds
    say(f"{title:<26} {measured.summary()}   load {share:.2f} cores")
    return measured, share


@asynccontextmanager
async def _server(here: Stage) -> AsyncIterator[int]:
    """`tongbao serve` over the stage's database; its port."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TONGBAO_")}
    environment |= {"TONGBAO_DATA_DIR": str(here.directory), "TONGBAO_PORT": "0"}
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
    keys = Keys.open(here.directory / "keys.json")
    store = PostgresStore(here.dsn, sealer=Sealer(keys.seal))
    async with Engine(store, [*DECIDERS, FUND], SystemClock()) as engine:
        merchants = await open_merchants(engine, MERCHANTS, FEE_PPM)
        wallets = await _log_in(engine, "wallet", [None] * CUSTOMERS)
        staff = await _log_in(engine, "merchant", merchants)
        customers = [customer for customer, _ in wallets]
        accepted(await engine.submit(Fund(command_id=fresh_id(), owners=tuple(customers))))
        pins = [mac(keys.pin, customer.bytes, PIN_TEXT.encode()) for customer in customers]
        await asyncio.gather(
            *(
                _happens(engine, SetPin(command_id=fresh_id(), customer_id=customer, mac=pin))
                for customer, pin in zip(customers, pins, strict=True)
            )
        )
    connection = await asyncpg.connect(here.dsn)
    try:
        rows = await connection.fetch("select * from merchant m join store s using (merchant_id)")
    finally:
        await connection.close()
    codes = [static_code(_payee(row), CURRENCY) for row in rows]
    return Plan(0, "", CONNECTIONS, 0.0, [token for _, token in wallets], [token for _, token in staff], codes, PIN_TEXT)


def _payee(row: asyncpg.Record) -> Payee:
    return Payee(
        merchant_id=row["merchant_id"], store_id=row["store_id"], name=row["name"], city=row["city"], mcc=row["mcc"],
        country=row["country"],
    )  # fmt: skip


async def _log_in(engine: Engine, audience: str, people: Sequence[UUID | None]) -> list[tuple[UUID, str]]:
    """Somebody for each, of that merchant if one is named, with a live session: who, and the token."""

    async def one(number: int, merchant_id: UUID | None) -> tuple[UUID, str]:
        who = await _happens(
            engine,
            Register(
                command_id=fresh_id(), audience=audience, merchant_id=merchant_id, login=f"{audience}{number}@bench.example",
                name=f"Bench {number}", locale="en", password_hash="!",  # noqa: S106 (nobody logs in with it)
                roles="cashier" if merchant_id else "",
            ),
        )  # fmt: skip
        token = os.urandom(18).hex()
        hashed = hashlib.sha256(token.encode()).digest()
        await _happens(
            engine,
            OpenSession(
                command_id=fresh_id(), principal_id=who.principal_id, token_hash=hashed, device_name="bench", lifetime_s=3600
            ),
        )
        return who.principal_id, token

    return await asyncio.gather(*(one(number, merchant_id) for number, merchant_id in enumerate(people)))


async def _happens(engine: Engine, command: Command) -> Any:
    return accepted(await engine.submit(command))

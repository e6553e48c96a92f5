"""Top-ups and withdrawals against a bank that fails in every way it can, and processes that are killed: the real bank program,
server and worker. Whatever happens, a transfer ends as the bank's books say, once in both books, however often its customer asks.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import uuid4

import asyncpg
import httpx
import msgspec
import pytest
import pytest_asyncio

from tongbao.app.asgi import open_services
from tongbao.app.settings import Settings
from tongbao.app.stack import Stack, answering, ended, free_port, running, spawn
from tongbao.channels.api import DEMO_ACCOUNTS, Fault, HttpBank, Match, NotFound, StatementLine
from tongbao.channels.simulated.faults import FaultKind, Operation
from tongbao.channels.simulated.people import DEMO_PEOPLE
from tongbao.channels.simulated.process import BankProcess
from tongbao.identity.binding import BoundSession
from tongbao.kernel.ids import new_id

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(150)]

PASSWORD, PIN = "a bank's story", "135790"
OPENING, AMOUNT = 100_00, 10_00
#: Longer than the channel's patience with the bank (3 s).
SLOW_MS = 4_000
#: The bank hears the first request after it has been given the second.
LATE_MS = 8_000
_FINAL = ("SUCCEEDED", "FAILED")
_accounts = count()


@dataclass
class Customer:
    """Somebody with a linked account and 100.00; `asked` is every answer to their one request."""

    kind: str
    http: httpx.AsyncClient
    customer_id: str
    account_number: str
    bank_account_id: str
    opening_id: str
    key: str = field(default_factory=lambda: str(uuid4()))
    asked: list[dict[str, Any]] = field(default_factory=list)
    unanswered: int = 0

    async def ask(self) -> str | None:
        """Send the request, always with the same key. The state answered, None without an answer."""
        body = {"bank_account_id": self.bank_account_id, "amount": "10.00", "currency": "CNY", "pin": PIN}
        try:
            answer = await self.http.post(f"{self.kind}s", json=body, headers={"idempotency-key": self.key})
        except httpx.HTTPError:
            self.unanswered += 1
            return None
        assert answer.status_code == 201, answer.text
        self.asked.append(answer.json())
        return str(self.asked[-1]["state"])

    async def insist(self, timeout_s: float = 60.0) -> None:
        """Ask again and again until it is settled."""
        deadline = time.monotonic() + timeout_s
        while await self.ask() not in _FINAL:
            assert time.monotonic() < deadline, f"{self.kind} is not settled: {self.asked[-1:]}"
            await asyncio.sleep(0.4)


@dataclass
class End:
    """What both books say of a transfer in the end."""

    states: set[str]
    transfer_ids: set[str]
    final: dict[str, Any]
    bank: str
    bank_lines: list[StatementLine]
    entries: list[tuple[str, str]]
    balance: dict[str, str]
    bills: list[tuple[str, str]]


class Town:
    """A running stack whose processes can be killed and started again."""

    def __init__(self, stack: Stack, cleanup: AsyncExitStack) -> None:
        self.stack = stack
        self.server = stack.servers[0]
        self.worker = stack.worker
        self.bank = stack.bank
        self.operator = httpx.AsyncClient()
        self._cleanup = cleanup
        self._hashing = asyncio.Semaphore(4)

    async def open(self) -> None:
        async with open_services(self.stack.settings, self.stack.dsn) as services:
            await services.identity.register(
                new_id(datetime.now(UTC)), "console", "ops@example.com", PASSWORD, "Ops", "en", roles="finance"
            )
        self.operator = self._client("console")
        session = await self.operator.post("login", json={"login": "ops@example.com", "password": PASSWORD})
        self.operator.auth = BoundSession(session.json()["token"], session.json()["binding"])

    def _client(self, audience: str) -> httpx.AsyncClient:
        client = httpx.AsyncClient(base_url=f"{self.stack.url}/v1/{audience}", trust_env=False, timeout=20.0)
        self._cleanup.push_async_callback(client.aclose)
        return client

    async def customer(self, kind: str) -> Customer:
        number = next(_accounts)
        account = DEMO_ACCOUNTS[number]
        http = self._client("wallet")

        async def post(path: str, **body: Any) -> Any:
            answer = await http.post(path, json=body, headers={"idempotency-key": str(uuid4())})
            assert answer.status_code in (200, 201, 204), answer.text
            return answer.json() if answer.content else None

        async with self._hashing:
            session = await post("register", login=f"137000{number:05}", password=PASSWORD, name=account.holder_name)
            http.auth = BoundSession(session["token"], session["binding"])
            http.cookies.clear()
            await post("pin", pin=PIN, password=PASSWORD)
        papers = DEMO_PEOPLE[number]
        await post("real-name", document=msgspec.to_builtins(papers.claim()), wanted_level=1, phone=papers.phone)
        asked = await post("bank-accounts", bank="simbank", account_number=account.number, pin=PIN)
        code = await self.stack.back_office.code_sent(papers.phone)
        linked = (await post(f"bank-links/{asked['link_id']}/confirm", code=code))["bank_account"]
        opening = {"bank_account_id": linked["bank_account_id"], "amount": "100.00", "currency": "CNY", "pin": PIN}
        done = await post("topups", **opening)
        assert done["state"] == "SUCCEEDED"
        return Customer(
            kind, http, session["customer"]["customer_id"], account.number, linked["bank_account_id"], done["bank_transfer_id"]
        )

    async def order(self, customer: Customer, fault: FaultKind, operation: Operation, delay_ms: int | None = None) -> int:
        match = Match(account_number=customer.account_number, operation=operation)
        return await self.stack.back_office.add_fault(Fault(fault, match=match, delay_ms=delay_ms))

    async def used(self, *faults: int) -> None:
        """Wait until the bank has come to all these faults: the requests they are for are in its hands."""
        await until(lambda: self._none_left(set(faults)), "the bank was not asked")

    async def _none_left(self, faults: set[int]) -> bool:
        return not faults & {each["id"] for each in await self.stack.back_office.faults()}

    async def end(self, customers: list[Customer]) -> list[End]:
        """Read both books."""
        channel = HttpBank(self.bank.url, key=self.bank.key)
        try:
            lines = await channel.statement(datetime.now(UTC).date())
            return [await self._end(customer, channel, lines) for customer in customers]
        finally:
            await channel.close()

    async def _end(self, customer: Customer, channel: HttpBank, lines: list[StatementLine]) -> End:
        transfer_id = customer.asked[-1]["bank_transfer_id"]
        known = await channel.inquire(transfer_id)
        accounts = (await self.operator.get("accounts", params={"code": "2001", "owner": customer.customer_id})).json()["items"]
        statement = (await self.operator.get(f"accounts/{accounts[0]['account_id']}/statement")).json()["items"]
        bills = (await customer.http.get("bills")).json()["items"]
        return End(
            states={answer["state"] for answer in customer.asked},
            transfer_ids={answer["bank_transfer_id"] for answer in customer.asked},
            final=(await customer.http.get(f"bank-transfers/{transfer_id}")).json(),
            bank="NOT_FOUND" if isinstance(known, NotFound) else known.state,
            bank_lines=[
                line for line in lines if line.account_number == customer.account_number and line.reference != customer.opening_id
            ],
            entries=[(line["kind"], line["amount"]) for line in reversed(statement)][1:],
            balance=(await customer.http.get("balance")).json(),
            bills=[(bill["kind"], bill["state"]) for bill in reversed(bills)][1:],
        )

    async def start_server(self) -> None:
        self.server = await spawn("serve", self.stack.settings, None)
        self._cleanup.push_async_callback(ended, self.server)
        await answering(self.stack.url, self.server)

    async def start_worker(self) -> None:
        self.worker = await spawn("work", self.stack.settings, None)
        self._cleanup.push_async_callback(ended, self.worker)

    async def start_bank(self) -> None:
        port = int(self.bank.url.rpartition(":")[2])
        self.bank = await BankProcess.start(self.stack.settings.data_dir / "bank", key=self.bank.key, port=port)
        self._cleanup.push_async_callback(self.bank.stop)


async def until(holds: Callable[[], Awaitable[bool]], otherwise: str, timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not await holds():
        assert time.monotonic() < deadline, otherwise
        await asyncio.sleep(0.03)


async def killed(process: asyncio.subprocess.Process) -> None:
    os.kill(process.pid, signal.SIGKILL)
    await process.wait()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("town"), database_url=module_database, port=free_port(), rules="none",
        argon2_time=1, argon2_memory_kib=8_192,
    )  # fmt: skip
    log = settings.data_dir / "log"
    async with AsyncExitStack() as cleanup:
        stack = await cleanup.enter_async_context(running(settings, magic_amounts=False, log=log))
        town = Town(stack, cleanup)
        await town.open()
        yield town


@dataclass(frozen=True)
class Trouble:
    """What the bank does to a transfer, and how that must end."""

    submit: FaultKind | None
    ends: str = "SUCCEEDED"
    inquire: FaultKind | None = None
    delay_ms: int | None = None
    #: Whether the customer is first told that it is not known.
    unknown: bool = True
    failure_code: str | None = None


TROUBLES = {
    "none": Trouble(None, unknown=False),
    "delay": Trouble("delay", delay_ms=SLOW_MS),
    "timeout_before": Trouble("timeout_before"),
    "late_arrival": Trouble("late_arrival", delay_ms=LATE_MS),
    "lost_answer": Trouble("lost_answer"),
    "duplicate_delivery": Trouble("duplicate_delivery", unknown=False),
    "refuse": Trouble("refuse", "FAILED", unknown=False, failure_code="refused"),
    "server_error_before": Trouble("server_error_before"),
    "server_error_after": Trouble("server_error_after"),
    "garbage_answer": Trouble("garbage_answer"),
    "pending_then_success": Trouble("pending_then_success"),
    "pending_then_failure": Trouble("pending_then_failure", "FAILED", failure_code="refused"),
    "lost_inquiry": Trouble("lost_answer", inquire="lost_inquiry"),
    "slow_inquiry": Trouble("server_error_after", inquire="delay", delay_ms=SLOW_MS),
    "garbage_inquiry": Trouble("server_error_after", inquire="garbage_answer"),
}
STORIES = [(name, kind) for name in TROUBLES for kind in ("topup", "withdrawal")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ends(town: Town) -> dict[tuple[str, str], End]:
    """Every trouble for both kinds, all at the same time, each with a customer of its own who never stops asking."""
    customers = await asyncio.gather(*(town.customer(kind) for _, kind in STORIES))
    for (name, _), customer in zip(STORIES, customers, strict=True):
        trouble = TROUBLES[name]
        if trouble.submit:
            await town.order(customer, trouble.submit, "submit", trouble.delay_ms)
        if trouble.inquire:
            await town.order(customer, trouble.inquire, "inquire", trouble.delay_ms)
    began = time.monotonic()
    await asyncio.gather(*(customer.insist() for customer in customers))
    # The last request that is still on its way to the bank must not move anything either.
    await asyncio.sleep(max(0.0, began + LATE_MS / 1000 + 1 - time.monotonic()))
    assert await town.stack.back_office.faults() == [], "a fault was never met"
    return dict(zip(STORIES, await town.end(list(customers)), strict=True))


def check(end: End, kind: str, ends: str) -> None:
    """A transfer that ended so, in both books, once."""
    assert len(end.transfer_ids) == 1
    assert end.final["state"] == end.bank == ends
    way = "debit" if kind == "topup" else "credit"
    assert [(line.reference, line.kind, line.amount_minor) for line in end.bank_lines] == (
        [(end.final["bank_transfer_id"], way, AMOUNT)] if ends == "SUCCEEDED" else []
    )
    expected = {
        ("topup", "SUCCEEDED"): ([("topup.succeeded", "10.00")], "110.00"),
        ("topup", "FAILED"): ([], "100.00"),
        ("withdrawal", "SUCCEEDED"): ([("withdrawal.start", "-10.00")], "90.00"),
        ("withdrawal", "FAILED"): ([("withdrawal.start", "-10.00"), ("withdrawal.failed", "10.00")], "100.00"),
    }
    entries, balance = expected[kind, ends]
    assert end.entries == entries
    assert end.balance == {"currency": "CNY", "balance": balance, "available": balance, "held": "0.00", "in_transit_out": "0.00"}
    assert end.bills == [(kind, ends)]


@pytest.mark.parametrize(("name", "kind"), STORIES)
async def test_a_transfer_ends_as_the_banks_books_say_once_in_both(
    ends: dict[tuple[str, str], End], name: str, kind: str
) -> None:
    trouble, end = TROUBLES[name], ends[name, kind]
    check(end, kind, trouble.ends)
    assert end.final["failure_code"] == trouble.failure_code
    assert ("UNKNOWN" in end.states) == trouble.unknown


async def test_whoever_is_killed_money_moves_once(town: Town) -> None:
    kinds = ("topup", "withdrawal")
    asked_of_server = [await town.customer(kind) for kind in kinds]
    asked_of_bank = [await town.customer(kind) for kind in kinds]
    while_bank_is_down = [await town.customer(kind) for kind in kinds]
    asked_by_worker = [await town.customer(kind) for kind in kinds]
    everybody = [*asked_of_server, *asked_of_bank, *while_bank_is_down, *asked_by_worker]

    faults = [await town.order(customer, "delay", "submit", 2_500) for customer in asked_of_server]
    insisting = [asyncio.create_task(customer.insist()) for customer in asked_of_server]
    await town.used(*faults)
    await killed(town.server)
    await town.start_server()

    faults = [await town.order(customer, "delay", "submit", 2_500) for customer in asked_of_bank]
    insisting += [asyncio.create_task(customer.insist()) for customer in asked_of_bank]
    await town.used(*faults)
    await town.bank.kill()
    assert {await customer.ask() for customer in while_bank_is_down} == {"UNKNOWN"}
    insisting += [asyncio.create_task(customer.insist()) for customer in while_bank_is_down]
    await town.start_bank()

    for customer in asked_by_worker:
        await town.order(customer, "lost_answer", "submit")
    faults = [await town.order(customer, "delay", "inquire", 2_500) for customer in asked_by_worker]
    insisting += [asyncio.create_task(customer.insist()) for customer in asked_by_worker]
    await town.used(*faults)
    await killed(town.worker)
    await town.start_worker()

    await asyncio.gather(*insisting)
    assert all(customer.unanswered for customer in asked_of_server)
    for customer, end in zip(everybody, await town.end(everybody), strict=True):
        check(end, customer.kind, "SUCCEEDED")


async def test_afterwards_all_books_agree(town: Town, ends: dict[tuple[str, str], End]) -> None:
    answer = await town.operator.get("trial-balance")
    assert answer.status_code == 200, answer.text
    (cny,) = answer.json()["currencies"]
    assert cny["balanced"]
    assert cny["reserve"]["equal"]
    assert cny["reserve"]["in_transit"] == "0.00"
    assert cny["reserve"]["held"] == cny["reserve"]["owed"] == cny["reserve"]["at_bank"]
    assert await town.stack.back_office.audit() == []
    connection = await asyncpg.connect(town.stack.dsn)
    try:
        unsettled = await connection.fetchval("select count(*) from bank_transfer where state in ('PENDING', 'UNKNOWN')")
    finally:
        await connection.close()
    assert unsettled == 0

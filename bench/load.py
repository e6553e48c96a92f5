"""The load of the HTTP bench, a process of its own: a plan on standard input, what it measured on standard output.

Keep-alive connections over bare sockets, one request at a time on each, nothing parsed that is not needed: a generator that
works as hard as the server would measure itself. What it used of a core is part of its answer.

closed   so many users, each sending its next request when the last is answered: what the server can do
open     so many requests a second whatever becomes of them, as the world sends them; each is timed from the moment it was due
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import sys
import time
from collections.abc import Generator
from typing import cast

import msgspec
import uvloop

from tongbao.identity.binding import proof, read
from tongbao.methods.code.digits import STEP_S, USES, payer_code


class Plan(msgspec.Struct):
    """What to send. `ping`: do nothing; `static`: pay a printed code; `order`: the merchant orders, the payer confirms;
    `shown`: the merchant reads the payer's code.

    `customers`, `staff`: a session's token and its binding, with a blank between them. `rate`: acts a second, of one request
    each, on at most `connections`; 0: as fast as `connections` users are answered. `phones`: numbers of payers' codes and their
    secrets in hexadecimal, shown in turn from the `first` on, each once in 7.5 seconds at most.
    """

    port: int
    kind: str
    connections: int
    seconds: float
    customers: list[str]
    staff: list[str]
    codes: list[str]
    pin: str
    rate: float = 0.0
    phones: list[tuple[int, str]] = []
    first: int = 0


class Report(msgspec.Struct):
    """What became of it. Times in seconds.

    count         whole acts done, `in_time` of them before the load ended; `latencies`, sorted, are theirs
    turned_away   answers 429; `turned_away_latencies`, sorted, and the longest Retry-After
    refused       answers that were neither
    unsent        acts that were due while every connection was busy
    """

    count: int = 0
    in_time: int = 0
    seconds: float = 0.0
    latencies: list[float] = []
    turned_away: int = 0
    turned_away_latencies: list[float] = []
    longest_retry_after_s: int = 0
    unsent: int = 0
    cpu_seconds: float = 0.0
    refused: list[str] = []


#: Yields (request, whether its answer ends the act) and is sent the body of each answer.
Script = Generator[tuple[bytes, bool], bytes, None]

_numbers = itertools.count()
_run = os.urandom(6).hex()


def _post(path: str, session: str, body: bytes) -> bytes:
    token, _, binding = session.partition(" ")
    key = f"{_run}-{next(_numbers)}"
    proved = proof(read(binding), "POST", path, int(time.time()), key, body)
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {key}\r\nX-Tongbao-Proof: {proved}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def _ping(plan: Plan) -> Script:
    while True:
        yield b"GET /v1/ping HTTP/1.1\r\nHost: bench\r\n\r\n", True


def _static(plan: Plan) -> Script:
    while True:
        amount = random.randrange(100, 10_000)
        body = (
            f'{{"code":"{random.choice(plan.codes)}","amount":"{amount // 100}.{amount % 100:02d}",'
            f'"currency":"CNY","pin":"{plan.pin}"}}'
        )
        yield _post("/v1/wallet/payments", random.choice(plan.customers), body.encode()), True


def _order(plan: Plan) -> Script:
    while True:
        minor = random.randrange(100, 10_000)
        amount = f"{minor // 100}.{minor % 100:02d}"
        order = f'{{"amount":"{amount}","currency":"CNY","subject":"Breakfast"}}'
        answer = yield _post("/v1/merchant/orders", random.choice(plan.staff), order.encode()), False
        start = answer.index(b'"payment_id":"') + 14
        payment_id = answer[start : answer.index(b'"', start)].decode()
        yes = f'{{"pin":"{plan.pin}","amount":"{amount}","currency":"CNY"}}'
        yield _post(f"/v1/wallet/payments/{payment_id}/confirm", random.choice(plan.customers), yes.encode()), True


_shown_so_far = itertools.count()


def _shown(plan: Plan) -> Script:
    while True:
        number, secret = plan.phones[(plan.first + next(_shown_so_far)) % len(plan.phones)]
        amount = random.randrange(100, 4_000)
        # The quarter of the half minute, as if the payer had asked for a fresh one in each.
        code = payer_code(number, bytes.fromhex(secret), int(time.time() * USES / STEP_S))
        body = f'{{"shown":"{code}","amount":"{amount // 100}.{amount % 100:02d}","currency":"CNY","subject":"Breakfast"}}'
        yield _post("/v1/merchant/payments", random.choice(plan.staff), body.encode()), True


_SCRIPTS = {"ping": _ping, "static": _static, "order": _order, "shown": _shown}


class _Wire(asyncio.Protocol):
    """One connection, one request at a time. What an answer means is its user's."""

    transport: asyncio.Transport
    _buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._buffer.find(b"content-length: ", 0, head)
        length = int(self._buffer[at + 16 : self._buffer.index(b"\r\n", at)]) if at >= 0 else 0
        if len(self._buffer) < head + 4 + length:
            return
        answer, self._buffer = self._buffer, b""
        self.answered(answer[9:12], answer[:head], answer[head + 4 :])

    def answered(self, status: bytes, head: bytes, body: bytes) -> None:
        raise NotImplementedError


class _User(_Wire):
    """Sends the next request when the last is answered."""

    def __init__(self, plan: Plan, deadline: float, report: Report) -> None:
        self._script = _SCRIPTS[plan.kind](plan)
        self._deadline = deadline
        self._report = report
        self._last = True
        self._began = 0.0
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._began = time.perf_counter()
        request, self._last = next(self._script)
        self.transport.write(request)

    def answered(self, status: bytes, head: bytes, body: bytes) -> None:
        if status[:1] != b"2":
            self._report.refused.append(f"{status.decode()} {body.decode()[:200]}")
            self.transport.close()
            return
        if self._last:
            now = time.perf_counter()
            self._report.latencies.append(now - self._began)
            self._began = now
            if now >= self._deadline:
                self.transport.close()
                return
        request, self._last = self._script.send(body)
        self.transport.write(request)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._report.refused.append(repr(error))
        if not self.ended.done():
            self.ended.set_result(None)


async def _closed(plan: Plan, report: Report) -> None:
    loop = asyncio.get_running_loop()
    deadline = time.perf_counter() + plan.seconds
    users = [
        (await loop.create_connection(lambda: _User(plan, deadline, report), "127.0.0.1", plan.port))[1]
        for _ in range(plan.connections)
    ]
    await asyncio.gather(*(user.ended for user in users))
    report.count = report.in_time = len(report.latencies)


class _Caller(_Wire):
    """Sends what is due, and stands idle in between."""

    def __init__(self, idle: list[_Caller], report: Report) -> None:
        self._idle = idle
        self._report = report
        self._due = 0.0
        self._waiting = False
        self.deadline = 0.0

    def call(self, request: bytes, due: float) -> None:
        """Send; `due` is when it should have been sent."""
        self._due, self._waiting = due, True
        self.transport.write(request)

    def answered(self, status: bytes, head: bytes, body: bytes) -> None:
        report, now = self._report, time.perf_counter()
        self._waiting = False
        self._idle.append(self)
        if status[:1] == b"2":
            report.count += 1
            report.latencies.append(now - self._due)
            report.in_time += now <= self.deadline
        elif status == b"429":
            report.turned_away += 1
            report.turned_away_latencies.append(now - self._due)
            after = head.index(b"retry-after: ") + 13
            seconds = int(head[after : (head + b"\r\n").index(b"\r\n", after)])
            report.longest_retry_after_s = max(report.longest_retry_after_s, seconds)
        else:
            report.refused.append(f"{status.decode()} {body.decode()[:200]}")

    def connection_lost(self, error: Exception | None) -> None:
        if self._waiting:
            self._report.refused.append(f"hung up: {error!r}")


async def _open(plan: Plan, report: Report) -> None:
    """Arrivals as independent people's: the pauses between them are exponential."""
    loop = asyncio.get_running_loop()
    script = _SCRIPTS[plan.kind](plan)
    idle: list[_Caller] = []
    callers: list[_Caller] = []
    for start in range(0, plan.connections, 100):
        several = min(100, plan.connections - start)
        made = [loop.create_connection(lambda: _Caller(idle, report), "127.0.0.1", plan.port) for _ in range(several)]
        callers += [caller for _, caller in await asyncio.gather(*made)]
    idle += callers
    began = due = time.perf_counter()
    for caller in callers:
        caller.deadline = began + plan.seconds
    while due < began + plan.seconds:
        now = time.perf_counter()
        while due <= now:
            if idle:
                idle.pop().call(next(script)[0], due)
            else:
                report.unsent += 1
            due += random.expovariate(plan.rate)
        await asyncio.sleep(0.001)
    patience = time.perf_counter() + 20
    while len(idle) < len(callers) and not report.refused and time.perf_counter() < patience:
        await asyncio.sleep(0.01)
    if len(idle) < len(callers):
        report.refused.append(f"{len(callers) - len(idle)} were never answered")
    for caller in callers:
        caller.transport.abort()


async def _load(plan: Plan) -> Report:
    report = Report(latencies=[], turned_away_latencies=[], refused=[])
    started, cpu = time.perf_counter(), time.process_time()
    await (_open(plan, report) if plan.rate else _closed(plan, report))
    report.seconds = plan.seconds if plan.rate else time.perf_counter() - started
    report.cpu_seconds = time.process_time() - cpu
    report.latencies.sort()
    report.turned_away_latencies.sort()
    return report


if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(_load(wanted))))

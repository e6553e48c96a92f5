"""The load of the HTTP bench, a process of its own: a plan on standard input, what it measured on standard output.

Keep-alive connections over bare sockets, one request at a time on each, nothing parsed that is not needed: a generator that
works as hard as the server would measure itself. What it used of a core is part of its answer.
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


class Plan(msgspec.Struct):
    """What to send. `ping`: do nothing; `static`: pay a printed code; `order`: the merchant orders, the payer confirms."""

    port: int
    kind: str
    connections: int
    seconds: float
    customers: list[str]
    staff: list[str]
    codes: list[str]
    pin: str


class Report(msgspec.Struct):
    """Whole acts, seconds, sorted latencies in seconds, processor seconds of this process, answers that were not 2xx."""

    count: int
    seconds: float
    latencies: list[float]
    cpu_seconds: float
    refused: list[str]


#: Yields (request, whether its answer ends the act) and is sent the body of each answer.
Script = Generator[tuple[bytes, bool], bytes, None]

_numbers = itertools.count()
_run = os.urandom(6).hex()


def _post(path: str, token: str, body: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        f"Idempotency-Key: {_run}-{next(_numbers)}\r\nContent-Length: {len(body)}\r\n\r\n"
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


_SCRIPTS = {"ping": _ping, "static": _static, "order": _order}


class _Connection(asyncio.Protocol):
    def __init__(self, plan: Plan, deadline: float, report: Report) -> None:
        self._script = _SCRIPTS[plan.kind](plan)
        self._deadline = deadline
        self._report = report
        self._buffer = b""
        self._last = True
        self._began = 0.0
        self._transport: asyncio.Transport
        self.ended = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._began = time.perf_counter()
        request, self._last = next(self._script)
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0:
            return
        at = self._buffer.lower().find(b"content-length: ", 0, head)
        length = int(self._buffer[at + 16 : self._buffer.index(b"\r\n", at)]) if at >= 0 else 0
        if len(self._buffer) < head + 4 + length:
            return
        status, body = self._buffer[9:12], self._buffer[head + 4 :]
        self._buffer = b""
        if status[:1] != b"2":
            self._report.refused.append(f"{status.decode()} {body.decode()[:200]}")
            self._transport.close()
            return
        if self._last:
            now = time.perf_counter()
            self._report.latencies.append(now - self._began)
            self._began = now
            if now >= self._deadline:
                self._transport.close()
                return
        request, self._last = self._script.send(body)
        self._transport.write(request)

    def connection_lost(self, error: Exception | None) -> None:
        if error is not None:
            self._report.refused.append(repr(error))
        if not self.ended.done():
            self.ended.set_result(None)


async def _load(plan: Plan) -> Report:
    report = Report(0, 0.0, [], 0.0, [])
    loop = asyncio.get_running_loop()
    started, cpu = time.perf_counter(), time.process_time()
    connections = [
        (await loop.create_connection(lambda: _Connection(plan, started + plan.seconds, report), "127.0.0.1", plan.port))[1]
        for _ in range(plan.connections)
    ]
    await asyncio.gather(*(connection.ended for connection in connections))
    report.count, report.seconds = len(report.latencies), time.perf_counter() - started
    report.cpu_seconds = time.process_time() - cpu
    report.latencies.sort()
    return report


if __name__ == "__main__":
    wanted = msgspec.json.decode(sys.stdin.buffer.read(), type=Plan)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(_load(wanted))))

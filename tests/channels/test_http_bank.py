"""The adapter against servers that lie, dribble, flood or know no key, and the bank against callers that do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from tests.channels.bank_rigs import KEY, XIAOMING, ProgramRig, top_up
from tongbao.channels import signing
from tongbao.channels.api import BankAnswer, HttpBank, NotFound
from tongbao.kernel.clock import VirtualClock
from tongbao.kernel.errors import Refusal

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(30)]

Serve = Callable[[asyncio.StreamWriter, dict[str, str]], Awaitable[None]]


@asynccontextmanager
async def server(serve: Serve) -> AsyncIterator[str]:
    """A TCP server that reads the head of each request and then does what the test wants."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[1:]
            await serve(writer, dict(line.lower().split(": ", 1) for line in head if line))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    finally:
        listening.close()


def signed(status: int, body: bytes, nonce: str, *, timestamp: str | None = None, key: str = KEY) -> bytes:
    stamp = timestamp or str(int(time.time()))
    signature = signing.sign_answer(key.encode(), status=status, timestamp=stamp, nonce=nonce, body=body)
    sealed = [f"x-bank-timestamp: {stamp}", f"x-bank-signature: {signature}"]
    head = [f"HTTP/1.1 {status} X", f"content-length: {len(body)}", *sealed]
    return "\r\n".join([*head, "", ""]).encode() + body


async def outcome(serve: Serve, timeout_s: float = 0.5) -> tuple[BankAnswer, BankAnswer | NotFound, float]:
    """What submit and inquire make of such a server, and how long both took, in seconds."""
    async with server(serve) as url:
        bank = HttpBank(url, key=KEY, timeout_s=timeout_s)
        began = time.monotonic()
        result = await bank.submit(top_up("r-1")), await bank.inquire("r-1")
        took = time.monotonic() - began
        with pytest.raises(Refusal) as refused:
            await bank.reserve_balance("CNY")
        assert refused.value.code.name == "bank_unavailable"
        await bank.close()
        return *result, took


FAILED = (
    b'{"reference":"r-1","kind":"debit","account_number":"%b","amount_minor":10000,"currency":"CNY","status":"FAIL",'
    b'"code":"NSF","serial":"S","at":"2026-01-01T00:00:00Z"}' % XIAOMING.number.encode()
)


async def test_a_genuine_no_is_believed() -> None:
    async def serve(writer: asyncio.StreamWriter, head: dict[str, str]) -> None:
        writer.write(signed(200, FAILED, head["x-bank-nonce"]))

    async with server(serve) as url:
        bank = HttpBank(url, key=KEY)
        assert (await bank.submit(top_up("r-1"))).failure_code == "insufficient_funds"
        await bank.close()


@pytest.mark.parametrize(
    "fault", ["unsigned", "other-key", "other-nonce", "old", "other-transfer", "404", "502", "html", "reset", "half"]
)
async def test_what_is_not_provably_the_banks_answer_is_unknown(fault: str) -> None:
    async def serve(writer: asyncio.StreamWriter, head: dict[str, str]) -> None:
        nonce = head["x-bank-nonce"]
        answers = {
            "unsigned": b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(FAILED) + FAILED,
            "other-key": signed(200, FAILED, nonce, key="somebody else's key"),
            "other-nonce": signed(200, FAILED, "0" * 32),
            "old": signed(200, FAILED, nonce, timestamp=str(int(time.time()) - 400)),
            "other-transfer": signed(200, FAILED.replace(b"r-1", b"r-2"), nonce),
            "404": b'HTTP/1.1 404 X\r\ncontent-length: 30\r\n\r\n{"problem":"no_such_transfer"}',
            "502": signed(502, FAILED, nonce),
            "html": signed(200, b"<html>\xff", nonce),
            "reset": b"",
            "half": signed(200, FAILED, nonce)[:-10],
        }
        writer.write(answers[fault])

    submitted, inquired, _ = await outcome(serve)
    assert (submitted, inquired) == (BankAnswer("UNKNOWN"), BankAnswer("UNKNOWN"))


async def test_deadline_covers_a_server_that_dribbles() -> None:
    async def serve(writer: asyncio.StreamWriter, head: dict[str, str]) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n")
        for _ in range(100):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)

    submitted, inquired, took = await outcome(serve, timeout_s=0.3)
    assert (submitted.state, inquired) == ("UNKNOWN", BankAnswer("UNKNOWN"))
    assert 0.5 < took < 2


async def test_an_endless_answer_is_not_read_to_its_end() -> None:
    sent = 0

    async def serve(writer: asyncio.StreamWriter, head: dict[str, str]) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
        for _ in range(2_000):
            writer.write(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
            sent += 0x8000
            await writer.drain()

    submitted, _, took = await outcome(serve, timeout_s=5)
    assert submitted.state == "UNKNOWN"
    assert took < 4 and sent < 32 * 1024 * 1024


async def test_nobody_listening_is_unknown() -> None:
    async def never(writer: asyncio.StreamWriter, head: dict[str, str]) -> None:
        raise AssertionError

    async with server(never) as url:
        pass
    bank = HttpBank(url, key=KEY)
    assert (await bank.submit(top_up())).state == "UNKNOWN"
    await bank.close()


async def test_short_key_is_not_accepted() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        HttpBank("http://127.0.0.1:1", key="short")


async def test_the_wrong_key_moves_nothing_and_proves_nothing(program: ProgramRig) -> None:
    stranger = HttpBank(program.process.url, key="some other secret key")
    request = top_up()
    assert await stranger.submit(request) == BankAnswer("UNKNOWN")
    assert await program.channel.inquire(request.reference) == NotFound(request.reference)
    await stranger.close()


async def test_a_clock_too_far_away_is_not_served(program: ProgramRig) -> None:
    late = HttpBank(program.process.url, key=KEY, clock=VirtualClock(datetime.now(UTC) - timedelta(minutes=6)))
    request = top_up()
    assert await late.submit(request) == BankAnswer("UNKNOWN")
    assert await program.channel.inquire(request.reference) == NotFound(request.reference)
    await late.close()


async def test_a_request_played_back_or_altered_is_not_served(program: ProgramRig) -> None:
    target, stamp, nonce = "/v1/reserve?currency=CNY", str(int(time.time())), "one nonce"
    signature = signing.sign_request(KEY.encode(), method="GET", target=target, timestamp=stamp, nonce=nonce, body=b"")
    headers = {"x-bank-timestamp": stamp, "x-bank-nonce": nonce, "x-bank-signature": signature}
    async with httpx.AsyncClient(base_url=program.process.url, trust_env=False) as client:
        altered = await client.get("/v1/reserve?currency=USD", headers=headers)
        first = await client.get(target, headers=headers)
        again = await client.get(target, headers=headers)
        bare = await client.get(target)
    assert [altered.status_code, first.status_code, again.status_code, bare.status_code] == [401, 200, 401, 401]


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/admin/accounts"), ("POST", f"/admin/accounts/{XIAOMING.number}/close"), ("POST", "/admin/faults"),
     ("GET", "/admin/faults"), ("DELETE", "/admin/faults"), ("GET", "/admin/audit")],
)  # fmt: skip
async def test_the_back_office_is_closed_without_the_key(program: ProgramRig, method: str, path: str) -> None:
    async with httpx.AsyncClient(base_url=program.process.url, trust_env=False) as client:
        assert (await client.request(method, path, json={})).status_code == 401
        wrong = {"authorization": "Bearer wrong"}
        assert (await client.request(method, path, json={}, headers=wrong)).status_code == 401

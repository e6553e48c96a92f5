"""Bounds of a request before any route sees it: the size of its head, and the time it takes to arrive."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tongbao.app import protocol
from tongbao.app.admission import Admission
from tongbao.app.commands.serve import listening_socket
from tongbao.app.limits import RateLimits
from tongbao.app.protocol import BoundedProtocol
from tongbao.app.settings import Settings

Message = MutableMapping[str, Any]


async def _hello(scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]) -> None:
    if scope["type"] == "http":
        body = b""
        more = scope["path"] != "/early"
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        content = b"%d bytes" % len(body)
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(content))]})
        await send({"type": "http.response.body", "body": content})


@pytest.fixture
async def port(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[int]:
    """A server with the bounded protocol that waits half a second for a request."""
    monkeypatch.setattr(protocol, "ARRIVES_WITHIN_S", 0.5)
    bound = listening_socket("127.0.0.1", 0)
    server = uvicorn.Server(
        uvicorn.Config(_hello, http=BoundedProtocol, lifespan="off", log_level="critical", timeout_keep_alive=1)
    )
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield bound.getsockname()[1]
    server.should_exit = True
    await serving
    bound.close()


async def _says(port: int, *parts: bytes, pause_s: float = 0.0) -> bytes:
    """Everything the server answers to these bytes before it hangs up, or falls silent for two seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause_s)
        return await asyncio.wait_for(reader.read(-1), 2.0)
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_ordinary_requests_are_served_one_after_another_on_one_connection(port: int) -> None:
    body = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 40000\r\n\r\n" + b"a" * 40_000
    last = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = await _says(port, body, body, last)
    assert answer.count(b"200 OK") == 3 and answer.count(b"40000 bytes") == 2


async def test_a_head_without_end_is_answered_431(port: int) -> None:
    line = b"x: " + b"y" * 1000 + b"\r\n"
    assert b" 431 " in await _says(port, b"GET / HTTP/1.1\r\nhost: x\r\n", *[line] * 33)


async def test_one_header_line_without_end_is_answered_431(port: int) -> None:
    assert b" 431 " in await _says(port, b"GET / HTTP/1.1\r\nx: ", *[b"y" * 4000] * 9)


_CHUNKED = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n"


@pytest.mark.parametrize("line", [b"x: y\r\n" * 1000, b"x: " + b"y" * 6000], ids=["many", "one line"])
async def test_trailers_without_end_are_cut_off(port: int, line: bytes) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(_CHUNKED + b"2\r\n{}\r\n0\r\nx: ")
    with pytest.raises(ConnectionError):
        for _ in range(100):
            writer.write(line)
            await writer.drain()
            await asyncio.sleep(0.002)
    writer.close()


async def test_a_body_in_chunks_of_one_byte_arrives(port: int) -> None:
    last = b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    answer = await _says(port, _CHUNKED, *[b"1\r\na\r\n" * 2000] * 10, b"0\r\n\r\n", last)
    assert answer.count(b"200 OK") == 2 and b"20000 bytes" in answer


async def test_a_trailer_is_no_header(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    complete = BoundedProtocol.on_message_complete

    def looking(self: BoundedProtocol) -> None:
        seen.extend(name for name, _ in self.headers)
        complete(self)

    monkeypatch.setattr(BoundedProtocol, "on_message_complete", looking)
    head = _CHUNKED.replace(b"host: x", b"connection: close")
    await _says(port, head + b"2\r\n{}\r\n0\r\nauthorization: Bearer x\r\n\r\n")
    assert seen == [b"connection", b"transfer-encoding"]


async def test_a_connection_whose_request_was_answered_before_it_had_arrived_is_not_kept_for_ever(port: int) -> None:
    head, body = b"POST /early HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\n", b"abcd"
    answer = await _says(port, head, body, pause_s=0.1)
    assert answer.count(b"200 OK") == 1 and answer.endswith(b"0 bytes")


@pytest.mark.parametrize(
    "parts",
    [
        (),
        (b"GET / HT",),
        (b"GET / HTTP/1.1\r\nhost: x\r\n", b"a: b\r\n"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 10\r\n\r\n", b"abc"),
    ],
    ids=["nothing", "half a line", "half a head", "half a body"],
)
async def test_a_request_that_dawdles_is_cut_off(port: int, parts: tuple[bytes, ...]) -> None:
    started = asyncio.get_running_loop().time()
    assert b"200 OK" not in await _says(port, *parts, pause_s=0.1)
    assert asyncio.get_running_loop().time() - started < 1.5


async def test_a_read_whose_asker_hangs_up_is_under_way_until_its_work_is_done(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    admission, go_on = Admission(_Idle, 1.0), asyncio.Event()
    monkeypatch.setattr(BoundedProtocol, "admission", admission)

    async def waiting(*_: Any) -> None:
        await go_on.wait()

    begin = HttpToolsProtocol.on_headers_complete

    def headed(self: BoundedProtocol) -> None:
        self.app = waiting
        begin(self)

    monkeypatch.setattr(HttpToolsProtocol, "on_headers_complete", headed)
    async with asyncio.timeout(10):
        for number in range(1, 4):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /v1/wallet/bills HTTP/1.1\r\nhost: x\r\n\r\n")
            while admission.reading < number:
                await asyncio.sleep(0.01)
            writer.close()
            await writer.wait_closed()
        await asyncio.sleep(0.1)
        assert (admission.reading, admission.read) == (3, 0), "the work goes on, although nobody waits for it"
        go_on.set()
        while admission.reading:
            await asyncio.sleep(0.01)
    assert admission.read == 3


class _Idle:
    backlog = decided = 0


async def test_who_asks_too_often_is_told_so_in_their_turn(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several requests at once on one connection, bodies and all: each is answered, in order."""
    settings = Settings(address_rate=1, limit_loopback=True)
    monkeypatch.setattr(BoundedProtocol, "limits", RateLimits(settings, clock=lambda: 1000.0))
    post = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc"
    answer = await _says(port, post * 7)
    assert re.findall(rb"HTTP/1.1 ([0-9]+)", answer) == [b"200"] * 5 + [b"429"] * 2
    assert answer.count(b'ratelimit: "address";r=0;t=1') == 2 and answer.count(b"retry-after: 1\r\n") == 2
    lone = await _says(port, post, b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n", pause_s=0.1)
    assert lone.count(b" 429 ") == 2 and b"rate_limited" in lone
